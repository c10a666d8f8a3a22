"""A flow is played over past carts in memory, and does what the real engine did with the very same carts."""

from __future__ import annotations

import random
from collections import Counter
from datetime import time, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin import hosts
from retarget_plugin.domain.carts import Identity, Order
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.engine import backtest, carts, consent, orders
from retarget_plugin.models import Contact, Decision, Flow, FlowRun, Message
from retarget_plugin.testing import Scene, build_cart, build_contact, build_item
from tests.journeys.flows.edits import turn_on_step
from tests.promises import length

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

CARTS = length(120, 4_000)
#: People come twice a day, so that one tick does for many.
SLOT, SLOTS = timedelta(hours=12), length(4, 17)
#: Where people live, and a number of each.
HOMES = (("FR", "+336{:08d}", 10_000_000), ("ES", "+346{:08d}", 10_000_000), ("US", "+1212{:07d}", 2_000_000))


@pytest.fixture
def scene(host, clock):
    hours = {"email_from": time(9), "email_until": time(21)}
    with Scene(host="default", free_shipping_from=Decimal("50"), delivery_days=2, **hours) as scene:
        scene.clock = clock
        yield scene


class Past:
    """Random people with random carts: some known, some who agreed, took it back, came back to the cart, or bought."""

    def __init__(self, seed, began, *, stages):
        self.random, self.began, self.stages = random.Random(seed), began, stages
        self.carts = [self._cart(number, person=self.random.randrange(CARTS * 3 // 5)) for number in range(CARTS)]

    def at(self, slot):
        return self.began + slot * SLOT

    def _cart(self, number, *, person):
        dice = self.random
        slot = dice.randrange(SLOTS)
        touched = [self.at(slot)]
        if dice.random() < 0.3:
            touched.append(self.at(slot + dice.randrange(1, 3)) + timedelta(minutes=7))
        after = dice.choices([None, timedelta(minutes=30), timedelta(hours=3), timedelta(days=2)], [6, 1, 1, 2])[0]
        identity = None if dice.random() < 0.15 else Identity(email=f"p{person}@example.com")
        return PastCart(
            cart=build_cart(
                f"c{number:05}",
                identity=identity,
                items=() if dice.random() < 0.05 else (build_item(quantity=dice.randrange(1, 4)),),
                currency=dice.choice(("EUR", "EUR", "EUR", "GBP")),
            ),
            touched_at=tuple(touched),
            stage=dice.choices(self.stages, [9, 1])[0],
            # Nothing happens at the very instant at which something falls due: either could come first.
            ordered_at=touched[-1] + after + timedelta(minutes=3) if after else None,
            order=f"o{number}" if after else "",
        )

    def happens(self, scene):
        """The real engine lives through it."""
        host_carts = {past.cart.reference: past for past in self.carts}
        events = [(at, "touch", past.cart.reference) for past in self.carts for at in past.touched_at]
        events += [(past.ordered_at, "zorder", past.cart.reference) for past in self.carts if past.ordered_at]
        emails = sorted({past.owner for past in self.carts} - {""})
        later = timedelta(minutes=11)
        events += [(self.at(self.random.randrange(SLOTS // 2)) + later, "agrees", email) for email in emails[::2]]
        events += [(self.at(SLOTS // 2 + self.random.randrange(4)) + later, "leaves", one) for one in emails[::8]]
        events += [(self.at(SLOTS // 2) + later, "bounces", one) for one in emails[2::16]]
        events += [(self.at(SLOTS // 2 + 1) + later, "calls", one) for one in emails[5::16]]
        for email in emails[1::3]:
            number = int(email[1:].split("@")[0])
            country, prefix, first = HOMES[number % len(HOMES)]
            build_contact(
                scene.shop, now=scene.now, channels=["email", "sms"], email=email, country=country,
                phone=prefix.format(first + number),
            )  # fmt: skip
        for at, what, about in sorted(events):
            if at > scene.now:
                scene.advance(seconds=(at - scene.now).total_seconds())
            getattr(self, f"_{what}")(scene, about, host_carts.get(about))
        scene.advance(days=5)

    def _touch(self, scene, reference, past):
        scene_host(scene).carts[reference] = past.cart
        carts.touch(host="default", reference=reference, stage=past.stage, now=scene.now)

    def _zorder(self, scene, reference, past):
        scene_host(scene).carts.pop(reference, None)
        order = Order(
            reference=past.order, currency="EUR", total=past.cart.amount, identity=past.cart.identity,
            cart_reference=reference, items=past.cart.items, placed_at=scene.now,
        )  # fmt: skip
        orders.touch(host="default", reference=past.order, snapshot=order, now=scene.now)

    def _calls(self, scene, email, _past):
        """They order by telephone, from no cart."""
        order = Order(
            reference=f"call {email}", currency="EUR", total=Decimal(20), identity=Identity(email=email),
            items=(build_item(),), placed_at=scene.now,
        )  # fmt: skip
        orders.touch(host="default", reference=order.reference, snapshot=order, now=scene.now)

    def _agrees(self, scene, email, _past):
        build_contact(scene.shop, now=scene.now, email=email)

    def _leaves(self, scene, email, _past):
        if contact := Contact.objects.filter(email=email).first():
            consent.unsubscribe(contact.pk, channel="email", message_id=None, source="test", now=scene.now)

    def _bounces(self, scene, email, _past):
        consent.suppress(scene.shop, channel="email", address=email, reason="bounced", now=scene.now)


def scene_host(scene):
    return hosts.get_host(scene.shop.host)


@pytest.mark.parametrize(
    ("slug", "stages", "step_on"),
    [
        ("abandoned-checkout", ("checkout", "cart"), ""),
        ("abandoned-cart", ("cart", "checkout"), "coupon"),
    ],
)
def test_what_becomes_of_every_message_and_cart_is_what_the_real_engine_did(scene, slug, stages, step_on):
    if step_on:
        turn_on_step(scene, slug, step_on)
    scene.only(slug)
    past, began = Past(7, scene.now, stages=stages), scene.now
    past.happens(scene)
    scene_host(scene).past = past.carts
    fates = []

    with CaptureQueriesContext(connection) as asked:
        outcome = backtest.run(
            Flow.objects.select_related("shop", "version").get(slug=slug),
            since=began,
            until=scene.now,
            keep=fates.append,
        )

    about = ("contact", "run__cart__reference", "step", "channel", "due_at")
    would = Counter((f.contact, f.cart, f.step, f.channel, f.due_at, f.at) for f in fates if f.step and not f.reason)
    assert would == Counter(Message.objects.filter(state="accepted").values_list(*about, "sent_at"))
    stopped = Counter((f.contact, f.cart, f.step, f.channel, f.due_at, f.reason) for f in fates if f.step and f.reason)
    ended = Message.objects.filter(state__in=["cancelled", "expired"])
    assert stopped == Counter(ended.values_list(*about, "reason"))
    turned_away = Counter((f.cart, f.reason, f.at) for f in fates if not f.step and f.reason != "other_trigger")
    refused = Decision.objects.filter(run=None, message=None)
    assert turned_away == Counter(refused.values_list("cart__reference", "code", "at"))
    held = Decision.objects.filter(message__isnull=False).values_list("step", "code", "facts")
    put_off = Counter((step, code) for step, code, facts in held if facts.get("state") == "scheduled")
    assert put_off == Counter(
        {(step, code): n for step, told in outcome.tally.put_off.items() for code, n in told.items()}
    )
    assert outcome.tally.entered == FlowRun.objects.count()
    ends = FlowRun.objects.exclude(state="active").values_list("state", "reason")
    assert outcome.tally.ended == Counter(reason or "finished" for _state, reason in ends)
    assert outcome.tally.under_way == FlowRun.objects.filter(state="active").count()
    assert {"email", "sms"} == {fate.channel for fate in fates if fate.step and not fate.reason}
    assert len(would) > CARTS // 4
    assert [query["sql"] for query in asked if not query["sql"].startswith(("SELECT", "DECLARE"))] == []
