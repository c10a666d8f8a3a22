"""What providers report, and what it may change."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from retarget_plugin import signals
from retarget_plugin.domain.messages import DeliveryEvent
from retarget_plugin.engine import consent, receipts
from retarget_plugin.models import Consent, ConsentRecord, Decision, Message, Suppression
from retarget_plugin.testing import build_contact

from .handed_over import GATEWAY, event, hand_over

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture
def message(shop, clock):
    contact = build_contact(shop, now=clock.now, channels=("email",), email="ana@example.com")
    return hand_over(shop, contact=contact, now=clock.now, gateway_id="g-1")


def report(clock, *events, gateway=GATEWAY):
    return dict(receipts.apply(events, gateway=gateway, now=clock.now))


def refusals(message):
    """(state of consent, withdrawals on record, reasons of suppression)."""
    state = Consent.objects.get(contact=message.contact, channel=message.channel).state
    withdrawals = ConsentRecord.objects.filter(contact=message.contact, state="withdrawn").count()
    return state, withdrawals, list(Suppression.objects.values_list("reason", flat=True))


def test_each_kind_is_kept_once_with_its_earliest_time(message, clock):
    early, late = clock.now + timedelta(minutes=1), clock.now + timedelta(minutes=2)
    clock.advance(hours=1)

    report(clock, event(message, "delivered", at=late), event(message, "delivered", at=early))
    report(clock, event(message, "delivered", at=late), event(message, "delivered"))

    message.refresh_from_db()
    assert (message.delivered_at, message.opened_at, message.state) == (early, None, "accepted")


def test_a_time_in_the_future_is_now(message, clock):
    report(clock, event(message, "opened", at=clock.now + timedelta(days=1)))

    message.refresh_from_db()
    assert message.opened_at == clock.now


def test_the_providers_id_serves_where_ours_is_missing(message, clock):
    assert report(clock, DeliveryEvent(kind="delivered", gateway_id="g-1")) == {"applied": 1}

    message.refresh_from_db()
    assert message.delivered_at == clock.now


@pytest.mark.parametrize(
    ("facts", "gateway"),
    [
        ({"message_id": "999999"}, GATEWAY),
        ({"message_id": "9" * 40}, GATEWAY),
        ({"message_id": "-1"}, GATEWAY),
        ({"message_id": "x' OR 1=1"}, GATEWAY),
        ({"gateway_id": "g-2"}, GATEWAY),
        ({"gateway_id": "g\0"}, GATEWAY),
        ({}, GATEWAY),
        ({"gateway_id": "g-1"}, "another"),
        ({"recipient": "ana@example.com"}, GATEWAY),
    ],
)
def test_a_report_on_what_this_gateway_never_got_changes_nothing(message, clock, facts, gateway):
    events = [DeliveryEvent(kind=kind, is_permanent=True, **facts) for kind in ("complained", "bounced", "opened")]

    assert report(clock, *events, gateway=gateway) == {"unmatched": 3}

    message.refresh_from_db()
    assert (message.complained_at, message.bounced_at, message.opened_at) == (None, None, None)
    assert refusals(message) == ("granted", 0, [])


def test_a_report_on_a_message_that_was_never_sent_changes_nothing(message, clock):
    waiting = Message.objects.create(
        shop=message.shop,
        contact=message.contact,
        step="question",
        channel="email",
        key="5e0c2a52-5d0e-4c43-9c39-0a6d3b8f6f11",
        due_at=clock.now,
        not_after=clock.now,
        created_at=clock.now,
    )

    assert report(clock, event(waiting, "complained")) == {"unmatched": 1}
    assert refusals(message) == ("granted", 0, [])


def test_what_a_machine_opened_or_clicked_is_counted_apart(message, clock):
    events = [event(message, kind, is_machine=True) for kind in ("opened", "clicked")]

    assert report(clock, *events, event(message, "opened")) == {"machine": 2, "applied": 1}

    message.refresh_from_db()
    assert (message.opened_at, message.clicked_at) == (clock.now, None)


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (["unsubscribed"], "unsubscribed"),
        (["complained"], "complained"),
        (["unsubscribed", "complained"], "complained"),
        (["complained", "unsubscribed"], "complained"),
        (["complained", "complained", "unsubscribed", "unsubscribed"], "complained"),
    ],
)
def test_a_persons_no_is_kept_once_and_the_stronger_reason_stands(message, clock, kinds, reason):
    heard = []
    signals.contact_unsubscribed.connect(lambda **facts: heard.append(facts["channel"]), weak=False, dispatch_uid="t")

    report(clock, *[event(message, kind) for kind in kinds])

    signals.contact_unsubscribed.disconnect(dispatch_uid="t")
    assert refusals(message) == ("withdrawn", 1, [reason])


def test_a_stop_on_a_text_is_a_stop(shop, clock):
    contact = build_contact(shop, now=clock.now, channels=("sms",), phone="+33612345678")
    text = hand_over(shop, contact=contact, now=clock.now, channel="sms")

    report(clock, event(text, "unsubscribed"))

    assert refusals(text) == ("withdrawn", 1, ["stopped"])


@pytest.mark.parametrize("kind", ["bounced", "failed"])
def test_a_bounce_for_good_suppresses_the_address_and_a_passing_one_does_not(message, clock, kind):
    report(clock, event(message, kind, recipient="ana@example.com"))
    assert refusals(message) == ("granted", 0, [])

    report(clock, event(message, kind, recipient="Ana@Example.com", is_permanent=True))
    assert refusals(message) == ("granted", 0, ["bounced"])


def test_a_bounce_of_the_address_of_yesterday_does_not_suppress_todays(message, clock):
    report(clock, event(message, "bounced", recipient="old@example.com", is_permanent=True))

    message.refresh_from_db()
    assert message.bounced_at == clock.now
    assert refusals(message) == ("granted", 0, [])


def test_a_late_copy_of_an_old_no_does_not_undo_a_new_yes_but_a_new_no_does(message, clock):
    old_no = event(message, "unsubscribed", at=clock.now)
    report(clock, old_no)
    clock.advance(hours=1)
    consent.grant(message.contact, channel="email", source="form", now=clock.now)
    clock.advance(hours=1)

    report(clock, old_no, event(message, "unsubscribed"))
    assert refusals(message) == ("granted", 1, [])

    report(clock, event(message, "unsubscribed", at=clock.now))
    assert refusals(message) == ("withdrawn", 2, ["unsubscribed"])


def test_the_no_of_a_merged_person_is_that_of_who_it_is_now(shop, message, clock):
    now_known_as = build_contact(shop, now=clock.now, email="ana@work.example")
    message.contact.merged_into = now_known_as
    message.contact.save()

    report(clock, event(message, "complained"))

    assert Consent.objects.get(contact=now_known_as, purpose="marketing").state == "withdrawn"
    assert consent.is_suppressed(shop, channel="email", address="ana@work.example")


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("sent", "accepted"),
        ("delivered", "accepted"),
        ("deferred", "accepted"),
        ("bounced", "accepted"),
        ("opened", "accepted"),
        ("complained", "accepted"),
        ("failed", "rejected"),
    ],
)
def test_an_unknown_outcome_is_settled_by_a_report(shop, clock, kind, state):
    message = hand_over(shop, now=clock.now, state="unknown", reason="outcome_unknown")
    clock.advance(hours=1)

    report(clock, event(message, kind, gateway_id="g-7"), event(message, kind, gateway_id="g-7"))

    message.refresh_from_db()
    assert (message.state, message.gateway_id) == (state, "g-7")
    assert Decision.objects.filter(message=message).count() == 1


def test_a_report_that_came_before_the_outcome_was_unknown_settles_it_too(shop, clock):
    lost, reported = (hand_over(shop, now=clock.now, state="attempting") for _ in range(2))
    report(clock, event(reported, "delivered"))
    Message.objects.update(state="unknown", reason="outcome_unknown")

    assert receipts.settle_reported(now=clock.now) == 1

    reported.refresh_from_db()
    lost.refresh_from_db()
    assert (reported.state, lost.state) == ("accepted", "unknown")


def test_an_event_that_cannot_be_applied_is_set_aside_where_staff_sees_it(message, clock):
    broken = event(message, "nonsense")

    assert report(clock, event(message, "opened"), broken, event(message, "clicked")) == {
        "applied": 2,
        "quarantined": 1,
    }

    decision = Decision.objects.get(message=message)
    assert (decision.code, decision.facts) == ("broken", {"report": "nonsense", "error": "ValueError"})
    assert "ana@example.com" not in str(decision.facts)


def test_without_a_database_the_provider_is_not_thanked(message, clock):
    def gone(execute, sql, *rest):
        if sql.startswith("UPDATE"):
            raise OperationalError("the database is gone")
        return execute(sql, *rest)

    with connection.execute_wrapper(gone), pytest.raises(OperationalError):
        report(clock, event(message, "complained"))

    message.refresh_from_db()
    assert message.complained_at is None
    assert Decision.objects.count() == 0
