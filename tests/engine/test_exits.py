"""What ends a run besides an order: at the event itself, and once more at the final gate if nobody told us in time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.events import Event
from retarget_plugin.domain.vocabulary import Exit, Trigger
from retarget_plugin.engine import attribution, carts, exits, gates, orders, runs, triggers, visitors
from retarget_plugin.models import Cart, Click, FlowRun, Message, Order
from retarget_plugin.models import Event as Row
from retarget_plugin.testing import build_contact, build_item

from .street import Street

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
LENS = build_item(product_id="9", category="Macro lenses")


class Inside(Street):
    """Ana is in a flow about macro lenses, or about her order, and a message to her is due."""

    def begin(self, *exits, about="segment:vip", contact=None, **data):
        flow = self.open({"on": "segment_entered", "segment": "vip"}, slug=f"f{uuid.uuid4().hex[:8]}", exits=[*exits])
        (run,) = runs.enroll(
            contact or self.ana,
            trigger=Trigger.SEGMENT_ENTERED,
            subject=about,
            anchored_at=self.now,
            data={"segment": "vip", "topic": "macro-lenses", **data},
            flow=flow,
            now=self.now,
        )
        self.clock.advance(minutes=10)
        return run

    def due(self, run):
        return Message.objects.create(
            shop=self.shop, run=run, contact=run.contact, step="m", channel="sms", due_at=self.now,
            not_after=self.now + timedelta(hours=9), key=uuid.uuid4(), created_at=self.now,
        )  # fmt: skip

    def settle(self):
        orders.read_new(now=self.now)
        attribution.settle_new(now=self.now)

    def unpaid(self):
        self.orders(is_paid=False)
        self.settle()
        return f"order:{Order.objects.get().pk}"


@pytest.fixture
def street(host):
    return Inside()


@dataclass(frozen=True)
class Way:
    """`do`: it happens and we are told. `happened`: it is on record, and nobody was told. `other`: much like it."""

    exit: Exit
    do: Callable[[Inside], object]
    happened: Callable[[Inside], object]
    other: Callable[[Inside], object]


def note(street, name, **changes):
    facts = {"visitor": street.visitor, "contact": street.ana, "at": street.now, **changes}
    Row.objects.create(shop=street.shop, name=name, **facts)


def click_row(street, is_human=True):
    Click.objects.create(link=street.mailed(hours=1), at=street.now, is_human=is_human)


WAYS = {
    "visit": Way(
        Exit.VISIT,
        do=lambda s: s.opens(1),
        happened=lambda s: note(s, "page_view"),
        other=lambda s: note(s, "page_view", is_bot=True),
    ),
    "add to cart": Way(
        Exit.ADD_TO_CART,
        do=lambda s: s.does(Event(name="page_view"), Event(name="add_to_cart", product="1")),
        happened=lambda s: note(s, "add_to_cart"),
        other=lambda s: note(s, "view_item"),
    ),
    "click": Way(
        Exit.CLICK,
        do=lambda s: s.clicks("bags"),
        happened=click_row,
        other=lambda s: click_row(s, is_human=False),
    ),
}
ALL = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def ended(run):
    run.refresh_from_db()
    return run.state, run.reason


@ALL
def test_the_run_ends_when_it_happens(street, way):
    run = street.begin(way.exit)
    waiting = street.due(run)

    way.do(street)

    waiting.refresh_from_db()
    assert ended(run) == ("exited", "exited_on")
    assert (waiting.state, waiting.reason) == ("cancelled", "exited_on")


@ALL
def test_the_gate_sees_it_though_nobody_told_us(street, way):
    message = street.due(street.begin(way.exit))
    way.happened(street)

    verdict = gates.verdict(message, now=street.now)

    assert (verdict.reason, verdict.until, verdict.facts["exit"]) == ("exited_on", None, way.exit)


@ALL
def test_what_is_much_like_it_ends_nothing(street, way):
    message = street.due(street.begin(way.exit))
    way.other(street)

    assert gates.verdict(message, now=street.now).reason is None


@ALL
def test_what_was_before_the_run_began_ends_nothing(street, way):
    way.happened(street)
    run = street.begin(way.exit)

    assert gates.verdict(street.due(run), now=street.now).reason is None
    assert ended(run) == ("active", "")


@ALL
def test_a_flow_without_this_way_out_goes_on(street, way):
    run = street.begin("order")
    message = street.due(run)

    way.do(street)

    assert gates.verdict(message, now=street.now).reason is None
    assert ended(run) == ("active", "")


@ALL
def test_what_somebody_else_does_ends_nothing(street, way):
    bea = build_contact(street.shop, now=street.now, email="bea@example.com")
    run = street.begin(way.exit)
    ana, street.ana, street.visitor = (
        street.ana,
        bea,
        visitors.become(street.meet(), bea, source="test", now=street.now),
    )

    way.do(street)
    way.happened(street)

    assert gates.verdict(street.due(run), now=street.now).reason is None
    assert (ended(run), run.contact) == (("active", ""), ana)


def test_a_machine_that_adds_to_a_cart_ends_nothing(street):
    run = street.begin(Exit.ADD_TO_CART)

    street.does(Event(name="add_to_cart", product="1"))

    assert Row.objects.get().is_bot
    assert ended(run) == ("active", "")


def test_a_cart_of_theirs_that_moves_is_as_good_as_the_pages_word(street):
    cart = Cart.objects.create(
        shop=street.shop, reference="17", contact=street.ana, touched_at=street.now, created_at=street.now
    )
    message = street.due(street.begin(Exit.ADD_TO_CART))
    assert gates.verdict(message, now=street.now).reason is None

    carts.touch(host="default", reference=cart.reference, now=street.now)

    assert gates.verdict(message, now=street.now).reason == "exited_on"


# -- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit", "item", "ends"),
    [
        (Exit.ORDER, build_item(), True),
        (Exit.ORDER_IN_TOPIC, LENS, True),
        (Exit.ORDER_IN_TOPIC, build_item(category="Bags"), False),
        (Exit.ORDER_IN_TOPIC, build_item(), False),
        (Exit.VISIT, LENS, False),
    ],
    ids=["any", "of the topic", "of another", "of none", "where orders end nothing"],
)
def test_an_order_ends_what_it_is_meant_to_end(street, exit, item, ends):
    run = street.begin(exit)
    message = street.due(run)
    street.orders(items=(item,))
    orders.read_new(now=street.now)

    at_the_gate = gates.verdict(message, now=street.now).reason
    attribution.settle_new(now=street.now)

    assert at_the_gate == ("ordered" if ends else None)
    assert ended(run) == (("exited", "ordered") if ends else ("active", ""))


def test_the_order_a_run_is_about_does_not_end_it(street):
    about = street.unpaid()
    order = Order.objects.get()
    run = street.begin(Exit.ORDER, about=about)
    FlowRun.objects.update(anchored_at=order.placed_at)
    message = street.due(run)
    street.orders(is_paid=True)
    street.settle()

    assert gates.verdict(message, now=street.now).reason is None
    assert ended(run) == ("active", "")


@pytest.mark.parametrize(
    ("exits", "changes", "end"),
    [
        ([Exit.PAID, Exit.CANCELLED], {"is_paid": True}, ("exited", "exited_on")),
        ([Exit.PAID, Exit.CANCELLED], {"is_paid": False, "is_cancelled": True}, ("exited", "exited_on")),
        ([Exit.VISIT], {"is_paid": True}, ("active", "")),
        ([Exit.VISIT], {"is_cancelled": True}, ("exited", "subject_gone")),
    ],
    ids=["paid", "cancelled", "paid is no way out", "no flow speaks of an order that is none"],
)
def test_what_becomes_of_an_order_ends_what_is_about_it(street, exits, changes, end):
    run = street.begin(*exits, about=street.unpaid())
    message = street.due(run)
    street.orders(**changes)
    orders.read_new(now=street.now)

    at_the_gate = gates.verdict(message, now=street.now).reason or ""
    attribution.settle_new(now=street.now)

    assert at_the_gate == end[1]
    assert ended(run) == end


def test_another_order_that_is_paid_ends_nothing(street):
    run = street.begin(Exit.PAID, about=street.unpaid())
    street.orders("o2")
    street.settle()

    assert gates.verdict(street.due(run), now=street.now).reason is None
    assert ended(run) == ("active", "")


def basket(count):
    return tuple(build_item(product_id=str(number), category=f"Category {number}") for number in range(count))


def test_an_order_of_five_thousand_categories_costs_as_many_queries_as_one_of_fifty(street):
    costs = []
    for reference, count in (("o1", 50), ("o2", 50), ("o3", 5_000)):
        street.orders(reference, items=basket(count))
        orders.read_new(now=street.now)
        with CaptureQueriesContext(connection) as queries:
            assert attribution.settle_new(now=street.now) == 1
        costs.append(len(queries))

    assert costs[1] == costs[2]


def test_of_five_thousand_categories_a_run_hears_of_the_one_it_waits_for(street):
    wait = {"key": "w", "wait": {"event": "order_in_topic", "topic": "category-4321", "for": "10d"}}
    street.open({"on": "segment_entered", "segment": "vip"}, steps=[wait], exits=["visit"])
    told = {"subject": "segment:vip", "data": {"segment": "vip"}, "at": street.now, "now": street.now}
    (run,) = triggers.fire(street.shop, street.ana, Trigger.SEGMENT_ENTERED, **told)
    runs.advance(now=street.now)
    street.clock.advance(minutes=1)

    street.orders(items=basket(5_000))
    street.settle()

    run.refresh_from_db()
    assert len(run.happened) == runs.MOST_HAPPENED
    assert run.happened[0] == {"name": "order_in_topic", "at": street.now.isoformat(), "topic": "category-4321"}
    assert run.due_at == street.now


def test_items_that_were_kept_without_a_category_are_of_no_topic(street):
    run = street.begin(Exit.ORDER_IN_TOPIC)
    street.orders()
    orders.read_new(now=street.now)
    Order.objects.update(items=[{"product_id": "9", "title": "Lens", "quantity": 1, "unit_price": "1.00"}])

    attribution.settle_new(now=street.now)

    assert ended(run) == ("active", "")


@pytest.mark.parametrize("subject", ["order:A-17", "order:", "order:12345678901234567890", "order:1:2", "reorder:1"])
def test_a_subject_the_shop_made_up_is_none_of_our_orders(street, subject):
    run, other = street.begin(Exit.PAID, about=subject), street.begin(Exit.PAID, about="order:404")

    met = exits.met([run, other])

    assert {pk: found.reason for pk, found in met.items()} == {other.pk: "subject_gone"}


def test_a_batch_costs_no_more_than_one(street):
    exits = [Exit.VISIT, Exit.CLICK, Exit.ADD_TO_CART, Exit.PAID, Exit.ORDER_IN_TOPIC]
    people = [build_contact(street.shop, now=street.now, email=f"p{number}@example.com") for number in range(20)]
    waiting = [street.due(street.begin(*exits, contact=person, about=f"order:{person.pk}")) for person in people]

    with CaptureQueriesContext(connection) as for_one:
        gates.verdicts(waiting[:1], now=street.now)
    with CaptureQueriesContext(connection) as for_all:
        gates.verdicts(waiting, now=street.now)

    assert len(for_one) == len(for_all)


def test_a_wait_for_a_click_hears_of_it_and_the_run_stays(street):
    wait = {"key": "w", "wait": {"event": "click", "topic": "bags", "for": "10d"}}
    flow = street.open({"on": "segment_entered", "segment": "vip"}, steps=[wait], exits=["order"])
    told = {"subject": "segment:vip", "data": {"segment": "vip"}, "at": street.now, "now": street.now}
    (run,) = triggers.fire(street.shop, street.ana, Trigger.SEGMENT_ENTERED, **told)
    runs.advance(now=street.now)

    street.clock.advance(minutes=1)
    street.clicks("bags")

    run.refresh_from_db()
    assert [(heard["name"], heard["topic"]) for heard in run.happened] == [("click", "bags")]
    assert (run.flow, run.state, run.due_at) == (flow, "active", street.now)
