"""Time: waits, allowed hours and unknown zones, each judged by clocks worked out from the zone files themselves.

The oracle for hours looks at every single minute in turn: at what the reader's clock shows then, and at nothing else.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import pytest

from retarget_plugin.domain import calendars, flows
from retarget_plugin.domain.calendars import Window
from retarget_plugin.domain.facts import Facts
from retarget_plugin.engine import hours
from retarget_plugin.models import Contact, Shop

from ..promises import length
from . import zones

DAY = 1440  # minutes
HORIZON = calendars.DAYS_AHEAD * DAY
FIRST, LAST = datetime(2024, 1, 1), datetime(2032, 1, 1)

# Who owns each number, and in which zones that one may be: the number's area, or all zones of its country.
HOLDERS = {
    "+33612345678": ("FR", ["Europe/Paris"]),
    "+34612345678": ("ES", ["Europe/Madrid", "Atlantic/Canary", "Africa/Ceuta"]),
    "+351912345678": ("PT", ["Europe/Lisbon", "Atlantic/Madeira", "Atlantic/Azores"]),
    "+447400123456": ("GB", ["Europe/London"]),
    "+212650123456": ("MA", ["Africa/Casablanca"]),
    "+12125551234": ("US", ["America/New_York"]),
    "+18085551234": ("US", ["Pacific/Honolulu"]),
    "+16045551234": ("CA", ["America/Vancouver"]),
    "+64211234567": ("NZ", ["Pacific/Auckland", "Pacific/Chatham"]),
    "+201001234567": ("EG", ["Africa/Cairo"]),
    "+9779812345678": ("NP", ["Asia/Kathmandu"]),
    "+6857212345": ("WS", ["Pacific/Apia"]),
}
HOURS = {"FR": (8 * 60, 20 * 60)}
STRICTEST = (9 * 60, 20 * 60)
REGIONS = {"FR": ["57"], "GB": ["ENG", "NIR", "SCT", "WLS"]}
JUNK = ["Mars/Olympus", "GMT+25", "../../etc/passwd", "Europe", "\x00", "zone.tab", "Ünïcode", "Paris"]


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("RETARGET_TEST_SEED") or random.randrange(2**32))
    print(f"RETARGET_TEST_SEED={seed}")
    return random.Random(seed)


def some_moment(chance: random.Random, name: str) -> int:
    """Seconds since 1970; every second one lies within a day and a half of a change of the zone's clock."""
    first, last = (round((day - zones.EPOCH).total_seconds()) for day in (FIRST, LAST))
    changes = [moment for moment, _before, _after in zones.clock(name).changes if first <= moment < last]
    if changes and chance.random() < 0.5:
        return chance.choice(changes) + chance.randrange(-36 * 3600, 36 * 3600)
    return chance.randrange(first, last)


# --- T1 --------------------------------------------------------------------------------------------------------


def flow_of(*, after: int, deadline: int) -> flows.Definition:
    step = {"key": "one", "after": f"{after}s", "deadline": f"{deadline // 60}m{deadline % 60}s"}
    step["send"] = {"channel": "email", "message": "one"}
    return flows.parse({"trigger": "cart_abandoned", "stage": "cart", "steps": [step]})


@pytest.mark.promise
@pytest.mark.timeout(0)
def test_a_wait_takes_as_long_as_it_says(promise, chance):
    cases, names = length(2_000, 100_000), zones.names()
    seen, worst, wrong = set(), 0.0, 0

    for _case in range(cases):
        name = chance.choice(names)
        clock, start = zones.clock(name), some_moment(chance, name)
        delay = chance.choice([chance.randrange(60, 86_400), chance.randrange(60, 60 * 86_400)])
        definition = flow_of(after=delay, deadline=delay + 3600)
        # The shop says when in its own way: in UTC, or by its local clock.
        local = timezone(timedelta(seconds=clock.offset(start)))
        asked = {"anchored_at": zones.instant(start).astimezone(chance.choice([UTC, local])), "facts": Facts()}
        due = start + delay

        wait = flows.next_step(definition, 0, now=zones.instant(due - 1), **asked)
        send = flows.next_step(definition, 0, now=zones.instant(due), **asked)
        late = flows.next_step(definition, 0, now=zones.instant(due + 3601), **asked)
        reader = Contact(time_zone=name)
        at = hours.next_allowed(reader, Shop(), "email", now=send.due_at).at

        ends = [(wait.until, due), (send.due_at, due), (at, due), (send.not_after, due + 3600)]
        worst = max(worst, *(abs((moment - zones.instant(right)).total_seconds()) for moment, right in ends))
        wrong += late != flows.Skip(definition.steps[0], "deadline")
        seen.add(name)

    promise(
        "T1",
        run=f"{cases:,} waits of up to 60 days in {len(seen)} of {len(names)} zones, 2024-2031",
        figure=f"largest error {worst:g} s, {wrong} sent after the deadline",
        bar="0 s, 0",
        holds=worst == 0 and wrong == 0,
    )


