"""What an order teaches counts once: which products go together, and what its buyer likes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain import recommend
from retarget_plugin.domain.interests import score
from retarget_plugin.domain.vocabulary import Purpose
from retarget_plugin.engine import attribution, consent, privacy, purchases
from retarget_plugin.models import Contact, Order, Product, ProductPair
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.goods import Till, item, stock

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

DAY = timedelta(days=1)


@pytest.fixture
def shop(db, host):
    return build_shop()


@pytest.fixture
def till(shop, host, clock):
    return Till(host, clock)


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, email="ana@example.com")


def pairs(clock):
    """(product, other) -> orders with both, as they weigh today."""
    today = recommend.weight(clock.now)
    found = ProductPair.objects.values_list("product", "other", "weight")
    return {(one, other): round(weight / today, 4) for one, other, weight in found}


def bought(clock):
    today = recommend.weight(clock.now)
    return {row.reference: round(row.bought / today, 4) for row in Product.objects.order_by("reference")}


def interest(contact, topic, clock):
    contact.refresh_from_db()
    return round(score(contact.interests, topic, now=clock.now), 2)


# -- counted ----------------------------------------------------------------------------------------------------------


def test_two_orders_with_the_same_two_products_are_a_pair_of_weight_two(till, clock):
    till.sell("camera", "bag", number="1")
    till.sell("camera", "bag", "strap", number="2", email="")

    assert pairs(clock) == {
        ("bag", "camera"): 2.0,
        ("bag", "strap"): 1.0,
        ("camera", "bag"): 2.0,
        ("camera", "strap"): 1.0,
        ("strap", "bag"): 1.0,
        ("strap", "camera"): 1.0,
    }
    assert bought(clock) == {"bag": 2.0, "camera": 2.0, "strap": 1.0}


def test_an_order_of_a_year_ago_weighs_half(till, clock):
    till.sell("camera", "bag", days_ago=365)

    assert pairs(clock)["camera", "bag"] == 0.5


def test_a_shop_with_one_order_of_one_product_knows_no_pair(till, clock, ana):
    till.sell(item("camera", category="Cameras"))

    assert pairs(clock) == {}
    assert bought(clock) == {"camera": 1.0}
    assert interest(ana, "cameras", clock) == 8.0


def test_a_product_that_is_known_keeps_what_is_known_of_it(till, shop, clock):
    stock(shop, "camera", price=Decimal("899.00"), now=clock.now)

    till.sell(item("camera", price="799.00", title="Old title"), "bag")

    camera, bag = Product.objects.order_by("-price")
    assert (camera.title, camera.price, camera.first_seen_at) == ("Product camera", Decimal("899.00"), None)
    assert (bag.title, bag.price, bag.currency, bag.first_seen_at) == (
        "Product bag",
        Decimal("10.00"),
        "EUR",
        clock.now,
    )


def test_the_same_line_twice_and_a_line_of_no_product_count_as_nothing_more(till, clock):
    till.sell("camera", "camera", "bag", item("", title="Deleted since"))

    assert pairs(clock) == {("bag", "camera"): 1.0, ("camera", "bag"): 1.0}
    assert bought(clock) == {"bag": 1.0, "camera": 1.0}


def test_an_order_is_an_interest_in_each_of_its_categories_once(till, clock, ana):
    till.sell(*(item(f"lens-{n}", category="Macro lenses") for n in range(7)), item("bag", category="Bags"))

    assert interest(ana, "macro-lenses", clock) == 8.0
    assert interest(ana, "bags", clock) == 8.0


# -- once -------------------------------------------------------------------------------------------------------------


def test_the_same_order_settled_again_counts_once(till, clock, ana):
    till.sell(item("camera", category="Cameras"), "bag")
    before = pairs(clock), bought(clock)

    order = till.tell()
    purchases.settle(order, now=clock.now)

    assert (pairs(clock), bought(clock)) == before
    assert interest(ana, "cameras", clock) == 8.0


def test_a_cancelled_order_counts_no_more_and_twice_is_as_good_as_once(till, host, clock, ana):
    till.sell("camera", "bag", number="1")
    till.sell(item("camera", category="Cameras"), "bag", "strap", number="2")
    host.orders["2"] = replace(host.orders["2"], is_cancelled=True)

    till.tell("2")
    till.tell("2")

    assert pairs(clock) == {("bag", "camera"): 1.0, ("camera", "bag"): 1.0}
    assert bought(clock) == {"bag": 1.0, "camera": 1.0, "strap": 0.0}
    assert interest(ana, "cameras", clock) == 0.0


def test_a_cancellation_that_is_taken_back_counts_again_once(till, host, clock, ana):
    till.sell(item("camera", category="Cameras"), "bag")
    host.orders["1"] = replace(host.orders["1"], is_cancelled=True)
    till.tell()
    host.orders["1"] = replace(host.orders["1"], is_cancelled=False)

    till.tell()

    assert pairs(clock) == {("bag", "camera"): 1.0, ("camera", "bag"): 1.0}
    assert interest(ana, "cameras", clock) == 8.0


def test_an_order_that_was_cancelled_before_it_was_read_counts_nothing(till, clock):
    till.sell("camera", "bag", is_cancelled=True)
    till.tell()

    assert (pairs(clock), bought(clock)) == ({}, {})
    assert Order.objects.get().counted_at is None


def test_an_order_that_is_changed_counts_as_it_is_now(till, host, clock, ana):
    till.sell(item("camera", category="Cameras"), "bag")
    lines = (item("camera", category="Cameras"), item("lens", category="Lenses"))
    host.orders["1"] = replace(host.orders["1"], items=lines)

    till.tell()

    assert pairs(clock) == {("camera", "lens"): 1.0, ("lens", "camera"): 1.0}
    assert bought(clock) == {"bag": 0.0, "camera": 1.0, "lens": 1.0}
    assert (interest(ana, "cameras", clock), interest(ana, "lenses", clock)) == (8.0, 8.0)


def test_an_order_whose_worker_was_overtaken_counts_once(till, clock):
    order = till.sell("camera", "bag")
    stale = Order.objects.select_related("shop").get(pk=order.pk)
    Order.objects.filter(pk=order.pk).update(settled_at=None)
    attribution.settle_new(now=clock.now)

    attribution._settle(stale, now=clock.now)

    assert pairs(clock) == {("bag", "camera"): 1.0, ("camera", "bag"): 1.0}


# -- bounded ----------------------------------------------------------------------------------------------------------


def test_of_an_order_of_five_thousand_lines_the_dearest_twenty_count(till, clock, django_assert_max_num_queries):
    lines = [item(f"p{n}", price=f"{n + 1}.00", category=f"Category {n % 7}") for n in range(5_000)]

    with django_assert_max_num_queries(60):
        till.sell(*lines)

    assert set(bought(clock)) == {f"p{n}" for n in range(4_980, 5_000)}
    assert len(pairs(clock)) == 20 * 19


@pytest.mark.parametrize(
    "line", [item("x" * 121), item("gold", price="1E+20"), item("void", price="NaN")], ids=["id", "price", "NaN"]
)
def test_a_line_that_no_product_can_hold_counts_nowhere_and_stops_no_order(till, clock, line):
    order = till.sell("camera", "bag", line, total=Decimal("20.00"))

    assert order.settled_at == clock.now
    assert bought(clock) == {"bag": 1.0, "camera": 1.0}


def test_a_product_remembers_the_fifty_it_was_bought_with_most(till, clock):
    till.sell("camera", "bag", number="bag 1")
    till.sell("camera", "bag", number="bag 2")
    for number in range(60):
        till.sell("camera", f"p{number:02}", number=str(number), days_ago=60 - number)

    beside = [other for one, other in pairs(clock) if one == "camera"]
    assert len(beside) == purchases.MOST_PAIRS == 50
    assert "bag" in beside
    # Of those that were bought once, the latest.
    assert set(beside) - {"bag"} == {f"p{number:02}" for number in range(11, 60)}


def test_a_pair_that_was_forgotten_meanwhile_owes_nothing_when_its_order_is_cancelled(till, host, clock):
    till.sell("camera", "bag")
    ProductPair.objects.filter(product="camera").delete()
    host.orders["1"] = replace(host.orders["1"], is_cancelled=True)

    till.tell()

    assert pairs(clock) == {}


# -- whose it is ------------------------------------------------------------------------------------------------------


def test_who_objects_to_profiles_has_no_interests_and_their_order_still_counts_in_the_sums(till, clock, ana):
    consent.withdraw(ana, channel="", purpose=Purpose.PROFILING, source="preference centre", now=clock.now)

    till.sell(item("camera", category="Cameras"), "bag")

    assert interest(ana, "cameras", clock) == 0.0
    assert pairs(clock)["camera", "bag"] == 1.0


def test_an_order_that_was_erased_is_not_counted_a_second_time(till, clock, ana):
    till.sell("camera", "bag")
    privacy.erase(ana, by="test", now=clock.now)
    assert Order.objects.get().counted == {}

    till.tell()

    assert pairs(clock) == {("bag", "camera"): 1.0, ("camera", "bag"): 1.0}
    assert Order.objects.get().counted == {}
    assert Contact.objects.filter(erased_at=None).count() == 0


def test_what_is_inside_a_bundle_is_recorded_with_the_order(till, host, clock):
    host.bundle_contents = lambda product_ids: {"kit": ["camera", "strap"]} if "kit" in product_ids else {}

    order = till.sell("kit", item("set", contents=["bag"]))

    assert {line["product_id"]: line.get("contents") for line in order.items} == {
        "kit": ["camera", "strap"],
        "set": ["bag"],
    }


def test_an_order_is_read_although_nobody_can_say_what_is_in_its_bundles(till, host, caplog):
    def broken(product_ids):
        raise ConnectionError

    host.bundle_contents = broken

    order = till.sell("kit")

    assert (order.settled_at is not None, order.items[0]["product_id"]) == (True, "kit")
    assert "could not tell what is in its bundles" in caplog.text
