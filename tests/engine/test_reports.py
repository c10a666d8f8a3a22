"""The figures of a period: what is counted, on which day, and what is left out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.engine import reports
from tests.admin import rows

pytestmark = pytest.mark.django_db

UNTIL = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=7)


def at(day, hour=10, minute=0):
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def shop():
    return rows.shop(time_zone="UTC")


@pytest.fixture
def flow(shop):
    return rows.flow(shop)


@pytest.fixture
def sent(flow):
    """A message that left for a cart abandoned on the 20th."""
    cart = rows.cart(flow.shop, abandoned_at=at(20))
    return rows.message(rows.run(flow, cart=cart, entered_at=at(20)), clicked_at=at(21))


def overview(shop, since=SINCE, until=UNTIL):
    return reports.overview(shop, since=since, until=until)


def figures(shop, **period):
    found = overview(shop, **period)
    return found.abandoned, found.messaged, found.recovered, found.revenue


def test_a_shop_without_rows_has_a_zero_for_every_day(shop):
    found = overview(shop)

    assert [day.date for day in found.days] == [date(2026, 11, number) for number in range(17, 25)]
    assert {(day.abandoned, day.messaged, day.recovered, day.revenue) for day in found.days} == {
        (0, 0, 0, Decimal("0.00"))
    }
    assert figures(shop) == (0, 0, 0, Decimal("0.00"))
    assert found.is_empty


def test_a_story_of_three_carts_adds_up(shop, sent):
    rows.cart(shop, abandoned_at=at(20))
    rows.cart(shop, abandoned_at=at(22))
    rows.cart(shop)
    rows.order(shop, placed_at=at(21), total=Decimal("120.10"), credited_message=sent)
    rows.order(shop, placed_at=at(21), total=Decimal("80.25"), credited_message=sent)
    rows.order(shop, placed_at=at(21), total=Decimal("999.00"))

    found = overview(shop)

    assert figures(shop) == (3, 1, 2, Decimal("200.35"))
    by_day = {day.date.day: (day.abandoned, day.messaged, day.recovered, day.revenue) for day in found.days}
    assert by_day[20] == (2, 1, 0, Decimal("0.00"))
    assert by_day[21] == (0, 0, 2, Decimal("200.35"))
    assert by_day[22] == (1, 0, 0, Decimal("0.00"))
    assert not found.is_empty


@pytest.mark.parametrize("state", ["scheduled", "attempting", "rejected", "cancelled", "expired", "unknown", "parked"])
def test_only_an_accepted_message_makes_a_cart_messaged(shop, flow, state):
    run = rows.run(flow, cart=rows.cart(shop, abandoned_at=at(20)))
    rows.message(run, state=state)

    assert figures(shop)[:2] == (1, 0)


def test_a_cart_with_two_messages_counts_once(shop, flow, sent):
    rows.message(sent.run)

    assert figures(shop)[:2] == (1, 1)


def test_the_period_takes_its_first_instant_and_leaves_out_its_last(shop, sent):
    rows.cart(shop, abandoned_at=SINCE)
    rows.cart(shop, abandoned_at=UNTIL)
    rows.cart(shop, abandoned_at=SINCE - timedelta(microseconds=1))
    rows.order(shop, placed_at=SINCE, total=Decimal(1), credited_message=sent)
    rows.order(shop, placed_at=UNTIL, total=Decimal(2), credited_message=sent)

    assert figures(shop) == (2, 1, 1, Decimal("1.00"))


def test_a_cancelled_order_is_not_recovered(shop, sent):
    rows.order(shop, placed_at=at(21), credited_message=sent, cancelled_at=at(22))

    assert figures(shop)[2:] == (0, Decimal("0.00"))


def test_another_shops_rows_are_not_counted(shop, sent):
    rows.order(shop, placed_at=at(21), total=Decimal(10), credited_message=sent)
    other = rows.shop(time_zone="UTC")

    assert figures(other) == (0, 0, 0, Decimal("0.00"))
    assert overview(other).flows == ()
    assert figures(shop) == (1, 1, 1, Decimal("10.00"))


def test_another_currency_is_recovered_but_never_added_to_the_revenue(shop, sent):
    rows.order(shop, placed_at=at(21), total=Decimal(10), credited_message=sent)
    rows.order(shop, placed_at=at(21), total=Decimal("30.50"), currency="USD", credited_message=sent)
    rows.order(shop, placed_at=at(22), total=Decimal("20.00"), currency="USD", credited_message=sent)
    rows.order(shop, placed_at=at(22), total=Decimal("7.00"), currency="CHF", credited_message=sent)

    found = overview(shop)

    assert (found.currency, found.recovered, found.revenue) == ("EUR", 4, Decimal("10.00"))
    assert [(row.currency, row.recovered, row.revenue) for row in found.foreign] == [
        ("CHF", 1, Decimal("7.00")),
        ("USD", 2, Decimal("50.50")),
    ]
    assert (found.flows[0].recovered, found.flows[0].revenue) == (4, Decimal("10.00"))


def test_days_are_those_of_the_shops_time_zone():
    auckland = rows.shop(time_zone="Pacific/Auckland")
    rows.cart(auckland, abandoned_at=at(20, 10, 59))
    rows.cart(auckland, abandoned_at=at(20, 11, 0))

    found = overview(auckland)

    # Midnight in Auckland (UTC+13 in November) is 11:00 UTC of the day before.
    assert {day.date: day.abandoned for day in found.days if day.abandoned} == {
        date(2026, 11, 20): 1,
        date(2026, 11, 21): 1,
    }
    assert (found.days[0].date, found.days[-1].date) == (date(2026, 11, 18), date(2026, 11, 25))


def test_the_day_the_clocks_change_has_its_twenty_five_hours():
    paris = rows.shop(time_zone="Europe/Paris")
    first, last = datetime(2026, 10, 24, 22, 0, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)
    rows.cart(paris, abandoned_at=first)
    rows.cart(paris, abandoned_at=last)

    found = overview(paris, since=first, until=last + timedelta(seconds=1))

    assert [(day.date, day.abandoned) for day in found.days] == [(date(2026, 10, 25), 2)]


def test_cents_add_up_exactly(shop, sent):
    for _number in range(30):
        rows.order(shop, placed_at=at(21), total=Decimal("0.10"), credited_message=sent)

    assert figures(shop)[3] == Decimal("3.00")


def test_each_flow_has_its_line(shop, flow, sent):
    quiet = rows.flow(shop, name="Quiet")
    rows.message(sent.run, state="cancelled")
    rows.message(sent.run)
    rows.run(flow, cart=rows.cart(shop), entered_at=at(22))
    rows.run(flow, cart=rows.cart(shop), entered_at=SINCE - timedelta(days=1))
    rows.order(shop, placed_at=at(22), total=Decimal("55.00"), credited_message=sent)

    lines = overview(shop).flows

    assert [(line.flow, line.entered, line.sent, line.clicked, line.recovered, line.revenue) for line in lines] == [
        (flow, 2, 2, 1, 1, Decimal("55.00")),
        (quiet, 0, 0, 0, 0, Decimal("0.00")),
    ]


def test_lines_of_two_shops_keep_their_own_currency(sent):
    swiss = rows.flow(rows.shop(currency="CHF"))
    theirs = rows.message(rows.run(swiss, cart=rows.cart(swiss.shop)))
    rows.order(sent.shop, placed_at=at(21), total=Decimal(10), credited_message=sent)
    rows.order(swiss.shop, placed_at=at(21), total=Decimal(20), currency="CHF", credited_message=theirs)
    rows.order(swiss.shop, placed_at=at(21), total=Decimal(40), currency="EUR", credited_message=theirs)

    lines = reports.flow_lines([sent.run.flow, swiss], since=SINCE, until=UNTIL)

    assert {pk: (line.recovered, line.revenue) for pk, line in lines.items()} == {
        sent.run.flow.pk: (1, Decimal("10.00")),
        swiss.pk: (2, Decimal("20.00")),
    }


def test_the_number_of_queries_does_not_grow_with_the_shop(shop, flow):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            overview(shop)
        return len(captured)

    before = queries()
    for day in range(18, 24):
        for _number in range(5):
            sent = rows.message(
                rows.run(rows.flow(shop), cart=rows.cart(shop, abandoned_at=at(day)), entered_at=at(day))
            )
            rows.order(shop, placed_at=at(day), credited_message=sent)

    assert figures(shop)[:3] == (30, 30, 30)
    assert (before, queries()) == (6, 6)
