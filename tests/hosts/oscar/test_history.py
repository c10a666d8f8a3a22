"""Past baskets in bulk: one owner's together, guests at the end, and what became of each."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test import factories

from retarget_plugin.domain.carts import Identity


@pytest.fixture
def told(host: Any) -> Any:
    now = timezone.now()
    return lambda: list(host.past_carts(now - timedelta(days=1), now + timedelta(days=1)))


def test_a_basket_is_told_with_its_lines_and_its_order(told: Any, make_basket: Any, product: Any, user: Any) -> None:
    guest = make_basket((product, 1))
    basket = make_basket((product, 2), owner=user)
    order = factories.create_order(basket=basket, user=user)

    mine, unknown = told()

    assert (mine.cart.reference, mine.order, mine.ordered_at) == (str(basket.pk), str(order.number), order.date_placed)
    assert mine.cart.identity == Identity(
        external_id=str(user.pk), email="ana@example.com", first_name="Ana", last_name="Martin"
    )
    assert [(item.product_id, item.quantity) for item in mine.cart.items] == [(str(product.pk), 2)]
    assert mine.cart.amount == 2 * mine.cart.items[0].unit_price > Decimal(0)
    assert (mine.touched_at[0], mine.stage) == (basket.date_created, "")
    assert (unknown.cart.reference, unknown.cart.identity, unknown.ordered_at) == (str(guest.pk), None, None)


def test_saved_and_merged_baskets_are_left_out(told: Any, make_basket: Any, product: Any, user: Any) -> None:
    model = get_model("basket", "Basket")
    for status in (model.SAVED, model.MERGED):
        model.objects.filter(pk=make_basket((product, 1), owner=user).pk).update(status=status)

    assert told() == []


def test_the_questions_do_not_grow_with_the_baskets(told: Any, make_basket: Any, product: Any, user: Any) -> None:
    make_basket((product, 1), owner=user)
    make_basket((product, 1))
    with CaptureQueriesContext(connection) as few:
        told()
    for _time in range(20):
        make_basket((product, 1), owner=user)

    with CaptureQueriesContext(connection) as many:
        assert len(told()) == 22

    assert len(many) == len(few)
