"""Customers: what each one's orders come to, and where they stand among the shop's. Kept up by the tick."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q

from retarget_plugin.domain import rfm
from retarget_plugin.models import Contact, Customer, Order, Quintiles, Shop
from retarget_plugin.models.claims import claim

from . import consent

BATCH = 200
MEASURES = ("orders", "spent", "first_order_at", "last_order_at", "median_gap_days")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """What somebody's orders come to, and their scores: None while the shop has too few `customers` to compare with."""

    history: rfm.History
    customers: int
    scores: rfm.Scores | None


def touch(shop_id: int, contacts: Collection[int], *, now: datetime) -> None:
    """Note that orders of `contacts` came, went or changed hands; they are counted in the next tick."""
    Customer.objects.bulk_create(
        [Customer(shop_id=shop_id, contact_id=key, changed_at=now) for key in sorted(contacts)],
        update_conflicts=True,
        unique_fields=["contact"],
        update_fields=["changed_at"],
    )


def keep(*, now: datetime) -> Counter[str]:
    """Count a batch of those whose orders have changed, and divide the shops anew that a day ago were divided last.

    What nobody's orders changed costs nothing. Two workers at once count nobody twice.
    """
    tally: Counter[str] = Counter()
    with transaction.atomic():
        # Until the commit nobody else has them: a worker that dies in between has taken none.
        waiting = Customer.objects.filter(changed_at__isnull=False).order_by("changed_at")
        taken = claim(waiting, limit=BATCH, stamp="changed_at", changed_at=None)
        if taken:
            _recount(taken)
            tally["counted"] = len(taken)
    due = Quintiles.objects.filter(Q(made_at=None) | Q(made_at__lte=now - DAY), is_stale=True)
    for row in claim(due.order_by("pk"), limit=BATCH, stamp="is_stale", is_stale=False, made_at=now):
        _divide(row)
        tally["divided"] += 1
    return tally


def standing(contact: Contact) -> Standing | None:
    """Where a customer stands; None for who has not ordered, and for who objects to profiles."""
    row = Customer.objects.filter(contact__in=consent.profiled(Contact.objects.filter(pk=contact.pk))).first()
    if row is None or row.first_order_at is None or row.last_order_at is None:
        return None
    history = rfm.History(
        orders=row.orders,
        spent=row.spent,
        first_order_at=row.first_order_at,
        last_order_at=row.last_order_at,
        median_gap_days=row.median_gap_days,
    )
    bounds = _bounds(Quintiles.objects.filter(shop=row.shop_id).first())
    return Standing(history, bounds.customers, rfm.scores(history, bounds))


def _recount(rows: list[Customer]) -> None:
    """Two queries for all, and one to write them. Who has no order left, or objects, is a customer no more."""
    keys = [row.contact_id for row in rows]
    shops = Shop.objects.in_bulk({row.shop_id for row in rows})
    allowed = set(consent.profiled(Contact.objects.filter(pk__in=keys, erased_at=None)).values_list("pk", flat=True))
    orders: defaultdict[int, list[rfm.Bought]] = defaultdict(list)
    placed = Order.objects.filter(contact__in=allowed, cancelled_at=None, read_at__isnull=False)
    for key, placed_at, total, currency in placed.values_list("contact_id", "placed_at", "total", "currency"):
        if key is not None:
            orders[key].append(rfm.Bought(placed_at, total, currency))
    gone, kept = [], []
    for row in rows:
        history = rfm.history(orders[row.contact_id], currency=shops[row.shop_id].currency)
        if history is None:
            gone.append(row.pk)
            continue
        for name in MEASURES:
            setattr(row, name, getattr(history, name))
        kept.append(row)
    Customer.objects.bulk_update(kept, MEASURES)
    Customer.objects.filter(pk__in=gone).delete()
    Quintiles.objects.bulk_create([Quintiles(shop_id=key) for key in sorted(shops)], ignore_conflicts=True)
    Quintiles.objects.filter(shop__in=shops, is_stale=False).update(is_stale=True)


def _divide(row: Quintiles) -> None:
    """Each bound is one place in an index: whoever stands between two of them is not read."""
    counted = Customer.objects.filter(shop=row.shop_id, orders__gt=0)
    row.customers = counted.count()
    if row.customers >= rfm.FEWEST_CUSTOMERS:
        row.recency = [at.isoformat() for at in _cuts(counted, "last_order_at", row.customers)]
        row.frequency = _cuts(counted, "orders", row.customers)
        row.monetary = [str(amount) for amount in _cuts(counted, "spent", row.customers)]
    row.save(update_fields=["customers", "recency", "frequency", "monetary"])


def _cuts(counted: Any, measure: str, customers: int) -> list[Any]:
    values = counted.order_by(measure).values_list(measure, flat=True)
    return [values[place] for place in rfm.positions(customers)]


def _bounds(row: Quintiles | None) -> rfm.Bounds:
    if row is None:
        return rfm.Bounds(customers=0, recency=(), frequency=(), monetary=())
    return rfm.Bounds(
        customers=row.customers,
        recency=tuple(datetime.fromisoformat(text) for text in row.recency),
        frequency=tuple(row.frequency),
        monetary=tuple(Decimal(text) for text in row.monetary),
    )
