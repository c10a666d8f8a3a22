"""What the shop tells of a product changes what is known of it, and reaches whoever listens."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin import hosts, signals
from retarget_plugin.engine import carts, products
from retarget_plugin.models import Product, Shop
from retarget_plugin.testing import Clock, build_item, build_shop

pytestmark = pytest.mark.delivery


@pytest.fixture
def heard():
    told = []

    def hear(sender, **arguments):
        told.append((arguments["host"], arguments["scope"], arguments["product_id"]))

    signals.product_changed.connect(hear)
    yield told
    signals.product_changed.disconnect(hear)


@pytest.fixture
def shop(transactional_db):
    shop = build_shop(currency="EUR")
    products.remember(shop, [build_item(product_id="7", is_available=False)], currency="EUR", now=Clock().now)
    return shop


def test_fresh_stock_and_a_lower_price_are_noted_and_told(shop, heard):
    at = Clock().now + timedelta(minutes=1)

    assert products.change(shop, "7", is_available=True, at=at)
    assert products.change(shop, "7", price=Decimal("399.00"), currency="EUR", at=at + timedelta(minutes=1))

    known = Product.objects.get()
    assert (known.is_available, known.price, known.updated_at) == (True, Decimal("399.00"), at + timedelta(minutes=1))
    assert heard == [("default", "", "7")] * 2


@pytest.mark.parametrize(
    "told",
    [
        {"reference": "8", "is_available": True},
        {"reference": "7", "price": Decimal(1), "currency": "USD"},
        {"reference": "7"},
        {"reference": "7", "is_available": True, "later": -1},
    ],
    ids=["never met", "another currency", "nothing", "older than what is known"],
)
def test_what_is_no_news_changes_nothing_and_is_told_to_nobody(shop, heard, told):
    at = Clock().now + timedelta(minutes=told.pop("later", 1))

    assert not products.change(shop, told.pop("reference"), **told, at=at)

    known = Product.objects.get()
    assert (known.is_available, known.price) == (False, Decimal("499.00"))
    assert heard == []


# -- the shop's whole catalogue -----------------------------------------------------------------------------------------


@pytest.fixture
def catalogue(shop, monkeypatch):
    """What the shop tells: (when it was changed, product), the longest ago first."""
    told = []

    def since(host, moment):
        return [(at, item) for at, item in told if moment is None or at >= moment]

    monkeypatch.setattr(type(hosts.get_host("default")), "products_since", since)
    return told


def sells(catalogue, reference, *, hours=0, **changes):
    catalogue.append((Clock().now + timedelta(hours=hours), build_item(product_id=reference, **changes)))


def test_a_shop_that_was_just_connected_knows_what_nobody_has_put_in_a_cart(shop, catalogue):
    sells(catalogue, "1", hours=-9_000, title="Lens")
    sells(catalogue, "2", hours=-1, title="Bag", is_available=False)
    now = Clock().now

    first, again = carts.reconcile(now=now), carts.reconcile(now=now)

    assert (first["products"], again["products"], first["failed"]) == (2, 0, 0)
    met = Product.objects.exclude(reference="7").order_by("reference")
    assert [(row.title, row.is_available, row.first_seen_at) for row in met] == [
        ("Lens", True, now - timedelta(hours=9_000)),
        ("Bag", False, now - timedelta(hours=1)),
    ]


def test_what_was_lost_on_the_way_is_told_to_those_who_wait_for_it(shop, catalogue, heard):
    now = Clock().now + timedelta(hours=1)
    products.remember(shop, [build_item(product_id="8")], currency="EUR", now=Clock().now)
    sells(catalogue, "7", is_available=True)
    sells(catalogue, "8")

    assert products.catch_up(shop, now=now) == 1

    assert heard == [("default", "", "7")]
    assert Product.objects.get(reference="7").is_available


def test_a_product_that_cannot_be_bought_has_not_become_cheaper(shop, catalogue, heard):
    told = []
    signals.product_changed.connect(hear := lambda news, **_: told.append(news))
    products.remember(shop, [build_item(product_id="8")], currency="EUR", now=Clock().now)
    sells(catalogue, "8", unit_price=Decimal(), is_available=False)

    products.catch_up(shop, now=Clock().now + timedelta(hours=1))
    signals.product_changed.disconnect(hear)

    assert told == [()]


def test_a_pass_that_takes_too_long_goes_on_where_it_stopped(shop, catalogue, settings, monkeypatch):
    """Three of them changed at the same moment: a pass that stopped among them would come to them again and again."""
    settings.RETARGET = {**settings.RETARGET, "BATCH_SIZE": 1}
    monkeypatch.setattr(products, "ROUND_SECONDS", 0.0)
    for reference, hours in (("1", -5), ("2", -4), ("3", -4), ("4", -4), ("5", -3)):
        sells(catalogue, reference, hours=hours)
    met = []

    for _pass in range(4):
        products.catch_up(Shop.objects.get(), now=Clock().now)
        met.append(Product.objects.exclude(reference="7").count())

    assert met == [1, 2, 5, 5]
    assert Shop.objects.get().products_read_until == Clock().now - products.OVERLAP


@pytest.mark.parametrize(
    "item",
    [{"reference": ""}, {"reference": "x" * 121}, {"reference": "a\0"}, {"unit_price": Decimal("NaN")}],
    ids=["no id", "too long", "a zero", "no price"],
)
def test_what_no_row_can_hold_does_not_hold_up_what_stands_behind_it(shop, catalogue, item):
    sells(catalogue, **{"reference": "1"} | item)
    sells(catalogue, "2")

    assert products.catch_up(shop, now=Clock().now) == 1
    assert set(Product.objects.values_list("reference", flat=True)) == {"2", "7"}


def test_fifty_products_that_are_known_cost_as_many_queries_as_one(shop, catalogue):
    sells(catalogue, "0")
    products.catch_up(shop, now=Clock().now)
    with CaptureQueriesContext(connection) as for_one:
        products.catch_up(shop, now=Clock().now)
    for number in range(1, 50):
        sells(catalogue, str(number))
    products.catch_up(shop, now=Clock().now)

    with CaptureQueriesContext(connection) as for_all:
        assert products.catch_up(shop, now=Clock().now) == 0

    assert len(for_all) == len(for_one)
