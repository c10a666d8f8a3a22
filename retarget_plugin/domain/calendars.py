"""When a message may go out, in the reader's own time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS_AHEAD = 21


@dataclass(frozen=True, kw_only=True)
class Window:
    """Allowed local hours. `start` == `end` means all day; `end` before `start` runs over midnight.

    `weekdays` uses Monday = 0 and speaks of the day on which the window opens. `holidays_of`: ISO country code whose
    public holidays are forbidden, or "".
    """

    start: time = time(0, 0)
    end: time = time(0, 0)
    weekdays: frozenset[int] = frozenset(range(7))
    holidays_of: str = ""

    @property
    def is_always(self) -> bool:
        return self.start == self.end and len(self.weekdays) == 7 and not self.holidays_of


def zone(name: str, fallback: str = "UTC") -> ZoneInfo:
    """The time zone called `name`; `fallback` for an empty or unknown name."""
    try:
        return ZoneInfo(name or fallback)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(fallback)


def next_allowed(now: datetime, window: Window, local: ZoneInfo) -> datetime | None:
    """The first instant at or after `now` inside `window`, in UTC; None when there is none within three weeks.

    Arithmetic is in UTC; local time only chooses the instants. An opening hour that a clock change skips is the first
    valid instant after the gap; one that happens twice is its first occurrence.
    """
    if window.is_always:
        return now.astimezone(UTC)
    today = now.astimezone(local).date()
    for offset in range(-1, DAYS_AHEAD):
        day = today + timedelta(days=offset)
        if day.weekday() not in window.weekdays or (window.holidays_of and _is_holiday(window.holidays_of, day)):
            continue
        opens = _instant(day, window.start, local)
        closing_day = day if window.end > window.start else day + timedelta(days=1)
        closes = _instant(closing_day, window.end, local)
        if now < closes:
            return max(opens, now.astimezone(UTC))
    return None


def _instant(day: date, at: time, local: ZoneInfo) -> datetime:
    """The UTC instant of a local wall-clock time; the end of the gap where the clock jumps over it."""
    wanted = datetime.combine(day, at, tzinfo=local)
    after = wanted.astimezone(UTC)
    if after.astimezone(local).replace(tzinfo=None) <= wanted.replace(tzinfo=None):
        return after
    # Read with the offset that holds after the jump, the same wall time lies before it: the jump is in between.
    before = wanted.replace(fold=1).astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(local).utcoffset() == before.astimezone(local).utcoffset():
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[date]:
    import holidays

    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()


def _is_holiday(country: str, day: date) -> bool:
    return day in _holidays(country, day.year)
