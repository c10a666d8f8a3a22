"""Clock: an instant in the test's hands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: Ten in the morning in Paris, on a Tuesday that is no holiday: every channel may be used.
TUESDAY_MORNING = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Clock:
    """An instant that moves when told to: `clock.advance(hours=2)`, then pass `clock.now`."""

    def __init__(self, now: datetime = TUESDAY_MORNING) -> None:
        self.now = now

    def advance(self, **delta: float) -> datetime:
        """Move on by a timedelta's arguments and answer the new instant."""
        self.now += timedelta(**delta)
        return self.now
