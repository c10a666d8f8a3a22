"""What is old goes: each kind of data after its own time, in small batches. The times stand in `domain.inventory`."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError
from django.db.models import Exists, OuterRef, Q, QuerySet

from retarget_plugin import conf
from retarget_plugin.domain.entries import PERIODS, days
from retarget_plugin.domain.inventory import TABLES
from retarget_plugin.domain.vocabulary import RunState
from retarget_plugin.models import (
    Attempt,
    Cart,
    Claim,
    Coupon,
    Customer,
    Decision,
    Event,
    FlowRun,
    Link,
    Message,
    MessageBody,
    Order,
    SaleorEvent,
    Shop,
    Throttle,
    Visitor,
    WebhookCall,
    partitions,
)

from . import allowances, belongings, erasures, leads, subscriptions

logger = logging.getLogger("retarget_plugin.retention")

#: Rows that go in one statement, so that nobody waits for it.
BATCH = 1000
DAY = timedelta(days=1)
#: One round of the daily purge, how long it is left to one worker, and when the next round comes while more is left.
ROUND_SECONDS, LEASE, PAUSE = 2.0, timedelta(minutes=10), timedelta(seconds=10)
NAME = "retention"

_TABLES = {table.model: table for table in TABLES}


def purge(now: datetime) -> Counter[str]:
    """Remove everything that is past its time at `now`; answers how many rows of which kind."""
    return _purge(now=now, until=float("inf"))[0]


def purge_daily(*, now: datetime) -> Counter[str]:
    """`purge`, once a day by whichever worker comes first, a few seconds at a time."""
    Throttle.objects.get_or_create(name=NAME, defaults={"free_at": now})
    turn = Throttle.objects.filter(name=NAME)
    if not turn.filter(free_at__lte=now).update(free_at=now + LEASE):
        return Counter()
    is_ahead = _make_ahead(now)
    tally, is_done = _purge(now=now, until=time.monotonic() + ROUND_SECONDS)
    turn.update(free_at=now + (PAUSE if not is_done else DAY if is_ahead else LEASE))
    return tally


def _make_ahead(now: datetime) -> bool:
    """The months to come; False where somebody else works on the table: until they are made, the default part takes all."""
    try:
        partitions.make_ahead(now=now)
    except OperationalError:
        logger.warning("the next months of the events could not be made now; it is tried again", exc_info=True)
        return False
    return True


def _purge(*, now: datetime, until: float) -> tuple[Counter[str], bool]:
    """What was removed, and whether nothing is left. One kind that fails holds up no other; it is tried the next time."""
    tally: Counter[str] = Counter()
    for kind, rule in RULES.items():
        period = timedelta(days=days(kind, conf.settings.RETENTION)) if kind in PERIODS else timedelta()
        try:
            for count in rule(now - period):
                tally[kind] += count
                if count and time.monotonic() > until:
                    return +tally, False
        except (OperationalError, IntegrityError):
            logger.exception("%s could not be purged now; it is tried again", kind)
    return +tally, True


# -- the rules: each yields the rows it removed, batch by batch, until there are none ---------------------------------


def _visits(before: datetime) -> Iterator[int]:
    yield from _visitors(Q(contact=None), before)
    for shop in Shop.objects.all():
        yield from _delete(Event.objects.filter(shop=shop, at__lt=before, contact=None), order="at")


def _browsers(before: datetime) -> Iterator[int]:
    yield from _visitors(Q(contact__isnull=False), before)


def _visitors(which: Q, before: datetime) -> Iterator[int]:
    """With what was noted of them as visitors: events, claims, grants."""
    for shop in Shop.objects.all():
        yield from _delete(Visitor.objects.filter(which, shop=shop, last_seen_at__lt=before), order="last_seen_at")


def _events(before: datetime) -> Iterator[int]:
    yield len(partitions.drop_before(before))
    for shop in Shop.objects.all():
        yield from _delete(Event.objects.filter(shop=shop, at__lt=before), order="at")


def _claims(before: datetime) -> Iterator[int]:
    yield from _delete(Claim.objects.filter(at__lt=before, proven_at=None))


def _leads(before: datetime) -> Iterator[int]:
    while count := leads.purge_unconfirmed(before, limit=BATCH):
        yield count
    while count := subscriptions.purge_unconfirmed(before, limit=BATCH):
        yield count


def _carts(before: datetime) -> Iterator[int]:
    """What counts in a sum stays behind empty; carts that nothing came of go."""
    old = Cart.objects.filter(touched_at__lt=before)
    came = Exists(FlowRun.objects.filter(cart=OuterRef("pk"))) | Exists(Order.objects.filter(cart=OuterRef("pk")))
    yield from _delete(old.filter(~came))
    yield from _empty(old, "Cart", "email", "phone", "external_id", "items", "contact")


def _bodies(before: datetime) -> Iterator[int]:
    yield from _delete(MessageBody.objects.filter(message__created_at__lt=before))


def _details(before: datetime) -> Iterator[int]:
    yield from _delete(Decision.objects.filter(at__lt=before))
    yield from _empty(Attempt.objects.filter(started_at__lt=before), "Attempt", "code", "detail")
    yield from _delete(WebhookCall.objects.filter(created_at__lt=before))
    # Who is still inside goes on by it.
    over = FlowRun.objects.filter(entered_at__lt=before).exclude(state=RunState.ACTIVE)
    yield from _empty(over, "FlowRun", "data", "happened", order="entered_at")
    yield from _empty(Message.objects.filter(created_at__lt=before), "Message", "detail", "context")


def _links(before: datetime) -> Iterator[int]:
    yield from _delete(Link.objects.filter(created_at__lt=before))


def _coupons(before: datetime) -> Iterator[int]:
    yield from _empty(Coupon.objects.filter(expires_at__lt=before), "Coupon", "code")


def _orders(before: datetime) -> Iterator[int]:
    old = Order.objects.filter(placed_at__lt=before)
    bought = ("items", "coupon_codes", "discounts", "told", "counted")
    yield from _empty(old, "Order", "number", "email", "phone", *bought, "contact")
    yield from _delete(Customer.objects.filter(last_order_at__lt=before))


def _allowances(now: datetime) -> Iterator[int]:
    while count := allowances.forget(now=now, limit=BATCH):
        yield count


def _saleor_events(now: datetime) -> Iterator[int]:
    yield from _delete(SaleorEvent.objects.filter(issued_at__lt=now - SaleorEvent.MEMORY), order="issued_at")


def _erasures(now: datetime) -> Iterator[int]:
    yield erasures.sweep(now=now)


RULES: dict[str, Callable[[datetime], Iterator[int]]] = {
    "erasures": _erasures,
    "leads": _leads,
    "claims": _claims,
    "visits": _visits,
    "browsers": _browsers,
    "events": _events,
    "bodies": _bodies,
    "carts": _carts,
    "details": _details,
    "links": _links,
    "coupons": _coupons,
    "orders": _orders,
    "allowances": _allowances,
    "saleor_events": _saleor_events,
}


def _delete(rows: QuerySet[Any], *, order: str = "pk") -> Iterator[int]:
    while keys := list(rows.order_by(order).values_list("pk", flat=True)[:BATCH]):
        rows.model._base_manager.filter(pk__in=keys).delete()
        yield len(keys)


def _empty(rows: QuerySet[Any], model: str, *columns: str, order: str = "pk") -> Iterator[int]:
    """Walks by key: what is empty already is passed over once, and not before every batch. In another `order`, which an
    index has that leaves out what is empty, nothing has to be passed over."""
    nothing = belongings.empty(_TABLES[model], columns)
    full = rows.filter(belongings.says_more(nothing)).order_by(order)
    seen = 0
    while keys := list((full.filter(pk__gt=seen) if order == "pk" else full).values_list("pk", flat=True)[:BATCH]):
        rows.model._base_manager.filter(pk__in=keys).update(**nothing)
        seen = keys[-1]
        yield len(keys)
