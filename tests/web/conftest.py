"""A shop with one contact, whose abandoned cart a message is about; and what the public pages must never change."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.coupons import CouponState
from retarget_plugin.domain.vocabulary import CartState, Channel, MessageState
from retarget_plugin.engine import consent, tokens
from retarget_plugin.models import (
    Cart,
    Consent,
    ConsentRecord,
    Contact,
    Coupon,
    Flow,
    Link,
    Message,
    Order,
    Shop,
    Suppression,
    Visitor,
)
from tests.shop.models import Basket, Line, Product

# Rows that no GET, HEAD or OPTIONS may touch. Message and Click are where a followed link is counted.
KEPT = (
    Basket,
    Cart,
    Consent,
    ConsentRecord,
    Contact,
    Coupon,
    Line,
    Order,
    Session,
    Suppression,
    Visitor,
    get_user_model(),
)


@pytest.fixture
def shop(db):
    values = {"name": "Chez Léa", "base_url": "https://shop.example.com", "currency": "EUR", "locale": "en"}
    return Shop.objects.update_or_create(host="default", scope="", defaults=values)[0]


@pytest.fixture
def contact(shop):
    contact = Contact.objects.create(
        shop=shop,
        email="camille.durand@mail.example",
        phone="+33612345678",
        first_name="Camille",
        last_name="Durand-Lefèvre",
        postcode="69003",
        created_at=timezone.now(),
    )
    for channel in Channel:
        consent.grant(contact, channel=channel, source="checkout", now=timezone.now())
    return contact


@pytest.fixture
def message(contact):
    return make_message(contact)


@pytest.fixture
def cart(contact):
    return make_cart(
        contact,
        items=[
            Item(
                product_id="1",
                title="Linen shirt",
                quantity=2,
                unit_price=Decimal("49.90"),
                image_url="https://shop.example.com/media/shirt.jpg",
            ),
            Item(product_id="2", title="Canvas bag", quantity=1, unit_price=Decimal("1234.50")),
        ],
    )


@pytest.fixture
def products(db):
    """What the lines of `cart` are in the shop."""
    return [
        Product.objects.create(pk=1, name="Linen shirt", price=Decimal("49.90")),
        Product.objects.create(pk=2, name="Canvas bag", price=Decimal("1234.50")),
    ]


@pytest.fixture
def link(shop, message):
    return make_link(message, "https://shop.example.com/retarget/recover/abc/")


@pytest.fixture
def recover_url(cart, message):
    return recovery_url(cart, message)


@pytest.fixture
def unsubscribe_url(message):
    return stop_url(message)


def make_message(contact, *, channel=Channel.EMAIL):
    sent_at = timezone.now() - timedelta(hours=1)
    return Message.objects.create(
        shop=contact.shop,
        contact=contact,
        step="reminder",
        channel=channel,
        state=MessageState.ACCEPTED,
        due_at=sent_at,
        not_after=sent_at + timedelta(hours=8),
        created_at=sent_at,
        sent_at=sent_at,
        key=uuid4(),
    )


def make_cart(contact, *, items, currency="EUR", total=None):
    """An abandoned cart as it was last read; the shop itself no longer has it."""
    seen_at = datetime(2025, 3, 4, 12, tzinfo=UTC)
    return Cart.objects.create(
        shop=contact.shop,
        reference=str(90_000 + Cart.objects.count()),
        contact=contact,
        state=CartState.ABANDONED,
        currency=currency,
        total=sum(item.unit_price * item.quantity for item in items) if total is None else total,
        items=[item.to_data() for item in items],
        touched_at=seen_at,
        created_at=seen_at,
        abandoned_at=seen_at,
    )


def make_coupon(message, **values):
    """Five per cent for three days, given by `message` and made by the shop."""
    now = timezone.now()
    facts = {
        "code": "MERCI-7K2P",
        "kind": "percent",
        "value": 5,
        "currency": "EUR",
        "state": CouponState.SENT,
        "created_at": now,
        "expires_at": now + timedelta(days=3),
        **values,
    }
    flow = Flow.objects.get_or_create(shop=message.shop, slug="offers")[0]
    return Coupon.objects.create(
        shop=message.shop, contact=message.contact, message=message, flow=flow, key=message.key, **facts
    )


def make_link(message, destination, *, code="aB3dE6gH", **values):
    return Link.objects.create(
        shop=message.shop,
        message=message,
        purpose=code,
        code=code,
        destination=destination,
        created_at=timezone.now(),
        **values,
    )


def recovery_url(cart, message):
    token = tokens.recovery(cart_id=cart.pk, contact_id=message.contact_id, message_id=message.pk)
    return reverse("retarget_plugin:recover", args=[token])


def stop_url(message, *, channel=None, contact_id=None):
    token = tokens.unsubscribe(
        contact_id=contact_id or message.contact_id, channel=channel or message.channel, message_id=message.pk
    )
    return reverse("retarget_plugin:unsubscribe", args=[token])


def kept_rows():
    """Every value of every row in KEPT, in the order of primary keys."""
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in KEPT}


def answer(response):
    """A response as somebody outside sees it."""
    cookies = sorted(morsel.OutputString() for morsel in response.cookies.values())
    return response.status_code, response.content, sorted(response.headers.items()), cookies
