"""What each customer's orders come to is kept up by the tick, and compared with the shop's other customers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.rfm import FEWEST_CUSTOMERS, Group
from retarget_plugin.domain.vocabulary import Purpose
from retarget_plugin.engine import consent, customers, merges, privacy, retention
from retarget_plugin.models import Contact, Customer, Order, Quintiles
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.goods import Till, item

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


def crowd(shop, clock, size):
    """Customer n of `size` has ordered n times, for 10 n, n days ago being the furthest for the lowest."""
    people = Contact.objects.bulk_create(
        Contact(shop=shop, email=f"p{n}@example.com", created_at=clock.now) for n in range(1, size + 1)
    )
    Customer.objects.bulk_create(
        Customer(
            shop=shop, contact=person, orders=n, spent=10 * n,
            first_order_at=clock.now - 999 * DAY, last_order_at=clock.now - (size - n) * DAY,
        )
        for n, person in enumerate(people, start=1)
    )  # fmt: skip
    Quintiles.objects.update_or_create(shop=shop, defaults={"is_stale": True, "made_at": None})
    return people


# -- kept up ----------------------------------------------------------------------------------------------------------


def test_orders_are_counted_in_the_next_tick(till, clock, ana):
    till.sell(item("camera", price="499.00"), number="1", days_ago=100)
    till.sell(item("lens", price="299.50"), number="2", days_ago=40)

    done = customers.keep(now=clock.now)

    row = Customer.objects.get()
    assert done == {"counted": 1, "divided": 1}
    assert (row.contact, row.orders, row.spent, row.median_gap_days) == (
        ana,
        2,
        Decimal("798.50"),
        pytest.approx(60.0, abs=0.01),
    )
    assert (row.last_order_at, row.changed_at) == (Order.objects.get(reference="2").placed_at, None)


def test_where_nobodys_orders_changed_nothing_is_done_but_to_look(till, clock, ana):
    till.sell("camera")
    customers.keep(now=clock.now)

    with CaptureQueriesContext(connection) as queries:
        done = customers.keep(now=clock.now)

    asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert done == {}
    assert [sql.split()[0] for sql in asked] == ["SELECT", "SELECT"]


def test_a_cancelled_order_counts_no_more_and_who_has_none_left_is_no_customer(till, host, clock, ana):
    till.sell("camera", number="1")
    till.sell("lens", number="2")
    customers.keep(now=clock.now)

    for number, left in (("2", [1]), ("1", []), ("1", [])):
        host.orders[number] = replace(host.orders[number], is_cancelled=True)
        till.tell(number)
        customers.keep(now=clock.now)
        assert list(Customer.objects.values_list("orders", flat=True)) == left


def test_an_order_is_counted_with_the_total_it_has_now(till, host, clock, ana):
    till.sell("camera")
    customers.keep(now=clock.now)
    host.orders["1"] = replace(host.orders["1"], total=Decimal("7.50"))

    till.tell()
    customers.keep(now=clock.now)

    assert (Customer.objects.get().orders, Customer.objects.get().spent) == (1, Decimal("7.50"))


def test_a_worker_that_dies_while_it_counts_has_counted_nobody(till, clock, ana, monkeypatch):
    till.sell("camera")

    def die(rows):
        raise ConnectionError

    monkeypatch.setattr(customers, "_recount", die)
    with pytest.raises(ConnectionError):
        customers.keep(now=clock.now)
    monkeypatch.undo()

    assert customers.keep(now=clock.now)["counted"] == 1
    assert Customer.objects.get().orders == 1


def test_any_number_of_customers_is_read_and_written_in_a_fixed_number_of_queries(till, shop, clock):
    def counting(people):
        for number in range(people):
            till.sell("camera", number=f"{people}-{number}", email=f"p{people}-{number}@example.com")
        with CaptureQueriesContext(connection) as queries:
            assert customers.keep(now=clock.now)["counted"] == people
        # Where rows cannot be locked, each is claimed by itself.
        return len([query for query in queries if '"changed_at" = NULL' not in query["sql"]])

    counting(2)

    assert counting(2) == counting(9)


def test_merged_customers_are_one_and_parted_they_are_two(till, shop, clock, ana):
    eve = build_contact(shop, now=clock.now, email="eve@example.com")
    till.sell("camera", number="1")
    till.sell("lens", number="2", email="eve@example.com")
    customers.keep(now=clock.now)

    merge = merges.merge(eve, ana, by="test", now=clock.now)
    customers.keep(now=clock.now)
    together = list(Customer.objects.values_list("contact", "orders"))
    merges.undo(merge, by="test", now=clock.now)
    customers.keep(now=clock.now)

    assert together == [(ana.pk, 2)]
    assert list(Customer.objects.order_by("contact").values_list("contact", "orders")) == [(ana.pk, 1), (eve.pk, 1)]


# -- compared ---------------------------------------------------------------------------------------------------------


def test_a_standing_is_measured_against_the_shops_fifths(shop, clock):
    people = crowd(shop, clock, 100)

    customers.keep(now=clock.now)

    row = Quintiles.objects.get()
    assert (row.customers, row.frequency, row.monetary) == (
        100,
        [20, 40, 60, 80],
        ["200.00", "400.00", "600.00", "800.00"],
    )
    assert row.recency == [(clock.now - days * DAY).isoformat() for days in (80, 60, 40, 20)]
    groups = [customers.standing(people[place]).scores.group for place in (99, 79, 59, 39, 19)]
    assert groups == [Group.CHAMPION, Group.LOYAL, Group.SLIPPING, Group.LOST, Group.LOST]


def test_a_shop_with_one_order_says_that_it_has_too_few_customers(till, clock, ana):
    till.sell("camera")
    customers.keep(now=clock.now)

    found = customers.standing(ana)

    assert (found.history.orders, found.history.median_gap_days, found.customers, found.scores) == (1, None, 1, None)


def test_one_customer_too_few_is_too_few(shop, clock):
    people = crowd(shop, clock, FEWEST_CUSTOMERS - 1)
    customers.keep(now=clock.now)
    assert customers.standing(people[0]).scores is None

    crowd_of_one = Contact.objects.create(shop=shop, email="last@example.com", created_at=clock.now)
    facts = {"first_order_at": clock.now, "last_order_at": clock.now, "orders": 1, "spent": 1}
    Customer.objects.create(shop=shop, contact=crowd_of_one, **facts)
    Quintiles.objects.update(is_stale=True, made_at=None)
    customers.keep(now=clock.now)

    assert customers.standing(people[0]).scores is not None


def test_a_shop_is_divided_anew_once_a_day_and_only_when_something_changed(till, shop, clock, ana):
    till.sell("camera", number="1")
    assert customers.keep(now=clock.now)["divided"] == 1
    till.sell("lens", number="2")

    soon = customers.keep(now=clock.advance(hours=23))
    next_day = customers.keep(now=clock.advance(hours=1))
    later = customers.keep(now=clock.advance(days=7))

    assert (soon, next_day, later) == ({"counted": 1}, {"divided": 1}, {})


# -- whose it is ------------------------------------------------------------------------------------------------------


def test_who_objects_to_profiles_has_no_standing_and_no_gap(till, shop, clock, ana):
    for number in range(3):
        till.sell("camera", number=str(number), days_ago=10 * number)
    customers.keep(now=clock.now)
    assert customers.standing(ana).history.median_gap_days == pytest.approx(10.0, abs=0.01)

    consent.withdraw(ana, channel="", purpose=Purpose.PROFILING, source="preference centre", now=clock.now)

    assert customers.standing(ana) is None
    till.tell("0")
    customers.keep(now=clock.now)
    assert not Customer.objects.exists()


def test_who_ordered_once_or_never_has_no_gap(till, shop, clock, ana):
    stranger = build_contact(shop, now=clock.now)
    till.sell("camera")
    customers.keep(now=clock.now)

    assert customers.standing(ana).history.median_gap_days is None
    assert customers.standing(stranger) is None


def test_an_erased_customer_is_gone(till, clock, ana):
    till.sell("camera")
    customers.keep(now=clock.now)

    privacy.erase(ana, by="test", now=clock.now)
    till.tell()
    customers.keep(now=clock.now)

    assert not Customer.objects.exists()


def test_a_customer_is_forgotten_with_the_last_order(till, clock, ana):
    till.sell("camera")
    customers.keep(now=clock.now)

    retention.purge(clock.advance(days=1095, seconds=-5))
    assert Customer.objects.exists()
    retention.purge(clock.advance(seconds=10))

    assert not Customer.objects.exists()
    assert Order.objects.get().counted == {}
