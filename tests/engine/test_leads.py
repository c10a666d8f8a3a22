"""Leads: whom a submission concerns, what is asked of them, what their yes brings, and what is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.domain.events import Event as Reported
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.interests import score
from retarget_plugin.engine import consent, leads, optin, tokens, tracking, visitors
from retarget_plugin.models import Consent, Contact, DailyCount, Event, Lead, Message
from tests.lead_forms import confirm_all, make_form, make_lead, make_magnet

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

WORK = {"visitor": None, "address": "192.0.2.1", "language": "en", "page": "/blog/"}


@pytest.fixture
def form(shop, clock):
    magnet = make_magnet(shop, now=clock.now)
    return make_form(
        shop, magnet=magnet, phone="optional", first_name="optional", consents=["email", "sms"], now=clock.now
    )


def submit(shop, clock, **data):
    visitor = data.pop("visitor", None)
    answer = leads.submit(shop, "soups", data, **{**WORK, "visitor": visitor}, now=clock.now)
    assert answer.ok, answer.errors
    return Lead.objects.latest("pk")


def token_of(question):
    return tokens.confirm(contact_id=question.contact_id, message_id=question.pk)


def questions():
    return [
        (m.channel, m.contact.email or m.contact.phone)
        for m in Message.objects.filter(template="confirm").order_by("pk")
    ]


def test_two_boxes_of_one_address_are_one_question(shop, form, clock):
    submit(shop, clock, email="ana@example.com", consent_email_marketing=True)

    assert leads.ask(clock.now) == 1
    assert leads.ask(clock.now) == 0

    assert questions() == [("email", "ana@example.com")]
    assert Lead.objects.get().due_at is None


def test_an_address_and_a_number_side_by_side_are_two_people(shop, form, clock):
    lead = submit(
        shop,
        clock,
        email="victim@example.com",
        phone="06 12 34 56 78",
        consent_email_marketing=True,
        consent_sms_marketing=True,
    )

    leads.ask(clock.now)

    assert questions() == [("email", "victim@example.com"), ("sms", "+33612345678")]
    lead.refresh_from_db()
    assert (lead.contact.email, lead.contact.phone) == ("victim@example.com", "")


def test_a_number_that_was_confirmed_gives_away_nothing_of_the_address(shop, form, clock):
    submit(shop, clock, email="victim@example.com", phone="0612345678", consent_sms_marketing=True)
    leads.ask(clock.now)
    question = Message.objects.get(template="confirm", channel="sms")

    optin.confirm(token_of(question), now=clock.now)

    assert Lead.objects.get().confirmed_at is None
    assert not Message.objects.filter(template="magnet").exists()
    assert list(Consent.objects.filter(state="granted").values_list("contact__phone", "channel")) == [
        ("+33612345678", "sms")
    ]


def test_a_yes_brings_the_magnet_the_name_and_the_preferences(shop, form, clock):
    lead = submit(shop, clock, email="ana@example.com", first_name="Ana")
    Lead.objects.filter(pk=lead.pk).update(answers={"pet": ["cat"]})

    [confirmed] = confirm_all(now=clock.now)

    contact = Contact.objects.get(email="ana@example.com")
    assert confirmed.confirmed_at == clock.now
    assert (contact.first_name, contact.locale, contact.preferences) == ("Ana", "en", {"pet": ["cat"]})
    assert score(contact.interests, "cooking", now=clock.now) == 2.0
    assert list(Message.objects.filter(template="magnet").values_list("contact", "kind")) == [(contact.pk, "service")]
    assert not Consent.objects.filter(contact=contact).exists()


def test_nothing_is_written_to_who_is_known_before_they_say_yes(shop, form, clock):
    known = Contact.objects.create(shop=shop, email="ana@example.com", first_name="Anastasia", created_at=clock.now)

    submit(shop, clock, email="ana@example.com", first_name="Mallory", phone="0612345678")
    leads.ask(clock.now)
    before = Contact.objects.filter(pk=known.pk).values().get()
    confirm_all(now=clock.now)
    after = Contact.objects.filter(pk=known.pk).values().get()

    assert (before["first_name"], before["phone"], before["locale"]) == ("Anastasia", "", "")
    assert (after["first_name"], after["phone"], after["locale"]) == ("Anastasia", "", "en")
    assert Contact.objects.count() == 1


def test_a_lead_that_fails_rests_and_holds_up_no_other(shop, form, clock, monkeypatch):
    bad, good = (submit(shop, clock, email=email) for email in ("bad@example.com", "good@example.com"))
    request = optin.request

    def fail(contact, **given):
        if contact.email == "bad@example.com" and clock.now < rested:
            raise RuntimeError("the database had a hiccup")
        return request(contact, **given)

    rested = clock.now + timedelta(minutes=5)
    monkeypatch.setattr(optin, "request", fail)

    assert leads.ask(clock.now) == 1
    assert questions() == [("email", "good@example.com")]
    bad.refresh_from_db()
    assert (bad.due_at, bad.contact) == (rested, None)
    assert leads.ask(clock.advance(minutes=5)) == 1
    assert questions() == [("email", "good@example.com"), ("email", "bad@example.com")]
    good.refresh_from_db()
    assert good.due_at is None


# -- interests --------------------------------------------------------------------------------------------------------


def test_posts_read_before_the_yes_count_for_whoever_it_was(shop, form, clock):
    visitor = visitors.meet(shop, grant=Grant(tracking=True), now=clock.now)
    read = Reported(name="read_post", topic="cooking")
    tracking.record(shop, [read, read], visitor=visitor, now=clock.now)
    submit(shop, clock, email="ana@example.com", visitor=visitor)
    leads.ask(clock.now)
    question = Message.objects.get(template="confirm")

    optin.confirm(token_of(question), visitor=visitor, now=clock.now)

    contact = Contact.objects.get(email="ana@example.com")
    assert score(contact.interests, "cooking", now=clock.now) == pytest.approx(2 * 1.0 + 2.0)
    assert {event.contact for event in Event.objects.all()} == {contact}
    tracking.record(shop, [read], visitor=visitors.find(visitor.key), now=clock.now)
    contact.refresh_from_db()
    assert score(contact.interests, "cooking", now=clock.now) == pytest.approx(5.0)
    tracking.record(shop, [read], visitor=visitors.find(visitor.key), is_bot=True, now=clock.now)
    contact.refresh_from_db()
    assert score(contact.interests, "cooking", now=clock.now) == pytest.approx(5.0)


# -- counted ----------------------------------------------------------------------------------------------------------


def test_figures_are_two_queries_for_any_number_of_forms(shop, form, clock, django_assert_num_queries):
    others = [make_form(shop, slug=f"other-{number}", now=clock.now) for number in range(5)]
    shown = Reported(name="form_shown", product="soups")
    tracking.record(shop, [shown, shown, Reported(name="form_shown", product="nowhere")], visitor=None, now=clock.now)
    tracking.record(shop, [shown], visitor=None, is_bot=True, now=clock.now)
    submit(shop, clock, email="ana@example.com")
    confirm_all(now=clock.now)
    submit(shop, clock, email="ben@example.com")

    with django_assert_num_queries(2):
        found = leads.figures([form, *others], since=clock.now - timedelta(days=30), until=clock.advance(minutes=1))

    assert found[form.pk] == leads.Figures(shown=2, submitted=2, confirmed=1)
    assert {found[other.pk] for other in others} == {leads.Figures()}
    assert DailyCount.objects.get(name=form.showings).machines == 1


# -- forgotten --------------------------------------------------------------------------------------------------------


def test_leads_that_nobody_confirmed_are_forgotten_with_the_people_behind_them(shop, form, clock):
    submit(shop, clock, email="stranger@example.com", consent_email_marketing=True)
    submit(shop, clock, email="yes@example.com")
    leads.ask(clock.now)
    for question in Message.objects.filter(template="confirm", contact__email="yes@example.com"):
        optin.confirm(token_of(question), now=clock.now)
    known = Contact.objects.create(shop=shop, email="known@example.com", created_at=clock.now)
    consent.grant(known, channel="email", source="checkout", now=clock.now)
    submit(shop, clock, email="known@example.com")
    leads.ask(clock.now)
    clock.advance(days=14, minutes=1)
    submit(shop, clock, email="new@example.com")

    assert leads.purge_unconfirmed(clock.now - timedelta(days=14)) == 2
    assert leads.purge_unconfirmed(clock.now - timedelta(days=14)) == 0

    assert sorted(Contact.objects.values_list("email", flat=True)) == ["known@example.com", "yes@example.com"]
    assert sorted(Lead.objects.values_list("email", flat=True)) == ["new@example.com", "yes@example.com"]


def test_who_is_known_from_anything_else_stays(shop, form, clock, shopping):
    shopping.leave_cart("17")
    shopping.wait(hours=3)
    submit(shop, clock, email="ana@example.com")
    leads.ask(clock.now)

    assert leads.purge_unconfirmed(clock.advance(days=15)) == 1

    assert Contact.objects.filter(email="ana@example.com").exists()


def test_a_purge_takes_so_many_at_a_time(shop, form, clock):
    for number in range(5):
        make_lead(shop, email=f"p{number}@example.com", is_confirmed=False, now=clock.now)

    later = clock.advance(days=15)

    assert [leads.purge_unconfirmed(later, limit=2) for _turn in range(4)] == [2, 2, 1, 0]
    assert not Contact.objects.exists()
