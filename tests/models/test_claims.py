"""Where workers meet: nobody gets the same row, on either database."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.db.models import F

from retarget_plugin.models import Contact, Message
from retarget_plugin.models.claims import claim
from retarget_plugin.testing import build_contact, build_shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.delivery]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def due():
    """A hundred messages that are due."""
    shop = build_shop()
    contact = build_contact(shop, now=NOW)
    Message.objects.bulk_create(
        Message(
            shop=shop, contact=contact, step=f"s{number}", channel="email", due_at=NOW, not_after=NOW + timedelta(days=1),
            key=uuid.uuid4(), created_at=NOW,
        )
        for number in range(100)
    )  # fmt: skip
    return Message.objects.filter(state="scheduled", due_at__lte=NOW).order_by("due_at", "pk")


def take(due, limit=7):
    return claim(due, limit=limit, stamp="fence", state="claimed", fence=F("fence") + 1)


def test_a_claim_takes_the_oldest_and_changes_them(due):
    rows = take(due, 3)

    assert [row.step for row in rows] == ["s0", "s1", "s2"]
    assert [row.state for row in rows] == ["claimed"] * 3
    assert Message.objects.filter(state="claimed", fence=1).count() == 3


def test_a_claim_that_would_not_move_its_stamp_is_refused(due):
    with pytest.raises(ValueError, match="must change 'fence'"):
        claim(due, limit=1, stamp="fence", state="claimed")


def test_eight_workers_never_take_the_same_row(due):
    taken: Counter[int] = Counter()
    errors: list[Exception] = []
    start = threading.Barrier(8)

    def work():
        try:
            start.wait(10)
            while rows := take(due):
                taken.update(row.pk for row in rows)
        except Exception as error:
            errors.append(error)
        finally:
            connections["default"].close()

    workers = [threading.Thread(target=work) for _worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert errors == []
    assert len(taken) == 100
    assert set(taken.values()) == {1}
    assert set(Message.objects.values_list("fence", flat=True)) == {1}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row locks")
def test_a_locked_row_is_skipped_and_not_waited_for(due):
    first = due.first()
    held, release = threading.Event(), threading.Event()

    def hold():
        with connections["default"].cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM retarget_plugin_message WHERE id = %s FOR UPDATE", [first.pk])
            held.set()
            release.wait(10)
            cursor.execute("ROLLBACK")
        connections["default"].close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)

    rows = take(due, 2)
    release.set()
    holder.join()

    assert [row.step for row in rows] == ["s1", "s2"]


def test_two_contacts_of_a_shop_never_share_an_address():
    shop = build_shop()
    Contact.objects.create(shop=shop, email="a@x.example", created_at=NOW)

    with pytest.raises(Exception, match=r"(?i)unique"):
        Contact.objects.create(shop=shop, email="a@x.example", created_at=NOW)
