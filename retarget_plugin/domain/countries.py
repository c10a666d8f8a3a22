"""What a country says about when, and on what legal basis, one may write to its people: as data with its sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, TypeVar

from .calendars import Window
from .consent import ConfirmationRule, ConsentRule, CustomerRule, Relation, Terms
from .sources import Sourced, Status
from .vocabulary import Channel

SourcedRule = TypeVar("SourcedRule", bound=Sourced)

#: Stands in place of a rule, or of all rules of a channel, that nobody has read: the default file's then count.
STRICTEST = "strictest"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ORIGIN_KEYS = frozenset({"source", "status", "read_on"})


class CountryError(ValueError):
    """A country's file is wrong. `problems` are sentences that name the file and the key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Rule(Sourced):
    """One thing a country asks: to stay inside all of `windows`. `name` is hours, weekdays or holidays."""

    name: str
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Country:
    """The country with this ISO 3166 code, by channel: `rules` say when, `terms` on what legal basis."""

    code: str
    rules: Mapping[Channel, tuple[Rule, ...]]
    terms: Mapping[Channel, Terms]


def parse(code: str, data: Mapping[str, Any], *, strictest: Mapping[str, Any], file: str) -> Country:
    """The country in `data`, the content of `file`; `strictest` is that of the default file.

    A channel or a rule that says "strictest" takes the default file's. Raises CountryError with every problem found.
    """
    problems: list[str] = []
    _refuse_unknown(data, set(Channel), file, problems)
    rules: dict[Channel, tuple[Rule, ...]] = {}
    terms: dict[Channel, Terms] = {}
    for channel in Channel:
        table = _table(data.get(channel), strictest.get(channel), f"{file}: {channel}", problems) or {}
        _refuse_unknown(table, {*_WINDOWS, *_TERMS}, f"{file}: {channel}", problems)
        fallback = strictest.get(channel, {})
        raw = {
            name: (
                f"{file}: {channel}.{name}",
                _table(table.get(name), fallback.get(name), f"{file}: {channel}.{name}", problems),
            )
            for name in (*_WINDOWS, *_TERMS)
        }
        found = [_rule(code, name, raw[name][1], raw[name][0], problems) for name in _WINDOWS]
        rules[channel] = tuple(rule for rule in found if rule)
        asked = {name: _TERMS[name](raw[name][1], raw[name][0], problems) for name in _TERMS}
        if all(asked.values()):
            terms[channel] = Terms(**asked)
    if problems:
        raise CountryError(problems)
    return Country(code, rules, terms)


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
    _check_origin(raw, where, problems)
    windows = _WINDOWS[name](code, raw, where, problems)
    return Rule(name=name, windows=windows, **_origin(raw)) if len(problems) == before else None


def _check_origin(raw: Mapping[str, Any], where: str, problems: list[str]) -> None:
    source, status, read_on = raw.get("source"), raw.get("status"), raw.get("read_on")
    if not isinstance(source, str) or not source.strip():
        problems.append(f"{where}.source must say where the rule was read.")
    if status not in set(Status):
        problems.append(f"{where}.status is {status!r}; it must be one of {', '.join(Status)}.")
    if type(read_on) is not date:
        problems.append(f"{where}.read_on is {read_on!r}; it must be a date, such as 2026-11-22.")


def _origin(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"source": raw["source"], "status": Status(raw["status"]), "read_on": raw["read_on"]}


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


def _consent(raw: Mapping[str, Any] | None, where: str, problems: list[str]) -> ConsentRule | None:
    """`written`: true when a yes counts only together with the wording that was shown."""
    return _term(ConsentRule, {"written": ("is_written", bool)}, raw, where, problems)


def _double_opt_in(raw: Mapping[str, Any] | None, where: str, problems: list[str]) -> ConfirmationRule | None:
    """`required`: true or false."""
    return _term(ConfirmationRule, {"required": ("is_required", bool)}, raw, where, problems)


def _customer(raw: Mapping[str, Any] | None, where: str, problems: list[str]) -> CustomerRule | None:
    """`after`: nothing, sale or negotiation; `months`: how long it counts; `similar_goods`: whether it is for them only."""
    known = {
        "after": ("relation", Relation),
        "months": ("months", int),
        "similar_goods": ("similar_only", bool),
    }
    return _term(CustomerRule, known, raw, where, problems)


def _term(
    kind: type[SourcedRule],
    known: Mapping[str, tuple[str, type]],
    raw: Mapping[str, Any] | None,
    where: str,
    problems: list[str],
) -> SourcedRule | None:
    """A rule of `kind` with the values of `known`: key in the file -> (name, type)."""
    if raw is None:
        return None
    before = len(problems)
    _check_origin(raw, where, problems)
    _refuse_unknown(raw, set(known) | ORIGIN_KEYS, where, problems)
    values = {}
    for key, (name, wanted) in known.items():
        values[name] = _value(raw.get(key), wanted, f"{where}.{key}", problems)
    return kind(**values, **_origin(raw)) if len(problems) == before else None


def _value(given: Any, wanted: type, where: str, problems: list[str]) -> Any:
    if wanted is bool and not isinstance(given, bool):
        problems.append(f"{where} is {given!r}; it must be true or false.")
    elif wanted is int and (type(given) is not int or given < 1):
        problems.append(f"{where} is {given!r}; it must be a number of months.")
    elif wanted is Relation:
        if given in set(Relation):
            return Relation(given)
        problems.append(f"{where} is {given!r}; it must be one of {', '.join(Relation)}.")
    return given


def _refuse_unknown(raw: Mapping[str, Any], known: set[str], where: str, problems: list[str]) -> None:
    for key in sorted(set(raw) - known):
        problems.append(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}.")


_Reader = Callable[[str, Mapping[str, Any], str, list[str]], tuple[Window, ...]]
_WINDOWS: Mapping[str, _Reader] = {"hours": _hours, "weekdays": _weekdays, "holidays": _holidays}
_TERMS: Mapping[str, Callable[[Mapping[str, Any] | None, str, list[str]], Any]] = {
    "consent": _consent,
    "double_opt_in": _double_opt_in,
    "customer": _customer,
}
