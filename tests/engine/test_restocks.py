"""A product is back, or costs less: who hears of it, those who want it most first, and how many at a time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from retarget_plugin import receivers
from retarget_plugin.domain.vocabulary import Purpose
from retarget_plugin.engine import consent, products, restocks, visitors
from retarget_plugin.models import Cart, FlowRun, Product, ProductSubscription, Watch
from retarget_plugin.testing import build_contact, build_item

from .street import Street

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


class Shelf(Street):
    """A street whose shop sells product 7 for 100.00, and had none of it left since an hour ago."""

    def __init__(self, host):
        super().__init__()
        self.host = host
        self.restock(is_available=False)
        self.clock.advance(hours=1)

    def restock(self, *, price="100.00", is_available=True):
        """What the shop has from now on, as it was met in a cart."""
        self.item = build_item(product_id="7", unit_price=Decimal(price), is_available=is_available)
        self.host.products = {"7": self.item}
        if not Product.objects.exists():
            products.remember(self.shop, [self.item], currency="EUR", now=self.now)

    def tells(self, **told):
        """The shop tells that something has changed, and no more."""
        receivers.product_changed(host="default", product_id="7", now=self.now, **told)

    def changes(self, **told):
        """The shop tells what has changed, as Saleor does."""
        products.change(self.shop, "7", at=self.now, **told)
        for event in ({"is_available": "back_in_stock"}, {"price": "price_drop"}):
            news = tuple(name for key, name in event.items() if told.get(key))
            if news:
                receivers.product_changed(host="default", product_id="7", news=news, now=self.now)

    def person(self, number):
        """Somebody else with a browser of their own."""
        contact = build_contact(self.shop, now=self.now, email=f"p{number}@example.com")
        return contact, visitors.become(self.meet(), contact, source="log-in", now=self.now)

    def subscribes(self, contact, kind="back_in_stock", price=None):
        consent.grant(contact, channel="email", purpose=Purpose.ALERTS, source="test", now=self.now)
        ProductSubscription.objects.create(
            shop=self.shop,
            contact=contact,
            product="7",
            kind=kind,
            price=price,
            is_proven=True,
            source="test",
            at=self.now,
        )

    @property
    def told(self):
        """Who has entered, in order."""
        return list(FlowRun.objects.order_by("pk").values_list("contact__email", flat=True))


@pytest.fixture
def shelf(host):
    host.products = {}
    host.get_products = lambda ids: [host.products[pk] for pk in ids if pk in host.products]
    return Shelf(host)


def test_who_looked_at_it_hears_that_it_is_back(shelf):
    shelf.open("back_in_stock")
    shelf.views("7")
    shelf.restock()
    shelf.tells()

    shelf.tick()

    (run,) = FlowRun.objects.all()
    assert (run.contact, run.subject, run.data, run.anchored_at) == (
        shelf.ana,
        "product:7",
        {"product": "7"},
        shelf.now,
    )
    assert Product.objects.get().is_available


def test_who_saw_something_else_or_is_a_machine_does_not(shelf):
    shelf.open("back_in_stock")
    shelf.views("8")
    shelf.views("7", is_bot=True)
    shelf.restock()
    shelf.tells()

    shelf.tick()

    assert shelf.told == []


def test_what_was_there_all_the_time_is_not_back(shelf):
    Product.objects.update(is_available=True)
    shelf.open("back_in_stock")
    shelf.views("7")
    shelf.restock()
    shelf.tells(stock=5)

    shelf.tick()

    assert shelf.told == []
    assert Watch.objects.count() == 0


def test_what_is_still_sold_out_is_not_back_and_that_is_remembered(shelf):
    Product.objects.update(is_available=True)
    shelf.open("back_in_stock")
    shelf.views("7")
    shelf.tells()
    shelf.tick(minutes=1)
    assert not Product.objects.get().is_available

    shelf.restock()
    shelf.tells()
    shelf.tick(minutes=1)

    assert shelf.told == ["ana@example.com"]


def test_who_asked_to_be_told_is_told_whatever_we_knew(shelf):
    Product.objects.update(is_available=True)
    shelf.open("back_in_stock")
    shelf.subscribes(shelf.ana)
    shelf.restock()
    shelf.tells()

    shelf.tick()

    assert shelf.told == ["ana@example.com"]


def test_those_who_want_it_most_come_first(shelf):
    shelf.open("back_in_stock")
    (viewer, browser), (buyer, _), (asker, _) = (shelf.person(number) for number in range(3))
    shelf.visitor = browser
    shelf.views("7")
    Cart.objects.create(
        shop=shelf.shop,
        reference="17",
        state="abandoned",
        contact=buyer,
        items=[shelf.item.to_data()],
        touched_at=shelf.now,
        created_at=shelf.now,
        abandoned_at=shelf.now,
    )
    shelf.subscribes(asker)
    shelf.restock()
    shelf.tells()

    shelf.tick()

    assert shelf.told == [asker.email, buyer.email, viewer.email]


def test_three_pieces_are_told_to_nine_and_the_rest_hear_while_they_last(shelf):
    shelf.open("back_in_stock")
    for number in range(11):
        shelf.clock.advance(seconds=1)
        shelf.subscribes(shelf.person(number)[0])
    shelf.restock()
    shelf.tells(stock=3)

    shelf.tick()
    assert shelf.told == [f"p{number}@example.com" for number in range(10, 1, -1)]
    shelf.tick(minutes=59)
    assert len(shelf.told) == 9
    shelf.tick(minutes=1)

    assert shelf.told[9:] == ["p1@example.com", "p0@example.com"]
    assert Watch.objects.count() == 0


def test_what_is_gone_again_is_told_to_nobody_more(shelf):
    shelf.open("back_in_stock")
    for number in range(4):
        shelf.subscribes(shelf.person(number)[0])
    shelf.restock()
    shelf.tells(stock=1)
    shelf.tick()
    shelf.restock(is_available=False)

    shelf.tick(hours=2)

    assert len(shelf.told) == 3


@pytest.fixture
def silent(settings):
    """The shop tells by itself what has changed, and cannot be asked."""
    settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": {"BACKEND": "tests.shop.retarget.Shop"}}}


def test_where_the_shop_cannot_be_asked_the_rest_hear_until_it_says_that_it_is_gone(shelf, silent, monkeypatch):
    monkeypatch.setattr(restocks, "AT_ONCE", 1)
    shelf.open("back_in_stock")
    for number in range(4):
        shelf.clock.advance(seconds=1)
        shelf.subscribes(shelf.person(number)[0])
    shelf.changes(is_available=True)

    shelf.tick()
    shelf.tick(hours=1)
    assert shelf.told == ["p3@example.com", "p2@example.com"]
    shelf.changes(is_available=False)
    shelf.tick(hours=1)

    assert len(shelf.told) == 2
    assert Watch.objects.count() == 0


@pytest.mark.parametrize("trigger", ["back_in_stock", {"on": "price_drop", "percent": 10}])
def test_of_a_shop_that_cannot_be_asked_a_change_nobody_explains_is_no_news(shelf, silent, trigger):
    Product.objects.update(is_available=True)
    shelf.open(trigger)
    shelf.views("7", price="200.00")
    shelf.tells()

    shelf.tick()

    assert shelf.told == []
    assert Product.objects.get().is_available
    assert Watch.objects.count() == 0


def test_who_has_bought_it_since_hears_nothing(shelf):
    shelf.open("back_in_stock")
    shelf.views("7")
    shelf.clock.advance(minutes=1)
    shelf.orders(items=(shelf.item,))
    shelf.restock()
    shelf.tells()

    shelf.tick()

    assert shelf.told == []


def test_one_is_told_of_a_product_once_unless_one_asks_anew(shelf):
    shelf.open("back_in_stock", reentry="1h")
    shelf.views("7")
    shelf.restock()
    shelf.tells()
    shelf.tick()
    FlowRun.objects.update(state="finished")
    for _time in range(2):
        Product.objects.update(is_available=False)
        shelf.clock.advance(days=2)
        shelf.tells()
        shelf.tick()
        assert len(shelf.told) == 1

    shelf.subscribes(shelf.ana)
    shelf.tells()
    shelf.tick(minutes=1)

    assert len(shelf.told) == 2


@pytest.mark.parametrize(("price", "is_told"), [("90.00", True), ("90.01", False)])
def test_a_drop_is_measured_from_what_the_person_saw(shelf, price, is_told):
    Product.objects.update(is_available=True)
    shelf.open({"on": "price_drop", "percent": 10})
    shelf.views("7", price="100.00")
    shelf.restock(price=price)
    shelf.tells()

    shelf.tick()

    assert bool(shelf.told) is is_told
    assert Product.objects.get().price == Decimal(price)


def test_two_small_drops_are_one_for_who_saw_it_before_both(shelf):
    Product.objects.update(is_available=True)
    shelf.open({"on": "price_drop", "percent": 10})
    shelf.views("7", price="100.00")
    for price in ("94.00", "89.00"):
        assert shelf.told == []
        shelf.restock(price=price)
        shelf.tells()
        shelf.tick(minutes=1)

    (run,) = FlowRun.objects.all()
    assert run.data == {"product": "7", "old_price": "100.00"}


def test_a_price_that_rises_is_no_news(shelf):
    Product.objects.update(is_available=True, price=Decimal("80.00"))
    shelf.open({"on": "price_drop", "percent": 10})
    shelf.views("7", price="120.00")
    shelf.restock(price="100.00")
    shelf.tells()

    shelf.tick()

    assert shelf.told == []


def test_a_host_that_tells_what_has_changed_is_not_asked(shelf):
    shelf.host.get_products = None
    shelf.open("back_in_stock", slug="back")
    shelf.open({"on": "price_drop", "percent": 10}, slug="drop")
    shelf.views("7", price="100.00")
    shelf.changes(is_available=True)
    shelf.clock.advance(minutes=1)
    shelf.changes(price=Decimal("85.00"))

    shelf.tick()

    assert sorted(FlowRun.objects.values_list("flow__slug", flat=True)) == ["back", "drop"]


def test_a_host_that_cannot_say_is_asked_again(shelf, caplog):
    shelf.open("back_in_stock")
    shelf.views("7")
    shelf.restock()
    shelf.tells()
    works = shelf.host.get_products
    shelf.host.get_products = None
    shelf.tick()
    assert shelf.watched() == [("product:7", shelf.now + restocks.UNREADABLE)]
    assert "could not tell about its products" in caplog.text

    shelf.host.get_products = works
    shelf.tick(minutes=5)

    assert shelf.told == ["ana@example.com"]


def test_where_no_flow_waits_a_change_costs_one_statement(shelf, django_assert_num_queries):
    with django_assert_num_queries(1):
        shelf.tells()

    assert Watch.objects.count() == 0


def test_who_looked_long_ago_has_forgotten(shelf):
    shelf.open("back_in_stock")
    shelf.views("7")
    shelf.clock.advance(days=60)
    shelf.restock()
    shelf.tells()

    shelf.tick(seconds=timedelta(minutes=1).total_seconds())

    assert shelf.told == []
