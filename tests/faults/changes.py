"""What overtakes a message on its way: changes that another process makes on its own connection, at a moment of our choice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from datetime import time as wall
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings

from retarget_plugin import hosts
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.carts import Identity, Item
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.domain.vocabulary import ConsentState, FlowState, MessageState, SuppressionReason
from retarget_plugin.engine import carts, consent, contacts, flows, installation, orders
from retarget_plugin.models import (
    Cart,
    Consent,
    ConsentRecord,
    Contact,
    Flow,
    FlowRun,
    FlowVersion,
    Message,
    Order,
    Shop,
)
from retarget_plugin.testing import build_cart, build_item

ROOT = Path(__file__).resolve().parents[2]
BACKEND = f"{__name__}.FolderHost"
OPEN = {"email_from": wall(8), "email_until": wall(20), "sms_from": wall(8), "sms_until": wall(20)}
CHILD = "import django, sys; django.setup(); from tests.faults import changes; changes.serve(sys.argv[1])"


class FolderHost(hosts.Host):
    """A shop whose carts and orders are files: every process sees a change of one the moment it is made."""

    def get_cart(self, reference: str) -> CartSnapshot | None:
        facts = self._read("cart", reference)
        if facts is None:
            return None
        facts["items"] = [Item.from_data(item) for item in facts["items"]]
        return CartSnapshot(**{**facts, "identity": facts["identity"] and Identity(**facts["identity"])})

    def get_order(self, reference: str) -> OrderSnapshot | None:
        facts = self._read("order", reference)
        return facts and OrderSnapshot(**{**facts, "identity": facts["identity"] and Identity(**facts["identity"])})

    def keep(self, snapshot: CartSnapshot | OrderSnapshot) -> None:
        """Put a cart or an order into the shop, in place of the one with the same reference."""
        path = self._path("cart" if isinstance(snapshot, CartSnapshot) else "order", snapshot.reference)
        # Renamed into its place, so that nobody reads half of it.
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(snapshot), default=str))
        draft.replace(path)

    def drop_cart(self, reference: str) -> None:
        self._path("cart", reference).unlink()

    def _read(self, kind: str, reference: str) -> dict[str, Any] | None:
        try:
            return json.loads(self._path(kind, reference).read_text())
        except FileNotFoundError:
            return None

    def _path(self, kind: str, reference: str) -> Path:
        return Path(self.options["folder"]) / f"{kind}-{reference}.json"


def settings_for(folder: str | Path) -> dict[str, dict[str, Any]]:
    """RETARGET["HOSTS"] with the shop in `folder`."""
    return {"default": {"BACKEND": BACKEND, "OPTIONS": {"folder": str(folder)}}}


class Meanwhile:
    """The other process, while the context lasts; `folder` holds the shop. One change costs a few milliseconds."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        environment["RETARGET_TEST_DATABASE_URL"] = _test_database()
        self._child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stdin.close()
        self._child.wait(20)

    def make(self, change: str, *messages: Message, now: datetime) -> float:
        """Make `change` to each of `messages`, as one transaction; the `time.time()` by which it was committed."""
        order = {"change": change, "messages": [message.pk for message in messages], "now": now.isoformat()}
        with self._lock:
            self._child.stdin.write(json.dumps(order) + "\n")
            self._child.stdin.flush()
            answer = self._child.stdout.readline()
        assert answer, f"the other process ended while it made the change {change}"
        return float(answer)


def _test_database() -> str:
    """The URL of the database of this very test, which another process would take for the suite's own."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["RETARGET_TEST_DATABASE_URL"])._replace(path=f"/{name}").geturl()


# -- the other process ------------------------------------------------------------------------------------------------

Change = Callable[[Message, FolderHost, datetime], object]
CHANGES: dict[str, Change] = {}


def serve(folder: str) -> None:
    """Make the changes that standard input asks for, until it closes."""
    related = Message.objects.select_related("shop", "contact", "run__flow", "run__version", "run__cart")
    with override_settings(RETARGET={**settings.RETARGET, "HOSTS": settings_for(folder)}):
        host = hosts.get_host("default")
        for line in sys.stdin:
            order = json.loads(line)
            with transaction.atomic():
                for message in related.filter(pk__in=order["messages"]):
                    CHANGES[order["change"]](message, host, datetime.fromisoformat(order["now"]))
            print(time.time(), flush=True)


def change(make: Change) -> Change:
    CHANGES[make.__name__] = make
    return make


# -- orders -----------------------------------------------------------------------------------------------------------


@change
def ordered_this_cart(message: Message, host: FolderHost, now: datetime) -> None:
    _place(message, host, now, cart_reference=message.run.cart.reference)


@change
def ordered_on_another_device(message: Message, host: FolderHost, now: datetime) -> None:
    """Logged in there, with another cart; the shop tells the customer's id and nothing else."""
    _place(
        message, host, now, cart_reference="elsewhere", identity=Identity(external_id=f"customer-{message.contact_id}")
    )


