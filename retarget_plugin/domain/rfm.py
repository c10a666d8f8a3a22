"""RFM: how lately, how often and for how much somebody buys, measured against the shop's other customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Any

#: With fewer customers a fifth of them is a handful, and chance.
FEWEST_CUSTOMERS = 50
FIFTHS = 5
#: What a row can hold; whoever spent more spent no less than anybody.
MOST_SPENT = Decimal("999999999999.99")

_DAY = 86_400.0


class Group(StrEnum):
    """What a customer is to the shop, in the trade's words."""

    CHAMPION = "champion"
    LOYAL = "loyal"
    PROMISING = "promising"
    NEW = "new"
    SLIPPING = "slipping"
    AT_RISK = "at_risk"
    LOST = "lost"


#: By recency (5: bought most lately) and by what they are worth, 1 to 5: the grid that the trade uses on recency and
#: frequency, its eleven names brought together to seven.
_GRID = {
    5: (Group.NEW, Group.PROMISING, Group.PROMISING, Group.CHAMPION, Group.CHAMPION),
    4: (Group.PROMISING, Group.PROMISING, Group.PROMISING, Group.LOYAL, Group.LOYAL),
    3: (Group.SLIPPING, Group.SLIPPING, Group.SLIPPING, Group.LOYAL, Group.LOYAL),
    2: (Group.LOST, Group.LOST, Group.AT_RISK, Group.AT_RISK, Group.AT_RISK),
    1: (Group.LOST, Group.LOST, Group.AT_RISK, Group.AT_RISK, Group.AT_RISK),
}


@dataclass(frozen=True)
class Bought:
    """One order. `total` in `currency`, in major units."""

    at: datetime
    total: Decimal
    currency: str


@dataclass(frozen=True, kw_only=True)
class History:
    """What somebody's orders come to. `spent` in one currency; `median_gap_days`: None with fewer than two orders."""

    orders: int
    spent: Decimal
    first_order_at: datetime
    last_order_at: datetime
    median_gap_days: float | None


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The four values, lowest first, that divide a shop's `customers` into fifths by each measure."""

    customers: int
    recency: tuple[datetime, ...]
    frequency: tuple[int, ...]
    monetary: tuple[Decimal, ...]

    @property
    def are_telling(self) -> bool:
        """False where there are too few customers to divide."""
        return self.customers >= FEWEST_CUSTOMERS


@dataclass(frozen=True, kw_only=True)
class Scores:
    """1 to 5 each, 5 being the best fifth; and the name of it all."""

    recency: int
    frequency: int
    monetary: int

    @property
    def group(self) -> Group:
        # Half rounds up: who buys often for little, or rarely for much, is worth a good middle.
        worth = (self.frequency + self.monetary + 1) // 2
        return _GRID[self.recency][worth - 1]


def history(orders: Sequence[Bought], *, currency: str) -> History | None:
    """What `orders` come to, those in another currency than `currency` counted but not summed; None for none."""
    if not orders:
        return None
    times = sorted(order.at for order in orders)
    spent = sum((order.total for order in orders if order.currency == currency), Decimal())
    return History(
        orders=len(orders),
        spent=max(-MOST_SPENT, min(spent, MOST_SPENT)),
        first_order_at=times[0],
        last_order_at=times[-1],
        median_gap_days=median_gap_days(times),
    )


def median_gap_days(times: Sequence[datetime]) -> float | None:
    """What usually lies between two of `times`, which are in their order; None with fewer than two."""
    gaps = [(later - earlier).total_seconds() / _DAY for earlier, later in pairwise(times)]
    return median(gaps) if gaps else None


def positions(customers: int) -> list[int]:
    """Where in an ascending list of so many the four bounds stand: the last of each fifth but the highest."""
    return [customers * fifth // FIFTHS - 1 for fifth in range(1, FIFTHS)]


def scores(of: History, bounds: Bounds) -> Scores | None:
    """Somebody's scores; None where there are too few customers to say. Equals always score the same."""
    if not bounds.are_telling:
        return None
    return Scores(
        recency=_score(of.last_order_at, bounds.recency),
        frequency=_score(of.orders, bounds.frequency),
        monetary=_score(of.spent, bounds.monetary),
    )


def _score(value: Any, bounds: Sequence[Any]) -> int:
    """1, and one more for each bound that `value` is above of."""
    return 1 + sum(bound < value for bound in bounds)
