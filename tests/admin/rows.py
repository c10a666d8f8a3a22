"""Rows as the engine would have left them, a line each: for screens and reports, which only read."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from retarget_plugin.models import Cart, Contact, Decision, Flow, FlowRun, FlowVersion, Message, Order, Shop

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
STEPS = {
    "trigger": "checkout_abandoned",
    "stage": "checkout",
    "reentry": "7d",
    "steps": [
        {
            "key": "sms",
            "after": "1h45m",
            "deadline": "2h",
            "outside_hours": "drop",
            "send": {"channel": "sms", "message": "sms"},
        },
        {"key": "reminder", "after": "4h", "deadline": "12h", "send": {"channel": "email", "message": "reminder"}},
        {
            "key": "shipping",
            "after": "2d",
            "deadline": "60h",
            "enabled": False,
            "requires": ["shipping_facts"],
            "send": {"channel": "email", "message": "reminder"},
        },
    ],
}
MESSAGES = {
    "sms": {"channel": "sms", "en": {"text": "Your cart waits: {{ cart.url }}"}},
    "reminder": {
        "channel": "email",
        "layout": "cart",
        "en": {"subject": "You left something", "heading": "Still yours", "body": ["It waits."], "button": "Open"},
        "fr": {"subject": "Votre panier", "heading": "Encore à vous", "body": ["Il attend."], "button": "Ouvrir"},
    },
}
CONTENT = {
    key: {"channel": message["channel"], "languages": {name: message[name] for name in ("en", "fr") if name in message}}
    for key, message in MESSAGES.items()
}

_numbers = count(1)


def shop(**changes) -> Shop:
    number = next(_numbers)
    facts = {"name": "Lumen Camera", "base_url": "https://shop.example.com", "scope": f"shop-{number}", **changes}
    return Shop.objects.create(**facts)


def contact(shop, **changes) -> Contact:
    facts = {"email": f"person{next(_numbers)}@example.com", "created_at": NOW, **changes}
    return Contact.objects.create(shop=shop, **facts)


def cart(shop, **changes) -> Cart:
    facts = {
        "reference": f"ref-{next(_numbers)}",
        "touched_at": NOW,
        "created_at": NOW,
        "read_at": NOW,
        "currency": "EUR",
        "total": Decimal("49.90"),
        **changes,
    }
    return Cart.objects.create(shop=shop, **facts)


def flow(shop, **changes) -> Flow:
    facts = {"slug": f"flow-{next(_numbers)}", "name": "Checkout", "trigger": "checkout_abandoned", "stage": "checkout"}
    row = Flow.objects.create(shop=shop, **facts | changes)
    row.version = FlowVersion.objects.create(flow=row, number=1, definition=STEPS, content=CONTENT, published_at=NOW)
    row.save()
    return row


def run(flow, *, contact=None, cart=None, **changes) -> FlowRun:
    facts = {
        "anchored_at": NOW,
        "entered_at": NOW,
        "due_at": NOW,
        "subject": f"cart:{cart.pk}" if cart else "",
        **changes,
    }
    who = contact or (cart.contact if cart else None) or globals()["contact"](flow.shop)
    return FlowRun.objects.create(shop=flow.shop, flow=flow, version=flow.version, contact=who, cart=cart, **facts)


def message(run, **changes) -> Message:
    facts = {
        "step": f"step-{next(_numbers)}",
        "channel": "email",
        "state": "accepted",
        "due_at": NOW,
        "not_after": NOW + timedelta(hours=12),
        "created_at": NOW,
        "key": uuid.uuid4(),
        **changes,
    }
    return Message.objects.create(shop=run.shop, run=run, contact=run.contact, **facts)


def order(shop, **changes) -> Order:
    facts = {
        "reference": f"ref-{next(_numbers)}",
        "currency": "EUR",
        "total": Decimal("49.90"),
        "placed_at": NOW,
        "touched_at": NOW,
        "read_at": NOW,
        **changes,
    }
    return Order.objects.create(shop=shop, **facts)


def decision(shop, code, **changes) -> Decision:
    return Decision.objects.create(shop=shop, code=code, **{"at": NOW, **changes})
