"""Funnels: what became of those who entered a flow, as a whole and step by step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from retarget_plugin.domain.flows import FlowError
from retarget_plugin.domain.vocabulary import MessageState
from retarget_plugin.models import Flow, FlowRun, Message, Order

from .effects import Effect

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")
NOT_MEASURED = Effect()
#: Where a message stands that nobody will get.
KEPT_BACK = (MessageState.CANCELLED, MessageState.EXPIRED, MessageState.REJECTED)


@dataclass(frozen=True, kw_only=True)
class FlowLine:
    """One flow. `sent` and `clicked` are messages to those who entered in the period; the rest as in Overview."""

    flow: Flow
    entered: int = 0
    sent: int = 0
    clicked: int = 0
    recovered: int = 0
    revenue: Decimal = NOTHING
    discount: Decimal = NOTHING
    effect: Effect = NOT_MEASURED


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step of a flow, counted as in FlowLine. `kept_back`: messages that did not leave in the end, for whatever reason;
    `cost`: what the provider charged, by currency, where it says."""

    key: str
    channel: str
    sent: int = 0
    delivered: int = 0
    clicked: int = 0
    kept_back: int = 0
    recovered: int = 0
    revenue: Decimal = NOTHING
    cost: Mapping[str, Decimal] = field(default_factory=dict)


def flow_lines(flows: Iterable[Flow], *, since: datetime, until: datetime) -> dict[int, FlowLine]:
    """Flow id -> its line for the period, in the given order and zeros included. Three queries, however many flows.

    Flows may be of several shops; each is counted in its own shop's currency.
    """
    flows = list(flows)
    shops = {flow.shop_id for flow in flows}
    period: dict[str, Any] = {"entered_at__gte": since, "entered_at__lt": until}
    runs = FlowRun.objects.filter(shop__in=shops, **period).values("flow").annotate(entered=Count("pk"))
    entered = {row["flow"]: row["entered"] for row in runs}
    messages = _by(
        Message.objects.filter(
            shop__in=shops, state=MessageState.ACCEPTED, run__in=FlowRun.objects.filter(shop__in=shops, **period)
        ),
        "run__flow",
        sent=Count("pk"),
        clicked=Count("pk", filter=Q(clicked_at__isnull=False)),
    )
    recovered = _by(
        recovered_orders(Order.objects.filter(shop__in=shops), since=since, until=until),
        "credited_message__run__flow",
        recovered=Count("pk"),
        revenue=Sum("total", filter=Q(currency=F("shop__currency"))),
    )
    return {
        flow.pk: FlowLine(
            flow=flow,
            entered=entered.get(flow.pk, 0),
            sent=messages.get(flow.pk, {}).get("sent", 0),
            clicked=messages.get(flow.pk, {}).get("clicked", 0),
            recovered=recovered.get(flow.pk, {}).get("recovered", 0),
            revenue=money(recovered.get(flow.pk, {}).get("revenue")),
        )
        for flow in flows
    }


def step_lines(flow: Flow, *, since: datetime, until: datetime) -> list[StepLine]:
    """A line for each step of `flow` that sends, in its order, and then for those that it has no more. Three queries."""
    messages = Message.objects.filter(run__flow=flow, run__entered_at__gte=since, run__entered_at__lt=until)
    has_left = Q(state=MessageState.ACCEPTED)
    found = _by(
        messages,
        "step",
        channel=Max("channel"),
        sent=Count("pk", filter=has_left),
        delivered=Count("pk", filter=has_left & Q(delivered_at__isnull=False)),
        clicked=Count("pk", filter=has_left & Q(clicked_at__isnull=False)),
        kept_back=Count("pk", filter=Q(state__in=KEPT_BACK)),
    )
    orders = Order.objects.filter(shop=flow.shop_id, credited_message__run__flow=flow)
    credited = _by(
        recovered_orders(orders, since=since, until=until),
        "credited_message__step",
        recovered=Count("pk"),
        revenue=Sum("total", filter=Q(currency=F("shop__currency"))),
    )
    costs: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    paid = messages.exclude(cost=None).values_list("step", "cost_currency").annotate(paid=Sum("cost")).order_by()
    for step, currency, amount in paid:
        costs[step][currency] = money(amount)
    channels = _channels(flow)
    return [
        StepLine(
            key=key,
            **{"channel": channels.get(key, ""), **_figures(found.get(key, {}))},
            recovered=credited.get(key, {}).get("recovered", 0),
            revenue=money(credited.get(key, {}).get("revenue")),
            cost=costs[key],
        )
        for key in dict.fromkeys([*channels, *found, *credited])
    ]


def recovered_orders(orders: QuerySet[Order], *, since: datetime, until: datetime) -> QuerySet[Order]:
    """Those of `orders` that were placed in the period, stand, and are credited to a message."""
    return orders.filter(placed_at__gte=since, placed_at__lt=until, cancelled_at=None, credited_message__isnull=False)


def money(amount: Decimal | int | None) -> Decimal:
    """SQLite adds decimals as floats; what it sums is rounded to the cent again."""
    return Decimal(amount or 0).quantize(CENT)


def _channels(flow: Flow) -> dict[str, str]:
    """Channel by step of the version in use; nothing where this version of the plugin cannot read it."""
    try:
        return {step.key: str(step.channel) for step in flow.version.parsed.sends} if flow.version else {}
    except FlowError:
        return {}


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "step"}


def _by(rows: QuerySet[Any], path: str, **figures: Any) -> dict[Any, dict[str, Any]]:
    return {row[path]: row for row in rows.values(path).annotate(**figures).order_by()}
