"""What an experiment has shown: differences between arms, their intervals, and what is still needed to be sure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from statistics import NormalDist

LEVEL = 0.95
POWER = 0.80
#: Entrants at which the always-valid interval is tightest compared with a fixed one: what a small shop has in half a year.
TIGHTEST = 5_000
#: Orders to be expected in the smallest arm before anything is said. With fewer, no normal curve describes them.
LEAST_ORDERS = 10
#: The smallest effect that is planned for, as a part of what people order anyway, and what that is before it is known.
PLANNED_LIFT, ASSUMED_RATE = 0.3, 0.05


@dataclass(frozen=True)
class Sums:
    """A figure over `count` people: the sums of its first three powers. All that is ever read of a million of them."""

    count: int = 0
    first: float = 0.0
    second: float = 0.0
    third: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Sums:
        seen = list(values)
        return cls(len(seen), *(math.fsum(value**power for value in seen) for power in (1, 2, 3)))

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    @property
    def mean(self) -> float:
        return self.first / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        if self.count < 2:
            return 0.0
        return max(self.second - self.count * self.mean**2, 0.0) / (self.count - 1)

    @property
    def lopsidedness(self) -> float:
        """The third central moment."""
        if not self.count:
            return 0.0
        return (self.third - 3 * self.mean * self.second) / self.count + 2 * self.mean**3


Strata = Sequence[tuple[Sums, Sums]]


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, in what is measured per entrant: orders, or major units of money."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def times(self, number: float) -> Interval:
        return Interval(self.low * number, self.high * number)


@dataclass(frozen=True)
class Difference:
    """What one arm has more than another, per entrant, with the standard error and the skewness of this estimate.

    `entrants` are those of both arms; `rate` is what the other arm has.
    """

    value: float
    error: float
    skewness: float
    entrants: int
    rate: float

    @property
    def fixed(self) -> Interval:
        """The 95 % interval for who looks once, at an end that was set beforehand."""
        return self._interval(NormalDist().inv_cdf((1 + LEVEL) / 2))

    @property
    def anytime(self) -> Interval:
        """The 95 % interval for who looks every day and may stop at any: it holds at all times together."""
        return self.anytime_of(1)

    def anytime_of(self, comparisons: int) -> Interval:
        """`anytime`, so wide that as many `comparisons` hold together (Bonferroni)."""
        return self._interval(boundary(self.entrants, alpha=(1 - LEVEL) / comparisons))

    def _interval(self, reach: float) -> Interval:
        """`reach` standard errors to both sides, bent by the skewness.

        Where few of the small arm order, it seems both poor and sure, and effects are seen where none are. The bend takes
        that back: P. Hall, "On the removal of skewness by transformation" (J. R. Statist. Soc. B 54, 1992); for two samples
        X.-H. Zhou and P. Dinh, "Nonparametric confidence intervals for the one- and two-sample problems" (Biostatistics 6,
        2005).
        """
        low, high = (self.value - self.error * _bent(side * reach, self.skewness) for side in (1, -1))
        return Interval(low, high)


def boundary(entrants: int, *, alpha: float) -> float:
    """Standard errors within which a mean stays at all times together, but for a share `alpha` of all histories.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
    sequences" (Annals of Statistics 52, 2024), theorem 2.2: Robbins' normal mixture, which needs no plan of when or how
    often is looked. The interval for one look, read every day, calls every fourth shop without any effect a success.
    """
    spread = -2 * math.log(alpha)
    scaled = entrants * (spread + math.log(spread + 1)) / TIGHTEST
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha)) if scaled else math.inf


def difference(strata: Strata) -> Difference | None:
    """The first of each pair less the second, over strata of one share each, weighted by their entrants; None where
    nothing can be said yet.

    People who entered while a fifth was held out are never thrown together with those of a tenth: the better season would
    count more in one arm than in the other. Taken apart, all that was ever learned adds up, which is what makes a small shop
    sure in the end.
    """
    usable = [(one, other) for one, other in strata if min(one.count, other.count) > 1]
    entrants = sum(one.count + other.count for one, other in usable)
    value = variance = third = rate = 0.0
    for one, other in usable:
        weight = (one.count + other.count) / entrants
        value += weight * (one.mean - other.mean)
        rate += weight * other.mean
        variance += weight**2 * (one.variance / one.count + other.variance / other.count)
        third += weight**3 * (one.lopsidedness / one.count**2 - other.lopsidedness / other.count**2)
    return Difference(value, math.sqrt(variance), third / variance**1.5, entrants, rate) if variance else None


def evened(revenue: Strata, orders: Strata) -> Strata:
    """`revenue` as if an order's square weighed the same in every arm: how much orders scatter is learned from all of them.

    A few large orders make the mean of a small arm, and its scatter with it, worse than any bend can mend. So nothing is bent
    here. Cutting large orders off would measure something else than the money that came in; a bootstrap needs every row, and
    what a stranger spent before does not exist (CUPED).
    """
    squares = sum(arm.second for pair in revenue for arm in pair)
    placed = sum(arm.first for pair in orders for arm in pair)
    weight = squares / placed if placed else 0.0
    return [
        (_weighed(one, of_one, weight), _weighed(other, of_other, weight))
        for (one, other), (of_one, of_other) in zip(revenue, orders, strict=True)
    ]


def is_enough(orders: Strata) -> bool:
    """Whether so many orders were placed that each arm had its part to expect."""
    ones, others = (sum((pair[side] for pair in orders), Sums()) for side in (0, 1))
    people, placed = ones.count + others.count, ones.first + others.first
    return people > 0 and min(ones.count, others.count) * placed / people >= LEAST_ORDERS


def needed(found: Difference | None, *, entrants: int, holdout: float) -> int:
    """How many entrants there have to be in all, to be sure with a probability of 80 %; at least one more than `entrants`.

    Planned for the difference `found` where it stands out of its noise (shrunk as James and Stein do), but for no less than
    PLANNED_LIFT: whoever plans for a smaller one waits for years. `holdout`: its share, 0 to 1.
    """
    rate = found.rate if found and found.rate > 0 else ASSUMED_RATE
    spread = rate * (1 - min(rate, 0.5)) / (holdout * (1 - holdout))
    effect = rate * PLANNED_LIFT
    if found:
        spread = found.error**2 * found.entrants
        shrunk = abs(found.value) - found.error**2 / abs(found.value) if found.value else 0.0
        effect = max(effect, shrunk)
    whole = float(max(entrants, 1))
    for _round in range(20):
        # How far the boundary lies depends on the number, by a little.
        reach = boundary(math.ceil(whole), alpha=1 - LEVEL) + NormalDist().inv_cdf(POWER)
        whole = max(reach**2 * spread / effect**2, 1.0)
    return max(math.ceil(whole), entrants + 1)


@dataclass(frozen=True)
class Choice:
    """Which of several versions is the best: `winner` is empty until that is sure. `leader` has the most so far."""

    leader: str = ""
    winner: str = ""


def choose(versions: Mapping[str, Sums]) -> Choice:
    """When to stop an A/B test: once the leading version is ahead of every other, all pairs looked at every day together.

    Pass the orders of each version. More than one winner in twenty tests of equal versions is never named.
    """
    ranked = sorted(versions, key=lambda name: -versions[name].mean)
    if len(ranked) < 2:
        return Choice()
    leader, *others = ranked
    pairs = len(ranked) * (len(ranked) - 1) // 2
    is_ahead = all(_is_ahead(versions[leader], versions[other], pairs=pairs) for other in others)
    return Choice(leader, leader if is_ahead else "")


def _is_ahead(one: Sums, other: Sums, *, pairs: int) -> bool:
    found = difference([(one, other)])
    return found is not None and is_enough([(one, other)]) and found.anytime_of(pairs).low > 0


def _weighed(revenue: Sums, orders: Sums, square: float) -> Sums:
    """`revenue` with `square` for each of the `orders`, and with the third sum of what is not lopsided."""
    even = Sums(revenue.count, revenue.first, square * orders.first)
    return replace(even, third=3 * even.mean * even.second - 2 * even.count * even.mean**3)


def _bent(reach: float, skewness: float) -> float:
    """What the studentized estimate is where Hall's cubic of it is `reach`."""
    if abs(skewness) < 1e-9:
        return reach
    return 3 / skewness * (math.cbrt(1 + skewness * (reach - skewness / 6)) - 1)
