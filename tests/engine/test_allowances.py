"""An allowance is never exceeded, in any stretch of its period, by however many at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from retarget_plugin.engine import allowances
from retarget_plugin.models import Allowance

pytestmark = pytest.mark.delivery
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def take(subject="lea@mail.example", *, name="confirmation", most=3, within=DAY, now=NOW, amount=1):
    return allowances.take(name, subject, most=most, within=within, now=now, amount=amount)


@pytest.mark.django_db
def test_what_is_allowed_is_given_and_no_more():
    given = [take() for _time in range(5)]

    assert given == [True, True, True, False, False]


@pytest.mark.django_db
def test_each_use_comes_back_when_its_own_period_is_over():
    for hours in (0, 10, 20):
        take(now=NOW + timedelta(hours=hours))

    later = [(hours, take(now=NOW + timedelta(hours=hours))) for hours in (23, 24, 25, 33, 34)]

    assert later == [(23, False), (24, True), (25, False), (33, False), (34, True)]


@pytest.mark.django_db
def test_one_a_day_is_one_in_any_24_hours():
    assert take(most=1)

    assert not take(most=1, now=NOW + DAY - timedelta(seconds=1))
    assert take(most=1, now=NOW + DAY)


@pytest.mark.django_db
def test_an_amount_is_taken_whole_or_not_at_all():
    assert take(most=100, amount=60)

    assert not take(most=100, amount=50)
    assert take(most=100, amount=40)


@pytest.mark.django_db
def test_names_and_subjects_do_not_share():
    for name in ("a", "b"):
        for subject in ("x", "y"):
            assert take(subject, name=name, most=1)

    assert Allowance.objects.count() == 4


@pytest.mark.django_db
def test_a_subject_is_not_kept():
    take("lea@mail.example")

    stored = str(list(Allowance.objects.values()))
    assert "lea" not in stored
    assert "mail.example" not in stored


@pytest.mark.django_db
def test_a_steady_user_keeps_a_short_row(django_assert_num_queries):
    minute = timedelta(minutes=1)

    # Sixty a minute; what lies close together is kept as one, which comes back a twelfth of a minute late at the most.
    given = [take(most=65, within=minute, now=NOW + timedelta(seconds=n)) for n in range(180)]

    assert given == [True] * 180
    row = Allowance.objects.get()
    assert len(row.uses) <= allowances.GRAIN + 1
    with django_assert_num_queries(2):
        take(most=65, within=minute, now=NOW + timedelta(seconds=180))


@pytest.mark.django_db
def test_a_flood_is_refused_by_one_read(django_assert_num_queries):
    take(most=1)

    with django_assert_num_queries(1):
        refused = take(most=1)

    assert refused is False


@pytest.mark.django_db
def test_it_needs_no_cache(settings):
    gone = "django.core.cache.backends.memcached.PyMemcacheCache"
    settings.CACHES = {"default": {"BACKEND": gone, "LOCATION": "127.0.0.1:1"}}

    assert [take(most=1), take(most=1)] == [True, False]


@pytest.mark.django_db
def test_rows_that_say_nothing_any_more_are_forgotten():
    take("over")
    take("open", now=NOW + timedelta(hours=1))

    forgotten = allowances.forget(now=NOW + DAY + timedelta(seconds=1))

    assert forgotten == 1
    assert not take("open", most=1, now=NOW + DAY + timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_a_crowd_gets_what_one_would():
    def ask(_number):
        try:
            return take(most=5)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as crowd:
        given = list(crowd.map(ask, range(40)))

    assert given.count(True) == 5


class AnyRhythm(TestCase):
    @settings(max_examples=60, deadline=None)
    @given(
        waits=st.lists(st.floats(0, 30 * 3600), max_size=25),
        most=st.integers(1, 6),
        within=st.sampled_from([timedelta(hours=1), DAY, timedelta(days=30)]),
    )
    def test_no_stretch_of_the_period_holds_more(self, waits, most, within):
        now, taken = NOW, []
        for wait in waits:
            now += timedelta(seconds=wait)
            if take(most=most, within=within, now=now):
                taken.append(now)

        for number, first in enumerate(taken):
            assert sum(at - first < within for at in taken[number:]) <= most
        assert not waits or taken[0] == NOW + timedelta(seconds=waits[0])
