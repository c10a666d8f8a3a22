"""A storefront shows what fits whoever is on the page: by cookie or by a link of ours, and without a word about them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import tokens, visitors
from retarget_plugin.models import Order, ProductPair
from tests.api.conftest import ask
from tests.engine.goods import item, stock

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

RECOMMENDATIONS = """query R($product: String, $token: String, $first: Int) {
  retargetRecommendations(product: $product, token: $token, first: $first) {
    productId title url imageUrl price { amount currency }
  }
}"""


@pytest.fixture(autouse=True)
def _goods(shop):
    """Bags are bought with cameras; mugs are what most people buy."""
    now = timezone.now()
    stock(shop, "camera", "bag", bought=4.0, now=now)
    stock(shop, "mug", bought=90.0, now=now)
    ProductPair.objects.add(shop.pk, {("camera", "bag"): 4.0, ("bag", "camera"): 4.0})


@pytest.fixture
def mug_owner(shop, contact):
    facts = {"touched_at": timezone.now(), "placed_at": timezone.now()}
    Order.objects.create(shop=shop, reference="1", contact=contact, items=[item("mug").to_data()], **facts)
    return contact


def found(client, **variables):
    return [one["productId"] for one in ask(client, RECOMMENDATIONS, variables)["data"]["retargetRecommendations"]]


def test_a_product_page_shows_what_goes_with_it(client):
    reply = ask(client, RECOMMENDATIONS, {"product": "camera"})

    shown = reply["data"]["retargetRecommendations"]
    assert shown[0] == {
        "productId": "bag",
        "title": "Product bag",
        "url": "https://shop.example.com/bag/",
        "imageUrl": "https://shop.example.com/bag.jpg",
        "price": {"amount": "10.00", "currency": "EUR"},
    }
    assert [one["productId"] for one in shown] == ["bag", "mug"]


def test_who_is_recognised_is_not_shown_what_they_own(shop, mug_owner):
    visitor = visitors.meet(shop, grant=Grant(tracking=True), now=timezone.now())
    visitors.become(visitor, mug_owner, source="log-in", now=timezone.now())
    browser = Client(headers={"origin": "http://testserver"})
    browser.cookies["retarget_visitor"] = visitor.key

    assert found(browser, product="camera") == ["bag"]
    assert "mug" in found(Client(), product="camera")


def test_a_page_of_another_origin_is_told_what_anybody_is_told(shop, mug_owner, settings):
    settings.RETARGET = {**settings.RETARGET, "ALLOWED_ORIGINS": ("https://elsewhere.example",)}
    visitor = visitors.meet(shop, grant=Grant(tracking=True), now=timezone.now())
    visitors.become(visitor, mug_owner, source="log-in", now=timezone.now())
    browser = Client(headers={"origin": "https://elsewhere.example"})
    browser.cookies["retarget_visitor"] = visitor.key

    assert "mug" in found(browser, product="camera")


def test_the_link_of_a_message_stands_for_its_reader(client, mug_owner):
    token = tokens.preferences(contact_id=mug_owner.pk)

    assert found(client, token=token, product="camera") == ["bag"]


@pytest.mark.parametrize("make", [lambda: "nonsense", lambda: tokens.recovery(cart_id=1, contact_id=1, message_id=0)])
def test_whatever_is_wrong_with_a_token_the_error_is_the_same(client, make):
    reply = ask(client, RECOMMENDATIONS, {"token": make()})

    assert reply["data"] == {"retargetRecommendations": None}
    assert [error["extensions"]["code"] for error in reply["errors"]] == ["BAD_TOKEN"]


def test_no_more_are_shown_than_asked_for_or_than_twelve(client, shop):
    stock(shop, *(f"p{number}" for number in range(30)), bought=1.0, now=timezone.now())

    lengths = [len(found(client, **variables)) for variables in ({}, {"first": 1}, {"first": 100}, {"first": -5})]

    assert lengths == [3, 1, 12, 1]


def test_one_network_is_answered_only_so_often(client, settings):
    settings.RETARGET = {**settings.RETARGET, "EVENTS_PER_ADDRESS": 2}

    codes = [
        [error["extensions"]["code"] for error in ask(client, RECOMMENDATIONS, {}).get("errors", ())]
        for _try in range(3)
    ]

    assert codes == [[], [], ["TOO_MANY"]]


def test_a_person_who_is_gone_is_nobody(client, mug_owner):
    token = tokens.preferences(contact_id=mug_owner.pk)
    mug_owner.erased_at = timezone.now() - timedelta(days=1)
    mug_owner.save()

    reply = ask(client, RECOMMENDATIONS, {"token": token})

    assert [error["extensions"]["code"] for error in reply["errors"]] == ["BAD_TOKEN"]
