"""How things are: what was last heard of each shop, what waits, and what somebody should look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Subquery

from retarget_plugin.domain.vocabulary import CartState, Channel, FlowState, MessageState, Reason
from retarget_plugin.models import Breaker, Cart, DailyCount, Decision, Event, Flow, Installation, Message, Order, Shop

#: How far back messages are counted. Every message is created, sent or given up within days.
PERIOD = timedelta(days=7)
#: What providers answered is counted for this long.
LATELY = timedelta(hours=1)
ANSWERS = (Reason.SENT, Reason.RETRYING, Reason.REJECTED, Reason.OUTCOME_UNKNOWN)
#: A due message waits for the next tick, or for a worker; longer than this, nobody is working.
OVERDUE = timedelta(minutes=15)
#: An order that could not be read in this time will hardly be read without somebody's help.
UNREADABLE = timedelta(hours=1)
#: A shop with a flow turned on from which no cart was heard for this long has probably lost its signals.
SILENCE = timedelta(days=7)


@dataclass(frozen=True)
class ShopStatus:
    """When `shop` (its id) last told us about a cart and an order, and its pages about a view; None: never.

    `has_flow`: one is turned on.
    """

    shop: int
    last_cart_at: datetime | None
    last_order_at: datetime | None
    last_view_at: datetime | None
    is_silent: bool
    has_flow: bool


@dataclass(frozen=True)
class GatewayStatus:
    """A way out that has failed so often in a row that it is left alone until `open_until`, but for a probe."""

    name: str
    failures: int
    open_until: datetime | None


@dataclass(frozen=True)
class Status:
    """`ok` is True when `problems` is empty. They are, in this order:

    sending_stopped    the stop button was pressed, or the database is a restored backup: see `halted`
    workers_missing    no worker has come round for 15 minutes, and a flow is turned on
    messages_overdue   a message has been due for more than 15 minutes: no worker, or not enough of them
    gateways_failing   a provider failed several times in a row and is left alone for now
    outcomes_unknown   an attempt's answer was lost; staff should look at the provider's own record
    messages_parked    a message's template fails; it goes out once that is corrected and the message released
    messages_quarantined  an unexpected error met a message, or it ended its workers; its detail says more
    orders_unreadable  an order could not be read for an hour; the workers' log says why
    cart_events_missing  a shop with a flow turned on has not told of a cart for 7 days

    `messages`: state -> number of messages created in the last 7 days, every state named. `answers`: what providers
    answered in the last hour: sent, retrying, rejected, outcome_unknown. `oldest_due_seconds`: how long the message that
    is due the longest has been waiting; 0 when none waits. What a shop has paused does not count. `last_tick_at`: to the
    minute; None: never.
    """

    ok: bool
    problems: tuple[str, ...]
    at: datetime
    shops: tuple[ShopStatus, ...]
    halted: str
    last_tick_at: datetime | None
    gateways: tuple[GatewayStatus, ...]
    messages: dict[str, int]
    answers: dict[str, int]
    oldest_due_seconds: int
    unknown: int
    parked: int
    quarantined: int


def status(now: datetime) -> Status:
    """Seven queries, each on an index."""
    shops, gateways, row = _shops(now), _gateways(), Installation.objects.first()
    ids = [shop.shop for shop in shops]
    messages = _messages(ids, now)
    halted, last_tick_at = (row.halted_because, row.heartbeat_at) if row else ("", None)
    waiting = 0 if halted else _oldest_due_seconds(now)
    unknown, parked = messages[MessageState.UNKNOWN], messages[MessageState.PARKED]
    quarantined = messages[MessageState.QUARANTINED]
    is_idle = last_tick_at is None or last_tick_at < now - OVERDUE
    found = {
        "sending_stopped": bool(halted),
        "workers_missing": is_idle and any(shop.has_flow for shop in shops),
        "messages_overdue": waiting > OVERDUE.total_seconds(),
        "gateways_failing": bool(gateways),
        "outcomes_unknown": unknown > 0,
        "messages_parked": parked > 0,
        "messages_quarantined": quarantined > 0,
        "orders_unreadable": _unreadable_orders(now).exists(),
        "cart_events_missing": any(shop.is_silent for shop in shops),
    }
    problems = tuple(name for name, is_found in found.items() if is_found)
    return Status(
        ok=not problems,
        problems=problems,
        at=now,
        shops=shops,
        halted=halted,
        last_tick_at=last_tick_at,
        gateways=gateways,
        messages=messages,
        answers=_answers(ids, now),
        oldest_due_seconds=waiting,
        unknown=unknown,
        parked=parked,
        quarantined=quarantined,
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
        viewed=Subquery(Event.objects.filter(shop=OuterRef("pk")).order_by("-at").values("at")[:1]),
        counted=Subquery(
            DailyCount.objects.filter(shop=OuterRef("pk")).order_by("-day", "-last_at").values("last_at")[:1]
        ),
        has_flow=Exists(Flow.objects.filter(shop=OuterRef("pk"), state=FlowState.ON)),
    )
    return tuple(_shop(row, now) for row in rows)


def _newest(rows: QuerySet[Any], field: str) -> Subquery:
    return Subquery(rows.order_by(f"-{field}").values("touched_at")[:1])


def _shop(row: Any, now: datetime) -> ShopStatus:
    last_cart_at = max(filter(None, (row.active, row.abandoned, row.newest)), default=None)
    is_silent = row.has_flow and not row.is_paused and (last_cart_at or row.created_at) < now - SILENCE
    return ShopStatus(
        shop=row.pk,
        last_cart_at=last_cart_at,
        last_order_at=row.ordered,
        last_view_at=max(filter(None, (row.viewed, row.counted)), default=None),
        is_silent=is_silent,
        has_flow=row.has_flow,
    )


def _messages(shops: list[int], now: datetime) -> dict[str, int]:
    counted = (
        Message.objects.filter(shop__in=shops, created_at__gte=now - PERIOD)
        .order_by()
        .values_list("state")
        .annotate(count=Count("pk"))
    )
    return {state.value: 0 for state in MessageState} | dict(counted)


def _answers(shops: list[int], now: datetime) -> dict[str, int]:
    told = Decision.objects.filter(shop__in=shops, code__in=ANSWERS, at__gte=now - LATELY).order_by()
    return {code.value: 0 for code in ANSWERS} | dict(told.values_list("code").annotate(count=Count("pk")))


def _unreadable_orders(now: datetime) -> QuerySet[Order]:
    return Order.objects.filter(read_at=None, read_again_at__isnull=False, touched_at__lt=now - UNREADABLE)


def _gateways() -> tuple[GatewayStatus, ...]:
    rows = Breaker.objects.exclude(open_until=None).order_by("name")
    return tuple(GatewayStatus(*row) for row in rows.values_list("name", "failures", "open_until"))


def _oldest_due_seconds(now: datetime) -> int:
    due = Message.objects.filter(state=MessageState.SCHEDULED, due_at__lte=now, shop__is_paused=False)
    due = due.exclude(
        Q(channel=Channel.EMAIL, shop__email_is_paused=True) | Q(channel=Channel.SMS, shop__sms_is_paused=True)
    )
    oldest = due.aggregate(at=Min("due_at"))["at"]
    return int((now - oldest).total_seconds()) if oldest else 0
