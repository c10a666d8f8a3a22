"""The made-up past of the camera shop, as Oscar tells it, is lived once more by the real engine: it sends what a backtest says.

In full it is the benchmark's hundred thousand carts, with everything at half past or on the hour, so that many fall due at
once. In neither does one person's life touch another's: each process lives its share of them, all are played.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.db import connection, transaction

from examples.oscar_shop import past
from retarget_plugin import hosts
from retarget_plugin.domain.carts import Identity, Order
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.domain.vocabulary import ConsentState
from retarget_plugin.engine import backtest, carts, consent, orders
from retarget_plugin.engine.histories import Share
from retarget_plugin.engine.postbox import Fate
from retarget_plugin.hosts.oscar import OscarHost
from retarget_plugin.models import ConsentRecord, Contact, Decision, Flow, Message, Suppression
from retarget_plugin.models.clock import Stopwatch
from retarget_plugin.testing import Scene, build_contact
from tests.promises import length

# Each transaction ends, as a worker's does: in one that lasts for months nothing could be vacuumed away.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(4 * 3600)]

CARTS, SHARES, SLUG = length(60, 100_000), length(1, 4), "abandoned-cart"
INSTANT = timedelta(microseconds=1)
GRAIN = length(INSTANT, timedelta(minutes=30))
FAKE = {"default": {"BACKEND": "retarget_plugin.testing.FakeHost"}}


@dataclass
class Told:
    """What was written down of the past before it was forgotten: each row with the e-mail of whom it is about."""

    carts: list[PastCart]
    people: dict[str, Identity]
    words: list[tuple[datetime, str, str, str]]
    bounces: list[tuple[datetime, str]]

    def of(self, share: Share) -> Told:
        """The lives of `share`."""
        people = {email: who for email, who in self.people.items() if share.holds(who.external_id)}
        return Told(
            carts=[one for one in self.carts if share.holds(one.owner or one.cart.reference)],
            people=people,
            words=[said for said in self.words if said[1] in people],
            bounces=[bounce for bounce in self.bounces if bounce[1] in people],
        )


@pytest.fixture
def scene(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(Stopwatch, "steady", staticmethod(lambda: 0.0))
    settings.RETARGET = {**settings.RETARGET, "HOSTS": FAKE}
    with Scene(host="default", country="FR") as scene:
        scene.only(SLUG)
        yield scene


def write_down(scene: Scene, until: datetime) -> Told:
    """Fill Oscar and the plugin with a past, and read it from there."""
    oscar = OscarHost("default")
    past.fill(scene.shop, carts=CARTS, until=until, grain=GRAIN)
    contacts = {contact.pk: contact for contact in Contact.objects.prefetch_related("identities")}
    owners = {key: contact.email for contact in contacts.values() for key in consent.suppression_keys(contact.email)}
    return Told(
        carts=list(oscar.past_carts(scene.now, until)),
        people={
            one.email: Identity(
                email=one.email, phone=one.phone, external_id=one.identities.all()[0].external_id,
                first_name=one.first_name, locale=one.locale, country=one.country,
            )
            for one in contacts.values()
        },
        words=[
            (said.at, contacts[said.contact_id or 0].email, said.channel, said.state)
            for said in ConsentRecord.objects.order_by("pk")
        ],
        bounces=[(mark.at, owners[mark.key]) for mark in Suppression.objects.all()],
    )  # fmt: skip


def play(scene: Scene, told: Told, until: datetime) -> list[Fate]:
    fates: list[Fate] = []
    host: Any = hosts.get_host("default")
    host.past = told.carts
    flow = Flow.objects.select_related("shop", "version").get(slug=SLUG)
    backtest.run(flow, since=scene.now, until=until, keep=fates.append)
    return fates


def live(scene: Scene, told: Told, until: datetime) -> None:
    """Everything happens, to a shop that knows nothing yet."""
    for who in told.people.values():
        build_contact(scene.shop, now=scene.now, channels=(), **vars(who))
    events: list[tuple[datetime, Callable[..., None], Any]] = []
    for one in told.carts:
        events += [(at, _touch, one) for at in one.touched_at]
        events += [(one.ordered_at, _order, one)] if one.ordered_at else []
    events += [(said[0], _say, said) for said in told.words]
    events += [(bounce[0], _bounce, bounce) for bounce in told.bounces]
    # Some came back to their cart after the last day.
    seen = [event for event in events if event[0] <= until]
    for at, happen, what in sorted(seen, key=lambda event: event[0]):
        # What falls due at the very instant of an event comes after it, as in a backtest.
        if at - INSTANT > scene.now:
            scene.advance(microseconds=(at - INSTANT - scene.now) // INSTANT)
        scene.clock.now = max(at, scene.now)
        happen(scene, what)
    scene.advance(microseconds=(until - scene.now) // INSTANT)


def _touch(scene: Scene, one: PastCart) -> None:
    hosts.get_host("default").carts[one.cart.reference] = one.cart  # type: ignore[attr-defined]
    carts.touch(host="default", reference=one.cart.reference, stage=one.stage, now=scene.now)


def _order(scene: Scene, one: PastCart) -> None:
    hosts.get_host("default").carts.pop(one.cart.reference)  # type: ignore[attr-defined]
    order = Order(
        reference=one.order, currency=one.cart.currency, total=one.cart.amount, identity=one.cart.identity,
        cart_reference=one.cart.reference, items=one.cart.items, placed_at=scene.now,
    )  # fmt: skip
    orders.touch(host="default", reference=one.order, snapshot=order, now=scene.now)


def _say(scene: Scene, said: tuple[datetime, str, str, str]) -> None:
    _at, email, channel, state = said
    contact = Contact.objects.get(email=email)
    if state == ConsentState.GRANTED:
        consent.grant(
            contact, channel=channel, source="past", wording="Yes, write to me.", is_confirmed=True, now=scene.now
        )
    else:
        consent.withdraw(contact, channel=channel, source="past", now=scene.now)


def _bounce(scene: Scene, bounce: tuple[datetime, str]) -> None:
    consent.suppress(scene.shop, channel="email", address=bounce[1], reason="bounced", now=scene.now)


@pytest.fixture
def shelf(make_product: Callable[..., Any]) -> None:
    Site.objects.get_or_create(pk=1, defaults={"domain": "shop.example", "name": "Shop"})
    for title in ("Camera", "Lens", "Bag", "Strap"):
        make_product(title)


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("number", range(SHARES))
def test_the_real_engine_sends_what_the_backtest_says(scene: Scene, number: int) -> None:
    until = scene.now + timedelta(days=past.DAYS)
    with transaction.atomic():
        everybody = write_down(scene, until)
        fates = play(scene, everybody, until)
        transaction.set_rollback(True)
    assert not Contact.objects.exists()
    _clear_away()

    told = everybody.of(Share(number, SHARES))
    live(scene, told, until)

    mine = {one.cart.reference for one in told.carts}
    fates = [fate for fate in fates if fate.cart in mine]
    about = ("run__cart__reference", "step", "channel", "due_at")
    would = Counter((f.cart, f.step, f.channel, f.due_at, f.at) for f in fates if f.step and not f.reason)
    sent = Counter(Message.objects.filter(state="accepted").values_list(*about, "sent_at"))
    assert _differences(would, sent) == []
    stopped = Counter((f.cart, f.step, f.channel, f.due_at, f.reason) for f in fates if f.step and f.reason)
    ended = Message.objects.filter(state__in=["cancelled", "expired"])
    assert _differences(stopped, Counter(ended.values_list(*about, "reason"))) == []
    turned_away = Counter((f.cart, f.reason) for f in fates if not f.step)
    never = Decision.objects.filter(run=None, message=None)
    assert _differences(turned_away, Counter(never.values_list("cart__reference", "code"))) == []
    print(f"carts {len(mine)}, sent {would.total()}, stopped {stopped.total()}, turned away {turned_away.total()}")
    assert len(everybody.carts) == CARTS
    assert {channel for _cart, _step, channel, _due, _at in would} == {"email", "sms"}
    assert would.total() > len(mine) // 4


def _differences(told: Counter[Any], found: Counter[Any]) -> list[Any]:
    """The first of those that only one of both has."""
    return [("told only", one) for one in told - found][:10] + [("found only", one) for one in found - told][:10]


def _clear_away() -> None:
    """Rows of a transaction that was taken back still lie in the tables."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
