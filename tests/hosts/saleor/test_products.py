"""Products of Saleor: as the channel's visitors see them this moment, whatever is asked for."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from retarget_plugin.domain.carts import Item
from retarget_plugin.hosts.saleor import SaleorHost
from retarget_plugin.hosts.saleor.client import Client, Unavailable
from tests.fakes.saleor import SaleorServer
from tests.fakes.saleor_nodes import gid
from tests.fakes.web import Reply


@pytest.fixture
def saleor():
    with SaleorServer() as server:
        server.app_id, server.is_app_active = gid("App", "1"), True
        yield server


@pytest.fixture
def host(saleor, monkeypatch):
    monkeypatch.setattr(SaleorHost, "client", Client(saleor.api_url, saleor.token))
    return SaleorHost(api_url=saleor.api_url, storefront_url="https://shop.example")


def product_of(variant):
    return variant["product"]["id"]


def test_a_product_is_told_as_its_channel_sells_it(saleor, host):
    lens = saleor.shop.add_variant("Macro lens", "499.00", category="Lenses")
    lens["product"]["thumbnail"] = {"url": "https://cdn.example/lens.jpg"}

    found = host.products_in("default-channel", [product_of(lens)])

    assert found == [
        Item(
            product_id=product_of(lens),
            title="Macro lens",
            quantity=1,
            unit_price=Decimal("499.00"),
            url="https://shop.example/default-channel/products/macro-lens",
            image_url="https://cdn.example/lens.jpg",
            category="Lenses",
        )
    ]


def test_what_is_sold_out_cannot_be_bought_and_what_is_deleted_is_not_there(saleor, host):
    lens, cap, bag = (saleor.shop.add_variant(name, "9.00") for name in ("Lens", "Cap", "Bag"))
    saleor.shop.sell_out(lens)
    del saleor.shop.variants[cap["id"]]

    found = host.get_products([product_of(one) for one in (lens, cap, bag)])

    assert [(item.title, item.is_available) for item in found] == [("Lens", False), ("Bag", True)]


def test_what_a_channel_does_not_sell_is_not_there(saleor, host):
    saleor.shop.add_channel("france", "EUR")
    lens = saleor.shop.add_variant("Lens", "9.00", channels=["france"])

    assert host.get_products([product_of(lens)]) == []
    assert [item.title for item in host.products_in("france", [product_of(lens)])] == ["Lens"]


def test_an_id_of_something_else_does_not_hold_up_the_others(saleor, host):
    """A line of a deleted product is known by its variant, and a page may name whatever it likes."""
    lens = saleor.shop.add_variant("Lens", "9.00")

    found = host.get_products([lens["id"], "17", "not base64!", "é", "", product_of(lens)])

    assert [item.title for item in found] == ["Lens"]


def test_a_hundred_products_are_one_question_and_nobody_asks_as_the_app(saleor, host):
    ids = [product_of(saleor.shop.add_variant(f"P{number}", "1.00")) for number in range(101)]

    assert len(host.get_products(ids[:100])) == 100
    assert len(saleor.calls) == 1
    assert len(host.get_products(ids)) == 101
    assert len(saleor.calls) == 3
    assert {call.headers.get("Authorization", "") for call in saleor.calls} == {""}


def test_nothing_is_asked_where_there_is_nothing_to_ask(saleor, host):
    assert host.get_products([]) == host.get_products(["17"]) == []
    assert saleor.calls == []


def test_a_saleor_that_is_away_says_nothing_about_what_is_gone(saleor, host):
    lens = saleor.shop.add_variant("Lens", "9.00")
    saleor.next_answers = [Reply(503)]

    with pytest.raises(Unavailable):
        host.get_products([product_of(lens)])


def test_carts_and_orders_that_we_ask_for_say_the_category(saleor, host):
    lens = saleor.shop.add_variant("Lens", "9.00", category="Lenses")
    made = saleor.shop.roots()["checkoutCreate"](
        input={"channel": "default-channel", "lines": [{"variantId": lens["id"], "quantity": 1}]}
    )

    (item,) = host.get_cart(made["checkout"]["id"]).items

    assert (item.category, item.product_id) == ("Lenses", product_of(lens))
    assert json.dumps(item.to_data())
