"""A shop may tell anything: one cart or order that nothing can be made of holds up none of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DataError, OperationalError, connection

from retarget_plugin.domain.carts import Identity, Item
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.engine import abandonment, attribution, batches, orders, runs, tick
from retarget_plugin.models import Cart, Decision, FlowRun, Message, Order

pytestmark = pytest.mark.django_db

MUG = Item(product_id="1", title="Mug", quantity=1, unit_price=Decimal("9.90"))
BEA = Identity(email="bea@example.com")

#: What no row can hold: on either database, and on PostgreSQL alone.
STRANGE = {
    "a total that is no number": {"total": Decimal("NaN")},
    "no price": {"items": (replace(MUG, unit_price=None),)},
    "no name": {"identity": replace(BEA, first_name=None)},
}
if connection.vendor == "postgresql":
    STRANGE |= {
        "a currency of four letters": {"currency": "EURO"},
        "a total beyond all money": {"total": Decimal("1e20")},
        "an id beyond all length": {"identity": Identity(external_id="4" * 300)},
        "a zero byte": {"items": (replace(MUG, title="Mu\0g"),)},
    }
IN_A_CART = STRANGE | {
    "a time without a zone": {"updated_at": datetime(2026, 1, 1)},
    "a price in floats": {"items": (replace(MUG, unit_price=9.9),)},
}
IN_AN_ORDER = STRANGE | {"no lines": {"items": None}, "a discount that is none": {"discounts": {"TEN": None}}}


def order(**changes):
    told = {"reference": "o1", "currency": "EUR", "total": Decimal("9.90"), "items": (MUG,), "identity": BEA}
    return OrderSnapshot(**told | changes)


@pytest.fixture
def place(host, clock):
    def place(reference="o1", **changes):
        host.orders[reference] = order(reference=reference, **changes)
        orders.touch(host="default", reference=reference, now=clock.now)

    return place


# -- carts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strange", IN_A_CART.values(), ids=IN_A_CART)
def test_a_cart_nothing_can_be_made_of_waits_behind_the_others(shopping, host, strange):
    shopping.consent("sms")
    shopping.leave_cart("17", **{"identity": BEA, **strange})
    shopping.wait(seconds=1)
    shopping.leave_cart("18")

    shopping.wait(hours=1)
    shopping.wait(minutes=45)

    assert dict(Cart.objects.values_list("reference", "state")) == {"17": "active", "18": "abandoned"}
    assert shopping.sent == [("sms", "accepted")]
    host.carts["17"] = replace(host.carts["18"], reference="17", identity=BEA)
    shopping.wait(hours=1)
    assert Cart.objects.get(reference="17").state == "abandoned"


@pytest.mark.parametrize("strange", IN_A_CART.values(), ids=IN_A_CART)
def test_a_cart_that_turns_strange_after_it_was_left_keeps_no_other_message_back(shopping, host, strange):
    shopping.consent("sms")
    shopping.consent("sms", email="bea@example.com", phone="+33612345679")
    shopping.leave_cart("17", identity=BEA)
    shopping.leave_cart("18")
    shopping.wait(hours=1)
    host.carts["17"] = replace(host.carts["17"], **strange)

    shopping.wait(minutes=45)

    states = dict(Message.objects.values_list("run__cart__reference", "state"))
    assert states["18"] == "accepted"
    assert states["17"] in {"accepted", "cancelled", "parked", "quarantined"}


def test_given_up_after_a_week_it_says_why(shopping):
    shopping.leave_cart("17", total=Decimal("NaN"))

    for _day in range(9):
        shopping.wait(days=1)

    assert Cart.objects.get().state == "closed"
    assert list(Decision.objects.values_list("cart__reference", "code")) == [("17", "subject_unreadable")]


# -- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strange", IN_AN_ORDER.values(), ids=IN_AN_ORDER)
def test_an_order_nothing_can_be_made_of_stops_no_message_and_no_other_order(shopping, place, strange):
    shopping.consent("sms")
    place("o1", **strange)
    place("o2", identity=Identity(email="cy@example.com"))
    shopping.leave_cart("18")

    shopping.wait(hours=1)
    shopping.wait(minutes=45)

    read = dict(Order.objects.values_list("reference", "read_at"))
    assert (read["o1"], read["o2"] is not None) == (None, True)
    assert shopping.sent == [("sms", "accepted")]


def test_it_is_asked_for_more_and_more_rarely_and_at_once_when_it_moves(place, host, clock, monkeypatch):
    place(total=Decimal("NaN"))
    asked = []
    monkeypatch.setattr(host, "get_order", lambda reference: (asked.append(clock.now), host.orders[reference])[1])
    began = clock.now

    for _turn in range(720):
        orders.read_new(now=clock.now)
        clock.advance(seconds=5)
    place()
    orders.read_new(now=clock.now)

    seconds = [int((at - began).total_seconds()) for at in asked]
    assert seconds == [0, 5, 10, 20, 40, 80, 160, 320, 640, 1240, 1840, 2440, 3040, 3600]
    assert Order.objects.get().read_at == clock.now


def test_an_order_whose_consequences_fail_does_not_keep_others_from_theirs(place, clock, monkeypatch):
    place("o1")
    place("o2", identity=Identity(email="cy@example.com"))
    orders.read_new(now=clock.now)
    settle = attribution.purchases.settle

    def fail_for_the_first(order, *, now):
        if order.reference == "o1":
            raise ArithmeticError
        settle(order, now=now)

    monkeypatch.setattr(attribution.purchases, "settle", fail_for_the_first)

    assert attribution.settle_new(now=clock.now) == 1
    assert list(Order.objects.filter(settled_at=None).values_list("reference", flat=True)) == ["o1"]
    monkeypatch.undo()
    assert attribution.settle_new(now=clock.now) == 1


# -- what says nothing about a row ------------------------------------------------------------------------------------


def test_what_is_locked_is_left_as_it_is_and_told_once_the_others_had_their_turn():
    done, left = [], []

    def do(row):
        if row == 2:
            raise OperationalError("database is locked")
        if row == 3:
            raise DataError("value too long")
        done.append(row)

    with pytest.raises(OperationalError, match="locked"):
        batches.each([1, 2, 3, 4], do, otherwise=left.append)

    assert (done, left) == ([1, 4], [3])


def test_a_database_that_answers_nobody_is_asked_no_further(monkeypatch):
    tried = []

    def do(row):
        tried.append(row)
        raise OperationalError("server closed the connection unexpectedly")

    def refuse():
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", refuse)

    with pytest.raises(OperationalError, match="closed"):
        batches.each([1, 2, 3], do, otherwise=tried.clear)

    assert tried == [1]


@pytest.mark.parametrize(("room", "inside"), [(abandonment, "_abandon"), (runs, "_walk")])
def test_one_lock_does_not_cost_the_others_their_turn(shopping, clock, monkeypatch, room, inside):
    for number in range(3):
        shopping.leave_cart(str(number), identity=Identity(email=f"person{number}@example.com"))
    clock.advance(hours=1)
    if room is runs:
        abandonment.sweep(now=clock.now)
    work, calls = getattr(room, inside), []

    def first_locked(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise OperationalError("database is locked")
        return work(*args, **kwargs)

    monkeypatch.setattr(room, inside, first_locked)
    done = tick.once(now=clock.now)

    assert done["failed"] == 1
    if room is abandonment:
        assert Cart.objects.filter(state="abandoned").count() == 2
    else:
        assert FlowRun.objects.filter(due_at=clock.now + timedelta(seconds=120)).count() == 1
    clock.advance(seconds=121)
    assert tick.once(now=clock.now)["failed"] == 0
    assert Cart.objects.filter(state="abandoned").count() == 3
