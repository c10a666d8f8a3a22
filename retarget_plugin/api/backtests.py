"""Backtests for staff: what a flow would have done with past carts, in the language of the request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import graphene
from django.utils import timezone
from graphql_relay import to_global_id

from retarget_plugin.engine import backtest, outcomes
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Flow

from . import errors, staff, types
from .reports import EARLIEST

DAYS = 30


class RetargetBacktestCount(graphene.ObjectType):
    """How often, and of what."""

    reason = graphene.String(required=True, description="For programs.")
    label = graphene.String(required=True, description="For people.")
    count = graphene.Int(required=True)


def _counts(description: str) -> graphene.List:
    return graphene.List(graphene.NonNull(RetargetBacktestCount), required=True, description=description)


class RetargetBacktestStep(graphene.ObjectType):
    """What would have become of the messages of a step."""

    key = graphene.String(required=True)
    channel = graphene.Field(types.RetargetChannel, required=True)
    sent = graphene.Int(required=True, description="Messages that would be sent.")
    segments = graphene.Int(required=True, description="Of texts.")
    blocked = _counts("Messages that would not be sent.")
    put_off = _counts("How often a message would wait.")
    skipped = _counts("How often the step would be passed over.")


class RetargetBacktestFigures(graphene.ObjectType):
    """What would have happened."""

    flow = graphene.Field(types.RetargetFlow, required=True)
    since = graphene.DateTime(required=True)
    until = graphene.DateTime(required=True)
    carts = graphene.Int(required=True, description="Begun in that time.")
    people = graphene.Int(required=True, description="Their owners; each cart of nobody known has one of its own.")
    found = _counts("What became of the carts before the flow.")
    entered = graphene.Int(required=True)
    refused = _counts("Why carts that were left did not enter.")
    steps = graphene.List(graphene.NonNull(RetargetBacktestStep), required=True)
    ended = _counts("How it ended for those who entered.")
    under_way = graphene.Int(required=True, description="Still inside at the end.")
    bought_first = graphene.Int(required=True, description="Bought anyway, before any message.")
    coupons = graphene.Int(required=True, description="That would be given.")
    cost = graphene.List(
        graphene.NonNull(types.RetargetMoney),
        required=True,
        description="Of texts, by currency; empty where no price is known.",
    )
    cannot_know = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="What the past does not tell, in words."
    )


class RetargetBacktestInput(graphene.InputObjectType):
    """Which flow, and over which carts."""

    flow = graphene.ID(required=True, description="One that starts with an abandoned cart or checkout.")
    since = graphene.Date(description="First day, in the shop's time zone. Thirty days ago if not said.")


class RetargetBacktest(graphene.ObjectType):
    """The outcome: no figures where there are errors."""

    figures = graphene.Field(RetargetBacktestFigures)
    errors = graphene.List(graphene.NonNull(types.RetargetError), required=True)


def played(root: Any, info: Any, *, input: RetargetBacktestInput) -> RetargetBacktest:
    """Writes nothing; at most as many carts as a web worker is held by."""
    key = staff.key_of(input.flow, "RetargetFlow", argument="flow")
    flow = Flow.objects.filter(pk=key).select_related("shop", "version").first()
    if flow is None:
        raise staff.bad_argument("There is no such flow.")
    now = timezone.now()
    since = _since(input.get("since"), ZoneInfo(flow.shop.time_zone), now=now)
    try:
        outcome = backtest.run(flow, since=since, until=now, most=backtest.MOST_ON_THE_WEB)
    except Refusal as refusal:
        return RetargetBacktest(figures=None, errors=[_error(refusal)])
    return RetargetBacktest(figures=_figures(outcome), errors=[])


def _since(given: date | None, zone: ZoneInfo, *, now: datetime) -> datetime:
    first = given or now.astimezone(zone).date() - timedelta(days=DAYS)
    if not EARLIEST <= first <= now.astimezone(zone).date():
        raise staff.bad_argument(f"since must be between {EARLIEST} and today.")
    return datetime.combine(first, time.min, zone)


def _error(refusal: Refusal) -> types.RetargetError:
    code = errors.code_of(refusal)
    field = "since" if code is errors.ErrorCode.TOO_MANY else "flow"
    return types.RetargetError(field=field, message=str(refusal), code=code)


def _figures(outcome: backtest.Outcome) -> RetargetBacktestFigures:
    flow, tally = outcome.flow, outcome.tally
    return RetargetBacktestFigures(
        flow=types.RetargetFlow(id=to_global_id("RetargetFlow", flow.pk), slug=flow.slug, name=flow.name),
        since=outcome.since,
        until=outcome.until,
        carts=outcome.carts,
        people=outcome.people,
        found=_told(outcomes.carts(outcome)),
        entered=tally.entered,
        refused=_told(outcomes.refused(outcome)),
        steps=[_step(step) for step in outcomes.steps(outcome)],
        ended=_told(outcomes.ended(outcome)),
        under_way=tally.under_way,
        bought_first=tally.bought_first,
        coupons=outcome.coupons,
        cost=[types.money(amount, currency) for amount, currency in outcomes.cost(outcome)],
        cannot_know=backtest.limits(outcome),
    )


def _step(step: outcomes.Step) -> RetargetBacktestStep:
    return RetargetBacktestStep(
        key=step.key,
        channel=step.channel,
        sent=step.sent,
        segments=step.segments,
        blocked=_told(step.blocked),
        put_off=_told(step.put_off),
        skipped=_told(step.skipped),
    )


def _told(counts: Iterable[outcomes.Count]) -> list[RetargetBacktestCount]:
    return [RetargetBacktestCount(reason=one.code, label=one.label, count=one.count) for one in counts]
