"""Hosts whose carts vanish hand over what is in one with the event: it is kept at once, and never made older again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin import signals
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.carts import Identity, Item
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.engine import carts, orders
from retarget_plugin.models import Cart, Order
from retarget_plugin.testing import build_shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.delivery]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOST = {"host": "default", "reference": "17"}


@pytest.fixture(autouse=True)
def shop():
    with time_machine.travel(NOW, tick=False):
        yield build_shop()


def cart(quantity=1, email="ann@example.com"):
    lens = Item(product_id="7", title="Lens", quantity=quantity, unit_price=Decimal("99.50"))
    return CartSnapshot(reference="17", currency="EUR", items=(lens,), identity=Identity(email=email))


def order(**changes):
    facts = {"reference": "31", "number": "2026-31", "currency": "EUR", "total": Decimal("99.50")}
    return OrderSnapshot(**{**facts, "identity": Identity(email="ann@example.com"), "cart_reference": "17", **changes})


def kept():
    row = Cart.objects.get()
    return row.email, row.total, [(line["title"], line["quantity"]) for line in row.items]


def test_what_comes_with_the_event_is_kept_in_the_one_statement(shop):
    with CaptureQueriesContext(connection) as caught:
        signals.emit(signals.cart_changed, **HOST, snapshot=cart(quantity=2), told_at=NOW)

    assert kept() == ("ann@example.com", Decimal("199.00"), [("Lens", 2)])
    assert len(caught) == 1


def test_what_was_told_earlier_changes_nothing_whenever_it_comes(shop):
    signals.emit(signals.cart_changed, **HOST, snapshot=cart(quantity=3), told_at=NOW)
    signals.emit(signals.cart_changed, **HOST, snapshot=cart(quantity=1), told_at=NOW - timedelta(seconds=1))

    assert kept() == ("ann@example.com", Decimal("298.50"), [("Lens", 3)])


def test_a_snapshot_is_the_whole_truth_and_a_mere_touch_blanks_nothing(shop):
    signals.emit(signals.cart_changed, **HOST, snapshot=cart(), told_at=NOW)
    signals.emit(signals.cart_changed, **HOST)
    after_touch = kept()
    signals.emit(signals.cart_changed, **HOST, snapshot=cart(email=""), told_at=NOW + timedelta(seconds=1))

    assert after_touch == ("ann@example.com", Decimal("99.50"), [("Lens", 1)])
    assert kept() == ("", Decimal("99.50"), [("Lens", 1)])


def test_a_snapshot_that_knows_no_stage_leaves_it(shop):
    signals.emit(signals.checkout_started, **HOST)
    signals.emit(signals.cart_changed, **HOST, snapshot=cart(), told_at=NOW)

    assert Cart.objects.get().stage == "checkout"


def test_a_cart_that_was_ordered_stays_so_whatever_is_told_of_it_later(shop):
    carts.touch(**HOST, snapshot=cart(), told_at=NOW, now=NOW)
    Cart.objects.update(state="ordered")

    carts.touch(**HOST, snapshot=cart(quantity=2), told_at=NOW + timedelta(seconds=1), now=NOW)

    assert Cart.objects.values_list("state", "total").get() == ("ordered", Decimal("199.00"))


def test_an_order_that_came_with_its_event_is_not_asked_for(shop):
    carts.touch(**HOST, snapshot=cart(), told_at=NOW, now=NOW)

    signals.emit(signals.order_placed, host="default", reference="31", snapshot=order(), told_at=NOW)
    orders.read_new(now=NOW)

    row = Order.objects.get()
    assert (row.number, row.total, row.email, row.told) == ("2026-31", Decimal("99.50"), "ann@example.com", {})
    assert (row.cart.reference, row.cart.state) == ("17", "ordered")


def test_of_two_events_of_an_order_the_later_one_is_read(shop):
    later = NOW + timedelta(seconds=1)
    orders.touch(host="default", reference="31", snapshot=order(is_cancelled=True), told_at=later, now=NOW)
    orders.touch(host="default", reference="31", snapshot=order(), told_at=NOW, now=NOW)

    orders.read_new(now=NOW)

    assert Order.objects.get().cancelled_at == NOW


def test_an_order_that_moved_without_a_word_of_what_it_is_now_is_asked_for(shop):
    orders.touch(host="default", reference="31", snapshot=order(), told_at=NOW, now=NOW)

    orders.touch(host="default", reference="31", now=NOW + timedelta(seconds=1))
    told = Order.objects.get().told

    assert told == {}
