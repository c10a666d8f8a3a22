"""RFM: what somebody's orders come to, and which fifth of the shop's customers that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain.rfm import (
    FEWEST_CUSTOMERS,
    Bought,
    Bounds,
    Group,
    History,
    Scores,
    history,
    positions,
    scores,
)

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def bought(days_ago, total="10.00", currency="EUR"):
    return Bought(NOW - days_ago * DAY, Decimal(total), currency)


def somebody(days_ago=0, orders=1, spent=10):
    at = NOW - days_ago * DAY
    return History(orders=orders, spent=Decimal(spent), first_order_at=at, last_order_at=at, median_gap_days=None)


def bounds(customers=100):
    return Bounds(
        customers=customers,
        recency=tuple(NOW - days * DAY for days in (400, 200, 100, 50)),
        frequency=(1, 1, 1, 3),
        monetary=(Decimal(10), Decimal(20), Decimal(50), Decimal(100)),
    )


# -- what orders come to ----------------------------------------------------------------------------------------------


def test_orders_are_counted_summed_and_their_gaps_measured():
    found = history([bought(0, "30.00"), bought(100, "10.00"), bought(90, "20.00"), bought(60)], currency="EUR")

    assert found == History(
        orders=4,
        spent=Decimal("70.00"),
        first_order_at=NOW - 100 * DAY,
        last_order_at=NOW,
        median_gap_days=30.0,
    )


def test_an_order_in_another_currency_is_counted_and_not_summed():
    found = history([bought(0), bought(10, "99.00", "USD")], currency="EUR")

    assert (found.orders, found.spent, found.median_gap_days) == (2, Decimal("10.00"), 10.0)


@pytest.mark.parametrize(
    ("total", "spent"), [("999999999999.99", "999999999999.99"), ("-999999999999.99", "-999999999999.99")]
)
def test_nobody_spent_more_than_a_row_can_hold(total, spent):
    found = history([bought(9, total), bought(8, total)], currency="EUR")

    assert found.spent == Decimal(spent)


def test_one_order_has_no_gap_and_none_is_no_history():
    assert history([bought(3)], currency="EUR").median_gap_days is None
    assert history([], currency="EUR") is None


# -- where they stand -------------------------------------------------------------------------------------------------


def test_a_bound_is_the_last_of_its_fifth():
    assert positions(50) == [9, 19, 29, 39]
    assert positions(53) == [9, 20, 30, 41]


@pytest.mark.parametrize(
    ("who", "found"),
    [
        (somebody(0, 4, 101), (5, 5, 5)),
        (somebody(50, 3, 100), (4, 4, 4)),
        (somebody(49, 2, 10), (5, 4, 1)),
        (somebody(400, 1, 0), (1, 1, 1)),
    ],
)
def test_a_score_is_one_more_for_each_bound_that_is_passed(who, found):
    given = scores(who, bounds())

    assert (given.recency, given.frequency, given.monetary) == found


def test_who_bought_once_scores_as_all_who_bought_once():
    every_first_order = Bounds(customers=100, recency=(), frequency=(1, 1, 1, 1), monetary=())

    assert scores(somebody(orders=1), every_first_order).frequency == 1
    assert scores(somebody(orders=2), every_first_order).frequency == 5


def test_with_few_customers_nobody_is_scored():
    assert scores(somebody(), bounds(FEWEST_CUSTOMERS - 1)) is None
    assert scores(somebody(), bounds(FEWEST_CUSTOMERS)) is not None


@pytest.mark.parametrize(
    ("recency", "frequency", "monetary", "group"),
    [
        (5, 5, 5, Group.CHAMPION),
        (5, 1, 1, Group.NEW),
        (4, 2, 3, Group.PROMISING),
        (3, 4, 4, Group.LOYAL),
        (3, 1, 1, Group.SLIPPING),
        (1, 5, 5, Group.AT_RISK),
        (2, 2, 3, Group.AT_RISK),
        (1, 2, 2, Group.LOST),
    ],
)
def test_a_group_is_named_by_how_lately_and_how_much(recency, frequency, monetary, group):
    assert Scores(recency=recency, frequency=frequency, monetary=monetary).group is group


def test_every_pair_of_scores_has_a_name():
    fifths = range(1, 6)

    named = {Scores(recency=r, frequency=f, monetary=m).group for r in fifths for f in fifths for m in fifths}

    assert named == set(Group)
