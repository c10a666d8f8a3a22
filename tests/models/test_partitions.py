"""Events are kept by month (PostgreSQL): made ahead, nothing refused meanwhile, a month forgotten at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction

from retarget_plugin.engine import retention, tick
from retarget_plugin.models import Event, partitions
from retarget_plugin.testing import build_shop
from tests.locks import locked
from tests.models.test_plans import plan

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL has the table in parts"),
]
NOW = datetime(2031, 12, 24, 9, 0, tzinfo=UTC)
DECEMBER, JANUARY = "retarget_plugin_event_2031_12", "retarget_plugin_event_2032_01"


@pytest.fixture(autouse=True)
def _no_parts_left():
    """Nor any of another test's: a tick makes them, and they outlive a test's rows."""
    partitions.drop_before(datetime(2040, 1, 1, tzinfo=UTC))
    yield
    partitions.drop_before(datetime(2040, 1, 1, tzinfo=UTC))


@pytest.fixture
def seen():
    """Keep an event that happened at an instant; the part of the table that took it."""
    shop = build_shop()

    def see(at):
        event = Event.objects.create(shop=shop, name="page_view", at=at)
        return part_of(event)

    return see


def part_of(event):
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM retarget_plugin_event WHERE id = %s", [event.pk])
        return cursor.fetchone()[0]


def names():
    with connection.cursor() as cursor:
        return [part.name for part in connection.introspection.get_table_list(cursor) if "event_20" in part.name]


def test_this_month_and_the_next_are_made_once():
    made = [partitions.make_ahead(now=NOW) for _time in range(2)]

    assert made == [2, 0]
    assert sorted(names()) == [DECEMBER, JANUARY]


def test_each_month_takes_its_own(seen):
    partitions.make_ahead(now=NOW)

    assert seen(datetime(2031, 12, 1, tzinfo=UTC)) == DECEMBER
    assert seen(datetime(2031, 12, 31, 23, 59, 59, tzinfo=UTC)) == DECEMBER
    assert seen(datetime(2032, 1, 1, tzinfo=UTC)) == JANUARY


def test_what_no_month_takes_is_not_refused(seen):
    assert seen(NOW) == "retarget_plugin_event_default"
    assert seen(NOW - timedelta(days=900)) == "retarget_plugin_event_default"


def test_a_month_made_late_takes_over_what_came_before_it(seen):
    seen(NOW)
    event = Event.objects.get()

    partitions.make_ahead(now=NOW)

    assert part_of(event) == DECEMBER
    assert Event.objects.get() == event


def test_eight_workers_make_a_month_once():
    def make(_number):
        try:
            return partitions.make_ahead(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(make, range(8)))

    assert sorted(names()) == [DECEMBER, JANUARY]


def test_ids_stay_one_sequence_over_all_parts(seen):
    partitions.make_ahead(now=NOW)
    for days in (0, 20, -900):
        seen(NOW + timedelta(days=days))

    assert len(set(Event.objects.values_list("pk", flat=True))) == 3


def test_a_month_is_dropped_once_it_is_over(seen):
    partitions.make_ahead(now=NOW)
    seen(NOW)
    seen(NOW + timedelta(days=20))

    too_early = partitions.drop_before(datetime(2031, 12, 31, 23, 59, tzinfo=UTC))
    dropped = partitions.drop_before(datetime(2032, 1, 1, tzinfo=UTC))

    assert too_early == []
    assert dropped == [DECEMBER]
    assert [event.at.month for event in Event.objects.all()] == [1]


def test_a_busy_table_is_left_for_the_next_time(seen):
    partitions.make_ahead(now=NOW)

    with locked(DECEMBER) as let_go:
        with pytest.raises(OperationalError, match="lock timeout"):
            partitions.drop_before(NOW + timedelta(days=31))
        let_go()

    assert partitions.drop_before(NOW + timedelta(days=31)) == [DECEMBER]


def test_a_purge_goes_on_where_a_vacuum_is_at_the_table_and_makes_the_months_ten_minutes_later(seen, caplog):
    seen(NOW - timedelta(days=3_000))

    with locked("retarget_plugin_event_default", mode="SHARE UPDATE EXCLUSIVE"), caplog.at_level("WARNING"):
        done = tick.once(now=NOW)
        made, kept = names(), Event.objects.count()
    tick.once(now=NOW + retention.LEASE)

    assert (made, kept, done["failed"]) == ([], 0, 0)
    assert "could not be made now" in caplog.text
    assert sorted(names()) == [DECEMBER, JANUARY]


def test_a_writer_in_the_middle_of_something_holds_nothing_up():
    shop = build_shop()
    partitions.make_ahead(now=NOW - timedelta(days=31))

    def make():
        try:
            return partitions.make_ahead(now=NOW)
        finally:
            connection.close()

    with transaction.atomic():
        event = Event.objects.create(shop=shop, name="page_view", at=NOW)
        with ThreadPoolExecutor(1) as worker:
            made = worker.submit(make).result(timeout=5)

    assert (part_of(event), made) == (DECEMBER, 1)


def test_every_part_has_the_indexes_and_a_month_alone_is_read(seen):
    partitions.make_ahead(now=NOW)

    january = Event.objects.filter(shop=build_shop(), at__gte=NOW + timedelta(days=20))
    found = plan(january)

    assert DECEMBER not in found
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indrelid::regclass::text, count(*) FROM pg_index"
            " WHERE indrelid IN ('retarget_plugin_event'::regclass, %s::regclass, %s::regclass) GROUP BY 1",
            [DECEMBER, JANUARY],
        )
        assert dict(cursor.fetchall()) == {"retarget_plugin_event": 5, DECEMBER: 5, JANUARY: 5}
