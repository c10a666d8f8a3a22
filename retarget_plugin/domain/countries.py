"""What a country says about when one may write to its people, as data with its sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import Any

from .calendars import Window
from .vocabulary import Channel

#: Stands in place of a rule, or of all rules of a channel, that nobody has read: the default file's then count.
STRICTEST = "strictest"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ORIGIN_KEYS = frozenset({"source", "status", "read_on"})


class Status(StrEnum):
    """How well a rule is known: read in the official text, told by somebody else, or believed."""

    OFFICIAL = "V"
    SECONDARY = "S"
    UNVERIFIED = "U"


class CountryError(ValueError):
    """A country's file is wrong. `problems` are sentences that name the file and the key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing a country asks: to stay inside all of `windows`. `name` is hours, weekdays or holidays."""

    name: str
    windows: tuple[Window, ...]
    source: str
    status: Status
    read_on: date


@dataclass(frozen=True)
class Country:
    """The rules of the country with this ISO 3166 code, by channel."""

    code: str
    rules: Mapping[Channel, tuple[Rule, ...]]


def parse(code: str, data: Mapping[str, Any], *, strictest: Mapping[str, Any], file: str) -> Country:
    """The country in `data`, the content of `file`; `strictest` is that of the default file.

    A channel or a rule that says "strictest" takes the default file's. Raises CountryError with every problem found.
    """
    problems: list[str] = []
    _refuse_unknown(data, set(Channel), file, problems)
    rules: dict[Channel, tuple[Rule, ...]] = {}
    for channel in Channel:
        table = _table(data.get(channel), strictest.get(channel), f"{file}: {channel}", problems) or {}
        _refuse_unknown(table, set(_READERS), f"{file}: {channel}", problems)
        fallback = strictest.get(channel, {})
        found = []
        for name in _READERS:
            where = f"{file}: {channel}.{name}"
            raw = _table(table.get(name), fallback.get(name), where, problems)
            found.append(_rule(code, name, raw, where, problems))
        rules[channel] = tuple(rule for rule in found if rule)
    if problems:
        raise CountryError(problems)
    return Country(code, rules)


def _table(raw: Any, strictest: Any, where: str, problems: list[str]) -> Mapping[str, Any] | None:
    chosen = strictest if raw == STRICTEST else raw
    if isinstance(chosen, Mapping) and chosen:
        return chosen
    problems.append(f'{where} must be a table, or "{STRICTEST}".')
    return None


def _rule(code: str, name: str, raw: Mapping[str, Any] | None, where: str, problems: list[str]) -> Rule | None:
    if raw is None:
        return None
    before = len(problems)
    source, status, read_on = raw.get("source"), raw.get("status"), raw.get("read_on")
    if not isinstance(source, str) or not source.strip():
        problems.append(f"{where}.source must say where the rule was read.")
    if status not in set(Status):
        problems.append(f"{where}.status is {status!r}; it must be one of {', '.join(Status)}.")
    if type(read_on) is not date:
        problems.append(f"{where}.read_on is {read_on!r}; it must be a date, such as 2026-11-22.")
    windows = _READERS[name](code, raw, where, problems)
    if len(problems) > before:
        return None
    return Rule(name=name, windows=windows, source=str(source), status=Status(str(status)), read_on=raw["read_on"])


def _hours(code: str, raw: Mapping[str, Any], where: str, problems: list[str]) -> tuple[Window, ...]:
    """`from` and `until`; both midnight: all day. Never over midnight, so that a forbidden day is forbidden in full."""
    _refuse_unknown(raw, {"from", "until"} | ORIGIN_KEYS, where, problems)
    edges = []
    for key in ("from", "until"):
        if not isinstance(raw.get(key), time):
            problems.append(f"{where}.{key} is {raw.get(key)!r}; it must be a time, such as 08:00:00.")
            continue
        edges.append(raw[key])
    if len(edges) != 2:
        return ()
    start, end = edges
    if end <= start and (start, end) != (time.min, time.min):
        problems.append(f"{where}.until is {end}, which is not after {start}.")
    return (Window(start=start, end=end),)


def _weekdays(code: str, raw: Mapping[str, Any], where: str, problems: list[str]) -> tuple[Window, ...]:
    """`forbidden`: names of days."""
    _refuse_unknown(raw, {"forbidden"} | ORIGIN_KEYS, where, problems)
    names = raw.get("forbidden")
    if not isinstance(names, list) or not set(map(str, names)) <= set(WEEKDAYS):
        problems.append(f"{where}.forbidden is {names!r}; it must be a list of {', '.join(WEEKDAYS)}.")
        return ()
    return (Window(weekdays=frozenset(range(7)) - {WEEKDAYS.index(name) for name in names}),)


def _holidays(code: str, raw: Mapping[str, Any], where: str, problems: list[str]) -> tuple[Window, ...]:
    """`forbidden`: true or false; `regions`: ISO 3166-2 parts of the country whose own holidays count everywhere in it."""
    _refuse_unknown(raw, {"forbidden", "regions"} | ORIGIN_KEYS, where, problems)
    forbidden, regions = raw.get("forbidden"), raw.get("regions", [])
    if not isinstance(forbidden, bool):
        problems.append(f"{where}.forbidden is {forbidden!r}; it must be true or false.")
    if not isinstance(regions, list) or not all(isinstance(region, str) for region in regions):
        problems.append(f'{where}.regions is {regions!r}; it must be a list such as ["57"].')
        return ()
    calendars = [code, *(f"{code}-{region}" for region in regions)] if forbidden else []
    return tuple(Window(holidays_of=calendar) for calendar in calendars if calendar)


def _refuse_unknown(raw: Mapping[str, Any], known: set[str], where: str, problems: list[str]) -> None:
    for key in sorted(set(raw) - known):
        problems.append(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}.")


_Reader = Callable[[str, Mapping[str, Any], str, list[str]], tuple[Window, ...]]
_READERS: Mapping[str, _Reader] = {"hours": _hours, "weekdays": _weekdays, "holidays": _holidays}
