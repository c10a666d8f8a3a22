"""What flows have caused, in words and in a table of who was compared with whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from retarget_plugin.domain.effects import Difference, Interval, Sums
from retarget_plugin.domain.experiments import Arm
from retarget_plugin.engine import effects
from retarget_plugin.engine.effects import Effect, Split
from retarget_plugin.engine.reports import FlowLine, Overview

from .facts import EMPTY
from .money import amount

TREATED = {Arm.TREATED, Arm.PLAIN, Arm.COUPON}


@dataclass(frozen=True)
class Comparison:
    """A row of the table, each figure of both sides: who, how many, whom a message reached or would have, orders of 100."""

    flow: str
    sides: str
    people: str
    written: str
    rate: str
    between: str
    verdict: str


def orders(effect: Effect) -> tuple[str, str]:
    """The orders that an effect came to in the period, and the sentence that says how sure that is."""
    between = effect.caused_orders_between
    if not effect.is_conclusive or between is None or effect.caused_orders is None:
        return _("Not yet known"), effects.words(effect)
    return _whole(effect.caused_orders), _between(_whole(between.low), _whole(between.high))


def revenue(effect: Effect, currency: str) -> tuple[str, str]:
    """The same of the money."""
    between = effect.caused_revenue_between
    if not effect.is_conclusive or between is None or effect.caused_revenue is None:
        return _("Not yet known"), _("with the orders")
    low, high = (amount(effects.cents(end), currency) for end in (between.low, between.high))
    return amount(effects.cents(effect.caused_revenue), currency), _between(low, high)


def short(effect: Effect) -> str:
    """The orders that a flow caused in the period, as a cell of a table has room for."""
    between = effect.caused_orders_between
    if not effect.is_measured:
        return EMPTY
    if not effect.is_conclusive or between is None:
        return _("not yet known")
    return _("%(low)s to %(high)s") % {"low": _whole(between.low), "high": _whole(between.high)}


def comparisons(seen: Overview, splits: Iterable[Split]) -> Iterator[Comparison]:
    """A row for each flow that holds anybody out, for each coupon, and for each split."""
    names = {line.flow.slug: line.flow.name for line in seen.flows}
    for line in seen.flows:
        if line.effect.is_measured:
            yield _with_and_without(line)
        if line.effect.coupon_orders:
            yield _of_the_coupon(line, line.effect.coupon_orders)
    for split in splits:
        yield _of_paths(names.get(split.flow_slug, split.flow_slug), split)


def _with_and_without(line: FlowLine) -> Comparison:
    effect = line.effect
    sides = f"{_('with messages')} / {_('held out')}"
    return _comparison(line, sides, TREATED, Arm.HOLDOUT, effect.orders, verdict=effects.words(effect))


def _of_the_coupon(line: FlowLine, found: Difference) -> Comparison:
    sides = f"{_('with the coupon')} / {_('without it')}"
    verdict = _("Known.") if found.anytime.excludes_zero else _("Not yet known.")
    return _comparison(line, sides, {Arm.COUPON}, Arm.PLAIN, found, verdict=verdict)


def _comparison(
    line: FlowLine, sides: str, ones: set[Arm], other: Arm, found: Difference | None, *, verdict: str
) -> Comparison:
    pair = [
        [arm for arm in line.effect.arms if arm.name in ones],
        [arm for arm in line.effect.arms if arm.name == other],
    ]
    people = [sum(arm.entrants for arm in side) for side in pair]
    written = [sum(arm.would_have_sent for arm in side) for side in pair]
    placed = [sum(arm.orders for arm in side) for side in pair]
    return Comparison(
        flow=line.flow.name,
        sides=sides,
        people=_pair(map(_whole, people)),
        written=_pair(map(_whole, written)),
        rate=_pair(_of_100(Sums(count, orders)) for count, orders in zip(people, placed, strict=True)),
        between=_interval(found.anytime) if found else EMPTY,
        verdict=verdict,
    )


def _of_paths(flow: str, split: Split) -> Comparison:
    winner = split.choice.winner
    return Comparison(
        flow=flow,
        sides=f"{split.step}: {_pair(split.paths)}",
        people=_pair(_whole(path.count) for path in split.paths.values()),
        written=EMPTY,
        rate=_pair(_of_100(path) for path in split.paths.values()),
        between=EMPTY,
        verdict=_("Known: %(path)s is the best.") % {"path": winner} if winner else _("Not yet known."),
    )


def _pair(sides: Iterable[str]) -> str:
    return " / ".join(sides)


def _of_100(figures: Sums) -> str:
    return number_format(100 * figures.mean, 1)


def _interval(interval: Interval) -> str:
    low, high = (number_format(100 * end, 1) for end in (interval.low, interval.high))
    return _("%(low)s to %(high)s") % {"low": low, "high": high}


def _between(low: str, high: str) -> str:
    return _("between %(low)s and %(high)s") % {"low": low, "high": high}


def _whole(number: float) -> str:
    return number_format(round(number), force_grouping=True)
