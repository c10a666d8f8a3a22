"""What the carts of a period came to: abandoned, messaged, recovered, and the money that came back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from retarget_plugin.domain.vocabulary import MessageState
from retarget_plugin.models import Cart, Flow, FlowRun, Message, Order, Shop

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")


@dataclass(frozen=True, kw_only=True)
class Day:
    """One calendar day in the shop's time zone. `messaged` are carts abandoned that day, whenever the message went out."""

    date: date
    abandoned: int = 0
    messaged: int = 0
    recovered: int = 0
    revenue: Decimal = NOTHING


@dataclass(frozen=True, kw_only=True)
class FlowLine:
    """One flow. `sent` and `clicked` are messages to those who entered in the period; the rest as in Overview."""

    flow: Flow
    entered: int = 0
    sent: int = 0
    clicked: int = 0
    recovered: int = 0
    revenue: Decimal = NOTHING


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Recovered orders in a currency that is not the shop's: never added to its revenue."""

    currency: str
    recovered: int
    revenue: Decimal


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A shop's figures for `since` <= t < `until`; revenue in major units of `currency`, the shop's own.

    abandoned: carts abandoned in the period; messaged: those with at least one accepted message; recovered: orders
    placed in the period, credited to a message and not cancelled, in any currency. Orders in another currency add
    nothing to `revenue` and are told again in `foreign`. `days` has every calendar day of the period, oldest first.
    """

    since: datetime
    until: datetime
    currency: str
    abandoned: int
    messaged: int
    recovered: int
    revenue: Decimal
    days: tuple[Day, ...]
    flows: tuple[FlowLine, ...]
    foreign: tuple[Foreign, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing was abandoned, entered or recovered: there is nothing to draw."""
        return not (self.abandoned or self.recovered or any(line.entered for line in self.flows))


def overview(shop: Shop, *, since: datetime, until: datetime) -> Overview:
    """The figures of `shop` from `since` up to, not including, `until` (aware). Six queries, however many carts."""
    zone = ZoneInfo(shop.time_zone)
    carts = _carts_by_day(shop, zone, since=since, until=until)
    orders = _orders_by_day(shop, zone, since=since, until=until)
    days = tuple(
        Day(
            date=day,
            abandoned=carts[day]["abandoned"] if day in carts else 0,
            messaged=carts[day]["messaged"] if day in carts else 0,
            recovered=sum(row["recovered"] for row in orders[day]),
            revenue=_money(sum(row["revenue"] for row in orders[day] if row["currency"] == shop.currency)),
        )
        for day in _calendar(zone, since=since, until=until)
    )
    flows = Flow.objects.filter(shop=shop).order_by("name", "pk")
    return Overview(
        since=since,
        until=until,
        currency=shop.currency,
        abandoned=sum(day.abandoned for day in days),
        messaged=sum(day.messaged for day in days),
        recovered=sum(day.recovered for day in days),
        revenue=sum((day.revenue for day in days), NOTHING),
        days=days,
        flows=tuple(flow_lines(flows, since=since, until=until).values()),
        foreign=_foreign(row for rows in orders.values() for row in rows if row["currency"] != shop.currency),
    )


def flow_lines(flows: Iterable[Flow], *, since: datetime, until: datetime) -> dict[int, FlowLine]:
    """Flow id -> its line for the period, in the given order and zeros included. Three queries, however many flows.

    Flows may be of several shops; each is counted in its own shop's currency.
    """
    flows = list(flows)
    shops = {flow.shop_id for flow in flows}
    period: dict[str, Any] = {"entered_at__gte": since, "entered_at__lt": until}
    runs = FlowRun.objects.filter(shop__in=shops, **period).values("flow").annotate(entered=Count("pk"))
    entered = {row["flow"]: row["entered"] for row in runs}
    messages = _by_flow(
        Message.objects.filter(
            shop__in=shops, state=MessageState.ACCEPTED, run__in=FlowRun.objects.filter(shop__in=shops, **period)
        ),
        "run__flow",
        sent=Count("pk"),
        clicked=Count("pk", filter=Q(clicked_at__isnull=False)),
    )
    recovered = _by_flow(
        _recovered(Order.objects.filter(shop__in=shops), since=since, until=until),
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
            revenue=_money(recovered.get(flow.pk, {}).get("revenue")),
        )
        for flow in flows
    }


def _carts_by_day(shop: Shop, zone: ZoneInfo, *, since: datetime, until: datetime) -> dict[date, Mapping[str, Any]]:
    accepted = Message.objects.filter(run__cart=OuterRef("pk"), state=MessageState.ACCEPTED)
    rows = (
        Cart.objects.filter(shop=shop, abandoned_at__gte=since, abandoned_at__lt=until)
        .annotate(is_messaged=Exists(accepted), day=TruncDate("abandoned_at", tzinfo=zone))
        .values("day")
        .annotate(abandoned=Count("pk"), messaged=Count("pk", filter=Q(is_messaged=True)))
        .order_by()
    )
    return {row["day"]: row for row in rows}


def _orders_by_day(
    shop: Shop, zone: ZoneInfo, *, since: datetime, until: datetime
) -> defaultdict[date, list[Mapping[str, Any]]]:
    """Day -> a row for each currency."""
    rows = (
        _recovered(Order.objects.filter(shop=shop), since=since, until=until)
        .annotate(day=TruncDate("placed_at", tzinfo=zone))
        .values("day", "currency")
        .annotate(recovered=Count("pk"), revenue=Sum("total"))
        .order_by()
    )
    by_day: defaultdict[date, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_day[row["day"]].append(row)
    return by_day


def _foreign(rows: Iterable[Mapping[str, Any]]) -> tuple[Foreign, ...]:
    recovered: Counter[str] = Counter()
    revenue: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        recovered[row["currency"]] += row["recovered"]
        revenue[row["currency"]] += row["revenue"]
    return tuple(
        Foreign(currency=currency, recovered=recovered[currency], revenue=_money(revenue[currency]))
        for currency in sorted(recovered)
    )


def _recovered(orders: QuerySet[Order], *, since: datetime, until: datetime) -> QuerySet[Order]:
    return orders.filter(placed_at__gte=since, placed_at__lt=until, cancelled_at=None, credited_message__isnull=False)


def _by_flow(rows: QuerySet[Any], path: str, **figures: Any) -> dict[int, dict[str, Any]]:
    return {row[path]: row for row in rows.values(path).annotate(**figures).order_by()}


def _calendar(zone: ZoneInfo, *, since: datetime, until: datetime) -> list[date]:
    """Every calendar day in `zone` that the half-open period touches."""
    first = since.astimezone(zone).date()
    last = (until - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _money(amount: Decimal | int | None) -> Decimal:
    """SQLite adds decimals as floats; what it sums is rounded to the cent again."""
    return Decimal(amount or 0).quantize(CENT)
