"""Who is held out: drawn by a key, always alike, and never by the luck of another experiment."""

from __future__ import annotations

from collections import Counter

import pytest

from retarget_plugin.domain.experiments import Arm, arms, bucket, draw, share

KEY, OTHER = b"k" * 16, b"o" * 16
PEOPLE = [str(number) for number in range(20_000)]
SHARES = {"holdout": 20.0, "treated": 80.0}


def test_a_bucket_is_always_the_same():
    assert [bucket(KEY, "17"), bucket(KEY, "18"), bucket(OTHER, "17")] == pytest.approx(
        [0.61810, 0.94862, 0.32759], abs=1e-5
    )


def test_buckets_are_spread_evenly():
    counted = Counter(int(bucket(KEY, person) * 20) for person in PEOPLE)

    # Chi-square with 19 degrees of freedom: 43.8 is passed by one draw in a thousand.
    assert sum((counted[part] - 1000) ** 2 / 1000 for part in range(20)) < 43.8


def test_a_fifth_is_held_out():
    counted = Counter(draw(KEY, person, SHARES) for person in PEOPLE)

    # Four standard deviations to both sides of 4,000.
    assert 3774 < counted["holdout"] < 4226


def test_being_held_out_of_one_flow_says_nothing_of_another():
    held_out = [person for person in PEOPLE if draw(KEY, person, SHARES) == "holdout"]

    in_both = sum(draw(OTHER, person, SHARES) == "holdout" for person in held_out)

    expected = len(held_out) / 5
    assert abs(in_both - expected) < 4 * (expected * 0.8) ** 0.5


def test_the_order_in_which_arms_are_stored_changes_nobodys():
    stored = dict(reversed(SHARES.items()))

    assert [draw(KEY, person, stored) for person in PEOPLE[:500]] == [
        draw(KEY, person, SHARES) for person in PEOPLE[:500]
    ]


def test_without_weight_nobody_is_drawn():
    assert {draw(KEY, person, {"a": 0, "b": 1}) for person in PEOPLE[:500]} == {"b"}
    with pytest.raises(ValueError, match="no weight is above zero"):
        draw(KEY, "17", {"a": 0})


@pytest.mark.parametrize(
    ("asked", "was_known", "held_out"),
    [
        (None, False, 20),
        (None, True, 10),
        (0, False, 0),
        (35, True, 35),
    ],
)
def test_a_fifth_while_learning_then_a_tenth_unless_the_owner_says_otherwise(asked, was_known, held_out):
    assert share(asked=asked, was_known=was_known) == held_out


@pytest.mark.parametrize(
    ("holdout", "has_coupon", "expected"),
    [
        (20, False, {Arm.HOLDOUT: 20, Arm.TREATED: 80}),
        (20, True, {Arm.HOLDOUT: 20, Arm.PLAIN: 40, Arm.COUPON: 40}),
        (0, False, {Arm.TREATED: 100}),
        (0, True, {Arm.TREATED: 100}),
    ],
)
def test_a_coupon_makes_a_third_arm(holdout, has_coupon, expected):
    assert arms(holdout, has_coupon=has_coupon) == expected
