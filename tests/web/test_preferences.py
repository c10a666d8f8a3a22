"""preferences/<token>/: everything a person may choose, without a log-in; looking changes nothing."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.domain.vocabulary import Channel, ConsentState, ProductNews, Purpose, SuppressionReason
from retarget_plugin.engine import consent, optin, subscriptions, tokens, wordings
from retarget_plugin.engine import preferences as choices
from retarget_plugin.models import (
    Consent,
    ConsentRecord,
    Contact,
    Message,
    Preference,
    ProductSubscription,
    Suppression,
    Topic,
    Visitor,
)
from tests.web.conftest import kept_rows

PETS = [
    {"value": "dog", "labels": {"en": "Dogs", "fr": "Chiens", "es": "Perros"}},
    {"value": "cat", "labels": {"en": "Cats", "fr": "Chats"}},
]


@pytest.fixture
def url(contact):
    return choices_url(contact)


@pytest.fixture
def offers(shop):
    """What the owner lets people choose."""
    Topic.objects.create(shop=shop, slug="books", labels={"en": "New books", "fr": "Nouveautés"})
    Topic.objects.create(shop=shop, slug="sales", labels={"en": "Sales"}, position=1)
    Preference.objects.create(shop=shop, slug="pet", labels={"en": "Your pets", "fr": "Vos animaux"}, options=PETS)
    Preference.objects.create(
        shop=shop, slug="sport", labels={"en": "Sports"}, takes_several=True, options=PETS, position=1
    )


def choices_url(contact):
    return reverse("retarget_plugin:preferences", args=[tokens.preferences(contact_id=contact.pk)])


def form_of(client, url):
    """What a browser would send if the page's main form were saved as it is."""
    page = client.get(url).content.decode()
    form = page.partition('<form class="choices"')[2].partition("</form>")[0]
    data: dict[str, list[str]] = {"act": ["save"]}
    for tag in re.findall(r"<input[^>]+>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="hidden"' in tag or "checked" in tag):
            data.setdefault(name[1], []).append(value[1])
    data["language"] = re.findall(r'<option value="(\w+)"[^>]*selected', form)
    return data


def save(client, url, *, tick=(), untick=(), **fields):
    data = form_of(client, url)
    data["on"] = [*(set(data.get("on", [])) - set(untick)), *tick]
    return client.post(url, {**data, **fields})


def states(contact):
    return {(row.purpose, row.channel): row.state for row in Consent.objects.filter(contact=contact)}


# -- shown ------------------------------------------------------------------------------------------------------------


def test_the_page_shows_every_choice_and_no_address_or_name(client, contact, url, offers):
    response = client.get(url)

    page = response.content.decode()
    assert response.status_code == 200
    for text in (
        "Reminders, offers and news by e-mail",
        "New books",
        "Your pets",
        "Dogs",
        "Chez Léa",
        "ca***@mail.example",
    ):
        assert text in page
    for secret in (contact.email, contact.phone, contact.first_name, contact.last_name, contact.postcode):
        assert secret not in page
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store, private"


@pytest.mark.parametrize(
    ("language", "texts"),
    [("fr", ("Nouveautés", "Vos animaux", "Chiens")), ("es", ("New books", "Your pets", "Perros"))],
)
def test_the_owners_words_are_in_the_readers_language_or_in_english(client, contact, url, offers, language, texts):
    contact.locale = language
    contact.save()

    page = client.get(url).content.decode()

    assert f'<html lang="{language}">' in page
    assert [text for text in texts if text not in page] == []


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing(client, url, offers, method):
    before = kept_rows()

    getattr(client, method)(url)
    getattr(client, method)(f"{url}?act=stop&on=channel:sms&shown=channel:sms")

    assert kept_rows() == before


def test_saving_the_page_as_it_is_changes_nothing(client, contact, url, offers):
    consent.unsubscribe(contact.pk, channel=Channel.SMS, message_id=None, source="test", now=timezone.now())
    before = kept_rows()

    response = save(client, url)

    assert response.status_code == 200
    assert kept_rows() == before


@pytest.mark.parametrize("token", ["nonsense", "", "x" * 300, "1:1:1"])
def test_a_token_we_did_not_make_opens_nothing(client, db, token):
    answers = [
        client.get(f"/retarget/preferences/{token}/"),
        client.post(f"/retarget/preferences/{token}/", {"act": "stop"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_another_purposes_token_an_old_one_and_an_erased_person_open_nothing(client, contact, url):
    other = tokens.export(contact_id=contact.pk, message_id=1)

    assert client.get(reverse("retarget_plugin:preferences", args=[other])).status_code == 404
    with time_machine.travel(timezone.now() + timedelta(days=61)):
        assert client.get(url).status_code == 404
    Contact.objects.filter(pk=contact.pk).update(erased_at=timezone.now())
    assert client.get(url).status_code == 404


def test_a_link_to_somebody_who_was_merged_opens_who_they_became(client, shop, contact, url):
    other = Contact.objects.create(shop=shop, email="new@mail.example", created_at=timezone.now())
    Contact.objects.filter(pk=contact.pk).update(merged_into=other)

    page = client.get(url).content.decode()

    assert "ne***@mail.example" in page


# -- changed ----------------------------------------------------------------------------------------------------------


@pytest.mark.delivery
def test_off_is_off_at_once_for_this_channel_only(client, contact, url):
    response = save(client, url, untick=["channel:sms"])

    assert "Saved." in response.content.decode()
    assert states(contact) == {("marketing", "email"): "granted", ("marketing", "sms"): "withdrawn"}
    assert list(Suppression.objects.values_list("channel", "reason")) == [("sms", SuppressionReason.UNSUBSCRIBED)]
    assert ConsentRecord.objects.latest("pk").source == "preference centre"


@pytest.mark.delivery
def test_on_counts_at_once_where_no_double_opt_in_is_asked_for(client, contact, url):
    Contact.objects.filter(pk=contact.pk).update(country="GB", phone="")
    consent.unsubscribe(contact.pk, channel=Channel.EMAIL, message_id=None, source="test", now=timezone.now())

    response = save(client, url, tick=["channel:email"])

    record = ConsentRecord.objects.latest("pk")
    assert "Saved." in response.content.decode()
    assert states(contact)["marketing", "email"] == ConsentState.GRANTED
    assert (record.wording, record.wording_version) == ("Reminders, offers and news by e-mail", wordings.VERSION)
    assert not Suppression.objects.exists()


@pytest.mark.delivery
def test_on_waits_for_the_confirmation_where_double_opt_in_is_asked_for(client, contact, url):
    Contact.objects.filter(pk=contact.pk).update(country="DE", phone="")
    consent.unsubscribe(contact.pk, channel=Channel.EMAIL, message_id=None, source="test", now=timezone.now())

    response = save(client, url, tick=["channel:email"])
    message = Message.objects.get(template="confirm")
    waiting = states(contact)["marketing", "email"]
    optin.confirm(tokens.confirm(contact_id=contact.pk, message_id=message.pk), now=timezone.now())

    assert "We have sent you a message" in response.content.decode()
    assert waiting != ConsentState.GRANTED
    assert states(contact)["marketing", "email"] == ConsentState.GRANTED


def test_a_stop_by_text_cannot_be_undone_with_a_tick(client, shop, contact, url):
    consent.suppress(
        shop, channel=Channel.SMS, address=contact.phone, reason=SuppressionReason.STOPPED, now=timezone.now()
    )
    before = states(contact)

    page = client.get(url).content.decode()
    response = client.post(url, {"act": "save", "shown": "channel:sms", "on": "channel:sms"})

    assert "Send START" in page
    assert 'value="channel:sms"' not in page
    assert response.status_code == 422
    assert states(contact) == before
    assert list(Suppression.objects.values_list("reason", flat=True)) == [SuppressionReason.STOPPED]


def test_topics_answers_grants_and_language_are_kept(client, contact, url, offers):
    response = save(
        client,
        url,
        tick=["grant:ads"],
        untick=["topic:sales"],
        **{"answer:pet": "cat", "answer:sport": ["cat", "dog"], "language": "fr"},
    )

    contact.refresh_from_db()
    assert response.headers["Content-Language"] == "fr"
    assert contact.topics_off == ["sales"]
    assert contact.preferences == {"pet": ["cat"], "sport": ["dog", "cat"]}
    assert contact.locale == "fr"
    assert states(contact)["ads", ""] == ConsentState.GRANTED
    assert form_of(client, url)["answer:sport"] == ["dog", "cat"]


def test_a_topic_is_turned_on_again_and_a_grant_taken_back(client, contact, url, offers):
    save(client, url, tick=["grant:measurement"], untick=["topic:sales", "topic:books"])
    save(client, url, tick=["topic:sales"], untick=["grant:measurement"])

    contact.refresh_from_db()
    assert contact.topics_off == ["books"]
    assert states(contact)["measurement", ""] == ConsentState.WITHDRAWN


def test_an_old_tab_undoes_nothing_that_came_after_it(client, contact, url, offers):
    old = form_of(client, url)
    save(client, url, untick=["channel:email", "topic:books"])

    old["on"].remove("topic:sales")
    client.post(url, old)

    contact.refresh_from_db()
    assert contact.topics_off == ["books", "sales"]
    assert states(contact)["marketing", "email"] == ConsentState.WITHDRAWN


@pytest.mark.parametrize(
    "data",
    [
        {"shown": "channel:fax", "on": "channel:fax"},
        {"shown": "topic:other-shop", "was": "topic:other-shop"},
        {"shown": "grant:marketing", "on": "grant:marketing"},
        {"shown": "grant:tracking", "on": "grant:tracking"},
        {"shown": "answer:pet", "answer:pet": "dragon"},
        {"shown": "answer:pet", "answer:pet": ["dog", "cat"]},
        {"shown": "answer:shoe", "answer:shoe": "42"},
        {"shown": "topic:\x00", "on": "topic:\x00"},
        {"language": "tlh"},
        {"language": "\x00" * 5000},
    ],
)
def test_a_choice_that_does_not_exist_changes_nothing(client, url, offers, data):
    before = kept_rows()

    response = client.post(url, {"act": "save", **data})

    assert response.status_code in {200, 422}
    assert kept_rows() == before


def test_somebody_elses_product_stays(client, shop, contact, url):
    other = Contact.objects.create(shop=shop, email="other@mail.example", created_at=timezone.now())
    for person in (contact, other):
        subscriptions.subscribe(
            shop, "17", kind=ProductNews.PRICE_DROP, contact=person, source="product page", now=timezone.now()
        )
    theirs = other.product_subscriptions.get()

    client.post(
        url, {"act": "save", "shown": [f"product:{theirs.pk}", "product:" + "9" * 400], "was": f"product:{theirs.pk}"}
    )
    save(client, url, untick=[f"product:{contact.product_subscriptions.get().pk}"])

    assert list(ProductSubscription.objects.all()) == [theirs]


@pytest.mark.delivery
def test_stop_everything_takes_one_press(client, shop, contact, url):
    visitor = Visitor.objects.create(
        shop=shop, key="k" * 43, contact=contact, first_seen_at=timezone.now(), last_seen_at=timezone.now()
    )
    consent.grant_visitor(
        visitor, purposes=[Purpose.TRACKING], wording_version="1", source="banner", now=timezone.now()
    )
    save(client, url, tick=["grant:ads", "grant:measurement"])
    subscriptions.subscribe(shop, "17", kind="price_drop", contact=contact, source="product page", now=timezone.now())

    response = client.post(url, {"act": "stop"})

    assert "Everything has stopped." in response.content.decode()
    assert set(states(contact).values()) == {ConsentState.WITHDRAWN}
    assert set(Consent.objects.values_list("state", flat=True)) == {ConsentState.WITHDRAWN}
    assert not ProductSubscription.objects.exists()
    assert Suppression.objects.count() == 2


@pytest.mark.parametrize("act", ["export", "erase"])
def test_data_is_asked_for_through_the_address_on_file_and_not_often(client, contact, url, act):
    before = kept_rows()

    pages = [client.post(url, {"act": act}) for _press in range(5)]

    assert {page.status_code for page in pages} == {200}
    assert "We have sent you a link." in pages[0].content.decode()
    assert list(Message.objects.values_list("template", "channel")) == [("export", "email")] * choices.MOST_LINKS
    assert kept_rows() == before


# -- strangers --------------------------------------------------------------------------------------------------------


def test_another_site_cannot_press_the_buttons(contact, url):
    attacker = Client(enforce_csrf_checks=True)

    answers = [
        attacker.post(url, {"act": act}, headers={"origin": "https://evil.example"})
        for act in ("stop", "erase", "save")
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert set(states(contact).values()) == {ConsentState.GRANTED}


def test_the_page_works_for_a_browser_with_csrf_checks(contact, url):
    browser = Client(enforce_csrf_checks=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(url).content.decode())[1]

    response = browser.post(url, {"act": "stop", "csrfmiddlewaretoken": token})

    assert response.status_code == 200
    assert set(states(contact).values()) == {ConsentState.WITHDRAWN}


def test_what_the_owner_wrote_is_text(client, shop, url):
    Topic.objects.create(shop=shop, slug="x", labels={"en": "<script>alert(1)</script>"})
    Preference.objects.create(
        shop=shop, slug="y", labels={"en": "<img src=x onerror=1>"}, options=[{"value": "a", "labels": {"en": '"><b>'}}]
    )

    page = client.get(url).content.decode()

    assert "<script" not in page
    assert "<img src=x" not in page
    assert '"><b>' not in page


def test_the_unsubscribe_page_leads_to_all_choices(client, contact, unsubscribe_url):
    asked = client.get(unsubscribe_url).content.decode()
    stopped = client.post(f"{unsubscribe_url}?from=page").content.decode()

    for page in (asked, stopped):
        link = re.search(r'href="(/retarget/preferences/[^"]+)"', page)[1]
        assert client.get(link).status_code == 200


def test_an_old_unsubscribe_link_still_stops_and_opens_nothing_else(client, contact, unsubscribe_url):
    with time_machine.travel(timezone.now() + timedelta(days=400)):
        stopped = client.post(f"{unsubscribe_url}?from=page")

    assert states(contact)["marketing", "email"] == ConsentState.WITHDRAWN
    assert "/preferences/" not in stopped.content.decode()
