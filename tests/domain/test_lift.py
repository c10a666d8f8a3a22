"""What the report says of shops whose truth is known: made up as in `benchmarks.lift`, read once and read every day."""

from __future__ import annotations

import random

import pytest

from benchmarks import lift
from retarget_plugin.domain import effects
from retarget_plugin.domain.effects import Sums
from tests.promises import length

SHOPS, TESTS = length(300, 1000), length(150, 1000)


@pytest.fixture(scope="module")
def readings():
    found = [lift.read_every_day(number) for number in range(SHOPS)]
    return [reading for reading in found if reading is not None]


def test_the_intervals_hold_the_truth_and_no_effect_is_called_a_success(readings):
    kept = lift.bars(readings)

    assert {bar.what: round(bar.figure, 3) for bar in kept if not bar.is_met} == {}
    assert [(bar.low, bar.high) for bar in kept] == [(0.93, 0.97), (0.93, 0.97), (0.95, 1.0), (0.0, 0.05), (0.0, 0.05)]


def test_the_interval_for_one_look_does_not_bear_being_read_every_day(readings):
    idle = [reading for reading in readings if not reading.lift]

    assert lift.share(reading.daily for reading in idle) > 0.1


def test_a_large_effect_is_seen(readings):
    large = [reading for reading in readings if reading.lift == 1.0]

    assert lift.share(reading.report for reading in large) > 0.8


def winner_of_equals(number):
    """Whether an A/B/C test of three equal versions named a winner on any of a hundred and twenty days."""
    luck = random.Random(number)
    orders = {"a": [0, 0], "b": [0, 0], "c": [0, 0]}
    for _day in range(120):
        for _person in range(30):
            version = luck.choice("abc")
            orders[version][0] += 1
            orders[version][1] += luck.random() < 0.08
        if effects.choose({name: Sums(people, *(placed,) * 3) for name, (people, placed) in orders.items()}).winner:
            return True
    return False


def test_an_ab_test_of_equals_that_is_read_every_day_seldom_names_a_winner():
    named = sum(winner_of_equals(number) for number in range(TESTS))

    assert named / TESTS <= 0.05
