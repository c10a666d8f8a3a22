"""What clocks show, worked out from the zone files themselves (RFC 9636) in whole seconds, and by nothing else.

An oracle: it shares no code with `zoneinfo`, and neither asks nor believes `datetime` about zones.
"""

from __future__ import annotations

import re
import struct
import zoneinfo
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

EPOCH = datetime(1970, 1, 1)
# Names that zone folders hold besides places.
NO_PLACES = {"Factory", "localtime", "posixrules"}
LAST_YEAR = 2038

_NAME = r"(?:<[^>]+>|[A-Za-z]+)"
_OFFSET = r"[+-]?\d+(?::\d+){0,2}"
_FOOTER = re.compile(rf"{_NAME}({_OFFSET})(?:{_NAME}({_OFFSET})?,([^,]+),([^,]+))?")


def names() -> list[str]:
    """Every IANA zone on this machine."""
    return sorted(zoneinfo.available_timezones() - NO_PLACES)


def seconds(moment: datetime) -> int:
    """Seconds since 1970 of a UTC datetime."""
    assert moment.tzinfo is UTC
    return round((moment.replace(tzinfo=None) - EPOCH) / timedelta(seconds=1))


def instant(moment: int) -> datetime:
    return (EPOCH + timedelta(seconds=moment)).replace(tzinfo=UTC)


@cache
def clock(name: str) -> Clock:
    for folder in zoneinfo.TZPATH:
        path = Path(folder, name)
        if path.is_file():
            return Clock(path.read_bytes())
    return Clock(resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes())


class Clock:
    """A zone's clock. `changes`: (seconds since 1970, offset before, offset after), offsets in seconds east of UTC."""

    def __init__(self, data: bytes) -> None:
        self._moments, self._offsets, footer = _read(data)
        for moment, offset in _announced(footer):
            if not self._moments or moment > self._moments[-1]:
                self._moments.append(moment)
                self._offsets.append(offset)
        self.changes = [
            (moment, before, after)
            for moment, (before, after) in zip(self._moments, pairwise(self._offsets), strict=True)
            if before != after
        ]

    def offset(self, moment: int) -> int:
        return self._offsets[bisect_right(self._moments, moment)]

    def reading(self, moment: int) -> datetime:
        """What the clock shows, naive."""
        return EPOCH + timedelta(seconds=moment + self.offset(moment))

    def instants(self, reading: datetime) -> list[int]:
        """When the clock shows `reading` (naive): no instant, one, or two."""
        wanted = round((reading - EPOCH) / timedelta(seconds=1))
        return sorted({wanted - offset for offset in set(self._offsets) if self.offset(wanted - offset) == offset})


def _read(data: bytes) -> tuple[list[int], list[int], str]:
    """Moments of change, the offsets between them (one more), and the footer that speaks of what comes after."""
    for width, code in ((4, "i"), (8, "q")):
        magic, version, *counts = struct.unpack_from(">4sc15x6I", data)
        assert magic == b"TZif"
        no_ut, no_std, leaps, times, types, letters = counts
        body = 44
        moments = struct.unpack_from(f">{times}{code}", data, body)
        kinds = struct.unpack_from(f">{times}B", data, body + times * width)
        infos = [
            struct.unpack_from(">ibB", data, body + times * (width + 1) + 6 * number)[0] for number in range(types)
        ]
        end = body + times * (width + 1) + 6 * types + letters + leaps * (width + 4) + no_std + no_ut
        if version == b"\0":
            break
        data, last = data[end:], data
    footer = last[end:].decode().strip() if width == 8 else ""
    return list(moments), [infos[0], *(infos[kind] for kind in kinds)], footer


def _announced(footer: str) -> list[tuple[int, int]]:
    """(moment, offset from then on) of the changes that a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3 announces."""
    found = _FOOTER.fullmatch(footer)
    if not found or not found[3]:
        return []
    standard = -_clock_seconds(found[1])
    summer = -_clock_seconds(found[2]) if found[2] else standard + 3600
    changes = []
    for year in range(1970, LAST_YEAR):
        changes.append((_rule_seconds(found[3], year) - standard, summer))
        changes.append((_rule_seconds(found[4], year) - summer, standard))
    return sorted(changes)


def _rule_seconds(rule: str, year: int) -> int:
    """The moment a rule means in `year`, as if the clock showed UTC."""
    day, _slash, at = rule.partition("/")
    if day.startswith("M"):
        month, week, weekday = map(int, day[1:].split("."))
        first = date(year, month, 1)
        # POSIX counts from Sunday = 0, Python from Monday = 0.
        wanted = first + timedelta(days=(weekday - 1 - first.weekday()) % 7 + 7 * (week - 1))
        if wanted.month != month:
            wanted -= timedelta(days=7)
    elif day.startswith("J"):
        # Counted from 1 in a year that has no 29 February.
        wanted = (date(2023, 1, 1) + timedelta(days=int(day[1:]) - 1)).replace(year=year)
    else:
        wanted = date(year, 1, 1) + timedelta(days=int(day))
    return (wanted - EPOCH.date()).days * 86400 + _clock_seconds(at or "2")


def _clock_seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    parts = [int(part) for part in text.lstrip("+-").split(":")]
    return sign * sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
