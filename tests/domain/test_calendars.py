"""Allowed hours, in the reader's zone, over clock changes and holidays."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retarget_plugin.domain.calendars import Window, next_allowed, zone

PARIS = ZoneInfo("Europe/Paris")
SMS_FRANCE = Window(start=time(8), end=time(20), weekdays=frozenset(range(6)), holidays_of="FR")


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-24 10:00", "2026-11-24 10:00"),  # inside: now
        ("2026-11-24 08:00", "2026-11-24 08:00"),  # the first minute is inside
        ("2026-11-24 20:00", "2026-11-25 08:00"),  # the last is not
        ("2026-11-24 06:30", "2026-11-24 08:00"),  # before opening
        ("2026-11-28 21:00", "2026-11-30 08:00"),  # Saturday night: over Sunday
        ("2026-11-29 12:00", "2026-11-30 08:00"),  # Sunday noon
        ("2026-12-24 21:00", "2026-12-26 08:00"),  # over Christmas to Saint Stephen's, a working Saturday
        ("2026-07-14 12:00", "2026-07-15 08:00"),  # the national holiday
        ("2026-10-24 21:00", "2026-10-26 08:00"),  # the night of the clock change, over Sunday
    ],
)
def test_french_texts_keep_their_hours(now, expected):
    found = next_allowed(paris(now), SMS_FRANCE, PARIS)

    assert found == paris(expected)


def test_a_window_over_midnight_belongs_to_the_day_it_opens():
    window = Window(start=time(22), end=time(2), weekdays=frozenset({4}))

    assert next_allowed(paris("2026-11-28 01:00"), window, PARIS) == paris("2026-11-28 01:00")
    assert next_allowed(paris("2026-11-28 02:00"), window, PARIS) == paris("2026-12-04 22:00")


def test_an_opening_hour_that_the_clock_skips_is_the_first_instant_after_the_gap():
    window = Window(start=time(2, 30), end=time(4))

    found = next_allowed(paris("2026-03-29 00:00"), window, PARIS)

    assert found == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert found.astimezone(PARIS).time() == time(3, 0)


def test_an_opening_hour_that_happens_twice_is_the_first_one():
    window = Window(start=time(2, 30), end=time(4))

    assert next_allowed(paris("2026-10-25 00:00"), window, PARIS) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_no_weekday_at_all_is_never():
    assert next_allowed(paris("2026-11-24 10:00"), Window(weekdays=frozenset()), PARIS) is None


def test_all_day_every_day_is_now():
    assert next_allowed(paris("2026-11-24 10:00"), Window(), PARIS) == paris("2026-11-24 10:00")


def test_a_junk_zone_falls_back():
    assert zone("Mars/Olympus", "Europe/Paris").key == "Europe/Paris"
    assert zone("", "Europe/Madrid").key == "Europe/Madrid"
    assert zone("../../etc/passwd").key == "UTC"


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})),
    now=st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)),
    start=st.times(),
    end=st.times(),
)
def test_the_answer_is_the_first_allowed_minute_by_an_independent_walk(name, now, start, end):
    start, end = start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    now = now.replace(second=0, microsecond=0)
    local = ZoneInfo(name)
    window = Window(start=start, end=end)

    found = next_allowed(now, window, local)

    assert found is not None
    assert found >= now
    assert found - now <= timedelta(days=2)
    wall = found.astimezone(local).time()
    if start < end:
        # A skipped opening hour opens after the gap, so the wall may read later than `start`, never outside the window
        # by more than the gap itself.
        shifted = local.utcoffset(found) != local.utcoffset(found - timedelta(hours=3))
        assert start <= wall < end or shifted
