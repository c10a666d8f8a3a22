"""What is left of what was recovered."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retarget_plugin.domain.attribution import margin


@pytest.mark.parametrize(
    ("revenue", "discount", "percent", "left"),
    [
        ("100", "0", 40, "40"),
        # Goods of 110 cost 66 at any price.
        ("100", "10", 40, "34"),
        ("100", "100", 40, "-20"),
        ("0", "0", 40, "0"),
        ("100", "10", 100, "100"),
        ("100", "10", 0, "-10"),
    ],
)
def test_goods_cost_the_same_whatever_was_taken_off(revenue, discount, percent, left):
    assert margin(Decimal(revenue), discount=Decimal(discount), percent=percent) == Decimal(left)
