"""keep/<token>/: looking changes nothing, one press lets the e-mails go on, and it overrules nobody's no."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.domain.preferences import Changes
from retarget_plugin.domain.vocabulary import Channel, Purpose, SuppressionReason
from retarget_plugin.engine import consent, gates, preferences, privacy, sunset, tokens
from retarget_plugin.models import Consent, ConsentRecord, Suppression
from tests.web.conftest import answer, kept_rows, make_message


@pytest.fixture
def keep_url(contact):
    return reverse("retarget_plugin:keep", args=[tokens.keep(contact_id=contact.pk)])


def end(contact, reason=SuppressionReason.UNENGAGED):
    consent.suppress(contact.shop, channel=Channel.EMAIL, address=contact.email, reason=reason, now=timezone.now())


def reasons():
    return list(Suppression.objects.values_list("channel", "reason"))


def email_of(contact):
    return next(view for view in preferences.of(contact, now=timezone.now()).channels if view.name == "email")


@pytest.mark.parametrize(
    ("locale", "question", "button"),
    [
        ("en", "Do you want to stay?", "Yes, I am staying"),
        ("fr", "Souhaitez-vous rester\u00a0?", "Oui, je reste"),
        ("es", "¿Te quedas con nosotros?", "Sí, me quedo"),
    ],
)
def test_the_page_asks_in_the_readers_language_and_offers_a_button(client, contact, keep_url, locale, question, button):
    contact.locale = locale
    contact.save()

    response = client.get(keep_url)

    page = response.content.decode()
    assert response.status_code == 200
    assert question in page
    assert button in page
    assert '<form class="action" method="post">' in page
    assert contact.email not in page
    assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing(client, contact, keep_url, method):
    end(contact)
    before = kept_rows()

    getattr(client, method)(keep_url)

    assert kept_rows() == before
    assert reasons() == [("email", SuppressionReason.UNENGAGED)]


def test_one_press_lets_the_emails_go_on_and_twice_is_as_good(contact, keep_url):
    end(contact)
    browser = Client(enforce_csrf_checks=True)

    first, second = browser.post(keep_url), browser.post(keep_url)

    assert "our e-mails go on as before" in first.content.decode()
    assert answer(first) == answer(second)
    assert reasons() == []
    assert ConsentRecord.objects.filter(purpose=Purpose.MARKETING, channel="email").count() == 1


def test_it_turns_nothing_on_that_the_person_turned_off(client, contact, keep_url):
    consent.unsubscribe(contact.pk, channel=Channel.EMAIL, message_id=None, source="test", now=timezone.now())

    response = client.post(keep_url)

    assert "Our e-mails to you are turned off" in response.content.decode()
    assert Consent.objects.get(contact=contact, channel="email").state == "withdrawn"
    assert reasons() == [("email", SuppressionReason.UNSUBSCRIBED)]


def test_it_lifts_no_complaint(client, contact, keep_url):
    end(contact, SuppressionReason.COMPLAINED)

    response = client.post(keep_url)

    assert "Our e-mails to you are turned off" in response.content.decode()
    assert reasons() == [("email", SuppressionReason.COMPLAINED)]


@pytest.mark.parametrize("spoil", [str.swapcase, lambda token: token[:-1], lambda token: f"{token}x"])
def test_a_token_that_was_tampered_with_opens_nothing(client, contact, spoil):
    end(contact)
    url = reverse("retarget_plugin:keep", args=[spoil(tokens.keep(contact_id=contact.pk))])

    assert client.get(url).status_code == 404
    assert client.post(url).status_code == 404
    assert reasons() == [("email", SuppressionReason.UNENGAGED)]


def test_another_links_token_opens_nothing(client, contact):
    url = reverse("retarget_plugin:keep", args=[tokens.preferences(contact_id=contact.pk)])

    assert client.post(url).status_code == 404


def test_it_opens_for_as_long_as_the_choices_do_and_not_for_who_was_erased(client, contact, keep_url):
    with time_machine.travel(timezone.now() + timedelta(days=59)):
        assert client.get(keep_url).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=61)):
        assert client.get(keep_url).status_code == 404

    privacy.erase(contact, by="test", now=timezone.now())

    assert client.get(keep_url).status_code == 404
    assert client.post(keep_url).status_code == 404


# -- what silence has ended -------------------------------------------------------------------------------------------


def test_who_is_silent_gets_no_marketing_and_every_service(contact):
    marketing, service = make_message(contact), make_message(contact)
    type(service).objects.filter(pk=service.pk).update(kind="service")
    service.refresh_from_db()

    end(contact)

    now = timezone.now()
    assert gates.verdict(marketing, now=now).reason == "suppressed"
    assert gates.verdict(service, now=now).reason is None


def test_among_the_choices_it_is_off_and_can_be_turned_on(contact):
    end(contact)
    assert email_of(contact).state == "off"

    preferences.update(contact, Changes(channels={"email": True}), source="test", now=timezone.now())

    assert email_of(contact).state == "on"
    assert reasons() == []


def test_a_new_yes_wakes_it_and_a_new_no_outlasts_it(contact):
    end(contact)
    consent.grant(contact, channel=Channel.EMAIL, source="form", now=timezone.now())
    assert reasons() == []

    end(contact)
    consent.unsubscribe(contact.pk, channel=Channel.EMAIL, message_id=None, source="test", now=timezone.now())
    sunset.wake(contact, channel=Channel.EMAIL)

    assert reasons() == [("email", SuppressionReason.UNSUBSCRIBED)]
