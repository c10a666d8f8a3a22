"""A whole checkout while somebody else holds the plugin's tables: the order goes through, and is found afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from oscar.core.loading import get_model

from retarget_plugin.engine import carts, orders
from retarget_plugin.models import Order
from retarget_plugin.testing import build_shop
from tests.locks import locked

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks its one file for shop and plugin alike"),
]


def test_the_checkout_goes_through_and_its_order_is_found_by_the_reconcile_pass(
    browser: Any, make_product: Any, france: Any
) -> None:
    shop = build_shop()
    product = make_product("Lens")

    with locked("retarget_plugin_cart", "retarget_plugin_order"):
        browser.add(product)
        browser.enter_checkout("guest@example.com")
        browser.give_address()
        answer = browser.place_order()
    carts.reconcile(now=timezone.now())
    orders.read_new(now=timezone.now())

    assert answer.redirect_chain[-1][0] == reverse("checkout:thank-you")
    number = get_model("order", "Order").objects.get().number
    found = Order.objects.get()
    assert (found.shop, found.number, found.email) == (shop, number, "guest@example.com")
