"""A flow tried on past carts: what its page shows of a backtest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from retarget_plugin.engine import backtest, outcomes
from retarget_plugin.engine.backtest import Outcome
from retarget_plugin.engine.outcomes import Count, Step
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Flow, choices

from .facts import EMPTY
from .money import amount

#: (what was done, why, how often).
Row = tuple[str, str, str]


def play(flow: Flow, *, days: int, now: datetime) -> dict[str, Any]:
    """What a template shows of the last `days` days, or the `refusal`: why there is nothing to show. Writes nothing."""
    try:
        outcome = backtest.run(flow, since=now - timedelta(days=days), until=now, most=backtest.MOST_ON_THE_WEB)
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    return shown(outcome) if outcome.carts else {"is_empty": True}


def shown(outcome: Outcome) -> dict[str, Any]:
    """Its numbers as text and its words, in the active language."""
    inside = Count("", str(outcomes.UNDER_WAY), outcome.tally.under_way)
    return {
        "figures": list(_figures(outcome)),
        "before": list(_before(outcome)),
        "steps": [(step, _channel(step), list(_rows(step))) for step in outcomes.steps(outcome)],
        "ended": [(capfirst(one.label), _number(one.count)) for one in (*outcomes.ended(outcome), inside)],
        "limits": backtest.limits(outcome),
    }


def _figures(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """(label, value) of the big numbers; texts and coupons only where there are any."""
    yield _("Carts"), _number(outcome.carts)
    yield _("Owners"), _number(outcome.people)
    yield _("Carts that entered"), _number(outcome.tally.entered)
    yield _("Messages that would be sent"), _number(outcome.sent.total())
    yield capfirst(outcomes.BOUGHT_FIRST), _number(outcome.tally.bought_first)
    if segments := outcome.segments.total():
        yield _("Segments of texts"), _number(segments)
        yield (
            _("Cost of texts"),
            " + ".join(amount(paid, currency) for paid, currency in outcomes.cost(outcome)) or EMPTY,
        )
    if outcome.coupons:
        yield _("Coupons given"), _number(outcome.coupons)


def _before(outcome: Outcome) -> Iterator[Row]:
    for one in outcomes.carts(outcome):
        yield capfirst(one.label), "", _number(one.count)
    for one in outcomes.refused(outcome):
        yield capfirst(outcomes.NOT_ENTERED), one.label, _number(one.count)


def _rows(step: Step) -> Iterator[Row]:
    yield capfirst(outcomes.SENT), "", _number(step.sent)
    if step.segments:
        yield _("Segments of texts"), "", _number(step.segments)
    for done, one in step.kept_back:
        yield capfirst(done), one.label, _number(one.count)


def _channel(step: Step) -> str:
    return str(dict(choices.CHANNELS).get(step.channel, step.channel))


def _number(count: int) -> str:
    return number_format(count, force_grouping=True)
