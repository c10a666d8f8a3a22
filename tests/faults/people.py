"""Opens a shop in a rig's database, and puts people and the carts they left there.

`python -m tests.faults.people` opens the shop; with LEDGER [--queued] people come. LEDGER is a file of JSON, recipient ->
channel: each is due exactly one message, as the rig has decided.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import django
from django.db import OperationalError, transaction

LEFT_AGO = timedelta(minutes=65)
AFTER, DEADLINE = timedelta(hours=1), timedelta(days=7)
# Channel -> (shipped flow, its step): the only one that is kept. Texts go to those who left at the checkout.
STEPS = {"email": ("abandoned_cart", "reminder"), "sms": ("abandoned_checkout", "sms")}
STAGES = {"email": "cart", "sms": "checkout"}


def open_shop(now: datetime) -> None:
    """The shop, with no hour forbidden and one step in each flow."""
    from retarget_plugin.engine import flows
    from retarget_plugin.models import Flow
    from retarget_plugin.testing import build_shop
    from tests.shop.models import Product

    Product.objects.create(name="Macro lens", price=499)
    shop = build_shop(
        sms_from=time(0, 0),
        sms_until=time(0, 0),
        sms_on_sundays=True,
        sms_on_holidays=True,
        catch_up_per_minute=1_000_000,
    )
    for name, key in STEPS.values():
        flow = Flow.objects.get(shop=shop, slug=name.replace("_", "-"))
        data = _shipped(name)
        messages = data.pop("messages")
        step = next(step for step in data["steps"] if step["key"] == key)
        data["steps"] = [{**step, "after": "1h", "deadline": "7d"}]
        flows.publish(flow, data, {step["send"]["message"]: messages[step["send"]["message"]]}, now=now)
        flows.turn_on(flow, now=now)


def settle_in(shop: Any, people: Sequence[tuple[str, str]], *, now: datetime) -> list[Any]:
    """Contacts with consent, and their carts, still unread."""
    from retarget_plugin.models import Cart, Consent, ConsentRecord, Contact
    from tests.shop.models import Basket, Line, Product

    product = Product.objects.get()
    contacts = Contact.objects.bulk_create(
        Contact(shop=shop, created_at=now, **{"email" if channel == "email" else "phone": recipient})
        for recipient, channel in people
    )
    granted = {"purpose": "marketing", "state": "granted"}
    # Enough for any country.
    asked = {"source": "test", "wording": "Write to me.", "is_confirmed": True}
    records = ConsentRecord.objects.bulk_create(
        ConsentRecord(shop=shop, contact=contact, channel=channel, **asked, at=now, **granted)
        for contact, (_recipient, channel) in zip(contacts, people, strict=True)
    )
    Consent.objects.bulk_create(
        Consent(contact=record.contact, channel=record.channel, record=record, changed_at=now, **granted)
        for record in records
    )
    baskets = Basket.objects.bulk_create(Basket(email=contact.email) for contact in contacts)
    Line.objects.bulk_create(Line(basket=basket, product=product) for basket in baskets)
    return Cart.objects.bulk_create(
        Cart(
            shop=shop,
            reference=str(basket.pk),
            stage=STAGES[channel],
            touched_at=now - LEFT_AGO,
            created_at=now - LEFT_AGO,
            contact=contact,
            email=contact.email,
            phone=contact.phone,
        )
        for basket, contact, (_recipient, channel) in zip(baskets, contacts, people, strict=True)
    )


def queue(shop: Any, carts: Sequence[Any], *, now: datetime) -> None:
    """What sweep and flows would have made of the carts: a finished run and a message that is due, each."""
    from retarget_plugin.models import Cart, Flow, FlowRun, Message

    flows = {flow.stage: flow for flow in Flow.objects.filter(shop=shop).select_related("version")}
    channels = {stage: channel for channel, stage in STAGES.items()}
    left = now - LEFT_AGO
    Cart.objects.filter(pk__in=[cart.pk for cart in carts]).update(state="abandoned", abandoned_at=now, read_at=now)
    runs = FlowRun.objects.bulk_create(
        FlowRun(
            shop=shop,
            flow=flows[cart.stage],
            version=flows[cart.stage].version,
            contact=cart.contact,
            cart=cart,
            subject=cart.subject,
            state="finished",
            position=1,
            anchored_at=left,
            entered_at=now,
            ended_at=now,
        )
        for cart in carts
    )
    Message.objects.bulk_create(
        Message(
            shop=shop,
            run=run,
            contact=run.contact,
            step=STEPS[channels[run.cart.stage]][1],
            channel=channels[run.cart.stage],
            due_at=left + AFTER,
            not_after=left + DEADLINE,
            key=uuid.uuid4(),
            created_at=now,
        )
        for run in runs
    )


def _shipped(name: str) -> dict[str, Any]:
    root = Path(django.apps.apps.get_app_config("retarget_plugin").path)
    found = json.loads((root / "templates" / "retarget_plugin" / "flows" / f"{name}.json").read_text())
    return dict(found)


def main(ledger: str = "", *options: str) -> None:
    from retarget_plugin.models import Shop
    from retarget_plugin.models.clock import database_now

    now = database_now()
    if not ledger:
        return open_shop(now)
    people, shop = list(json.loads(Path(ledger).read_text()).items()), Shop.objects.get()
    for start in range(0, len(people), 2000):
        some = people[start : start + 2000]
        patiently(partial(come, shop, some, now=now, is_queued="--queued" in options))


def come(shop: Any, people: list[tuple[str, str]], *, now: datetime, is_queued: bool) -> None:
    with transaction.atomic():
        carts = settle_in(shop, people, now=now)
        if is_queued:
            queue(shop, carts, now=now)


def patiently(do: Callable[[], None]) -> None:
    """On SQLite's default options a lock is not waited for by who has read before: it is tried again."""
    until = monotonic() + 60
    while True:
        try:
            return do()
        except OperationalError:
            if monotonic() > until:
                raise
            sleep(0.2)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
