"""How often a stranger may do something. Kept in the database: a lost cache opens no gate."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.crypto import salted_hmac

from retarget_plugin.models import Allowance

#: Uses within the same twelfth of the period are kept as one, so that a row stays short.
GRAIN = 12
#: How often one call tries to be the next in a crowd.
TURNS = 50


def take(name: str, subject: str, *, most: int, within: timedelta, now: datetime, amount: int = 1) -> bool:
    """True when `subject` may use `name` now, which is noted; False when its allowance is used up.

    In no stretch of `within` is more than `most` taken, whoever asks at the same time; a use may come back up to a GRAIN
    late. A refusal costs one read and writes nothing, so that a flood is cheap. `subject` is stored as a keyed hash only.
    One name has one period.
    """
    key = salted_hmac(f"retarget_plugin.allowance.{name}", subject, algorithm="sha256").hexdigest()[:32]
    for _turn in range(TURNS):
        row = Allowance.objects.filter(name=name, subject=key).first()
        uses = _counting(row.uses if row else [], since=now - within)
        if sum(used for _at, used in uses) + amount > most:
            return False
        changes = {
            "uses": _with(uses, now.timestamp(), amount, within.total_seconds() / GRAIN),
            "ends_at": now + within,
        }
        if row is None:
            _row, is_taken = Allowance.objects.get_or_create(name=name, subject=key, defaults=changes)
        else:
            mine = Allowance.objects.filter(pk=row.pk, turn=row.turn)
            is_taken = bool(mine.update(turn=row.turn + 1, **changes))
        if is_taken:
            return True
    return False


def forget(*, now: datetime, limit: int = 10_000) -> int:
    """Delete up to `limit` rows that say nothing any more; answers how many."""
    over = Allowance.objects.filter(ends_at__lt=now).order_by("ends_at")[:limit]
    return Allowance.objects.filter(pk__in=list(over.values_list("pk", flat=True)), ends_at__lt=now).delete()[0]


def _counting(uses: list[list[float]], *, since: datetime) -> list[list[float]]:
    return [use for use in uses if use[0] > since.timestamp()]


def _with(uses: list[list[float]], at: float, amount: int, grain: float) -> list[list[float]]:
    """A use that joins an earlier one makes that later, never itself earlier: nothing is forgiven before its time."""
    if uses and uses[-1][0] // grain == at // grain:
        *before, (last, used) = uses
        return [*before, [max(at, last), used + amount]]
    return [*uses, [at, amount]]
