"""A shop's report in numbers, words and bars, as every page that shows it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from retarget_plugin.domain.vocabulary import FlowState
from retarget_plugin.engine import effects, funnels, reports
from retarget_plugin.models import Flow, Shop, choices

from . import charts, proof
from .facts import EMPTY
from .money import amount, percent

PERIODS = (7, 30, 90)
DEFAULT_PERIOD = 30


@dataclass(frozen=True)
class Headline:
    """One of the big numbers, with the sentence that says what it counts."""

    name: str
    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class RatesRow:
    """A day or a product with its rates, and a day's revenue, as text."""

    line: reports.Day | reports.ProductLine
    abandonment: str
    recovery: str
    revenue: str = ""


@dataclass(frozen=True)
class FlowRow:
    """One flow with its amounts as text; `caused` are the orders between which the truth lies. `url`: its own page."""

    line: funnels.FlowLine
    revenue: str
    discount: str
    caused: str
    url: str = ""


@dataclass(frozen=True)
class StepRow:
    """One step of a flow with its channel and amounts as text."""

    line: funnels.StepLine
    channel: str
    revenue: str
    cost: str


def funnel(flow: Flow, *, since: datetime, until: datetime) -> list[StepRow]:
    """What became of each step of `flow`, for those who entered in the period."""
    return [
        StepRow(
            line,
            channel=str(dict(choices.CHANNELS).get(line.channel, line.channel)),
            revenue=amount(line.revenue, flow.shop.currency),
            cost=" + ".join(amount(paid, currency) for currency, paid in sorted(line.cost.items())) or EMPTY,
        )
        for line in funnels.step_lines(flow, since=since, until=until)
    ]


def period_of(request: HttpRequest) -> int:
    """Days asked for; anything but an offered period is the default."""
    text = request.GET.get("days", "")
    return next((period for period in PERIODS if str(period) == text), DEFAULT_PERIOD)


def overview(shop: Shop, period: int, *, now: datetime) -> reports.Overview:
    """The last `period` calendar days of the shop, today among them."""
    zone = ZoneInfo(shop.time_zone)
    first = now.astimezone(zone).date() - timedelta(days=period - 1)
    since = datetime.combine(first, time(), tzinfo=zone)
    return reports.overview(shop, since=since, until=now, now=now)


def context(shop: Shop, period: int, *, now: datetime) -> dict[str, Any]:
    """What a template shows of the last `period` days; every row comes with its figures as text, days newest first."""
    seen = overview(shop, period, now=now)
    return {
        "overview": seen,
        "headlines": headlines(seen),
        "chart": charts.bars(seen.days),
        "days": [_rates(day, revenue=amount(day.revenue, seen.currency)) for day in reversed(seen.days)],
        "products": [_rates(line) for line in reports.product_lines(shop, since=seen.since, until=seen.until)],
        "rows": [_row(line, seen.currency) for line in seen.flows],
        "comparisons": list(proof.comparisons(seen, effects.of_splits(shop, now=now))),
        "foreign": [(row, amount(row.revenue, row.currency)) for row in seen.foreign],
        "period": period,
        "periods": PERIODS,
        "is_any_flow_on": any(line.flow.state == FlowState.ON for line in seen.flows),
    }


def headlines(seen: reports.Overview) -> list[Headline]:
    """The numbers on top: what was caused, and beside it what is attributed to a click."""
    return [
        Headline("caused", _("Orders caused"), *proof.orders(seen.effect)),
        Headline("earned", _("Revenue caused"), *proof.revenue(seen.effect, seen.currency)),
        Headline(
            "abandoned",
            _("Abandoned carts"),
            number_format(seen.abandoned, force_grouping=True),
            _left(seen),
        ),
        Headline(
            "messaged",
            _("Messaged"),
            number_format(seen.messaged, force_grouping=True),
            _share(seen.messaged, seen.abandoned),
        ),
        Headline(
            "recovered",
            _("Recovered orders"),
            number_format(seen.recovered, force_grouping=True),
            _("after a click in a message"),
        ),
        Headline("revenue", _("Recovered revenue"), amount(seen.revenue, seen.currency), _kept(seen)),
    ]


def _kept(seen: reports.Overview) -> str:
    """What is left of the revenue."""
    figures = {"discount": amount(seen.discount, seen.currency), "margin": amount(seen.margin, seen.currency)}
    if seen.margin is not None:
        return _("%(margin)s of it margin, after discounts of %(discount)s") % figures
    return _("after discounts of %(discount)s") % figures if seen.discount else _("total of these orders")


def _row(line: funnels.FlowLine, currency: str) -> FlowRow:
    discount = amount(line.discount, currency)
    return FlowRow(line, amount(line.revenue, currency), discount, proof.short(line.effect))


def _left(seen: reports.Overview) -> str:
    if not seen.abandoned:
        return _("left without an order")
    rates = {"percent": percent(seen.abandonment_rate), "back": percent(seen.recovery_rate)}
    return _("%(percent)s of all carts; %(back)s of these were ordered after all") % rates


def _rates(line: reports.Day | reports.ProductLine, *, revenue: str = "") -> RatesRow:
    return RatesRow(line, percent(line.abandonment_rate), percent(line.recovery_rate), revenue)


def _share(part: int, whole: int) -> str:
    if not whole:
        return _("got at least one message")
    return _("%(percent)s of the abandoned carts") % {"percent": percent(part / whole)}
