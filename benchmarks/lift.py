"""`python -m benchmarks.lift [--shops N]`: does the report tell the truth about shops whose truth is known?

Shops are made up in which a flow causes nothing, or a known part more orders. Each is read once at its end, and every day:
by the interval for one look, as most tools do, and by the one that the report shows. Half of all shops are without any effect.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

from retarget_plugin.domain import effects
from retarget_plugin.domain.effects import Interval, Sums

SHOPS, DAYS, SEED = 1000, 180, 20_261_124
#: Of eight shops, how many gain which part of the orders they would have had anyway.
LIFTS = (0.0, 0.0, 0.0, 0.0, 0.2, 0.5, 0.5, 1.0)
#: Who enters a day, the part of them that orders anyway, how much orders scatter (sigma of a log-normal), who is held out.
PACES, RATES, SCATTERS, HOLDOUTS = (10, 30, 60), (0.03, 0.06, 0.10, 0.15), (0.5, 0.8, 1.0), (0.1, 0.2)
#: Some who order come back for more within the window.
SECOND_ORDERS = 0.05


@dataclass(frozen=True)
class Truth:
    """One shop as it is: `lift` is what the flow causes, as a part of `rate`."""

    lift: float
    pace: int
    rate: float
    scatter: float
    holdout: float

    @property
    def orders(self) -> float:
        """What the flow causes per entrant."""
        return self.rate * self.lift * (1 + SECOND_ORDERS)

    @property
    def revenue(self) -> float:
        return self.orders * math.exp(4 + self.scatter**2 / 2)


@dataclass(frozen=True)
class Reading:
    """What was said of one shop in the end, and on any day.

    `orders_inside`, `revenue_inside`: whether the 95 % interval of the one look at the end holds the truth; `always_inside`:
    whether the report's held it on every day. `one_look`, `daily`, `report`: whether it was called a success at the end, on
    any day by the interval for one look, on any day by the report's. `day`: the first of those, None for never.
    """

    lift: float
    orders_inside: bool
    revenue_inside: bool
    always_inside: bool
    one_look: bool
    daily: bool
    day: int | None

    @property
    def report(self) -> bool:
        return self.day is not None


@dataclass
class Arm:
    """One arm so far: people, and the sums of powers of their orders and of what they paid."""

    people: int = 0
    placed: int = 0
    placed_squared: int = 0
    placed_cubed: int = 0
    paid: float = 0.0
    paid_squared: float = 0.0

    @property
    def orders(self) -> Sums:
        return Sums(self.people, self.placed, self.placed_squared, self.placed_cubed)

    @property
    def revenue(self) -> Sums:
        return Sums(self.people, self.paid, self.paid_squared)


def made_up(number: int) -> tuple[Truth, random.Random]:
    """Shop `number`, always the same one, and the luck that it will have."""
    luck = random.Random(SEED + number)
    lift = LIFTS[number % len(LIFTS)]
    return Truth(lift, *(luck.choice(choices) for choices in (PACES, RATES, SCATTERS, HOLDOUTS))), luck


def live_a_day(truth: Truth, luck: random.Random, treated: Arm, held_out: Arm) -> None:
    for _person in range(truth.pace):
        arm, rate = (
            (held_out, truth.rate) if luck.random() < truth.holdout else (treated, truth.rate * (1 + truth.lift))
        )
        arm.people += 1
        if luck.random() >= rate:
            continue
        orders = 2 if luck.random() < SECOND_ORDERS else 1
        paid = sum(luck.lognormvariate(4, truth.scatter) for _order in range(orders))
        arm.placed += orders
        arm.placed_squared += orders**2
        arm.placed_cubed += orders**3
        arm.paid += paid
        arm.paid_squared += paid**2


def read_every_day(number: int, days: int = DAYS) -> Reading | None:
    """The history of shop `number`; None where it is too small for anything to be said of it."""
    truth, luck = made_up(number)
    treated, held_out = Arm(), Arm()
    orders = revenue = None
    always_inside, daily, day = True, False, None
    for today in range(1, days + 1):
        live_a_day(truth, luck, treated, held_out)
        strata = [(treated.orders, held_out.orders)]
        orders = effects.difference(strata) if effects.is_enough(strata) else None
        if orders is None:
            continue
        always_inside = always_inside and holds(orders.anytime, truth.orders)
        daily = daily or orders.fixed.low > 0
        day = day or (today if orders.anytime.low > 0 else None)
        revenue = effects.difference(effects.evened([(treated.revenue, held_out.revenue)], strata))
    if orders is None or revenue is None:
        return None
    return Reading(
        lift=truth.lift,
        orders_inside=holds(orders.fixed, truth.orders),
        revenue_inside=holds(revenue.fixed, truth.revenue),
        always_inside=always_inside,
        one_look=orders.fixed.low > 0,
        daily=daily,
        day=day,
    )


def holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def share(answers: Iterable[bool]) -> float:
    seen = list(answers)
    return sum(seen) / len(seen) if seen else math.nan


@dataclass(frozen=True)
class Bar:
    """A promise about the readings: `figure` has to lie from `low` to `high`."""

    what: str
    figure: float
    low: float
    high: float

    @property
    def is_met(self) -> bool:
        return self.low <= self.figure <= self.high


def bars(readings: Sequence[Reading]) -> list[Bar]:
    idle = [reading for reading in readings if not reading.lift]
    return [
        Bar(
            "95 % interval for orders, one look: holds the truth", share(r.orders_inside for r in readings), 0.93, 0.97
        ),
        Bar(
            "95 % interval for revenue, one look: holds the truth",
            share(r.revenue_inside for r in readings),
            0.93,
            0.97,
        ),
        Bar("the report's interval: holds the truth on every day", share(r.always_inside for r in readings), 0.95, 1.0),
        Bar("no effect, called a success: one look", share(r.one_look for r in idle), 0.0, 0.05),
        Bar("no effect, called a success: report read every day", share(r.report for r in idle), 0.0, 0.05),
    ]


def table(readings: Sequence[Reading]) -> Iterator[str]:
    yield f"{'':>14}{'':>8}   called a success"
    yield f"{'true lift':>14}{'shops':>8}{'one look':>12}{'one look, read daily':>23}{'report, read daily':>21}{'after':>10}"
    by_lift: defaultdict[float, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_lift[reading.lift].append(reading)
    for lift, group in sorted(by_lift.items()):
        days = [reading.day for reading in group if reading.day]
        after = f"{median(days):.0f} days" if days else "-"
        yield (
            f"{lift:>14.0%}{len(group):>8}{share(r.one_look for r in group):>12.1%}"
            f"{share(r.daily for r in group):>23.1%}{share(r.report for r in group):>21.1%}{after:>10}"
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lift", description=__doc__)
    parser.add_argument("--shops", type=int, default=SHOPS, help=f"how many to make up; {SHOPS} without")
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor() as workers:
        found = list(workers.map(read_every_day, range(options.shops), chunksize=10))
    readings = [reading for reading in found if reading is not None]
    print(
        f"{options.shops} shops, {DAYS} days each; of {options.shops - len(readings)} too little was known to say anything\n"
    )
    print("\n".join(table(readings)), end="\n\n")
    kept = bars(readings)
    for bar in kept:
        print(
            f"{bar.what:<58}{bar.figure:>7.1%}   bar {bar.low:.0%} to {bar.high:.0%}   {'yes' if bar.is_met else 'NO'}"
        )
    return 0 if all(bar.is_met for bar in kept) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
