"""What to recommend: how orders weigh, how well a product fits somebody, and the choice among those that fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from .contexts import clean_text, clean_url
from .subjects import Post, Product

#: An order counts half after so long: what goes together changes with the seasons of a shop, not with its days.
HALF_LIFE_DAYS = 365.0
#: Forward decay: orders weigh the more the later they are, counted from here, so that no sum is ever written anew because
#: time went by (Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay, ICDE 2009). Only ratios have a meaning.
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
#: A pair that was bought once may be chance: so many more orders would make it believed by half (Koren's shrinkage).
SHRINKAGE = 3.0
#: An interest of this score is felt by half: a guide that was asked for, today.
FELT_BY_HALF = 5.0
#: So many orders make a best seller by half.
SOLD_BY_HALF = 20.0
NEW_FOR_DAYS = 30.0
#: What each reason counts at the most. What the message is about rules; sales and newness only decide among equals.
ABOUT, TOGETHER, INTEREST, POPULAR, NEW = 2.0, 1.0, 0.6, 0.1, 0.05
#: The second product of one category counts so much less than the first, and the third again.
VARIETY = 0.7

_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Picks:
    """What one message may show of each kind, best first."""

    products: tuple[Product, ...] = ()
    new_products: tuple[Product, ...] = ()
    posts: tuple[Post, ...] = ()


NOTHING = Picks()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A product that might be recommended. `bought`: orders with it, as they weigh today."""

    product: Product
    bought: float = 0.0
    first_seen_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Taste:
    """What speaks for and against products: `about`, a topic asked for; `seeds`, references of products that others
    go with; `interests`, topic -> score of today; `excluded`, references that are owned, carted or bundled with such."""

    about: str = ""
    seeds: tuple[str, ...] = ()
    interests: Mapping[str, float] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sales:
    """What is bought together, as it weighs today: `both[a][b]` orders with the two, `each[a]` with the one."""

    both: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    each: Mapping[str, float] = field(default_factory=dict)

    def together(self, one: str, other: str) -> float:
        """0 to 1: the cosine of the orders with the one and with the other, shrunk where few have both."""
        both = self.both.get(one, {}).get(other, 0.0)
        if both <= 0:
            return 0.0
        # A part of the sums may have been pruned: no product stands in fewer orders than the pair does.
        alone = math.sqrt(max(self.each.get(one, 0.0), both) * max(self.each.get(other, 0.0), both))
        return both / alone * both / (both + SHRINKAGE)


def weight(placed_at: datetime) -> float:
    """What an order counts in a sum that is kept."""
    return float(2.0 ** ((placed_at - EPOCH).total_seconds() / (HALF_LIFE_DAYS * _DAY)))


def is_presentable(product: Product) -> bool:
    """True for what can be shown with a picture and a price, and bought where its link leads."""
    has_price = product.price is not None and product.price > Decimal()
    is_whole = clean_text(product.title) and clean_url(product.url) and clean_url(product.image_url)
    return bool(product.is_available and has_price and is_whole)


def score(candidate: Candidate, taste: Taste, sales: Sales, *, now: datetime) -> float:
    """How well the product fits; 0.0 where nothing speaks for it."""
    reference, topic = candidate.product.reference, candidate.product.topic
    # One seed may be enough, and several say more than one: 1 - (1 - a)(1 - b)...
    apart = math.prod(1.0 - sales.together(seed, reference) for seed in taste.seeds)
    liking = taste.interests.get(topic, 0.0) if topic else 0.0
    return (
        ABOUT * bool(taste.about and topic == taste.about)
        + TOGETHER * (1.0 - apart)
        + INTEREST * liking / (liking + FELT_BY_HALF)
        + POPULAR * candidate.bought / (candidate.bought + SOLD_BY_HALF)
        + NEW * _newness(candidate.first_seen_at, now)
    )


def choose(candidates: Iterable[Candidate], taste: Taste, sales: Sales, *, most: int, now: datetime) -> list[Product]:
    """The `most` that fit best, best first, of several categories where the message is about none.

    Nothing that is excluded or not presentable, and nothing for which nothing speaks. About a topic of which there is
    something, nothing else.
    """
    fitting = {
        one.product.reference: (score(one, taste, sales, now=now), one)
        for one in candidates
        if one.product.reference not in taste.excluded and is_presentable(one.product)
    }
    ranked = [pair for pair in fitting.values() if pair[0] > 0]
    if taste.about and any(one.product.topic == taste.about for _value, one in ranked):
        ranked = [pair for pair in ranked if pair[1].product.topic == taste.about]
    return [one.product for one in _varied(ranked, most=most)]


def newest(candidates: Iterable[Candidate], taste: Taste, *, most: int) -> list[Product]:
    """The `most` newest, those that fit an interest first; nothing that is excluded or not presentable."""
    shown = [one for one in candidates if one.product.reference not in taste.excluded and is_presentable(one.product)]
    order = sorted(shown, key=lambda one: (-_stamp(one.first_seen_at), one.product.reference))
    liked = sorted(order, key=lambda one: -taste.interests.get(one.product.topic, 0.0))
    return [one.product for one in liked[:most]]


def _varied(ranked: Sequence[tuple[float, Candidate]], *, most: int) -> list[Candidate]:
    """The best one again and again, where each that was chosen makes its category count less."""
    left = sorted(ranked, key=lambda pair: (-pair[0], pair[1].product.reference))
    chosen: list[Candidate] = []
    taken: dict[str, int] = {}
    while left and len(chosen) < most:
        best = max(left, key=lambda pair: pair[0] * VARIETY ** taken.get(pair[1].product.topic, 0))
        left.remove(best)
        chosen.append(best[1])
        if best[1].product.topic:
            taken[best[1].product.topic] = taken.get(best[1].product.topic, 0) + 1
    return chosen


def _newness(first_seen_at: datetime | None, now: datetime) -> float:
    """1.0 on its first day, 0.5 after NEW_FOR_DAYS."""
    if first_seen_at is None:
        return 0.0
    return float(0.5 ** (max((now - first_seen_at).total_seconds(), 0.0) / (NEW_FOR_DAYS * _DAY)))


def _stamp(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0
