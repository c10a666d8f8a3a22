"""The hot queries stay on their indexes with a realistic number of rows (PostgreSQL)."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.engine import flows, gates, ledger, reports, retention
from retarget_plugin.models import Cart, Click, FlowRun, Link, Message, Order
from retarget_plugin.testing import build_contact, build_item, build_shop

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MANY = 20_000


@pytest.fixture
def shop():
    return build_shop()


def plan(queryset):
    with connection.cursor() as cursor:
        sql, parameters = queryset.query.sql_with_params()
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        answer = cursor.fetchone()[0]
    return json.dumps(answer if isinstance(answer, list) else json.loads(answer))


def fill(model, rows):
    model.objects.bulk_create(rows, batch_size=5000)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {model._meta.db_table}")


def carts(shop, state):
    return [
        Cart(shop=shop, reference=f"{state}{n}", state=state, touched_at=NOW - timedelta(minutes=n), created_at=NOW)
        for n in range(MANY)
    ]


def messages(shop, contact, state):
    return [
        Message(
            shop=shop, contact=contact, step=str(n), channel="email", state=state, due_at=NOW - timedelta(minutes=n),
            not_after=NOW, key=uuid.uuid4(), created_at=NOW, sent_at=NOW - timedelta(minutes=n) if state == "accepted" else None,
        )
        for n in range(MANY)
    ]  # fmt: skip


def test_the_sweep_reads_idle_carts_by_index(shop):
    fill(Cart, [*carts(shop, "ordered"), *carts(shop, "active")[:50]])

    found = plan(Cart.objects.idle(shop, now=NOW)[:200])

    assert "retarget_cart_idle" in found
    assert "Seq Scan" not in found


def test_the_dispatch_reads_due_messages_by_index(shop):
    contact = build_contact(shop, now=NOW)
    fill(Message, [*messages(shop, contact, "accepted"), *messages(shop, contact, "scheduled")])

    due = Message.objects.filter(shop=shop, channel="email", state="scheduled", due_at__lte=NOW)
    found = plan(due.order_by("due_at", "pk")[:200])

    assert "retarget_message_due" in found
    assert "Seq Scan" not in found


def test_service_messages_are_found_behind_a_long_queue_by_index(shop):
    contact = build_contact(shop, now=NOW)
    fill(Message, messages(shop, contact, "scheduled"))

    with CaptureQueriesContext(connection) as queries:
        taken = ledger.take(shop, "email", gateways=[""], after=None, until=NOW, limit=200, now=NOW)

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {next(q['sql'] for q in queries if 'service' in q['sql'])}")
        found = json.dumps(cursor.fetchone()[0])
    assert len(taken) == 200
    assert "retarget_message_awaited" in found
    assert "Seq Scan" not in found


def test_the_products_left_behind_are_counted_by_index(shop):
    fill(Cart, carts(shop, "abandoned"))
    Cart.objects.filter(pk__in=Cart.objects.order_by("pk")[:200]).update(
        abandoned_at=NOW, items=[build_item().to_data()]
    )

    with CaptureQueriesContext(connection) as queries:
        lines = reports.product_lines(shop, since=NOW - timedelta(days=30), until=NOW + timedelta(days=1))

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {queries[0]['sql']}")
        found = json.dumps(cursor.fetchone()[0])
    assert [line.abandoned for line in lines] == [200]
    assert "retarget_cart_abandoned" in found


def test_recovery_reads_expired_leases_by_index(shop):
    fill(Message, messages(shop, build_contact(shop, now=NOW), "accepted"))

    found = plan(Message.objects.filter(leased_until__lt=NOW, state__in=["claimed", "attempting"]))

    assert "retarget_message_leased" in found
    assert "Seq Scan" not in found


def test_the_cap_reads_one_persons_messages_by_index(shop):
    contact, other = build_contact(shop, now=NOW), build_contact(shop, now=NOW)
    fill(Message, messages(shop, contact, "accepted"))

    found = plan(Message.objects.filter(contact=other, channel="email", sent_at__gt=NOW - timedelta(days=7)))

    assert "retarget_message_sent" in found
    assert "Seq Scan" not in found


def test_runs_that_are_due_are_read_by_index(shop):
    flow, contact = flows.install(shop, now=NOW)[0], build_contact(shop, now=NOW)
    fill(
        FlowRun,
        [
            FlowRun(
                shop=shop, flow=flow, version=flow.version, contact=contact, subject=f"cart:{n}",
                state="active" if n < 2000 else "finished", anchored_at=NOW, entered_at=NOW,
                due_at=NOW + timedelta(minutes=n - 50) if n < 2000 else None,
            )
            for n in range(MANY)
        ],
    )  # fmt: skip

    found = plan(FlowRun.objects.filter(state="active", due_at__lte=NOW).order_by("due_at", "pk")[:200])

    assert "retarget_run_due" in found
    assert "Seq Scan" not in found


def test_runs_that_are_past_their_time_and_say_something_still_are_found_by_index(shop, monkeypatch):
    flow, contact = flows.install(shop, now=NOW)[0], build_contact(shop, now=NOW)
    old = NOW - timedelta(days=3000)
    fill(
        FlowRun,
        [
            FlowRun(
                shop=shop, flow=flow, version=flow.version, contact=contact, subject=f"cart:{n}",
                state="active" if n < 100 else "finished", anchored_at=NOW, due_at=None,
                entered_at=old if n % 2 else NOW, ended_at=NOW, data={"product": "1"} if n < 3000 or not n % 2 else {},
            )
            for n in range(MANY)
        ],
    )  # fmt: skip

    with CaptureQueriesContext(connection) as queries:
        removed = retention.purge(now=NOW)

    looks = [query["sql"] for query in queries if query["sql"].startswith("SELECT") and "happened" in query["sql"]]
    plans = []
    for look in looks:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {look}")
            plans.append("\n".join(row[0] for row in cursor.fetchall()))
    # Of 20,000 runs 1,450 are old, over, and say something: two batches, and a look that finds nothing more.
    assert (removed["details"], len(looks)) == (1450, 3)
    assert [found for found in plans if "retarget_run_kept" not in found] == []
    assert FlowRun.objects.filter(entered_at=old).exclude(data={}).count() == 50


def test_the_gate_finds_orders_by_person_and_by_address_by_index(shop):
    contact = build_contact(shop, now=NOW)
    fill(
        Order,
        [
            Order(shop=shop, reference=str(n), email=f"p{n}@x.example", touched_at=NOW, read_at=NOW, settled_at=NOW,
                  placed_at=NOW - timedelta(minutes=n))
            for n in range(MANY)
        ],
    )  # fmt: skip

    by_email = plan(Order.objects.filter(shop=shop, email=contact.email, placed_at__gte=NOW - timedelta(days=1)))
    unread = plan(Order.objects.unread(now=NOW).order_by("touched_at")[:200])

    assert "retarget_order_email" in by_email or "retarget_order_placed" in by_email
    assert "retarget_order_unread" in unread
    assert "Seq Scan" not in by_email + unread


def test_a_short_link_is_found_by_index(shop):
    fill(Link, [Link(shop=shop, code=f"{n:08d}", destination="https://x.example", created_at=NOW) for n in range(MANY)])
    link = Link.objects.first()
    fill(Click, [Click(link=link, at=NOW, is_human=True)])

    found = plan(Link.objects.filter(code="00000007"))

    assert "Index Scan" in found
    assert "Seq Scan" not in found


def test_the_whole_gate_reads_by_index_and_in_a_fixed_number_of_queries(shop):
    flow, people = flows.install(shop, now=NOW)[0], [build_contact(shop, now=NOW) for _person in range(20)]
    fill(Message, messages(shop, build_contact(shop, now=NOW), "accepted"))
    fill(
        Order,
        [
            Order(shop=shop, reference=str(n), email=f"p{n}@x.example", touched_at=NOW, read_at=NOW, settled_at=NOW,
                  placed_at=NOW - timedelta(minutes=n))
            for n in range(MANY)
        ],
    )  # fmt: skip
    fill(Cart, carts(shop, "ordered"))
    waiting = []
    for person in people:
        run = FlowRun.objects.create(
            shop=shop, flow=flow, version=flow.version, contact=person, subject="cart:1",
            anchored_at=NOW - timedelta(hours=4), entered_at=NOW, due_at=NOW,
        )  # fmt: skip
        waiting.append(
            Message.objects.create(
                shop=shop, run=run, contact=person, step="reminder", channel="email", due_at=NOW,
                not_after=NOW + timedelta(hours=1), key=uuid.uuid4(), created_at=NOW,
            )
        )  # fmt: skip

    with CaptureQueriesContext(connection) as for_one:
        gates.verdicts(waiting[:1], now=NOW)
    with CaptureQueriesContext(connection) as for_all:
        gates.verdicts(waiting, now=NOW)

    assert len(for_one) == len(for_all) == 12
    for asked in for_all.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {asked['sql']}")
            steps = "\n".join(row[0] for row in cursor.fetchall())
        for table in ("order", "message", "cart"):
            assert f"Seq Scan on retarget_plugin_{table}" not in steps, steps
