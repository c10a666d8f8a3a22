"""When a store is open, as its owner writes it."""

from __future__ import annotations

import re
from datetime import time

_SPAN = re.compile(r"(\d{1,2})[:.h](\d{2})\s*[-–]\s*(\d{1,2})[:.h](\d{2})", re.ASCII)

Span = tuple[time, time]


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
