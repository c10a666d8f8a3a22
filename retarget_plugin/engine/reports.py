"""What the carts of a period came to: abandoned, messaged, recovered, the money that came back, and what of it was caused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from retarget_plugin.domain import attribution
from retarget_plugin.domain.vocabulary import MessageState
from retarget_plugin.models import Cart, Flow, Message, Order, Shop, lines

from . import coupons, effects, funnels
from .effects import Effect
from .funnels import NOTHING, FlowLine, money

#: How many products a report names.
PRODUCTS = 20


class Rates:
    """What the carts abandoned, those of them that were ordered after all, and those bought at once come to."""

    abandoned: int
    returned: int
    bought: int

    @property
    def abandonment_rate(self) -> float | None:
        """Of all carts that were abandoned or became an order, the part that was abandoned, from 0 to 1. None without any."""
        whole = self.abandoned + self.bought
        return self.abandoned / whole if whole else None

    @property
    def recovery_rate(self) -> float | None:
        """Of the abandoned carts, the part that became an order after all, from 0 to 1. None without any."""
        return self.returned / self.abandoned if self.abandoned else None


@dataclass(frozen=True, kw_only=True)
class Day(Rates):
    """One calendar day in the shop's time zone. `messaged` are carts abandoned that day, whenever the message went out, and
    `returned` those that became an order after all; `bought` are orders of that day whose cart was never abandoned."""

    date: date
    abandoned: int = 0
    messaged: int = 0
    returned: int = 0
    bought: int = 0
    recovered: int = 0
    revenue: Decimal = NOTHING


@dataclass(frozen=True, kw_only=True)
class ProductLine(Rates):
    """One product. `abandoned`: carts abandoned in the period with it inside; `messaged` and `returned` of these, and
    `bought`, as in Day; `recovered`: those of the returned that are credited to a message."""

    product: str
    title: str
    abandoned: int
    messaged: int
    returned: int
    recovered: int
    bought: int


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Recovered orders in a currency that is not the shop's: never added to its revenue."""

    currency: str
    recovered: int
    revenue: Decimal


