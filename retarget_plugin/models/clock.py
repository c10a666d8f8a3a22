"""The database's clock: what decides that something is due."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone


def database_now(using: str = DEFAULT_DB_ALIAS) -> datetime:
    """The instant by the database server's clock, aware, in UTC.

    An embedded SQLite has no clock but the machine's own, which is then read directly.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        value: datetime = cursor.fetchone()[0]
    return value.astimezone(UTC)
