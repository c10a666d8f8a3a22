"""Allowed hours, in the reader's zone, over clock changes and holidays."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retarget_plugin.domain.calendars import Span, Window, next_allowed, next_common_span, next_span, zone

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
    assert zone("Mars/Olympus", "Mars/Olympus").key == "UTC"
    assert zone("\x00").key == "UTC"


def test_all_day_is_the_day_of_the_calendar_whatever_hour_says_so():
    window = Window(start=time(9), end=time(9), weekdays=frozenset({0}))

    assert next_allowed(paris("2026-11-24 08:00"), window, PARIS) == paris("2026-11-30 00:00")


def test_an_hour_that_the_clock_skips_altogether_is_left_out():
    window = Window(start=time(2, 10), end=time(2, 50))

    assert next_allowed(paris("2026-03-29 00:00"), window, PARIS) == paris("2026-03-30 02:10")


def test_hours_that_the_clock_turns_back_into_are_open_again():
    window = Window(start=time(1, 30), end=time(2, 45))
    first_end = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)

    assert next_allowed(first_end, window, PARIS) == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)


def test_what_the_clock_shows_twice_is_shut_twice():
    window = Window(start=time(2, 30), end=time(4))
    second_two_o_clock = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)

    assert next_allowed(second_two_o_clock, window, PARIS) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_a_span_ends_where_the_clock_is_changed():
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    window = Window(start=time(1), end=time(2, 20))
    noon = datetime(2026, 10, 3, 2, 0, tzinfo=UTC)

    # Two o'clock is half past two, in the middle of an hour of UTC, and ends what would last until 02:20.
    assert next_span(noon, window, lord_howe) == Span(
        datetime(2026, 10, 3, 14, 30, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)
    )


def test_a_holiday_of_a_region_is_forbidden_by_its_own_calendar_only():
    good_friday = paris("2026-04-03 10:00")

    assert next_allowed(good_friday, Window(holidays_of="FR"), PARIS) == good_friday
    assert next_allowed(good_friday, Window(holidays_of="FR-57"), PARIS) == paris("2026-04-04 00:00")


def test_all_windows_at_once_is_when_the_last_has_opened_until_the_first_shuts():
    tokyo = ZoneInfo("Asia/Tokyo")
    window = Window(start=time(8), end=time(20))

    span = next_common_span(paris("2026-11-24 00:00"), [(window, PARIS), (window, tokyo)])

    assert span == Span(paris("2026-11-24 08:00"), paris("2026-11-24 12:00"))


def test_windows_that_never_meet_are_never():
    morning, evening = Window(start=time(8), end=time(12)), Window(start=time(12), end=time(20))

    assert next_common_span(paris("2026-11-24 10:00"), [(morning, PARIS), (evening, PARIS)]) is None


def test_no_window_at_all_is_now():
    assert next_common_span(paris("2026-11-24 10:00"), []).opens == paris("2026-11-24 10:00")


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})),
    now=st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)),
    start=st.times(),
    end=st.times(),
)
def test_the_answer_lies_inside_the_window_and_within_two_days(name, now, start, end):
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
        assert start <= wall < end
    elif start > end:
        assert wall >= start or wall < end
