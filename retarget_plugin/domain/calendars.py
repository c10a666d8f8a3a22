"""When a message may go out, in the reader's own time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS_AHEAD = 21
# No zone changes its clock twice within this.
_GLANCE = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Allowed readings of a wall clock. `start` == `end` means all day; `end` before `start` runs over midnight.

    `weekdays` uses Monday = 0 and speaks of the day on which the window opens, as the holidays do. `holidays_of`: the
    calendar whose public holidays are forbidden, as an ISO 3166 code of a country or a region ("FR", "FR-57"), or "".
    """

    start: time = time(0, 0)
    end: time = time(0, 0)
    weekdays: frozenset[int] = frozenset(range(7))
    holidays_of: str = ""

    @property
    def is_always(self) -> bool:
        return self.start == self.end and len(self.weekdays) == 7 and not self.holidays_of

    def next_stretch(self, reading: datetime) -> tuple[datetime, datetime] | None:
        """The readings from which and until which the window is open, at or after `reading` (naive, as all three are).

        None when it stays shut for three weeks. A clock that is changed meanwhile is the caller's affair.
        """
        for offset in range(-1, DAYS_AHEAD + 1):
            day = reading.date() + timedelta(days=offset)
            opens, closes = self._hours_of(day)
            if reading < closes and self._allows(day):
                return max(reading, opens), closes
        return None

    def is_open(self, reading: datetime) -> bool:
        """True when a clock that shows `reading` (naive) is inside."""
        stretch = self.next_stretch(reading)
        return stretch is not None and stretch[0] == reading

    def _hours_of(self, day: date) -> tuple[datetime, datetime]:
        next_day = day + timedelta(days=1)
        if self.start == self.end:
            return datetime.combine(day, time.min), datetime.combine(next_day, time.min)
        return datetime.combine(day, self.start), datetime.combine(day if self.end > self.start else next_day, self.end)

    def _allows(self, day: date) -> bool:
        if day.weekday() not in self.weekdays:
            return False
        return not self.holidays_of or day not in _holidays(self.holidays_of, day.year)


@dataclass(frozen=True)
class Span:
    """Allowed from `opens` until just before `closes`, both UTC. It may be allowed beyond: ask again at `closes`."""

    opens: datetime
    closes: datetime


@lru_cache(maxsize=2048)
def is_zone(name: str) -> bool:
    """True when `name` is a time zone on this machine; never raises."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def zone(name: str, fallback: str = "UTC") -> ZoneInfo:
    """The time zone called `name`; `fallback` for an empty or unknown name, and UTC when that is unknown too."""
    return ZoneInfo(next(filter(is_zone, (name, fallback)), "UTC"))


def next_allowed(now: datetime, window: Window, local: ZoneInfo) -> datetime | None:
    """The first instant at or after `now` inside `window`, in UTC; None when there is none within three weeks."""
    span = next_span(now, window, local)
    return span.opens if span else None


def next_span(now: datetime, window: Window, local: ZoneInfo) -> Span | None:
    """The first time at or after `now` during which the clock of `local` reads inside `window`; None as above.

    What counts is the reading. An opening hour that the clock skips is the first instant after the gap, if that is
    still inside; one that happens twice is its first occurrence.
    """
    at = now.astimezone(UTC)
    horizon = at + timedelta(days=DAYS_AHEAD)
    while at < horizon:
        reading = at.astimezone(local).replace(tzinfo=None)
        stretch = window.next_stretch(reading)
        if stretch is None:
            return None
        # Until the clock is changed, readings and instants run alike; at the change, look again.
        opens, closes = (at + (edge - reading) for edge in stretch)
        change = _next_change(at, opens, local)
        if change is None:
            return Span(opens, _next_change(opens, closes, local) or closes)
        at = change
    return None


def next_common_span(
    now: datetime, places: Iterable[tuple[Window, ZoneInfo]], *, days: int = DAYS_AHEAD
) -> Span | None:
    """The first time at or after `now` during which every window is open in its zone; None if not within `days`."""
    places = tuple(places)
    at = now.astimezone(UTC)
    horizon = at + timedelta(days=days)
    while at < horizon:
        opens, closes = at, horizon
        for window, local in places:
            span = next_span(opens, window, local)
            if span is None:
                return None
            opens, closes = span.opens, min(closes, span.closes)
        if opens == at:
            return Span(opens, closes)
        # Somebody had to wait, so those asked before must be asked again.
        at = opens
    return None


def has_holidays(calendar: str) -> bool:
    """True when the public holidays of `calendar`, an ISO 3166 code, are known."""
    # Any year answers it: a calendar that is known has days in each.
    return bool(_holidays(calendar, 2026))


@lru_cache(maxsize=1024)
def _holidays(calendar: str, year: int) -> frozenset[date]:
    import holidays

    country, _dash, region = calendar.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=region or None, years=year))
    except NotImplementedError:
        return frozenset()


def _next_change(after: datetime, until: datetime, local: ZoneInfo) -> datetime | None:
    """The first instant after `after`, and not after `until`, at which the clock of `local` is changed. In UTC."""
    offset = after.astimezone(local).utcoffset()
    while after < until:
        later = min(after + _GLANCE, until)
        if later.astimezone(local).utcoffset() == offset:
            after = later
            continue
        # Clocks are changed on a full second: that is the one between the two.
        while later - after > timedelta(seconds=1):
            middle = after + (later - after) / 2
            if middle.astimezone(local).utcoffset() == offset:
                after = middle
            else:
                later = middle
        return later.replace(microsecond=0)
    return None