@dataclass(frozen=True, kw_only=True)
class Overview(Rates):
    """A shop's figures for `since` <= t < `until`; revenue in major units of `currency`, the shop's own.

    abandoned: carts abandoned in the period; messaged: those with at least one accepted message; returned: those that
    became an order after all, by a message or not; bought: orders whose cart was never abandoned; recovered: orders
    placed in the period, credited to a message and not cancelled, in any currency. Orders in another currency add
    nothing to `revenue` and are told again in `foreign`. `days` has every calendar day of the period, oldest first.
    `discount`: what coupons took off in the period. What was recovered is attributed: some of it would have been bought
    anyway. What was caused is `effect`.
    """

    since: datetime
    until: datetime
    currency: str
    abandoned: int
    messaged: int
    returned: int
    bought: int
    recovered: int
    revenue: Decimal
    discount: Decimal
    margin: Decimal | None
    effect: Effect
    days: tuple[Day, ...]
    flows: tuple[FlowLine, ...]
    foreign: tuple[Foreign, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing was abandoned, entered or recovered: there is nothing to draw."""
        return not (self.abandoned or self.recovered or any(line.entered for line in self.flows))


def overview(shop: Shop, *, since: datetime, until: datetime, now: datetime) -> Overview:
    """The figures of `shop` from `since` up to, not including, `until` (aware), with what is known at `now` of its effects.

    Twelve queries at the most, however many carts.
    """
    zone = ZoneInfo(shop.time_zone)
    orders = _orders_by_day(shop, zone, since=since, until=until)
    days = _days(shop, zone, orders, since=since, until=until)
    flows = list(Flow.objects.filter(shop=shop).order_by("name", "pk"))
    known = effects.of_flows(shop, flows, since=since, until=until, now=now)
    costs = coupons.cost(flows, since=since, until=until)
    told = [
        replace(
            line,
            discount=money(costs.get(line.flow.pk, {}).get(shop.currency)),
            effect=known.flows[line.flow.pk],
        )
        for line in funnels.flow_lines(flows, since=since, until=until).values()
    ]
    revenue = sum((day.revenue for day in days), NOTHING)
    discount = sum((line.discount for line in told), NOTHING)
    percent = shop.margin_percent
    return Overview(
        since=since,
        until=until,
        currency=shop.currency,
        abandoned=sum(day.abandoned for day in days),
        messaged=sum(day.messaged for day in days),
        returned=sum(day.returned for day in days),
        bought=sum(day.bought for day in days),
        recovered=sum(day.recovered for day in days),
        revenue=revenue,
        discount=discount,
        margin=None if percent is None else money(attribution.margin(revenue, discount=discount, percent=percent)),
        effect=known.whole,
        days=days,
        flows=tuple(told),
        foreign=_foreign(row for rows in orders.values() for row in rows if row["currency"] != shop.currency),
    )


def product_lines(shop: Shop, *, since: datetime, until: datetime) -> list[ProductLine]:
    """The `PRODUCTS` that were abandoned most in the period, most often first. Two queries."""
    credited = Order.objects.filter(cart=OuterRef("pk"), cancelled_at=None, credited_message__isnull=False)
    carts = Cart.objects.filter(shop=shop, abandoned_at__gte=since, abandoned_at__lt=until).annotate(
        messaged=Exists(_accepted()), returned=Q(ordered_at__isnull=False), recovered=Exists(credited)
    )
    left = lines.by_product(carts, "messaged", "returned", "recovered", most=PRODUCTS)
    bought = lines.by_product(_bought(shop, since=since, until=until), only=left.keys())
    return [
        ProductLine(
            product=product,
            title=row["title"] or product,
            abandoned=row["count"],
            messaged=row["messaged"],
            returned=row["returned"],
            recovered=row["recovered"],
            bought=bought.get(product, {}).get("count", 0),
        )
        for product, row in left.items()
    ]


def _days(
    shop: Shop,
    zone: ZoneInfo,
    orders: Mapping[date, list[Mapping[str, Any]]],
    *,
    since: datetime,
    until: datetime,
) -> tuple[Day, ...]:
    carts = _carts_by_day(shop, zone, since=since, until=until)
    bought = _bought_by_day(shop, zone, since=since, until=until)
    return tuple(
        Day(
            date=day,
            **carts.get(day, {}),
            bought=bought.get(day, 0),
            recovered=sum(row["recovered"] for row in orders.get(day, [])),
            revenue=money(sum(row["revenue"] for row in orders.get(day, []) if row["currency"] == shop.currency)),
        )
        for day in _calendar(zone, since=since, until=until)
    )


def _carts_by_day(shop: Shop, zone: ZoneInfo, *, since: datetime, until: datetime) -> dict[date, dict[str, int]]:
    figures = ("abandoned", "messaged", "returned")
    rows = (
        Cart.objects.filter(shop=shop, abandoned_at__gte=since, abandoned_at__lt=until)
        .annotate(is_messaged=Exists(_accepted()), day=TruncDate("abandoned_at", tzinfo=zone))
        .values("day")
        .annotate(
            abandoned=Count("pk"),
            messaged=Count("pk", filter=Q(is_messaged=True)),
            returned=Count("pk", filter=Q(ordered_at__isnull=False)),
        )
        .order_by()
    )
    return {day: dict(zip(figures, found, strict=True)) for day, *found in rows.values_list("day", *figures)}


def _bought_by_day(shop: Shop, zone: ZoneInfo, *, since: datetime, until: datetime) -> dict[date, int]:
    rows = _bought(shop, since=since, until=until).annotate(day=TruncDate("placed_at", tzinfo=zone)).values("day")
    return dict(rows.annotate(bought=Count("pk")).order_by().values_list("day", "bought"))


def _bought(shop: Shop, *, since: datetime, until: datetime) -> QuerySet[Order]:
    """Orders of the period that stand, and whose cart was never abandoned."""
    placed = Order.objects.filter(shop=shop, placed_at__gte=since, placed_at__lt=until, cancelled_at=None)
    return placed.filter(cart__abandoned_at=None)


def _accepted() -> QuerySet[Message]:
    """Messages about the cart of the outer query that a provider took."""
    return Message.objects.filter(run__cart=OuterRef("pk"), state=MessageState.ACCEPTED)


def _orders_by_day(
    shop: Shop, zone: ZoneInfo, *, since: datetime, until: datetime
) -> defaultdict[date, list[Mapping[str, Any]]]:
    """Day -> a row for each currency."""
    rows = (
        funnels.recovered_orders(Order.objects.filter(shop=shop), since=since, until=until)
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
        Foreign(currency=currency, recovered=recovered[currency], revenue=money(revenue[currency]))
        for currency in sorted(recovered)
    )


def _calendar(zone: ZoneInfo, *, since: datetime, until: datetime) -> list[date]:
    """Every calendar day in `zone` that the half-open period touches."""
    first = since.astimezone(zone).date()
    last = (until - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
