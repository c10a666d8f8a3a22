"""Why one person got a flow's messages, or not: what is told agrees with the ledger, and says how far the bar was."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import enquiries
from retarget_plugin.models import Cart, Contact, Decision, Flow, FlowRun, Message
from retarget_plugin.testing import build_contact
from tests.promises import length

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

CHECKOUT = "abandoned-checkout"


def flow(slug=CHECKOUT):
    return Flow.objects.select_related("version").get(slug=slug)


def why(shopping, contact, slug=CHECKOUT):
    return enquiries.why(contact, flow(slug), now=shopping.clock.now)


def test_every_answer_about_random_people_agrees_with_the_ledger(shopping):
    dice = random.Random(11)
    for number in range(length(12, 100)):
        email = f"p{number}@example.com"
        if dice.random() < 0.6:
            build_contact(shopping.shop, now=shopping.clock.now, email=email)
        if dice.random() < 0.8:
            stage = dice.choice(["checkout", "checkout", "cart"])
            shopping.leave_cart(str(number), stage=stage, identity=Identity(email=email))
    for _time in range(4):
        shopping.wait(hours=8)
        for number in range(0, 12, 5):
            shopping.leave_cart(f"again{number}", stage="checkout", identity=Identity(email=f"p{number}@example.com"))

    for contact in Contact.objects.all():
        for story in enquiries.stories(contact, now=shopping.clock.now):
            runs = FlowRun.objects.filter(contact=contact, flow=story.flow)
            told = [(passage.state, passage.reason) for passage in story.passages]
            assert told == list(runs.order_by("entered_at", "pk").values_list("state", "reason"))
            messages = Message.objects.filter(run__in=runs).order_by("run__entered_at", "run", "due_at", "pk")
            steps = [step for passage in story.passages for step in passage.steps]
            assert [(step.step, step.state) for step in steps] == list(messages.values_list("step", "state"))
            for step, message in zip(steps, messages, strict=True):
                last = Decision.objects.filter(message=message).latest("pk")
                assert step.facts == last.facts
                assert step.reason == (message.reason or last.code)
            assert bool(story.passages) != bool(story.obstacles)
            turned_away = Decision.objects.filter(contact=contact, run=None, message=None, flow_slug=story.flow.slug)
            if not story.passages:
                assert {code for code, _facts in story.obstacles} >= set(turned_away.values_list("code", flat=True))
    assert FlowRun.objects.filter(flow=flow()).count() > 3


def test_a_cart_that_was_left_while_the_flow_was_off(shopping):
    Flow.objects.filter(slug=CHECKOUT).update(state="off")
    contact = shopping.consent("email")
    shopping.leave_cart(stage="checkout")
    shopping.wait(hours=1, minutes=1)
    Flow.objects.filter(slug=CHECKOUT).update(state="on")
    left_at = shopping.clock.now
    shopping.wait(days=3)

    story = why(shopping, contact)

    assert story.obstacles == (("flow_off", {"flow": "off_then", "at": left_at.isoformat()}),)
    assert story.unknown == ("state_then",)


def test_how_far_somebody_is_from_a_bar(shopping):
    contact = shopping.consent("email")

    told = dict(why(shopping, contact, "browse-abandonment").obstacles)

    assert told["nothing_happened"] == {"trigger": "product_viewed", "views": 0, "asked": 2}


def test_a_lapse_says_when_it_comes_about(shopping):
    contact = shopping.consent("email")
    placed_at = shopping.clock.now - timedelta(days=10)
    contact.orders.create(
        shop=shopping.shop, reference="o1", touched_at=placed_at, placed_at=placed_at, read_at=placed_at
    )

    told = dict(why(shopping, contact, "win-back").obstacles)

    assert told["nothing_happened"]["last_order"] == placed_at.isoformat()
    assert told["nothing_happened"]["not_before"] == (placed_at + timedelta(days=60)).isoformat()


def test_totals_count_each_cart_once_per_reason(shopping):
    for reference in ("1", "2"):
        shopping.leave_cart(reference, stage="checkout", identity=None)
    shopping.leave_cart("3", stage="checkout", identity=Identity(email="bob@example.com"))
    began = shopping.clock.now
    shopping.wait(hours=1, minutes=1)
    shopping.wait(hours=4)

    with CaptureQueriesContext(connection) as queries:
        told = enquiries.totals(shopping.shop, since=began, until=shopping.clock.now + timedelta(seconds=1))

    met = {(total.flow, total.code): (total.carts, total.people) for total in told}
    assert met["", "no_identity"] == (2, 0)
    assert met[CHECKOUT, "no_consent"] == (1, 1)
    assert len(queries) == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's")
def test_totals_are_read_by_index(shopping):
    now = shopping.clock.now
    shopping.leave_cart("1", identity=None)
    cart = Cart.objects.get()
    rows = [
        Decision(
            shop=shopping.shop,
            cart=cart,
            code="no_identity" if number % 10 == 0 else "queued",
            at=now - timedelta(minutes=number),
        )
        for number in range(20_000)
    ]
    Decision.objects.bulk_create(rows, batch_size=5_000)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Decision._meta.db_table}")

    plan = enquiries.grouped(shopping.shop, since=now - timedelta(days=1), until=now).explain()

    assert "retarget_decision_code" in plan
    assert "Seq Scan" not in plan
