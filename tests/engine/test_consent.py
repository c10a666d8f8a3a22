"""Grants and withdrawals as evidence, today's state, and suppressions that outlive both."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from retarget_plugin import signals
from retarget_plugin.engine import consent
from retarget_plugin.models import Consent, ConsentRecord, Contact, Suppression, Visitor
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
    record = ConsentRecord.objects.get(contact=contact, purpose="marketing")

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

    states = dict(Consent.objects.filter(purpose="marketing").values_list("channel", "state"))
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


# -- asked, confirmed, refused ------------------------------------------------------------------------------------------


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, channels=(), email="ana@example.com")


def ask(contact, clock, **facts):
    facts = {"channel": "email", "source": "/guide/", "wording": "Write to me.", "wording_version": "2", **facts}
    return consent.pend(contact, now=clock.now, **facts)


def confirm(contact, clock):
    return consent.confirm(contact, channel="email", source="confirmation link", proof={"token": "t1"}, now=clock.now)


def test_what_was_asked_is_confirmed_in_the_words_that_were_shown(ana, clock):
    pending = ask(ana, clock, proof={"form": "guide"})

    granted = confirm(ana, clock)

    assert (pending.state, pending.record.is_confirmed) == ("pending", False)
    record = granted.record
    assert (granted.state, record.is_confirmed) == ("granted", True)
    assert (record.wording, record.wording_version) == ("Write to me.", "2")
    assert record.proof == {"form": "guide", "token": "t1"}


def test_confirming_twice_is_as_good_as_once(ana, clock):
    ask(ana, clock)

    first, second = confirm(ana, clock), confirm(ana, clock)

    assert first.record == second.record
    assert ConsentRecord.objects.filter(state="granted").count() == 1


def test_an_old_confirmation_cannot_undo_a_later_no(ana, clock):
    ask(ana, clock)
    confirm(ana, clock)
    consent.unsubscribe(ana.pk, channel="email", message_id=None, source="link", now=clock.now)

    replayed = confirm(ana, clock)

    assert replayed is None
    assert consent.state_of(ana, channel="email") == "withdrawn"
    assert Suppression.objects.get().reason == "unsubscribed"


def test_nothing_is_confirmed_that_nobody_asked(ana, clock):
    assert confirm(ana, clock) is None
    assert not ConsentRecord.objects.exists()


@pytest.mark.parametrize("said", ["granted", "withdrawn"])
def test_a_stranger_who_types_an_address_changes_nothing_that_its_owner_said(ana, clock, said):
    (consent.grant if said == "granted" else consent.withdraw)(ana, channel="email", source="form", now=clock.now)

    answered = ask(ana, clock)

    assert (answered.state, consent.state_of(ana, channel="email")) == (said, said)
    assert list(ConsentRecord.objects.order_by("pk").values_list("state", flat=True)) == [said, "pending"]


def test_who_said_no_may_come_back_by_confirming(ana, clock):
    consent.unsubscribe(ana.pk, channel="email", message_id=None, source="link", now=clock.now)
    ask(ana, clock)

    assert confirm(ana, clock).state == "granted"
    assert not Suppression.objects.exists()


def test_no_channel_is_asked_for_that_does_not_reach_the_person(ana, clock):
    assert ask(ana, clock, channel="sms") is None


# -- visitors -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def visitor(shop, clock):
    return Visitor.objects.create(shop=shop, key="k" * 43, first_seen_at=clock.now, last_seen_at=clock.now)


def allow(visitor, clock, *purposes, version="1"):
    facts = {"wording_version": version, "source": "consent tool", "now": clock.now}
    return consent.grant_visitor(visitor, purposes=purposes, **facts)


def states(visitor):
    return dict(Consent.objects.filter(visitor=visitor).order_by("purpose").values_list("purpose", "state"))


def test_a_visitors_answer_replaces_the_one_before(visitor, clock):
    allow(visitor, clock, "tracking", "ads")

    now_allowed = allow(visitor, clock, "tracking", "measurement")

    assert now_allowed == {"tracking", "measurement"}
    assert states(visitor) == {"ads": "withdrawn", "measurement": "granted", "tracking": "granted"}
    assert consent.allows(visitor, "tracking")
    assert not consent.allows(visitor, "ads")


def test_the_same_answer_given_with_every_event_is_written_once(visitor, clock):
    for _event in range(3):
        allow(visitor, clock, "tracking")
    assert ConsentRecord.objects.filter(visitor=visitor).count() == 1

    allow(visitor, clock, "tracking", version="2")

    assert list(ConsentRecord.objects.order_by("pk").values_list("wording_version", flat=True)) == ["1", "2"]


def test_a_visitor_takes_everything_back(visitor, clock):
    allow(visitor, clock, "tracking", "ads")

    consent.withdraw_visitor(visitor, source="consent tool", now=clock.now)

    assert states(visitor) == {"ads": "withdrawn", "tracking": "withdrawn"}
    consent.withdraw_visitor(visitor, source="consent tool", now=clock.now)
    assert ConsentRecord.objects.count() == 4


@pytest.mark.parametrize("owners", [{"contact": True, "visitor": True}, {}], ids=["both", "nobody"])
def test_a_record_is_either_a_contacts_or_a_visitors(ana, visitor, clock, owners):
    whose = {"contact": ana, "visitor": visitor}

    with pytest.raises(IntegrityError), transaction.atomic():
        ConsentRecord.objects.create(
            shop=ana.shop, purpose="tracking", state="granted", at=clock.now, **{name: whose[name] for name in owners}
        )


# -- objections to profiling --------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_who_objects_to_profiling_is_in_no_profile_and_still_gets_mail(shop, clock, promise):
    people = [build_contact(shop, now=clock.now) for _person in range(30)]
    objectors = {contact.pk for contact in people[::3]}
    for contact in people[::3]:
        consent.withdraw(contact, channel="", purpose="profiling", source="preferences", now=clock.now)

    profiled = set(consent.profiled(Contact.objects.filter(shop=shop)).values_list("pk", flat=True))

    assert profiled == {contact.pk for contact in people} - objectors
    assert consent.state_of(people[0], channel="email") == "granted"
    consent.grant(people[0], channel="", purpose="profiling", source="preferences", now=clock.now)
    assert consent.profiled(Contact.objects.filter(pk=people[0].pk)).exists()
    leaked = len(profiled & objectors)
    run = "30 people, 10 of whom object; whoever makes profiles begins with `consent.profiled`"
    promise("P16", run=run, figure=f"leaks {leaked}", bar="leaks 0", holds=leaked == 0)
