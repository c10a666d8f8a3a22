"""The drawing's arithmetic."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from retarget_plugin.admin import charts
from retarget_plugin.engine.reports import Day


def days(*abandoned, recovered=0):
    return [
        Day(date=date(2026, 11, 1) + timedelta(days=number), abandoned=value, recovered=recovered)
        for number, value in enumerate(abandoned)
    ]


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 4), (4, 4), (5, 8), (9, 12), (13, 20), (21, 40), (121, 200), (199_999, 200_000)]
)
def test_the_scale_ends_at_a_round_number_with_a_whole_half(highest, top):
    assert charts.bars(days(highest)).top == top


def test_a_full_day_reaches_the_top_and_an_empty_one_the_ground():
    chart = charts.bars(days(4, 0, 1))

    assert [(group.abandoned.y, group.abandoned.height) for group in chart.groups] == [
        ("0.00", "200.00"),
        ("200.00", "0.00"),
        ("150.00", "50.00"),
    ]


def test_recovered_orders_share_the_scale():
    assert charts.bars(days(1, recovered=7)).top == 8


def test_the_first_the_middle_and_the_last_day_are_named():
    assert [mark.day for mark in charts.bars(days(*range(7))).marks] == [1, 4, 7]
    assert [mark.day for mark in charts.bars(days(1, 2)).marks] == [1, 2]
