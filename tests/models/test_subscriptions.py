"""Product subscriptions at size: what a tick and a product that is back ask for is read by index (PostgreSQL)."""

from __future__ import annotations

import pytest
from django.db import connection

from retarget_plugin.models import ProductSubscription
from retarget_plugin.testing import build_contact, build_shop

from .test_plans import MANY, NOW, fill, plan

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]


@pytest.fixture
def shop():
    shop = build_shop()
    contact = build_contact(shop, now=NOW)
    rows = [
        ProductSubscription(
            shop=shop, contact=contact, product=str(n), kind="price_drop", is_proven=True, source="page", at=NOW
        )
        for n in range(MANY)
    ]
    typed = [
        ProductSubscription(shop=shop, email=f"{n}@example.com", product="7", kind="price_drop", at=NOW, due_at=NOW)
        for n in range(50)
    ]
    fill(ProductSubscription, [*rows, *typed])
    return shop


def test_the_tick_reads_new_wishes_by_index(shop):
    found = plan(ProductSubscription.objects.filter(due_at__lte=NOW).order_by("due_at", "pk")[:200])

    assert "retarget_subscription_due" in found
    assert "Seq Scan" not in found


def test_who_waits_for_a_product_is_read_by_index(shop):
    found = plan(ProductSubscription.objects.live().filter(shop=shop, product="7", kind="price_drop"))

    assert "retarget_subscription_open" in found
    assert 'Seq Scan", "Relation Name": "retarget_plugin_productsubscription' not in found


def test_the_purge_reads_unproven_wishes_by_index(shop):
    found = plan(ProductSubscription.objects.filter(is_proven=False, at__lt=NOW).order_by("at")[:1000])

    assert "retarget_subscription_unproven" in found
