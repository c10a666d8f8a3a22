"""Reports of providers are matched on indexes, however many messages there are (PostgreSQL)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.messages import DeliveryEvent, InboundEmail
from retarget_plugin.domain.vocabulary import DeliveryKind
from retarget_plugin.engine import correspondence
from retarget_plugin.models import Attempt, Contact, Message
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.handed_over import hand_over

from .test_plans import NOW, fill, messages

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]

FEW = 4_000
LARGE = ("message", "attempt", "contact ")


@pytest.fixture
def message():
    """One bounce among many messages of many people."""
    shop = build_shop()
    fill(Contact, [Contact(shop=shop, email=f"p{n}@x.example", created_at=NOW) for n in range(FEW)])
    people = Contact.objects.order_by("pk")
    crowd = messages(shop, people[0], "accepted")[:FEW]
    for number, (row, contact) in enumerate(zip(crowd, people, strict=True)):
        row.contact, row.gateway, row.gateway_id = contact, "email", f"g-{number}"
    fill(Message, crowd)
    sent = Message.objects.order_by("pk")
    fill(Attempt, [Attempt(message=row, fence=1, gateway="email", started_at=NOW) for row in sent])
    return hand_over(shop, contact=build_contact(shop, now=NOW, email="ana@example.com"), now=NOW, gateway="email")


def scans(queries):
    """Reading statements whose plan reads a whole large table."""
    found = []
    for query in queries:
        if query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
            found += [plan] if any(f"Seq Scan on retarget_plugin_{name}" in plan for name in LARGE) else []
    return found


def test_a_report_is_matched_by_index(message):
    Message.objects.filter(pk=message.pk).update(gateway_id="g-ana")
    event = DeliveryEvent(kind=DeliveryKind.BOUNCED, gateway_id="g-ana", at=NOW, recipient="ana@example.com")

    with CaptureQueriesContext(connection) as ran:
        word = correspondence.report(event, now=NOW + timedelta(hours=1))

    assert word == "applied"
    assert scans(ran.captured_queries) == []


def test_a_mail_is_matched_by_index(message):
    mail = InboundEmail(sender="ana@example.com", recipients=("help@shop.example.com",), subject="Unsubscribe")

    with CaptureQueriesContext(connection) as ran:
        word = correspondence.hear(mail, now=NOW + timedelta(hours=1))

    assert word == "stop"
    assert scans(ran.captured_queries) == []
