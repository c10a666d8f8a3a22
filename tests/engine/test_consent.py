"""Grants and withdrawals as evidence, today's state, and suppressions that outlive both."""

from __future__ import annotations

import pytest

from retarget_plugin import signals
from retarget_plugin.engine import consent
from retarget_plugin.models import Consent, ConsentRecord, Contact, Suppression
from retarget_plugin.testing import build_contact

pytestmark = pytest.mark.django_db


def test_a_grant_keeps_its_evidence(shop, clock):
    contact = build_contact(shop, now=clock.now, channels=(), email="ana@example.com")

    state = consent.grant(contact, channel="email", source="/signup/", wording="Yes, write to me.", now=clock.now)

    record = ConsentRecord.objects.get()
    assert (record.state, record.wording, record.source, record.at) == (
        "granted",
        "Yes, write to me.",
        "/signup/",
        clock.now,
    )
    assert (state.state, state.record) == ("granted", record)


def test_evidence_never_changes(shop, clock):
    contact = build_contact(shop, now=clock.now)
    record = ConsentRecord.objects.get(contact=contact)

    with pytest.raises(TypeError, match="never changes"):
        record.save()


def test_unsubscribing_is_recorded_suppresses_and_can_be_repeated(shop, clock, django_capture_on_commit_callbacks):
    contact = build_contact(shop, now=clock.now, channels=("email", "sms"), email="ana@example.com", phone="0612345678")
    heard = []
    signals.contact_unsubscribed.connect(lambda **facts: heard.append(facts["channel"]), weak=False, dispatch_uid="t")

    try:
        with django_capture_on_commit_callbacks(execute=True):
            for _time in range(2):
                consent.unsubscribe(contact.pk, channel="email", message_id=None, source="link", now=clock.now)
    finally:
        signals.contact_unsubscribed.disconnect(dispatch_uid="t")

    states = dict(Consent.objects.values_list("channel", "state"))
    assert states == {"email": "withdrawn", "sms": "granted"}
    assert Suppression.objects.get().reason == "unsubscribed"
    assert ConsentRecord.objects.filter(state="withdrawn").count() == 1
    assert heard == ["email"]


def test_unsubscribing_nobody_is_nothing(shop, clock):
    assert consent.unsubscribe(999, channel="email", message_id=None, source="link", now=clock.now) is None
    contact = build_contact(shop, now=clock.now)
    assert consent.unsubscribe(contact.pk, channel="pigeon", message_id=None, source="link", now=clock.now) is None


def test_a_suppression_holds_no_address_and_survives_a_new_key(shop, clock, settings):
    consent.suppress(shop, channel="email", address="ana@example.com", reason="bounced", now=clock.now)
    row = Suppression.objects.get()
    assert "ana" not in row.key

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key"
    assert consent.is_suppressed(shop, channel="email", address="ANA@example.com")

    settings.SECRET_KEY_FALLBACKS = []
    assert not consent.is_suppressed(shop, channel="email", address="ana@example.com")


def test_a_persons_own_new_yes_lifts_their_own_no_and_nothing_else(shop, clock):
    contact = build_contact(shop, now=clock.now, email="ana@example.com")
    consent.unsubscribe(contact.pk, channel="email", message_id=None, source="link", now=clock.now)
    consent.grant(contact, channel="email", source="form", now=clock.now)
    assert not consent.is_suppressed(shop, channel="email", address="ana@example.com")

    consent.suppress(shop, channel="email", address="ana@example.com", reason="complained", now=clock.now)
    consent.grant(contact, channel="email", source="form", now=clock.now)
    assert consent.is_suppressed(shop, channel="email", address="ana@example.com")


def test_the_person_is_masked_where_lists_show_them(shop, clock):
    build_contact(shop, now=clock.now, email="ana.martin@example.com")

    assert str(Contact.objects.get()) == "an***@example.com"