def test_a_wait_from_a_local_time_is_as_long():
    eve = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Paris"))

    wait = flows.next_step(flow_of(after=86_400, deadline=90_000), 0, anchored_at=eve, now=eve, facts=Facts())

    assert wait.until == datetime(2026, 3, 29, 11, tzinfo=UTC)


# --- T2 --------------------------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.timeout(0)
def test_a_local_hour_is_one_instant_on_every_night_the_clocks_change(promise):
    since, until = (round((datetime(year, 1, 1) - zones.EPOCH).total_seconds()) for year in (2026, 2029))
    counts, wrong = Counter(), []

    for name in zones.names():
        clock = zones.clock(name)
        for change, before, after in clock.changes:
            if not since <= change < until:
                continue
            kind = "skipped" if after > before else "repeated"
            counts[kind] += 1
            span = abs(after - before)
            for shift in (0, span // 2, span - 1):
                # From the first reading that is skipped or repeated to the last.
                reading = zones.EPOCH + timedelta(seconds=change + min(before, after) + shift)
                instants = clock.instants(reading)
                assert len(instants) == (0 if kind == "skipped" else 2)
                wanted = instants[0] if instants else change
                window = Window(start=reading.time(), end=(reading + timedelta(hours=6)).time())
                asked = [wanted - ago for ago in (1, 1799, 7200, 11 * 3600)]
                found = {calendars.next_allowed(zones.instant(ask), window, ZoneInfo(name)) for ask in asked}
                if found != {zones.instant(wanted)}:
                    wrong.append((name, reading, found))

    promise(
        "T2",
        run=f"{sum(counts.values()):,} changes of {len(zones.names())} zones in 2026-2028 ({counts['skipped']:,} skip an "
        f"hour, {counts['repeated']:,} repeat one), 3 readings each, asked from 4 instants before",
        figure=f"{len(wrong)} not one instant, or another than the first valid one",
        bar="0",
        holds=not wrong and min(counts.values()) > 0,
    )


# --- T4 and T5: the oracle -------------------------------------------------------------------------------------


class Allowance:
    """What a clock may show, minute by minute, from two days before `first` on: shop's hours, country's hours, days."""

    def __init__(self, first: date, *, own: tuple[int, int], country: str = "", sundays: bool = True, rest: str = ""):
        """`own`: the shop's hours in minutes; `country`: whose hours count; `rest`: whose public holidays are forbidden."""
        begin = first - timedelta(days=3)
        days = [begin + timedelta(days=number) for number in range(calendars.DAYS_AHEAD + 7)]
        may = [(sundays or day.weekday() != 6) and not (rest and day in rest_days(rest, day.year)) for day in days]
        start, end = own
        opens, closes = HOURS.get(country, STRICTEST) if country else (0, DAY)
        minutes = bytearray()
        for number in range(1, len(days)):
            today = bytearray(DAY)
            if may[number] and start < end:
                today[start:end] = b"\1" * (end - start)
            elif may[number]:
                # All day, or from the evening on.
                begins = 0 if start == end else start
                today[begins:] = b"\1" * (DAY - begins)
            if start > end and may[number]:
                today[:end] = b"\1" * end
            today[:opens], today[closes:] = bytes(opens), bytes(DAY - closes)
            minutes += today
        self.minutes, self.begin = bytes(minutes), (days[1] - zones.EPOCH.date()).days * DAY

    def allows(self, minute: int, clocks: Sequence[zones.Clock]) -> bool:
        """`minute`: since 1970, UTC."""
        return all(self.minutes[minute + clock.offset(minute * 60) // 60 - self.begin] for clock in clocks)

    def first(self, moment: int, clocks: Sequence[zones.Clock]) -> int | None:
        """The first allowed second at or after `moment`, by trying every minute of three weeks."""
        if not any(self.minutes):
            return None
        minute = moment // 60
        if self.allows(minute, clocks):
            return moment
        tried = range(minute + 1, minute + HORIZON + 1)
        return next((minute * 60 for minute in tried if self.allows(minute, clocks)), None)


@cache
def rest_days(country: str, year: int) -> frozenset[date]:
    regions = [None, *REGIONS.get(country, [])]
    return frozenset().union(*(holidays.country_holidays(country, subdiv=part, years=year) for part in regions))


def some_hours(chance: random.Random) -> tuple[int, int]:
    """Minutes of the day: ordinary hours, over midnight, until or from midnight, all day, a single minute."""
    minute = chance.randrange(DAY)
    special = [(DAY - 1, 0), (0, DAY - 1), (0, 1), (minute, minute), (minute, (minute + 1) % DAY), (22 * 60, 2 * 60)]
    # The hours in which clocks are changed.
    night = (chance.randrange(240), chance.randrange(240))
    return chance.choice([*special, night, night, *[(chance.randrange(DAY), chance.randrange(DAY))] * 6])


def clock_time(minute: int) -> time:
    return time(minute // 60, minute % 60)


def judge(opening: hours.Opening, right: int | None, moment: int, results: Counter[str]) -> None:
    """Compare an answer with the oracle's and count what it came to."""
    results["never" if right is None else "at once" if right == moment else "later"] += 1
    found = None if opening.at is None else zones.seconds(opening.at)
    results["wrong"] += found != right
    facts, said = opening.facts, opening.at.isoformat() if opening.at else ""
    if right is None:
        results["never without a reason"] += not facts.get("rule") or facts.get("opens") != ""
    elif right != moment:
        results["later without a reason"] += not facts.get("rule") or facts.get("opens") != said


# --- T4 --------------------------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.timeout(0)
def test_nothing_is_sent_in_the_readers_quiet_hours_and_nothing_later_than_need_be(promise, chance):
    cases, names = length(2_000, 100_000), zones.names()
    results: Counter[str] = Counter()

    for _case in range(cases):
        name, country = chance.choice(names), chance.choice(["FR", "US", "DE", "GB", "JP"])
        clock, moment = zones.clock(name), some_moment(chance, name)
        channel, own = chance.choice(["email", "sms"]), some_hours(chance)
        sundays, rest = chance.random() < 0.3, chance.random() < 0.3
        shop = Shop(country="FR", time_zone="Europe/Paris", sms_on_sundays=sundays, sms_on_holidays=rest)
        for field, minute in zip((f"{channel}_from", f"{channel}_until"), own, strict=True):
            setattr(shop, field, clock_time(minute))
        reader = Contact(time_zone=name, country=country)

        opening = hours.next_allowed(reader, shop, channel, now=zones.instant(moment))

        law = {"country": country, "sundays": sundays, "rest": "" if rest else country} if channel == "sms" else {}
        allowance = Allowance(zones.instant(moment).date(), own=own, **law)
        judge(opening, allowance.first(moment, [clock]), moment, results)
        if opening.at:
            results["quiet"] += not allowance.allows(zones.seconds(opening.at) // 60, [clock])

    promise(
        "T4",
        run=f"{cases:,} random hours, shops, countries and zones, 2024-2031: {results['at once']:,} at once, "
        f"{results['later']:,} later, {results['never']:,} never",
        figure=f"{results['quiet']} in quiet hours, {results['wrong']} not at the first allowed instant, "
        f"{results['never without a reason'] + results['later without a reason']} without a reason",
        bar="0, 0, 0",
        holds=results["quiet"] == results["wrong"] == 0
        and results["never without a reason"] == results["later without a reason"] == 0
        and min(results[kind] for kind in ("at once", "later", "never")) > 0,
    )


# --- T5 --------------------------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.timeout(0)
def test_where_the_zone_is_not_known_every_zone_it_may_be_must_allow_it(promise, chance):
    cases, abroad = length(1_000, 20_000), ["Asia/Tokyo", "America/Lima", "Australia/Lord_Howe", "Antarctica/Troll"]
    results: Counter[str] = Counter()

    for _case in range(cases):
        phone, (country, candidates) = chance.choice(list(HOLDERS.items()))
        stated, known = chance.choice(
            [
                ("", candidates),
                (chance.choice(JUNK), candidates),
                (home := chance.choice(candidates), [home]),
                (elsewhere := chance.choice(abroad), [elsewhere, *candidates]),
            ]
        )
        moment = some_moment(chance, known[0])
        shop = Shop(time_zone="Europe/Paris", email_from=time(10), email_until=time(12), sms_until=time(21, 30))
        reader, now = Contact(phone=phone, time_zone=stated), zones.instant(moment)

        text = hours.next_allowed(reader, shop, "sms", now=now)
        mail = hours.next_allowed(reader, shop, "email", now=now)

        for_texts = Allowance(now.date(), own=(480, 1290), country=country, sundays=False, rest=country)
        judge(text, for_texts.first(moment, [zones.clock(name) for name in known]), moment, results)
        # Whose zone is not known reads mail in the shop's.
        reads_in = stated if stated in [*candidates, *abroad] else "Europe/Paris"
        for_mail = Allowance(now.date(), own=(600, 720))
        results["mail wrong"] += mail.at != zones.instant(for_mail.first(moment, [zones.clock(reads_in)]))

    promise(
        "T5",
        run=f"{cases:,} readers with no zone, a junk one, their own or a foreign one, and numbers of "
        f"{len({country for country, _zones in HOLDERS.values()})} countries; {results['never']:,} never",
        figure=f"texts: {results['wrong']} not at the first instant that all zones allow, "
        f"{results['never without a reason']} refused without a reason; e-mail: {results['mail wrong']} not by the default",
        bar="0, 0; 0",
        holds=results["wrong"] == results["never without a reason"] == results["mail wrong"] == 0,
    )