@change
def ordered_as_a_guest(message: Message, host: FolderHost, now: datetime) -> None:
    _place(message, host, now, identity=Identity(email=f" {message.contact.email.title()}"))


@change
def ordered_by_phone(message: Message, host: FolderHost, now: datetime) -> None:
    """Taken down by somebody in the shop, with the number as people say it."""
    _place(message, host, now, identity=Identity(phone=message.contact.phone.replace("+33", "0")))


@change
def ordered_the_rebuilt_cart(message: Message, host: FolderHost, now: datetime) -> None:
    """An earlier message's link was opened in another browser, and the cart it rebuilt was bought under another name."""
    earlier = _accepted(message, run=message.run, at=now - timedelta(days=2))
    reference = f"rebuilt-{message.pk}"
    carts.touch(host=message.shop.host, reference=reference, now=now)
    Cart.objects.filter(reference=reference).update(restored_by=earlier)
    _place(message, host, now, cart_reference=reference, identity=Identity(email="someone.else@example.com"))


@change
def ordered_and_read_by_another_worker(message: Message, host: FolderHost, now: datetime) -> None:
    ordered_as_a_guest(message, host, now)
    orders.read_new(now=now)


@change
def ordered_and_canceled(message: Message, host: FolderHost, now: datetime) -> None:
    _place(message, host, now, identity=Identity(email=message.contact.email), is_cancelled=True)


@change
def stranger_ordered(message: Message, host: FolderHost, now: datetime) -> None:
    _place(message, host, now, cart_reference="elsewhere", identity=Identity(email="stranger@example.com"))


def _place(message: Message, host: FolderHost, now: datetime, **facts: Any) -> None:
    reference = f"{message.pk}-{Order.objects.count()}"
    host.keep(OrderSnapshot(reference=reference, currency="EUR", total=499, **facts))
    orders.touch(host=message.shop.host, reference=reference, now=now)


def _accepted(message: Message, *, run: FlowRun | None, at: datetime) -> Message:
    """Another message to the same person that went out at `at`."""
    return Message.objects.create(
        shop=message.shop,
        run=run,
        step="another",
        contact=message.contact,
        channel=message.channel,
        state=MessageState.ACCEPTED,
        due_at=at,
        not_after=at,
        created_at=at,
        sent_at=at,
        key=uuid.uuid4(),
    )


# -- consent and suppression ------------------------------------------------------------------------------------------


@change
def unsubscribed(message: Message, host: FolderHost, now: datetime) -> None:
    who = message.contact_id
    consent.unsubscribe(who, channel=message.channel, message_id=message.pk, source="link", now=now)


@change
def unsubscribed_by_an_old_message(message: Message, host: FolderHost, now: datetime) -> None:
    """The link names the contact that has since been merged into the reader's."""
    old = Contact.objects.create(shop=message.shop, merged_into=message.contact, created_at=now)
    consent.unsubscribe(old.pk, channel=message.channel, message_id=None, source="link", now=now)


@change
def turned_the_channel_off(message: Message, host: FolderHost, now: datetime) -> None:
    consent.withdraw(message.contact, channel=message.channel, source="preferences", now=now)


@change
def turned_the_other_channel_off(message: Message, host: FolderHost, now: datetime) -> None:
    other = "email" if message.channel == "sms" else "sms"
    consent.withdraw(message.contact, channel=other, source="preferences", now=now)


@change
def stranger_unsubscribed(message: Message, host: FolderHost, now: datetime) -> None:
    stranger = contacts.resolve(message.shop, Identity(email="stranger@example.com"), now=now)
    consent.unsubscribe(stranger.pk, channel=message.channel, message_id=None, source="link", now=now)


@change
def consent_waits_for_the_second_opt_in(message: Message, host: FolderHost, now: datetime) -> None:
    facts = {"contact": message.contact, "channel": message.channel, "purpose": "marketing"}
    record = ConsentRecord.objects.create(
        **facts, shop=message.shop, state=ConsentState.PENDING, source="checkout", wording_version="2", at=now
    )
    Consent.objects.filter(**facts).update(state=ConsentState.PENDING, record=record, changed_at=now)


@change
def bounced(message: Message, host: FolderHost, now: datetime) -> None:
    _suppress(message, SuppressionReason.BOUNCED, now=now)


@change
def complained(message: Message, host: FolderHost, now: datetime) -> None:
    _suppress(message, SuppressionReason.COMPLAINED, now=now)


@change
def answered_stop(message: Message, host: FolderHost, now: datetime) -> None:
    _suppress(message, SuppressionReason.STOPPED, now=now)


def _suppress(message: Message, reason: SuppressionReason, *, now: datetime) -> None:
    address = consent.address_of(message.contact, message.channel)
    consent.suppress(message.shop, channel=message.channel, address=address, reason=reason, now=now)


# -- the person -------------------------------------------------------------------------------------------------------


@change
def erased(message: Message, host: FolderHost, now: datetime) -> None:
    blank = {"email": "", "phone": "", "first_name": "", "last_name": ""}
    Contact.objects.filter(pk=message.contact_id).update(erased_at=now, **blank)


