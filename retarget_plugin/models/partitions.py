"""Events by month: on PostgreSQL a part of the table each, so that forgetting a month costs nothing. Elsewhere one table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .events import Event

#: A lock that is not free by then is asked for again at the next tick: nothing may queue behind us for longer.
LOCK_MS = 500
#: Parts are made by one process at a time. The number means nothing.
ADVISORY_KEY = 0x5E7A26E7


def convert(apps: Any, schema_editor: Any) -> None:
    """The operation of the migration: the table that was just made and is empty, made anew in parts."""
    connection = schema_editor.connection
    if connection.vendor != "postgresql" or _is_partitioned(connection):
        return
    model = apps.get_model("retarget_plugin", "Event")
    table, plain = model._meta.db_table, f"{model._meta.db_table}_plain"
    # No key of PostgreSQL's can reach over all parts without the date in it. Django's own is the id alone, which the one
    # sequence keeps unique.
    for statement in (
        f"ALTER TABLE {table} RENAME TO {plain}",
        f"CREATE TABLE {table} (LIKE {plain} INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id, at)) "
        "PARTITION BY RANGE (at)",
        f"DROP TABLE {plain}",
        f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT",
    ):
        schema_editor.execute(statement)
    for index in model._meta.indexes:
        schema_editor.add_index(model, index)


def make_ahead(*, now: datetime, using: str = DEFAULT_DB_ALIAS) -> int:
    """Make the parts of this month and the next where they are missing; answers how many were made.

    Until then their rows are taken by the default part, from which they are moved.
    """
    connection = connections[using]
    if not _is_partitioned(connection):
        return 0
    first = _month(now)
    months = (first, _next(first))
    wanted = [month for month in months if _name(month) not in _parts(connection)]
    for month in wanted:
        with transaction.atomic(using=using):
            _make(connection, month)
    return len(wanted)


def drop_before(at: datetime, *, using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Drop every month that is over at `at`; answers their names. What is left of older rows is for a DELETE.

    Raises OperationalError when a lock is not free within LOCK_MS; what was dropped before stays dropped.
    """
    connection = connections[using]
    dropped: list[str] = []
    if not _is_partitioned(connection):
        return dropped
    for name in _parts(connection):
        month = _month_of(name)
        if month is not None and _next(month) <= at:
            with transaction.atomic(using=using), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
                cursor.execute(f"DROP TABLE IF EXISTS {name}")
            dropped.append(name)
    return dropped


def _make(connection: BaseDatabaseWrapper, month: datetime) -> None:
    """Attached after it was filled: that locks the table against no reader and no writer, but for the default part."""
    table, name = _table(), _name(month)
    bounds = f"'{month.isoformat()}'", f"'{_next(month).isoformat()}'"
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        cursor.execute(f"SELECT pg_advisory_xact_lock({ADVISORY_KEY})")
        if name in _parts(connection):
            return
        cursor.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)")
        cursor.execute(
            f"WITH moved AS (DELETE FROM {table}_default WHERE at >= {bounds[0]} AND at < {bounds[1]} RETURNING *) "  # noqa: S608 - names and dates are ours
            f"INSERT INTO {name} SELECT * FROM moved"
        )
        cursor.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({bounds[0]}) TO ({bounds[1]})")


def _is_partitioned(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)", [_table()])
        row = cursor.fetchone()
    return bool(row and row[0])


def _parts(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the parts, the default one too, oldest month first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT part.relname FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid "
            "WHERE inhparent = to_regclass(%s) ORDER BY 1",
            [_table()],
        )
        return [name for (name,) in cursor.fetchall()]


def _table() -> str:
    return Event._meta.db_table


def _name(month: datetime) -> str:
    return f"{_table()}_{month:%Y_%m}"


def _month_of(name: str) -> datetime | None:
    """None for the default part, and for a part somebody else has made."""
    try:
        return datetime.strptime(name, f"{_table()}_%Y_%m").replace(tzinfo=UTC)
    except ValueError:
        return None


def _month(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next(month: datetime) -> datetime:
    return _month(month + timedelta(days=31))
