"""With 200,000 people watched, what is due is found by index, and a look reads no table whole (PostgreSQL)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.vocabulary import Exit
from retarget_plugin.engine import exits, restocks, triggers
from retarget_plugin.models import Contact, FlowRun, Product, Watch
from retarget_plugin.testing import Clock
from tests.engine.street import Street
from tests.promises import length

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.timeout(600),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]
NOW = datetime(2031, 12, 24, 9, 0, tzinfo=UTC)
MANY = length(20_000, 200_000)
DUE = length(40, 150)
TABLES = ("contact", "watch", "order", "visitor", "message", "click", "link", "event_default")


@pytest.fixture
def street():
    """Everybody has ordered once and has a browser, a message, a click and a view; a few hundred are due now."""
    street = Street(clock=Clock(NOW))
    shop = street.shop.pk
    series = f"FROM generate_series(1, {MANY}) n"
    first = Contact.objects.order_by("-pk").values_list("pk", flat=True)[0] + 1_000
    for statement in (
        f"""INSERT INTO retarget_plugin_contact (id, shop_id, email, phone, first_name, last_name, locale, time_zone, country,
            postcode, interests, preferences, topics_off, tags, created_at, last_order_at)
            SELECT {first} + n, {shop}, 'p' || n || '@x.example', '', '', '', '', '', '', '', '{{}}', '{{}}', '[]', '[]',
            '2031-01-01', '2031-09-01' {series}""",
        f"""INSERT INTO retarget_plugin_visitor (shop_id, key, contact_id, known_by, first_seen_at, last_seen_at)
            SELECT {shop}, lpad(n::text, 43, '0'), {first} + n, '', '2031-01-01', '2031-09-01' {series}""",
        f"""INSERT INTO retarget_plugin_order (shop_id, reference, number, contact_id, email, phone, currency, total, items,
            coupon_codes, discounts, counted, is_paid, is_by_staff, touched_at, told, read_at, settled_at, placed_at)
            SELECT {shop}, n, n, {first} + n, '', '', 'EUR', 1, '[]', '[]', '{{}}', '{{}}', true, false, '2031-09-01',
            '{{}}', '2031-09-01', '2031-09-01', '2031-09-01' {series}""",
        f"""INSERT INTO retarget_plugin_message (id, shop_id, step, contact_id, kind, template, context, channel, state, reason,
            detail, due_at, not_after, fence, attempts_made, strikes, key, may_be_double, gateway, gateway_id, cost_currency,
            created_at, sent_at)
            SELECT {first} + n, {shop}, 's', {first} + n, 'marketing', '', '{{}}', 'email', 'accepted', '', '', '2031-09-01',
            '2031-09-01', 0, 1, 0, gen_random_uuid(), false, '', '', '', '2031-09-01', '2031-09-01' {series}""",
        f"""INSERT INTO retarget_plugin_link (id, shop_id, code, message_id, purpose, destination, topic, is_measured, created_at)
            SELECT {first} + n, {shop}, n, {first} + n, 'cart', 'https://x.example', 'macro', true, '2031-09-01' {series}""",
        f"""INSERT INTO retarget_plugin_click (link_id, at, is_human) SELECT {first} + n, '2031-09-02', true {series}""",
        f"""INSERT INTO retarget_plugin_event (shop_id, contact_id, name, product, topic, path, currency, data, is_bot, at)
            SELECT {shop}, {first} + n, 'view_item', n % 5000, '', '', '', '{{}}', false,
            '2031-12-01'::timestamptz + n * interval '1 second' {series}""",
    ):
        with connection.cursor() as cursor:
            cursor.execute(statement)
    street.first = first
    return street


def watch(flow, street):
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO retarget_plugin_watch (flow_id, contact_id, subject, data, due_at, noted_at)
            SELECT %s, %s + n, 'contact:' || (%s + n), '{}', %s::timestamptz + n * interval '1 minute', %s
            FROM generate_series(1, %s) n""",
            [flow.pk, street.first, street.first, NOW, NOW, MANY],
        )
        for table in (*TABLES, "event"):
            cursor.execute(f"ANALYZE retarget_plugin_{table}")


def read_whole(asked):
    """The big tables that any of the statements reads from end to end, each with the plan that does."""
    found = {}
    for query in asked.captured_queries:
        if query["sql"].split()[0] not in ("SELECT", "UPDATE", "DELETE"):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        found |= {table: plan for table in TABLES if f"Seq Scan on retarget_plugin_{table}" in plan}
    return found


def looked(street, trigger, number):
    """The statements of a sweep in which the next so many people are due for this trigger."""
    street.open(trigger)
    Watch.objects.filter(due_at__lte=NOW).update(due_at=NOW + timedelta(days=1))
    begin = street.first + number * DUE
    Watch.objects.filter(contact__gt=begin, contact__lte=begin + DUE).update(due_at=NOW)
    Watch.objects.filter(subject="everyone").delete()
    with CaptureQueriesContext(connection) as asked:
        tally = triggers.sweep(now=NOW)
    # And the next step of the walk.
    assert tally["looked"] == DUE + 1
    return asked


def test_whatever_is_due_is_looked_at_by_index(street):
    watch(street.open("order_placed"), street)
    found = {}

    for number, trigger in enumerate(("no_visit", "unengaged", "no_order")):
        found[trigger] = read_whole(looked(street, trigger, number))
    # Nobody but the walks: a whole batch of people is a part of so small a table that reading it from end to end is best.
    Watch.objects.filter(due_at__lte=NOW).update(due_at=NOW + timedelta(days=1))
    walks = Watch.objects.filter(subject="everyone").update(due_at=NOW)
    with CaptureQueriesContext(connection) as asked:
        assert triggers.sweep(now=NOW)["looked"] == walks > 0
    found["walk"] = read_whole(asked)
    for trigger in ("interest_shown", "product_viewed"):
        batch = list(Watch.objects.exclude(subject="everyone").order_by("pk")[:DUE])
        flow = street.open(trigger)
        with CaptureQueriesContext(connection) as asked:
            triggers.LOOKS[trigger](flow, flow.version.parsed, batch, now=NOW)
        found[trigger] = read_whole(asked)

    assert found == {name: {} for name in found}


def test_who_looked_at_a_product_and_who_has_done_what_ends_a_run_is_found_by_index(street):
    flow = street.open("order_placed", exits=[Exit.VISIT, Exit.CLICK, Exit.ADD_TO_CART])
    watch(flow, street)
    product = Product.objects.create(shop=street.shop, reference="77", title="Lens", updated_at=NOW)
    batch = [
        FlowRun(
            pk=number,
            flow=flow,
            version=flow.version,
            contact_id=street.first + number,
            subject="cart:1",
            anchored_at=NOW - timedelta(days=1),
        )
        for number in range(1, DUE)
    ]

    with CaptureQueriesContext(connection) as wished:
        seen = list(restocks._viewed(product, now=NOW))
    with CaptureQueriesContext(connection) as ending:
        exits.met(batch)

    assert len(seen) == MANY // 5000
    assert (read_whole(wished), read_whole(ending)) == ({}, {})
