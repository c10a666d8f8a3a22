"""What is recommended: how a pair of products is believed, what rules, and what is never shown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain.recommend import (
    EPOCH,
    HALF_LIFE_DAYS,
    Candidate,
    Sales,
    Taste,
    choose,
    newest,
    score,
    weight,
)
from retarget_plugin.domain.subjects import Product

NOW = EPOCH + timedelta(days=700)
DAY = timedelta(days=1)
NO_SALES = Sales()


def product(reference, **changes):
    facts = {
        "title": f"Product {reference}",
        "url": f"https://shop.example/{reference}",
        "image_url": f"https://shop.example/{reference}.jpg",
        "price": Decimal(10),
    }
    return Product(reference=reference, **{**facts, **changes})


def candidate(reference, *, bought=0.0, first_seen_at=None, **changes):
    return Candidate(product=product(reference, **changes), bought=bought, first_seen_at=first_seen_at)


def chosen(candidates, taste, sales=NO_SALES, most=3):
    return [one.reference for one in choose(candidates, taste, sales, most=most, now=NOW)]


# -- what goes together -----------------------------------------------------------------------------------------------


def test_an_order_counts_half_after_a_half_life_for_ever():
    later = EPOCH + timedelta(days=HALF_LIFE_DAYS)

    assert weight(EPOCH) == 1.0
    assert weight(later) == 2.0
    assert weight(EPOCH - timedelta(days=HALF_LIFE_DAYS)) == 0.5


@pytest.mark.parametrize(
    ("both", "one", "other", "believed"),
    [
        (1, 1, 1, 0.25),  # once is chance, as often as they were sold
        (9, 9, 9, 0.75),  # always together
        (9, 36, 9, 0.375),  # one of them with everything
        (0, 9, 9, 0.0),
        (9, 0, 0, 0.75),  # what each was sold is not known: as often as the two
    ],
)
def test_a_pair_is_believed_as_far_as_orders_show_it(both, one, other, believed):
    sales = Sales({"camera": {"bag": float(both)}}, {"camera": float(one), "bag": float(other)})

    assert sales.together("camera", "bag") == pytest.approx(believed)


def test_two_reasons_say_more_than_one_and_never_more_than_everything():
    each = {"camera": 9.0, "tripod": 9.0, "bag": 9.0}
    sales = Sales({"camera": {"bag": 9.0}, "tripod": {"bag": 9.0}}, each)

    of_one = score(candidate("bag"), Taste(seeds=("camera",)), sales, now=NOW)
    of_both = score(candidate("bag"), Taste(seeds=("camera", "tripod")), sales, now=NOW)

    assert (of_one, of_both) == (pytest.approx(0.75), pytest.approx(0.9375))


# -- what counts how much ---------------------------------------------------------------------------------------------


def test_an_interest_is_felt_by_half_at_a_guide_asked_for_today():
    liked = Taste(interests={"macro": 5.0})

    assert score(candidate("lens", topic="macro"), liked, NO_SALES, now=NOW) == pytest.approx(0.6 * 0.5)
    assert score(candidate("bag", topic="bags"), liked, NO_SALES, now=NOW) == 0.0
    assert score(candidate("gift"), Taste(interests={"": 50.0}), NO_SALES, now=NOW) == 0.0


def test_sales_and_newness_only_decide_among_equals():
    best_seller = candidate("cap", bought=1_000_000.0, first_seen_at=NOW)
    together = candidate("bag")
    sales = Sales({"camera": {"bag": 2.0}}, {"camera": 4.0, "bag": 2.0})

    assert score(best_seller, Taste(), NO_SALES, now=NOW) == pytest.approx(0.15, abs=0.001)
    assert chosen([best_seller, together], Taste(seeds=("camera",)), sales) == ["bag", "cap"]


def test_about_a_topic_nothing_else_is_shown_where_there_is_something_of_it():
    pool = [
        candidate("lens", topic="macro"),
        candidate("cap", bought=50.0),
        candidate("ring", topic="macro", bought=9.0),
    ]

    assert chosen(pool, Taste(about="macro")) == ["ring", "lens"]
    assert chosen(pool, Taste(about="video")) == ["cap", "ring"]


def test_the_second_of_a_category_counts_less():
    pool = [
        candidate("lens-1", topic="macro", bought=50.0),
        candidate("lens-2", topic="macro", bought=49.0),
        candidate("bag", topic="bags", bought=30.0),
    ]

    assert chosen(pool, Taste()) == ["lens-1", "bag", "lens-2"]


def test_equals_stand_in_one_order_whatever_order_they_came_in():
    pool = [candidate(str(number), bought=5.0) for number in range(5)]

    assert chosen(pool, Taste()) == chosen(pool[::-1], Taste()) == ["0", "1", "2"]


# -- what is never shown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flaw",
    [
        {"is_available": False},
        {"url": ""},
        {"url": "javascript:alert(1)"},
        {"image_url": ""},
        {"price": None},
        {"price": Decimal(0)},
        {"title": " "},
    ],
    ids=str,
)
def test_what_cannot_be_shown_and_bought_is_never_chosen(flaw):
    pool = [candidate("good", bought=1.0), candidate("bad", bought=9.0, **flaw)]

    assert chosen(pool, Taste()) == ["good"]
    assert [one.reference for one in newest(pool, Taste(), most=3)] == ["good"]


def test_what_is_owned_is_never_chosen():
    pool = [candidate("camera", bought=9.0), candidate("bag", bought=1.0)]

    assert chosen(pool, Taste(excluded=frozenset({"camera"}))) == ["bag"]


def test_nothing_is_shown_for_which_nothing_speaks():
    assert chosen([candidate("cap")], Taste()) == []


def test_the_newest_come_first_and_those_that_are_liked_before_them():
    pool = [
        candidate("week", first_seen_at=NOW - 7 * DAY),
        candidate("day", first_seen_at=NOW - DAY),
        candidate("liked", first_seen_at=NOW - 20 * DAY, topic="macro"),
        candidate("owned", first_seen_at=NOW),
    ]
    taste = Taste(interests={"macro": 1.0}, excluded=frozenset({"owned"}))

    assert [one.reference for one in newest(pool, taste, most=2)] == ["liked", "day"]
