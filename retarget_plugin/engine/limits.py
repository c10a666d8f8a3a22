"""Rates and budgets that all workers keep together, each in one row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from retarget_plugin.models import Budget, Shop, Throttle

# A little slower than asked for, so that what is handed over late still keeps the rate.
CAUTION = 1.01


def reserve(name: str, *, rate: float, count: int, ahead: timedelta, now: datetime) -> list[datetime]:
    """The next instants at which `count` uses of `name` fit into `rate` a second, evenly spaced; fewer, or none, when they
    would lie more than `ahead` in the future."""
    spacing = timedelta(seconds=CAUTION / rate)
    with transaction.atomic():
        row = _locked(name, now=now)
        first = max(row.free_at, now)
        if first > now + ahead:
            return []
        fitting = min(count, int((now + ahead - first) / spacing) + 1)
        Throttle.objects.filter(pk=row.pk).update(free_at=first + fitting * spacing)
    return [first + number * spacing for number in range(fitting)]


def allow(name: str, *, rate: float, wanted: int, saved: timedelta, now: datetime) -> int:
    """How many of `wanted` uses `name` has to give now; up to `saved` of unused time at `rate` a second is kept."""
    spacing = timedelta(seconds=1 / rate)
    with transaction.atomic():
        row = _locked(name, now=now - saved)
        start = max(row.free_at, now - saved)
        given = max(0, min(wanted, int((now - start) / spacing)))
        if given:
            Throttle.objects.filter(pk=row.pk).update(free_at=start + given * spacing)
    return given


def give_back(name: str, *, rate: float, count: int) -> None:
    """What `allow` gave and nobody used."""
    if count > 0:
        Throttle.objects.filter(name=name).update(free_at=F("free_at") - timedelta(seconds=count / rate))


def spend(shop: Shop, segments: int, *, now: datetime) -> bool:
    """Take `segments` from the shop's SMS budget of this month; False when that is used up. No limit, no row."""
    if shop.sms_segments_per_month is None:
        return True
    month = _month(now)
    Budget.objects.get_or_create(shop=shop, month=month)
    fits = Budget.objects.filter(shop=shop, month=month, segments__lte=shop.sms_segments_per_month - segments)
    return bool(fits.update(segments=F("segments") + segments))


def refund(shop: Shop, segments: int, *, spent_at: datetime) -> None:
    """Nothing was sent after all."""
    if shop.sms_segments_per_month is not None:
        spent = Budget.objects.filter(shop=shop, month=_month(spent_at), segments__gte=segments)
        spent.update(segments=F("segments") - segments)


def is_spent(shop: Shop, *, now: datetime) -> bool:
    """True when the shop's SMS budget of this month has nothing left."""
    limit = shop.sms_segments_per_month
    if limit is None:
        return False
    return limit == 0 or Budget.objects.filter(shop=shop, month=_month(now), segments__gte=limit).exists()


def next_month(now: datetime) -> datetime:
    """The instant (UTC) at which a new budget begins."""
    first = _month(now)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return datetime(following.year, following.month, 1, tzinfo=UTC)


def _month(now: datetime) -> date:
    return now.astimezone(UTC).date().replace(day=1)


def _locked(name: str, *, now: datetime) -> Throttle:
    row = Throttle.objects.select_for_update(no_key=True).filter(name=name).first()
    if row is None:
        try:
            with transaction.atomic():
                Throttle.objects.create(name=name, free_at=now)
        except IntegrityError:
            # Another worker made it a moment ago.
            pass
        row = Throttle.objects.select_for_update(no_key=True).get(name=name)
    return row
