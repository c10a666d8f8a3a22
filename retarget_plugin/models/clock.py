"""The database's clock: what decides that something is due."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

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


class Stopwatch:
    """An instant carried on by this process's own steady clock, which no setting of the time can move."""

    def __init__(self, now: datetime) -> None:
        self._began, self._now = self.steady(), now

    @staticmethod
    def steady() -> float:
        """Seconds on a clock that only goes forward."""
        return time.monotonic()

    @property
    def seconds(self) -> float:
        """How long ago `now` was handed over."""
        return self.steady() - self._began

    @property
    def now(self) -> datetime:
        return self._now + timedelta(seconds=self.seconds)
