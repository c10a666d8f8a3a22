"""What a batch of recommendations and the tick's count of customers read, they read by index (PostgreSQL)."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain import recommend
from retarget_plugin.engine import customers, purchases, recommendations
from retarget_plugin.models import (
    Contact,
    Customer,
    Flow,
    FlowRun,
    FlowVersion,
    Message,
    Order,
    Product,
    ProductPair,
    Quintiles,
)
from retarget_plugin.testing import build_shop

from .test_plans import fill

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PRODUCTS, ORDERS, PEOPLE, BATCH = 50_000, 100_000, 20_000, 200
COPIED = ("id", "reference", "contact", "items")
TABLES = ("order", "product", "productpair", "cart", "contact", "consent", "customer")


@pytest.fixture
def shop(db):
    """50,000 products in 500 categories, 100,000 orders of 20,000 people, eight pairs of each product."""
    shop = build_shop()
    weight, liked = recommend.weight(NOW), {f"topic-{n}": {"score": 5.0, "at": NOW.isoformat()} for n in range(3)}
    page = "'https://shop.example.com/' || n"
    made = {
        Product: (
            PRODUCTS,
            "shop_id, reference, title, url, image_url, category, topic, price, currency, is_available, bought, updated_at",
            f"%(shop)s, 'p' || n, 'P', {page}, {page}, '', 'topic-' || n %% 500, 10, 'EUR', true, n %% 97 * %(weight)s, %(now)s",
        ),
        Contact: (
            PEOPLE,
            "shop_id, email, phone, first_name, last_name, locale, time_zone, country, postcode, interests, preferences,"
            " topics_off, tags, created_at",
            "%(shop)s, 'c' || n || '@example.com', '', '', '', '', '', '', '', %(liked)s::jsonb, '{}', '[]', '[]', %(now)s",
        ),
        ProductPair: (
            PRODUCTS * 8,
            "shop_id, product, other, weight",
            f"%(shop)s, 'p' || n / 8, 'p' || (n / 8 + n %% 8 + 1) %% {PRODUCTS}, %(weight)s * (n %% 8 + 1)",
        ),
    }
    for model, (count, columns, values) in made.items():
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {values} FROM generate_series(0, {count - 1}) n",  # noqa: S608
                {"shop": shop.pk, "weight": weight, "now": NOW, "liked": json.dumps(liked)},
            )
            cursor.execute(f"ANALYZE {model._meta.db_table}")
    order = Order.objects.create(shop=shop, reference="-", touched_at=NOW, read_at=NOW, settled_at=NOW, placed_at=NOW)
    # As many more as that one, each of somebody, with one product of all.
    copied = [field.column for field in Order._meta.concrete_fields if field.name not in COPIED]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Order._meta.db_table} ({', '.join(copied)}, reference, contact_id, items) "  # noqa: S608
            f"SELECT {', '.join(copied)}, n, (SELECT min(id) FROM {Contact._meta.db_table}) + n %% {PEOPLE}, "
            f"jsonb_build_array(jsonb_build_object('product_id', 'p' || n * 7919 %% {PRODUCTS})) "
            f"FROM {Order._meta.db_table}, generate_series(1, {ORDERS}) n WHERE id = %s",
            [order.pk],
        )
        cursor.execute(f"ANALYZE {Order._meta.db_table}")
    return shop


def batch(shop):
    flow = Flow.objects.create(shop=shop, slug="any", name="Any")
    version = FlowVersion.objects.create(flow=flow, number=1, definition={}, content={}, published_at=NOW)
    messages = []
    for contact in Contact.objects.order_by("pk")[:BATCH]:
        run = FlowRun.objects.create(
            shop=shop, flow=flow, version=version, contact=contact, subject="-", anchored_at=NOW, entered_at=NOW,
            data={"product": f"p{contact.pk % PRODUCTS}"},
        )  # fmt: skip
        messages.append(
            Message(shop=shop, run=run, contact=contact, step="one", channel="email", due_at=NOW, not_after=NOW,
                    key=uuid.uuid4(), created_at=NOW)
        )  # fmt: skip
    Message.objects.bulk_create(messages)
    return messages


def scanned(queries):
    """The big tables that any of `queries` reads from end to end."""
    found = set()
    for asked in queries:
        if not asked["sql"].startswith("SELECT"):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {asked['sql']}")
            steps = "\n".join(row[0] for row in cursor.fetchall())
        found |= {table for table in TABLES if f"Seq Scan on retarget_plugin_{table} " in steps}
    return found


def test_a_batch_of_two_hundred_costs_seven_queries_by_index(shop):
    messages = batch(shop)

    with CaptureQueriesContext(connection) as queries:
        found = recommendations.for_messages(messages, now=NOW)

    assert len(queries) == 7
    assert {len(picks.products) for picks in found.values()} == {3}
    assert scanned(queries) - {"consent", "cart"} == set()


def test_an_order_is_counted_by_index(shop):
    order = Order.objects.select_related("shop").first()
    order.items = [{"product_id": f"p{n}", "title": "P", "quantity": 1, "unit_price": "10.00"} for n in (1, 2, 3)]

    with CaptureQueriesContext(connection) as queries:
        purchases.settle(order, now=NOW)

    assert scanned(queries) - {"consent"} == set()
    assert len(queries) <= 12


def test_customers_are_counted_and_divided_by_index(shop):
    people = Contact.objects.order_by("pk")
    fill(
        Customer,
        [
            Customer(
                shop=shop, contact=person, orders=n % 30 + 1, spent=n, first_order_at=NOW,
                last_order_at=NOW - timedelta(minutes=n), changed_at=NOW if n % 100 == 0 else None,
            )
            for n, person in enumerate(people)
        ],
    )  # fmt: skip
    Quintiles.objects.create(shop=shop)

    with CaptureQueriesContext(connection) as queries:
        done = customers.keep(now=NOW)

    assert done == {"counted": 200, "divided": 1}
    assert Quintiles.objects.get().customers == 20_000
    assert scanned(q for q in queries if "COUNT(" not in q["sql"]) - {"consent"} == set()
