"""How a hot path is measured: competitors take turns in one run, and their medians are compared.

A module of this package marks its functions with `@benchmark`; each returns the rows it measured. Absolute figures
vary with the machine and the minute, so a goal is always a ratio of two figures from the same rounds.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Row:
    """One line of the report: `ratio` is ours / other and has to be at most `goal`; both sides are in `unit`."""

    path: str
    ours: float
    other: float
    goal: float
    unit: str = "ms"

    @property
    def ratio(self) -> float:
        return self.ours / self.other

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal

    def as_json(self) -> dict[str, object]:
        """The row with its derived columns, named as the printed table names them."""
        return {
            "path": self.path,
            "ours": self.ours,
            "other": self.other,
            "ratio": self.ratio,
            "goal": self.goal,
            "met": self.met,
            "unit": self.unit,
        }


@dataclass(frozen=True)
class Pace:
    """How long to measure: `rounds` in which every competitor takes one turn of `calls` calls."""

    rounds: int
    calls: int


FULL = Pace(rounds=41, calls=50)
QUICK = Pace(rounds=9, calls=20)


class Benchmark(Protocol):
    def __call__(self, pace: Pace) -> Iterable[Row]: ...


registry: list[Benchmark] = []


def benchmark(function: Benchmark) -> Benchmark:
    """Add a function to what `./run bench` runs."""
    registry.append(function)
    return function


@dataclass
class Turns:
    """The seconds per call of one competitor, a figure a round."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.seconds) * 1000


def interleave(competitors: dict[str, Callable[[range], None]], pace: Pace) -> dict[str, float]:
    """Median milliseconds per call of each competitor.

    A competitor takes a range of numbers that never come again, to make its keys of, and makes one call a number. Each
    round starts with another competitor, so that none always follows the same neighbor; the first only warms up.
    """
    turns = {name: Turns() for name in competitors}
    names = list(competitors)
    number = 0
    for round_number in range(pace.rounds + 1):
        shift = round_number % len(names)
        for name in names[shift:] + names[:shift]:
            numbers = range(number, number + pace.calls)
            number += pace.calls
            gc.collect()
            gc.disable()
            started = time.perf_counter()
            competitors[name](numbers)
            elapsed = time.perf_counter() - started
            gc.enable()
            if round_number:
                turns[name].seconds.append(elapsed / pace.calls)
    return {name: turn.median_ms for name, turn in turns.items()}
