"""When a shop may write to a contact: in its own hours and in those of the contact's country, wherever that one may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from retarget_plugin.domain import calendars, whereabouts
from retarget_plugin.domain.calendars import Window
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.models import Contact, Shop

from . import countries

SUNDAY = frozenset({6})
EVERY_DAY = frozenset(range(7))
THREE_WEEKS = timedelta(days=calendars.DAYS_AHEAD)


@dataclass(frozen=True)
class Opening:
    """`at`: the first allowed instant, in UTC; None when there is none within three weeks.

    `facts`, where that is not at once: `zone` (several are separated by commas), `country`, the `rule` that forbids it
    now, or for ever (shop, hours, weekdays, holidays), its `source`, and when it `opens` (ISO 8601, or ""). JSON-safe.
    """

    at: datetime | None
    facts: Mapping[str, Any] = field(default_factory=dict)


class _Terms(NamedTuple):
    """All that the answer depends on, apart from the time; contacts that share it share the answer."""

    country: str
    channel: str
    own: Window
    on_sundays: bool
    on_holidays: bool
    zones: tuple[ZoneInfo, ...]


class _Condition(NamedTuple):
    """A window to stay inside, and the rule it comes from."""

    window: Window
    rule: str
    source: str


def next_allowed(contact: Contact, shop: Shop, channel: str, *, now: datetime) -> Opening:
    """The first instant at or after `now` at which `shop` may write to `contact`.

    Then the contact's clock reads inside the shop's own hours, inside those of the contact's country and on a day that
    is not forbidden there: in every zone the contact may be in. The country is the contact's own, else that of the
    number, else the shop's. The zone is the contact's own, if that is one. Else, for e-mail, it is the shop's; for SMS
    it is every zone of the number, and a zone of the contact's that lies outside the number's countries counts besides.
    """
    terms = _terms(contact, shop, channel)
    now = now.astimezone(UTC)
    span = _span(now.replace(hour=0, minute=0, second=0, microsecond=0), terms)
    while span is not None and span.closes <= now:
        span = _span(span.closes, terms)
    at = max(now, span.opens) if span and span.opens <= now + THREE_WEEKS else None
    return Opening(at) if at == now else Opening(at, _facts(terms, now, at))


def window_for(shop: Shop, channel: str, country: str = "") -> Window:
    """The hours in which `shop` itself wants to use `channel` for people in `country` (its own, unless said)."""
    if channel != Channel.SMS:
        return Window(start=shop.email_from, end=shop.email_until)
    return Window(
        start=shop.sms_from,
        end=shop.sms_until,
        weekdays=EVERY_DAY if shop.sms_on_sundays else EVERY_DAY - SUNDAY,
        holidays_of="" if shop.sms_on_holidays else country or shop.country,
    )


def _terms(contact: Contact, shop: Shop, channel: str) -> _Terms:
    country = countries.home_of(contact, shop)
    return _Terms(
        country,
        channel,
        window_for(shop, channel, country),
        # What the owner takes upon himself for texts says nothing of e-mail.
        channel == Channel.SMS and shop.sms_on_sundays,
        channel == Channel.SMS and shop.sms_on_holidays,
        _zones(contact, shop, channel),
    )


def _zones(contact: Contact, shop: Shop, channel: str) -> tuple[ZoneInfo, ...]:
    stated = [contact.time_zone] if contact.time_zone and calendars.is_zone(contact.time_zone) else []
    if channel == Channel.SMS and contact.phone and not (stated and whereabouts.is_at_home(stated[0], contact.phone)):
        stated += filter(calendars.is_zone, whereabouts.zones_of(contact.phone))
    # As objects and not as names: new rules for a zone make a new object, and nothing remembered counts for it.
    return tuple(calendars.zone(name) for name in stated or [shop.time_zone])


# A year of days for a hundred kinds of readers: a replay of the past goes through both in no order.
@lru_cache(maxsize=36_500)
def _span(moment: datetime, terms: _Terms) -> calendars.Span | None:
    """The first allowed time at or after `moment`. A batch asks for few days and few terms, again and again."""
    # It is asked for from midnight on, so three weeks from any time of that day end in one day more.
    return _common(moment, _conditions(terms), terms.zones, days=calendars.DAYS_AHEAD + 1)


def _common(
    moment: datetime, conditions: Iterable[_Condition], zones: Iterable[ZoneInfo], *, days: int = calendars.DAYS_AHEAD
) -> calendars.Span | None:
    places = ((condition.window, zone) for condition in conditions for zone in zones)
    return calendars.next_common_span(moment, places, days=days)


def _conditions(terms: _Terms) -> Iterator[_Condition]:
    """The country's windows, less what the shop's owner lifts, then the shop's own: they narrow each other."""
    for rule in countries.rules_of(terms.country).rules[Channel(terms.channel)]:
        if rule.name == "holidays" and terms.on_holidays:
            continue
        for window in rule.windows:
            if rule.name == "weekdays" and terms.on_sundays:
                window = Window(weekdays=window.weekdays | SUNDAY)
            if not window.is_always:
                yield _Condition(window, rule.name, rule.source)
    # Apart, since a forbidden day is one of the calendar, whenever hours that run over midnight began.
    own_hours = Window(start=terms.own.start, end=terms.own.end)
    own_days = Window(weekdays=terms.own.weekdays, holidays_of=terms.own.holidays_of)
    for window in (own_hours, own_days):
        if not window.is_always:
            yield _Condition(window, "shop", "")


def _facts(terms: _Terms, now: datetime, at: datetime | None) -> dict[str, Any]:
    shut = _in_the_way(now.replace(minute=0, second=0, microsecond=0), terms) if at is None else []
    shut = shut or [_first_shut(now, terms)]
    return {
        "zone": ", ".join(zone.key for zone in terms.zones),
        "country": terms.country,
        "rule": ", ".join(dict.fromkeys(condition.rule for condition in shut)),
        "source": "; ".join(dict.fromkeys(condition.source for condition in shut if condition.source)),
        "opens": at.isoformat() if at else "",
    }


def _first_shut(now: datetime, terms: _Terms) -> _Condition:
    readings = {now.astimezone(zone).replace(tzinfo=None) for zone in terms.zones}
    return next(
        condition
        for condition in _conditions(terms)
        if not all(condition.window.is_open(reading) for reading in readings)
    )


@lru_cache(maxsize=512)
def _in_the_way(moment: datetime, terms: _Terms) -> list[_Condition]:
    """Of conditions that are never met together, those without any one of which there would be an opening."""
    conditions = list(_conditions(terms))
    return [
        condition
        for condition in conditions
        if _common(moment, (other for other in conditions if other != condition), terms.zones)
    ]
