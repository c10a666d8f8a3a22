"""With a million events in three months, what a beacon asks for is read by index, and of the right month (PostgreSQL)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain import events
from retarget_plugin.engine import tracking, visitors
from retarget_plugin.models import Event, Visitor, partitions
from retarget_plugin.testing import build_contact, build_shop
from tests.promises import length

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.timeout(600),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]
NOW = datetime(2031, 12, 24, 9, 0, tzinfo=UTC)
MANY, PEOPLE = length(100_000, 1_000_000), 1_000
VIEW = events.Event(name="view_item", product="1", path="/p/1/")


@pytest.fixture
def visitor():
    """One of a thousand visitors who have been about for sixty days; half of them are known."""
    shop = build_shop()
    contact = build_contact(shop, now=NOW)
    partitions.make_ahead(now=NOW - timedelta(days=60))
    partitions.make_ahead(now=NOW)
    crowd = [
        Visitor(shop=shop, key=f"{n:043d}", contact=contact if n % 2 else None, first_seen_at=NOW, last_seen_at=NOW)
        for n in range(PEOPLE)
    ]
    met = Visitor.objects.bulk_create(crowd)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO retarget_plugin_event "
            "(shop_id, visitor_id, name, product, topic, path, currency, data, is_bot, at) "
            "SELECT %s, %s + n %% %s, 'view_item', n %% 500, '', '/p/', 'EUR', '{}', false, "
            "%s::timestamptz - n * interval '1 day' * 60 / %s FROM generate_series(0, %s - 1) n",
            [shop.pk, met[0].pk, PEOPLE, NOW, MANY, MANY],
        )
        cursor.execute("ANALYZE retarget_plugin_event")
    return met[PEOPLE // 2]


def plans(queries):
    """What PostgreSQL does for each of `queries` that touches events."""
    found = []
    for asked in queries:
        if "retarget_plugin_event" in asked["sql"] and not asked["sql"].startswith("INSERT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {asked['sql']}")
                found.append("\n".join(row[0] for row in cursor.fetchall()))
    return found


def reads_whole(plan):
    """True when a month that holds something is read from end to end; next month's and the default part are empty."""
    return "Seq Scan on retarget_plugin_event_2031" in plan


def test_a_beacon_reads_one_month_by_index(visitor):
    with CaptureQueriesContext(connection) as asked:
        tracking.record(visitor.shop, [VIEW] * 50, visitor=visitor, now=NOW)

    (lately,) = plans(asked.captured_queries)
    assert "Index Scan using retarget_plugin_event_2031_12_visitor" in lately
    assert not reads_whole(lately)
    assert "_2031_11" not in lately


def test_a_lonely_add_reads_a_visit_by_index(visitor):
    with CaptureQueriesContext(connection) as asked:
        tracking.record(visitor.shop, [events.Event(name="add_to_cart")], visitor=visitor, now=NOW)

    lately, visit = plans(asked.captured_queries)
    assert not reads_whole(lately) and not reads_whole(visit)
    assert "_2031_11" not in lately + visit


def test_who_becomes_known_and_who_leaves_takes_its_events_along_by_index(visitor):
    contact = build_contact(visitor.shop, now=NOW)

    with CaptureQueriesContext(connection) as asked:
        visitors.become(visitor, contact, source="log-in", now=NOW)
        assert Event.objects.filter(contact=contact).count() == MANY // PEOPLE
        tracking.withdraw(visitor, source="script", now=NOW)

    found = plans(asked.captured_queries)
    assert len(found) >= 3
    for plan in found:
        assert not reads_whole(plan), plan
