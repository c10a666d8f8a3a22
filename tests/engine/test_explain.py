"""One person's line of time: complete, in words, newest first."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from retarget_plugin.engine import consent, explain
from retarget_plugin.models import Attempt, Click, Link
from tests.admin import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW


def later(**delta):
    return NOW + timedelta(**delta)


@pytest.fixture
def shop():
    return rows.shop()


@pytest.fixture
def ana(shop):
    return rows.contact(shop, email="ana@example.com")


@pytest.fixture
def story(shop, ana):
    """Ana agreed, left a cart, got an e-mail, followed its link and ordered."""
    consent.grant(ana, channel="email", source="checkout box", wording_version="2026-01", now=NOW)
    cart = rows.cart(
        shop, contact=ana, reference="17", created_at=later(minutes=1), abandoned_at=later(hours=1), items=[{}, {}]
    )
    run = rows.run(rows.flow(shop), contact=ana, cart=cart)
    rows.decision(shop, "entered", contact=ana, cart=cart, run=run, flow_slug="checkout", at=later(hours=1, seconds=1))
    message = rows.message(
        run, step="reminder", created_at=later(hours=4), due_at=later(hours=5), delivered_at=later(hours=6)
    )
    for code, moment in (("queued", later(hours=4)), ("sent", later(hours=5))):
        rows.decision(shop, code, contact=ana, run=run, message=message, step="reminder", at=moment)
    Attempt.objects.create(
        message=message,
        fence=1,
        gateway="smtp",
        outcome="accepted",
        started_at=later(hours=5),
        ended_at=later(hours=5, seconds=2),
    )
    link = Link.objects.create(
        shop=shop, code="abcd2345", message=message, destination="https://shop.example.com/x", created_at=NOW
    )
    Click.objects.create(link=link, at=later(hours=6, seconds=1), is_human=False)
    Click.objects.create(link=link, at=later(hours=7), is_human=True)
    rows.order(
        shop, contact=ana, number="100017", total=Decimal("49.90"), placed_at=later(hours=8), credited_message=message
    )
    return message


def told(contact, **options):
    return [(event.kind, event.title, event.detail) for event in explain.timeline(contact, **options)]


def test_a_recovered_cart_reads_as_a_story(ana, story):
    assert told(ana) == [
        ("order", "Order 100017 placed", "€49.90 · recovered by a message"),
        ("click", "Followed the link", ""),
        ("click", "A machine followed the link", ""),
        ("message", "Delivered", "Checkout: reminder"),
        ("attempt", "Handed to smtp: Accepted", "reminder"),
        ("message", "E-mail scheduled", "Checkout: reminder · due 11/24/2026 2 p.m. · Accepted"),
        ("decision", "Entered the flow", "checkout"),
        ("cart", "Cart 17 abandoned", "2 lines · €49.90"),
        ("cart", "Cart 17 begun", ""),
        ("consent", "Consent for Marketing, E-mail: Granted", "checkout box · wording 2026-01"),
    ]


def test_every_event_about_a_message_leads_to_it(ana, story):
    about = {event.title for event in explain.timeline(ana) if event.message == story.pk}

    assert about == {
        "Order 100017 placed",
        "Followed the link",
        "A machine followed the link",
        "Delivered",
        "Handed to smtp: Accepted",
        "E-mail scheduled",
    }


def test_a_message_that_did_not_go_out_says_why(shop, ana):
    message = rows.message(
        rows.run(rows.flow(shop), contact=ana), step="sms", channel="sms", state="cancelled", reason="no_consent"
    )
    rows.decision(
        shop,
        "no_consent",
        contact=ana,
        message=message,
        step="sms",
        facts={"channel": "sms", "state": ""},
        at=later(hours=1),
    )

    assert told(ana) == [
        ("decision", "No consent for this channel", "sms · channel: sms"),
        (
            "message",
            "Text scheduled",
            "Checkout: sms · due 11/24/2026 9 a.m. · Cancelled · No consent for this channel",
        ),
    ]


def test_a_cart_that_never_entered_says_why(shop, ana):
    cart = rows.cart(shop, contact=ana, reference="18", items=[{}])
    rows.decision(shop, "no_identity", cart=cart, at=later(minutes=5))
    rows.decision(shop, "no_identity", cart=rows.cart(shop), at=later(minutes=5))

    assert told(ana) == [("decision", "Nobody is known for this cart", ""), ("cart", "Cart 18 begun", "")]


def test_a_decision_without_its_message_is_told_itself(shop, ana):
    rows.decision(shop, "sent", contact=ana, step="reminder")

    assert told(ana) == [("decision", "Handed to the provider", "reminder")]


def test_facts_are_read_as_words_and_moments(shop, ana):
    facts = {"free_at": "2026-11-25T09:30:00+00:00", "zone": "Europe/Paris", "into": None, "tried": ["a", "b"]}
    rows.decision(shop, "frequency_cap", contact=ana, facts=facts)

    assert told(ana) == [
        ("decision", "Enough messages for now", "free at: 11/25/2026 9:30 a.m., tried: a, b, zone: Europe/Paris")
    ]


def test_an_attempt_without_an_answer_says_so(shop, ana):
    message = rows.message(rows.run(rows.flow(shop), contact=ana), state="attempting")
    Attempt.objects.create(message=message, fence=1, gateway="smtp", started_at=later(hours=1))

    assert told(ana)[0] == ("attempt", "Handed to smtp: No answer yet", message.step)


def test_somebody_elses_history_is_not_told(shop, story):
    other = rows.contact(shop)

    assert told(other) == []


def test_the_limit_keeps_the_newest(ana, story):
    assert [title for _kind, title, _detail in told(ana, limit=2)] == ["Order 100017 placed", "Followed the link"]


def test_no_address_number_or_link_is_told(ana, story):
    text = " ".join(title + detail for _kind, title, detail in told(ana))

    assert [secret for secret in ("ana@example.com", "abcd2345", "https://") if secret in text] == []


def test_an_order_that_was_cancelled_is_told_twice(shop, ana):
    rows.order(shop, contact=ana, number="100018", cancelled_at=later(days=1))

    assert [title for _kind, title, _detail in told(ana)] == ["Order 100018 cancelled", "Order 100018 placed"]


def test_it_speaks_the_readers_language(shop, ana):
    rows.order(shop, contact=ana, number="7")

    with translation.override("fr"):
        detail = explain.timeline(ana)[0].detail

    assert detail == "49,90\xa0€"


def test_the_number_of_queries_does_not_grow_with_the_history(shop, ana, story):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            explain.timeline(ana)
        return len(captured)

    before = queries()
    for number in range(20):
        run = rows.run(rows.flow(shop), contact=ana, cart=rows.cart(shop, contact=ana))
        rows.decision(shop, "entered", contact=ana, run=run)
        Attempt.objects.create(message=rows.message(run), fence=number, gateway="smtp", started_at=NOW)

    assert len(explain.timeline(ana)) == 10 + 4 * 20
    assert (before, queries()) == (7, 7)
