"""When a store is open, as its owner writes it; and which one is nearest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from math import asin, cos, radians, sin, sqrt
from typing import TypeVar

_SPAN = re.compile(r"(\d{1,2})[:.h](\d{2})\s*[-–]\s*(\d{1,2})[:.h](\d{2})", re.ASCII)

_EARTH = 6371.0

Span = tuple[time, time]
#: Degrees (latitude, longitude), each None where it is not known.
Place = tuple[float | None, float | None]
Key = TypeVar("Key")


def nearest(here: Place, places: Mapping[Key, Place], *, within: float) -> tuple[Key, float] | None:
    """The key of the place nearest to `here` and its distance, both in kilometers; None when none is `within`."""
    distances = [(key, found) for key, place in places.items() if (found := distance(here, place)) is not None]
    near = min(distances, key=lambda one: one[1], default=None)
    return near if near and near[1] <= within else None


def distance(one: Place, other: Place) -> float | None:
    """Kilometers between two places along a great circle (haversine); None where one of them is not known."""
    if None in (*one, *other):
        return None
    latitude, longitude, other_latitude, other_longitude = (radians(degrees or 0.0) for degrees in (*one, *other))
    across = sin((other_latitude - latitude) / 2) ** 2
    along = cos(latitude) * cos(other_latitude) * sin((other_longitude - longitude) / 2) ** 2
    return 2 * _EARTH * asin(sqrt(min(across + along, 1.0)))


def parse_hours(text: str) -> list[Span]:
    """One day's opening hours, such as "09:30-12:30, 14:00-19:00"; empty for a day off.

    Raises ValueError unless they are spans of time, in order and apart, none of which passes midnight.
    """
    spans: list[Span] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _SPAN.fullmatch(part)
        if not found:
            raise ValueError(text)
        hour, minute, until_hour, until_minute = map(int, found.groups())
        start, end = time(hour, minute), time(until_hour, until_minute)
        if start >= end or (spans and start <= spans[-1][1]):
            raise ValueError(text)
        spans.append((start, end))
    return spans


def write_hours(spans: list[Span]) -> str:
    """The normal form: 09:30–12:30, 14:00–19:00."""
    return ", ".join(f"{start:%H:%M}–{end:%H:%M}" for start, end in spans)
