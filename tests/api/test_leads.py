"""Lead forms, confirmations and preferences over GraphQL: what the pages can do, by the same rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from retarget_plugin.engine import consent, leads, tokens, visitors
from retarget_plugin.models import Consent, Contact, Event, Lead, Message, Preference, ProductSubscription, Topic
from tests.api.conftest import ask, post
from tests.api.test_visitors import GRANT, TRACK, VIEW, VISITOR, YES
from tests.lead_forms import make_form, make_magnet

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

FORMS = """query Forms($page: RetargetPageInput!, $language: String) {
  retargetLeadForms(page: $page, language: $language) {
    slug kind language title text button done needsTick
    fields { name type label required options { value label } }
    consents { name channel purpose label version }
    show { afterSeconds scrollPercent onExit devices everyDays }
  }
}"""
CAPTURE = """mutation Capture($input: RetargetCaptureLeadInput!) {
  retargetCaptureLead(input: $input) { message errors { field message code } }
}"""
CONFIRM = """mutation Confirm($input: RetargetConfirmInput!) {
  retargetConfirm(input: $input) { channel errors { field code } }
}"""
CHOICES = """preferences {
  language channels { name label address state } topics { name label isOn }
  questions { name takesSeveral options { name isOn } } grants { name isOn }
}"""
PREFERENCES = f"query P($token: String!) {{ retargetPreferences(token: $token) {CHOICES.removeprefix('preferences')} }}"
UPDATE = f"""mutation U($input: RetargetUpdatePreferencesInput!) {{
  retargetUpdatePreferences(input: $input) {{ {CHOICES} waiting errors {{ field message code }} }}
}}"""
SUBSCRIBE = """mutation S($input: RetargetSubscribeToProductInput!) {
  retargetSubscribeToProduct(input: $input) { errors { field message code } }
}"""
EMAIL = "ana@mail.example"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}


@pytest.fixture
def browser():
    return Client(headers=FIREFOX)


@pytest.fixture
def granted(browser, shop):
    ask(browser, GRANT, {"input": YES})
    return browser


@pytest.fixture
def form(shop):
    now = timezone.now()
    return make_form(shop, magnet=make_magnet(shop, now=now), now=now)


def typed(**fields):
    named = [{"name": name, "values": [value] if isinstance(value, str) else value} for name, value in fields.items()]
    return {"input": {"form": "soups", "fields": named, "page": {"path": "/blog/?secret=1"}, "language": "fr"}}


# --- forms ------------------------------------------------------------------------------------------------------


def test_a_page_gets_its_forms_in_its_language(client, form):
    [shown] = ask(client, FORMS, {"page": {"path": "/blog/soups/"}, "language": "fr-CA"})["data"]["retargetLeadForms"]

    assert (shown["slug"], shown["kind"], shown["title"]) == ("soups", "popup", "Douze soupes d’hiver")
    assert [(field["name"], field["type"], field["required"]) for field in shown["fields"]] == [
        ("email", "email", True)
    ]
    assert [(box["name"], box["channel"], box["version"]) for box in shown["consents"]] == [
        ("consent_email_marketing", "EMAIL", "2026-01")
    ]
    assert shown["show"]["everyDays"] == 7


def test_a_submission_is_stored_as_the_page_would_store_it(granted, form):
    reply = ask(granted, CAPTURE, typed(email="Ana@Mail.Example", consent_email_marketing="1"))

    assert reply["data"]["retargetCaptureLead"] == {"message": "Regardez votre boîte de réception.", "errors": []}
    lead = Lead.objects.get()
    assert (lead.email, lead.language, lead.page, lead.confirmed_at) == (EMAIL, "fr", "/blog/", None)
    assert [box["wording"] for box in lead.consents] == ["Écrivez-moi par e-mail pour les nouveautés."]
    assert lead.visitor == visitors.find(granted.cookies["retarget_visitor"].value)
    assert (Contact.objects.count(), Consent.objects.filter(contact__isnull=False).count()) == (0, 0)


def test_what_is_wrong_with_a_field_is_said_of_that_field(client, form):
    reply = ask(client, CAPTURE, typed(email="nonsense"))

    [error] = reply["data"]["retargetCaptureLead"]["errors"]
    assert (error["field"], error["code"]) == ("email", "INVALID")
    assert Lead.objects.count() == 0


def test_a_form_that_does_not_exist_is_not_available(client, shop):
    [error] = ask(client, CAPTURE, typed(email=EMAIL))["data"]["retargetCaptureLead"]["errors"]

    assert error["code"] == "UNAVAILABLE"


def test_a_machine_that_fills_in_everything_is_thanked_and_forgotten(client, form):
    reply = ask(client, CAPTURE, typed(email=EMAIL, website="https://spam.example"))

    assert reply["data"]["retargetCaptureLead"]["errors"] == []
    assert Lead.objects.count() == 0


# --- confirm ----------------------------------------------------------------------------------------------------


def asked(browser):
    """`browser` sends the form; the token of the question that went to the address."""
    ask(browser, CAPTURE, typed(email=EMAIL, consent_email_marketing="1"))
    leads.ask(timezone.now())
    question = Message.objects.get(template="confirm")
    return tokens.confirm(contact_id=question.contact_id, message_id=question.pk)


def test_confirming_in_the_browser_that_asked_makes_it_known_and_its_history_the_contacts(granted, form):
    ask(granted, TRACK, {"input": VIEW})

    reply = ask(granted, CONFIRM, {"input": {"token": asked(granted)}})

    assert reply["data"]["retargetConfirm"] == {"channel": "EMAIL", "errors": []}
    ana = Contact.objects.get(email=EMAIL)
    assert consent.allows(ana, "marketing", channel="email")
    assert Event.objects.get(name="view_item").contact == ana
    assert ask(granted, VISITOR)["data"]["retargetVisitor"]["isKnown"] is True


def test_confirming_elsewhere_leaves_whoever_typed_the_address_a_stranger(granted, form):
    ask(granted, TRACK, {"input": VIEW})
    token, elsewhere = asked(granted), Client(headers=FIREFOX)
    ask(elsewhere, GRANT, {"input": YES})

    ask(elsewhere, CONFIRM, {"input": {"token": token}})

    assert consent.allows(Contact.objects.get(email=EMAIL), "marketing", channel="email")
    assert Event.objects.get(name="view_item").contact is None
    for browser in (granted, elsewhere):
        assert ask(browser, VISITOR)["data"]["retargetVisitor"]["isKnown"] is False


def test_a_token_that_is_none_confirms_nothing(granted, form):
    token = asked(granted)
    with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
        replies = [post(granted, CONFIRM, {"input": {"token": bad}}).content for bad in (token, "x", "", token[:-1])]

    assert set(replies) == {
        b'{"data":{"retargetConfirm":{"channel":null,"errors":[{"field":"token","code":"BAD_TOKEN"}]}}}'
    }
    assert not Consent.objects.filter(state="granted", contact__isnull=False).exists()


# --- preferences ------------------------------------------------------------------------------------------------


@pytest.fixture
def choices(contact):
    """The token of somebody who may choose a topic and answer a question."""
    Topic.objects.create(shop=contact.shop, slug="soups", labels={"en": "Soups"})
    options = [{"value": "run", "labels": {"en": "Running"}}, {"value": "swim", "labels": {"en": "Swimming"}}]
    Preference.objects.create(shop=contact.shop, slug="sport", labels={"en": "Sport"}, options=options)
    consent.grant(contact, channel="email", source="checkout", is_confirmed=True, now=timezone.now())
    return tokens.preferences(contact_id=contact.pk)


def test_a_person_sees_their_choices_and_no_address_in_full(client, choices):
    response = post(client, PREFERENCES, {"token": choices})

    shown = response.json()["data"]["retargetPreferences"]
    assert [(row["name"], row["state"], row["address"]) for row in shown["channels"]] == [
        ("EMAIL", "on", "ca***@mail.example"),
        ("SMS", "off", "+33*****78"),
    ]
    assert shown["topics"] == [{"name": "soups", "label": "Soups", "isOn": True}]
    assert [word for word in ("camille", "durand", "33612345678", "69003") if word in response.content.decode()] == []


def test_what_is_named_changes_and_nothing_else(client, choices, contact):
    changes = {
        "channels": [{"name": "email", "isOn": False}],
        "topics": [{"name": "soups", "isOn": False}],
        "answers": [{"name": "sport", "values": ["run"]}],
    }

    reply = ask(client, UPDATE, {"input": {"token": choices, **changes}})["data"]["retargetUpdatePreferences"]

    assert (reply["errors"], reply["waiting"]) == ([], [])
    assert [(row["name"], row["state"]) for row in reply["preferences"]["channels"]] == [
        ("EMAIL", "off"),
        ("SMS", "off"),
    ]
    contact.refresh_from_db()
    assert (contact.topics_off, contact.preferences) == (["soups"], {"sport": ["run"]})
    assert Consent.objects.get(contact=contact, channel="email", purpose="marketing").state == "withdrawn"


@pytest.mark.parametrize(
    "changes",
    [
        {"topics": [{"name": "nope", "isOn": False}]},
        {"grants": [{"name": "tracking", "isOn": True}]},
        {"channels": [{"name": "fax", "isOn": True}]},
        {"answers": [{"name": "sport", "values": ["chess"]}]},
        {"language": "tlh"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_one_choice_that_does_not_exist_changes_nothing(client, choices, contact, changes):
    off = [{"name": "email", "isOn": False}]

    reply = ask(client, UPDATE, {"input": {"token": choices, "channels": off, **changes}})

    payload = reply["data"]["retargetUpdatePreferences"]
    assert (payload["preferences"], [error["code"] for error in payload["errors"]]) == (None, ["INVALID"])
    assert consent.allows(contact, "marketing", channel="email")


def test_a_token_that_is_none_shows_and_changes_nothing(client, choices, contact):
    other = tokens.unsubscribe(contact_id=contact.pk, channel="email", message_id=1)
    bad = [other, "", "x", choices[:-1], f"{choices}A", str(contact.pk)]

    seen = {post(client, PREFERENCES, {"token": token}).content for token in bad}
    off = [{"name": "email", "isOn": False}]
    told = {post(client, UPDATE, {"input": {"token": token, "channels": off}}).content for token in bad}

    assert (len(seen), len(told)) == (1, 1)
    assert b'"preferences":null' in told.pop()
    assert consent.allows(contact, "marketing", channel="email")


# --- one product ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["camille.durand@mail.example", "nobody@mail.example"])
def test_news_of_a_product_for_a_strangers_word_wait_for_a_confirmation(granted, contact, email):
    wanted = {"product": "17", "news": "BACK_IN_STOCK", "email": email}

    reply = ask(granted, SUBSCRIBE, {"input": wanted})

    assert reply == {"data": {"retargetSubscribeToProduct": {"errors": []}}}
    row = ProductSubscription.objects.get()
    assert (row.contact, row.email, row.is_proven) == (None, email, False)
    assert ProductSubscription.objects.live().count() == 0


def test_a_known_visitor_need_not_say_who_it_is(granted, contact):
    visitor = visitors.find(granted.cookies["retarget_visitor"].value)
    visitors.become(visitor, contact, source="log-in", now=timezone.now())

    reply = ask(granted, SUBSCRIBE, {"input": {"product": "17", "news": "PRICE_DROP"}})

    assert reply["data"]["retargetSubscribeToProduct"] == {"errors": []}
    assert ProductSubscription.objects.live().get().contact == contact


def test_nobody_without_an_address_subscribes(granted):
    [error] = ask(granted, SUBSCRIBE, {"input": {"product": "17", "news": "PRICE_DROP"}})["data"][
        "retargetSubscribeToProduct"
    ]["errors"]

    assert error["code"] == "INVALID"
    assert ProductSubscription.objects.count() == 0
