"""What an experiment has shown: figures worked out by hand, and when nothing is said."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from retarget_plugin.domain import effects
from retarget_plugin.domain.effects import Difference, Sums


def sums(count, orders):
    """`count` people of whom `orders` placed one order each."""
    return Sums(count, orders, orders, orders)


def test_sums_tell_mean_and_variance():
    found = Sums.of([0, 0, 3, 5])

    assert found == Sums(4, 8, 34, 152)
    assert (found.mean, found.variance) == (2.0, pytest.approx(6.0))
    assert found.lopsidedness == pytest.approx((-8 - 8 + 1 + 27) / 4)
    assert found + Sums.of([2]) == Sums.of([0, 0, 3, 5, 2])
    assert (Sums().mean, Sums().variance, Sums.of([7]).variance) == (0.0, 0.0, 0.0)


def test_a_difference_is_that_of_two_means():
    found = effects.difference([(sums(800, 80), sums(200, 12))])

    variances = 0.1 * 0.9 / 799, 0.06 * 0.94 / 199
    lopsided = 0.1 * 0.9 * 0.8 / 800**2 - 0.06 * 0.94 * 0.88 / 200**2
    assert found.value == pytest.approx(0.04)
    assert found.error == pytest.approx(math.sqrt(sum(variances)))
    assert found.skewness == pytest.approx(lopsided / sum(variances) ** 1.5)
    assert (found.entrants, found.rate) == (1000, pytest.approx(0.06))


def test_the_interval_for_one_look_is_bent_where_few_were_held_out():
    even = Difference(0.04, 0.02, 0.0, 1000, 0.06)
    skewed = replace(even, skewness=-0.4)

    assert (even.fixed.low, even.fixed.high) == pytest.approx((0.0008007, 0.0791993), abs=1e-7)
    # Hall's cubic brings both ends back to 1.96 errors.
    for end, side in ((skewed.fixed.low, 1), (skewed.fixed.high, -1)):
        told = (0.04 - end) / 0.02
        assert told - 0.4 / 3 * told**2 + 0.16 / 27 * told**3 - 0.4 / 6 == pytest.approx(side * 1.959964, abs=1e-6)
    assert skewed.fixed.low < even.fixed.low
    assert skewed.fixed.high < even.fixed.high


@pytest.mark.parametrize(("entrants", "errors"), [(500, 3.855), (5_000, 3.035), (50_000, 3.242), (5_000_000, 3.869)])
def test_reading_every_day_takes_a_wider_interval(entrants, errors):
    assert effects.boundary(entrants, alpha=0.05) == pytest.approx(errors, abs=0.001)


def test_nothing_is_known_of_nobody():
    assert effects.boundary(0, alpha=0.05) == math.inf
    assert effects.difference([]) is None
    assert effects.difference([(sums(1, 1), sums(1, 0))]) is None
    assert effects.difference([(sums(50, 0), sums(50, 0))]) is None


def test_a_season_cannot_pass_for_an_effect():
    # A tenth held out in the good season, half in the bad: the same rate in both arms of each.
    good, bad = (sums(900, 180), sums(100, 20)), (sums(500, 25), sums(500, 25))

    thrown_together = effects.difference([(good[0] + bad[0], good[1] + bad[1])])
    apart = effects.difference([good, bad])

    assert thrown_together.anytime.low > 0
    assert apart.value == pytest.approx(0.0)
    assert apart.entrants == 2000


def test_an_orders_square_weighs_the_same_in_every_arm():
    orders = [(sums(100, 30), sums(50, 10))]
    revenue = [(Sums(100, 3000, 500_000), Sums(50, 700, 60_000))]

    evened = effects.evened(revenue, orders)

    ((treated, held_out),) = evened
    assert (treated.count, treated.first, treated.second) == (100, 3000, 14_000 * 30)
    assert (held_out.count, held_out.first, held_out.second) == (50, 700, 14_000 * 10)
    assert effects.difference(evened).skewness == pytest.approx(0.0)
    assert effects.evened([(Sums(5), Sums(5))], [(Sums(5), Sums(5))]) == [(Sums(5), Sums(5))]


@pytest.mark.parametrize(
    ("treated", "held_out", "is_enough"),
    [
        (sums(400, 50), sums(100, 0), True),
        (sums(400, 49), sums(100, 0), False),
        (sums(0, 0), sums(0, 0), False),
        (sums(400, 50), sums(0, 0), False),
    ],
)
def test_ten_orders_are_to_be_expected_in_the_smaller_arm(treated, held_out, is_enough):
    assert effects.is_enough([(treated, held_out)]) is is_enough


def test_before_the_first_orders_a_usual_rate_is_planned_for():
    nothing = effects.needed(None, entrants=0, holdout=0.2)

    # One in twenty orders; three tenths more are to be seen, through a spread of 0.05 * 0.95 / 0.16.
    reach = effects.boundary(nothing, alpha=0.05) + 0.841621
    assert nothing == math.ceil(reach**2 * 0.296875 / 0.015**2) == 20831


def test_a_large_effect_needs_fewer_people_than_one_that_is_lost_in_the_noise():
    def needed(treated):
        found = effects.difference([(sums(800, treated), sums(200, 10))])
        return effects.needed(found, entrants=1000, holdout=0.2)

    assert [needed(treated) for treated in (40, 60, 80, 400)] == [20925, 22971, 2903, 1001]


def leading(*orders, people=2000):
    return effects.choose({name: sums(people, count) for name, count in zip("abc", orders, strict=False)})


def test_an_ab_test_goes_on_until_one_version_is_ahead_for_sure():
    assert leading(100, 130) == effects.Choice("b", "")
    assert leading(100, 170) == effects.Choice("b", "b")
    assert leading(100, 100, 170) == effects.Choice("c", "c")
    assert leading(100, 165, 170) == effects.Choice("c", "")
    assert leading(3, 20, people=60) == effects.Choice("b", "")
    assert effects.choose({"a": sums(10, 1)}) == effects.Choice()