@change
def erasure_began(message: Message, host: FolderHost, now: datetime) -> None:
    """Marked, and the address not blanked yet."""
    Contact.objects.filter(pk=message.contact_id).update(erased_at=now)


@change
def merged_into_a_suppressed_contact(message: Message, host: FolderHost, now: datetime) -> None:
    into = contacts.resolve(message.shop, Identity(email=f"survivor{message.pk}@example.com"), now=now)
    consent.suppress(message.shop, channel="email", address=into.email, reason=SuppressionReason.COMPLAINED, now=now)
    Contact.objects.filter(pk=message.contact_id).update(merged_into=into)


@change
def moved_to_where_it_is_night(message: Message, host: FolderHost, now: datetime) -> None:
    Contact.objects.filter(pk=message.contact_id).update(time_zone="Pacific/Auckland")


@change
def got_another_message(message: Message, host: FolderHost, now: datetime) -> None:
    _accepted(message, run=None, at=now)


# -- the cart ---------------------------------------------------------------------------------------------------------


@change
def cart_emptied(message: Message, host: FolderHost, now: datetime) -> None:
    _rewrite(message, host, items=())


@change
def cart_sold_out(message: Message, host: FolderHost, now: datetime) -> None:
    _rewrite(message, host, items=(build_item(is_available=False), build_item(product_id="2", is_available=False)))


@change
def cart_deleted(message: Message, host: FolderHost, now: datetime) -> None:
    host.drop_cart(message.run.cart.reference)


@change
def cart_given_to_another(message: Message, host: FolderHost, now: datetime) -> None:
    heir = Identity(email=f"heir{message.pk}@example.com")
    contacts.resolve(message.shop, heir, now=now)
    _rewrite(message, host, identity=heir)


@change
def cart_given_to_a_newcomer(message: Message, host: FolderHost, now: datetime) -> None:
    _rewrite(message, host, identity=Identity(email=f"newcomer{message.pk}@example.com"))


@change
def cart_frozen_in_payment(message: Message, host: FolderHost, now: datetime) -> None:
    _rewrite(message, host, is_frozen=True)


@change
def cart_in_use_again(message: Message, host: FolderHost, now: datetime) -> None:
    carts.touch(host=message.shop.host, reference=message.run.cart.reference, now=now)


def _rewrite(message: Message, host: FolderHost, **changes: Any) -> None:
    reference = message.run.cart.reference
    host.keep(replace(host.get_cart(reference) or build_cart(reference), **changes))


# -- the owner --------------------------------------------------------------------------------------------------------


@change
def hours_ended(message: Message, host: FolderHost, now: datetime) -> None:
    """What is allowed from now on begins in the evening."""
    evening = {"email_from": wall(20), "email_until": wall(21), "sms_from": wall(20), "sms_until": wall(21)}
    Shop.objects.filter(pk=message.shop_id).update(**evening)


@change
def flow_paused(message: Message, host: FolderHost, now: datetime) -> None:
    flows.pause(message.run.flow, now=now)


@change
def flow_turned_off(message: Message, host: FolderHost, now: datetime) -> None:
    flows.turn_off(message.run.flow, now=now)


@change
def step_deleted(message: Message, host: FolderHost, now: datetime) -> None:
    """The run is moved to a version without the step."""
    old = message.run.version
    steps = [step for step in old.definition["steps"] if step["key"] != message.step]
    new = FlowVersion.objects.create(
        flow=message.run.flow,
        number=1000 + message.pk,
        definition={**old.definition, "steps": steps},
        content=old.content,
        published_at=now,
    )
    FlowRun.objects.filter(pk=message.run_id).update(version=new)


@change
def higher_flow_entered(message: Message, host: FolderHost, now: datetime) -> None:
    flow = Flow.objects.get(shop=message.shop, slug="abandoned-checkout", state=FlowState.ON)
    facts = {"anchored_at": now, "entered_at": now, "subject": "cart:another"}
    FlowRun.objects.create(shop=message.shop, flow=flow, version=flow.version, contact=message.contact, **facts)


@change
def shop_paused(message: Message, host: FolderHost, now: datetime) -> None:
    Shop.objects.filter(pk=message.shop_id).update(is_paused=True)


@change
def channel_paused(message: Message, host: FolderHost, now: datetime) -> None:
    Shop.objects.filter(pk=message.shop_id).update(**{f"{message.channel}_is_paused": True})


@change
def everything_halted(message: Message, host: FolderHost, now: datetime) -> None:
    installation.stop(by="owner", now=now)


@change
def owner_goes_on(message: Message, host: FolderHost, now: datetime) -> None:
    """All that an owner can stop or narrow is as it was."""
    Shop.objects.filter(pk=message.shop_id).update(**OPEN, is_paused=False, email_is_paused=False, sms_is_paused=False)
    Flow.objects.filter(shop=message.shop_id).update(state=FlowState.ON)
    installation.resume(by="owner", now=now)
