"""Bars per day as plain numbers for an SVG: drawn by the server, read without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from retarget_plugin.engine.reports import Day

WIDTH = 1000
HEIGHT = 200


@dataclass(frozen=True)
class Bar:
    """A rectangle in the drawing's units, as text: a localized number is none to a browser."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class Group:
    """One day: its abandoned carts, the messaged part of them, and beside it the recovered orders."""

    day: Day
    abandoned: Bar
    messaged: Bar
    recovered: Bar
    slot: Bar


@dataclass(frozen=True)
class Chart:
    """`top` is the value of the upper edge; `marks` are the dates written below the drawing."""

    groups: tuple[Group, ...]
    top: int
    marks: tuple[date, ...]
    width: str = str(WIDTH)
    height: str = str(HEIGHT)


def bars(days: Sequence[Day]) -> Chart:
    """The chart of `days`, oldest first. Bars share one scale from zero; its top is a round number."""
    top = _rounded_up(max((max(day.abandoned, day.recovered) for day in days), default=0))
    step = WIDTH / max(len(days), 1)
    groups = tuple(_group(day, number * step, step, top) for number, day in enumerate(days))
    return Chart(groups=groups, top=top, marks=_marks([day.date for day in days]))


def _group(day: Day, left: float, step: float, top: int) -> Group:
    return Group(
        day=day,
        abandoned=_bar(left + step * 0.14, step * 0.42, day.abandoned, top),
        messaged=_bar(left + step * 0.14, step * 0.42, day.messaged, top),
        recovered=_bar(left + step * 0.62, step * 0.24, day.recovered, top),
        slot=_bar(left, step, top, top),
    )


def _bar(x: float, width: float, value: int, top: int) -> Bar:
    height = HEIGHT * value / top
    return Bar(x=f"{x:.2f}", y=f"{HEIGHT - height:.2f}", width=f"{width:.2f}", height=f"{height:.2f}")


def _rounded_up(value: int) -> int:
    """The next of 4, 8, 12, 20, 40, 80, 120, 200 ...: half of it is a whole number too."""
    unit = 1
    while True:
        for top in (4 * unit, 8 * unit, 12 * unit, 20 * unit):
            if value <= top:
                return top
        unit *= 10


def _marks(dates: Sequence[date]) -> tuple[date, ...]:
    if len(dates) < 3:
        return tuple(dates)
    return dates[0], dates[len(dates) // 2], dates[-1]
