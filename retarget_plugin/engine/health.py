"""How things are: what was last heard of each shop, what waits, and what somebody should look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, QuerySet, Subquery

from retarget_plugin.domain.vocabulary import CartState, FlowState, MessageState
from retarget_plugin.models import Cart, Flow, Message, Order, Shop

#: How far back messages are counted. Every message is created, sent or given up within days.
PERIOD = timedelta(days=7)
#: A due message waits for the next tick, or for a worker; longer than this, nobody is working.
OVERDUE = timedelta(minutes=15)
#: A shop with a flow turned on from which no cart was heard for this long has probably lost its signals.
SILENCE = timedelta(days=7)


@dataclass(frozen=True)
class ShopStatus:
    """When `shop` (its id) last told us about a cart and an order; None: never."""

    shop: int
    last_cart_at: datetime | None
    last_order_at: datetime | None
    is_silent: bool


@dataclass(frozen=True)
class Status:
    """`ok` is True when `problems` is empty. They are, in this order:

    messages_overdue   a message has been due for more than 15 minutes: no tick, or no worker
    outcomes_unknown   an attempt's answer was lost; staff should look at the provider's own record
    messages_parked    a message's template fails; it goes out once that is corrected and the message released
    cart_events_missing  a shop with a flow turned on has not told of a cart for 7 days

    `messages`: state -> number of messages created in the last 7 days, every state named. `oldest_due_seconds`: how
    long the message that is due the longest has been waiting; 0 when none waits. Paused shops do not count.
    """

    ok: bool
    problems: tuple[str, ...]
    at: datetime
    shops: tuple[ShopStatus, ...]
    messages: dict[str, int]
    oldest_due_seconds: int
    unknown: int
    parked: int


def status(now: datetime) -> Status:
    """Three queries, each on an index."""
    shops = _shops(now)
    messages = _messages([shop.shop for shop in shops], now)
    waiting = _oldest_due_seconds(now)
    unknown, parked = messages[MessageState.UNKNOWN], messages[MessageState.PARKED]
    found = {
        "messages_overdue": waiting > OVERDUE.total_seconds(),
        "outcomes_unknown": unknown > 0,
        "messages_parked": parked > 0,
        "cart_events_missing": any(shop.is_silent for shop in shops),
    }
    problems = tuple(name for name, is_found in found.items() if is_found)
    return Status(
        ok=not problems,
        problems=problems,
        at=now,
        shops=shops,
        messages=messages,
        oldest_due_seconds=waiting,
        unknown=unknown,
        parked=parked,
    )


def _shops(now: datetime) -> tuple[ShopStatus, ...]:
    carts, orders = Cart.objects.filter(shop=OuterRef("pk")), Order.objects.filter(shop=OuterRef("pk"))
    # A cart that moved last is active, abandoned, or so new that it was ordered at once: three looks at an index, where
    # the largest `touched_at` of all would be a look at every row.
    rows = Shop.objects.order_by("pk").annotate(
        active=_newest(carts.filter(state=CartState.ACTIVE), "touched_at"),
        abandoned=_newest(carts.filter(abandoned_at__isnull=False), "abandoned_at"),
        newest=_newest(carts, "pk"),
        ordered=_newest(orders, "placed_at"),
        has_flow=Exists(Flow.objects.filter(shop=OuterRef("pk"), state=FlowState.ON)),
    )
    return tuple(_shop(row, now) for row in rows)


def _newest(rows: QuerySet[Any], field: str) -> Subquery:
    return Subquery(rows.order_by(f"-{field}").values("touched_at")[:1])


def _shop(row: Any, now: datetime) -> ShopStatus:
    last_cart_at = max(filter(None, (row.active, row.abandoned, row.newest)), default=None)
    is_silent = row.has_flow and not row.is_paused and (last_cart_at or row.created_at) < now - SILENCE
    return ShopStatus(shop=row.pk, last_cart_at=last_cart_at, last_order_at=row.ordered, is_silent=is_silent)


def _messages(shops: list[int], now: datetime) -> dict[str, int]:
    counted = (
        Message.objects.filter(shop__in=shops, created_at__gte=now - PERIOD)
        .order_by()
        .values_list("state")
        .annotate(count=Count("pk"))
    )
    return {state.value: 0 for state in MessageState} | dict(counted)


def _oldest_due_seconds(now: datetime) -> int:
    due = Message.objects.filter(state=MessageState.SCHEDULED, due_at__lte=now, shop__is_paused=False)
    oldest = due.aggregate(at=Min("due_at"))["at"]
    return int((now - oldest).total_seconds()) if oldest else 0
