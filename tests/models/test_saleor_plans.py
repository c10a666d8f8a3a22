"""What a Saleor webhook and the daily purge ask for stays on its indexes, however many events there were (PostgreSQL)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from retarget_plugin.models import ConsentRecord, SaleorEvent
from retarget_plugin.testing import build_contact, build_shop
from tests.models.test_plans import MANY, NOW, fill, plan
from tests.saleor_captures import install

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]


def test_an_event_is_known_by_index():
    app = install()
    fill(SaleorEvent, [SaleorEvent(app=app, digest=f"{n:064x}", issued_at=NOW) for n in range(MANY)])

    found = plan(SaleorEvent.objects.filter(app=app, digest=f"{7:064x}"))

    assert "retarget_saleor_event" in found
    assert "Seq Scan" not in found


def test_old_events_are_purged_by_index():
    app = install()
    marks = [SaleorEvent(app=app, digest=f"{n:064x}", issued_at=NOW - timedelta(minutes=n)) for n in range(MANY)]
    fill(SaleorEvent, marks)

    found = plan(SaleorEvent.objects.filter(issued_at__lt=NOW - timedelta(days=13)).order_by("issued_at")[:1000])

    assert "Index" in found
    assert "Seq Scan" not in found


def test_what_a_box_said_last_is_read_by_index():
    shop = build_shop()
    people = [build_contact(shop, now=NOW, email=f"p{n}@example.com") for n in range(20)]
    facts = {"shop": shop, "channel": "email", "state": "granted", "source": "page", "at": NOW}
    fill(ConsentRecord, [ConsentRecord(contact=people[n % 20], **facts) for n in range(MANY)])

    said = ConsentRecord.objects.filter(contact=people[0], channel="email", purpose="marketing", source="checkout")
    found = plan(said.order_by("-at", "-pk")[:1])

    assert "retarget_consent_history" in found
    assert "Seq Scan" not in found
