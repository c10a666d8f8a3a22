"""Claiming rows where workers meet: SKIP LOCKED on PostgreSQL, the counted UPDATE elsewhere."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import connections, models, transaction

Row = TypeVar("Row", bound=models.Model)


def claim(queryset: models.QuerySet[Row], *, limit: int, stamp: str, **changes: Any) -> list[Row]:
    """Take up to `limit` rows of `queryset`, apply `changes` to them, and answer them as changed.

    Nobody else gets the same row: on PostgreSQL rows locked by another worker are skipped; elsewhere each row is taken
    by an UPDATE that only matches while the field `stamp` is as it was read. One of `changes` must change `stamp`.
    """
    if stamp not in changes:
        raise ValueError(f"A claim must change {stamp!r}, or two workers could take the same row.")
    connection = connections[queryset.db]
    manager = queryset.model._base_manager.using(queryset.db)
    if connection.features.has_select_for_update_skip_locked:
        with transaction.atomic(using=queryset.db):
            rows = list(queryset.select_for_update(skip_locked=True, of=("self",))[:limit])
            manager.filter(pk__in=[row.pk for row in rows]).update(**changes)
    else:
        seen = list(queryset[:limit])
        rows = [
            row
            for row in seen
            if queryset.order_by().filter(pk=row.pk, **{stamp: getattr(row, stamp)}).update(**changes)
        ]
    for row in rows:
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(row, name, value)
    return rows
