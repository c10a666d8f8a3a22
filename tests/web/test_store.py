"""store/<token>/: where the store is, when it is open, and the code for its till; a word about nobody."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.engine import tokens
from retarget_plugin.models import Contact, Shop, Store
from tests.web.conftest import kept_rows

WEEK = ["09:30–12:30, 14:00–19:00", "", "09:30–19:00", "09:30–19:00", "09:30–19:00", "10:00–18:00", ""]
# A Wednesday, 11:00 in Paris.
OPEN = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


@pytest.fixture
def store(shop):
    shop.time_zone = "Europe/Paris"
    shop.save()
    return Store.objects.create(
        shop=shop,
        slug="lyon",
        name="Chez Léa Lyon",
        street="12 rue Mercière",
        postcode="69002",
        city="Lyon",
        country="FR",
        latitude=45.7640,
        longitude=4.8320,
        phone="+33 4 78 00 00 00",
        hours=WEEK,
        note="Ring twice.",
    )


def store_url(store, message=None):
    token = tokens.store(store_id=store.pk, message_id=message.pk if message else 0)
    return reverse("retarget_plugin:store", args=[token])


@time_machine.travel(OPEN, tick=False)
def test_the_page_leads_to_the_door_and_shows_the_code(client, contact, message, store):
    message.context = {"code": "MERCI-7K2P"}
    message.save()

    response = client.get(store_url(store, message))

    page = response.content.decode()
    assert response.status_code == 200
    for text in ("Chez Léa Lyon", "12 rue Mercière", "69002 Lyon", "Open now", "Ring twice.", "MERCI-7K2P"):
        assert text in page
    assert "https://www.google.com/maps/dir/?api=1&amp;destination=45.764%2C4.832" in page
    assert 'rel="noreferrer"' in page
    assert page.count("aria-current") == 1
    for secret in (contact.email, contact.phone, contact.first_name, contact.last_name):
        assert secret not in page


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (OPEN, "Open now"),
        (OPEN.replace(day=24), "Closed now"),
        (OPEN.replace(day=23, hour=12), "Closed now"),
        (OPEN.replace(day=23, hour=13), "Open now"),
        (OPEN.replace(hour=18), "Closed now"),
        (OPEN.replace(hour=17, minute=59), "Open now"),
    ],
)
def test_open_is_said_in_the_shops_own_time(client, store, at, words):
    with time_machine.travel(at, tick=False):
        assert words in client.get(store_url(store)).content.decode()


def test_without_hours_and_code_neither_is_mentioned(client, store, message):
    Store.objects.update(hours=[""] * 7, latitude=None)

    page = client.get(store_url(store, message)).content.decode()

    assert "Opening hours" not in page
    assert "now" not in page
    assert "at the till" not in page
    assert "destination=Chez+L%C3%A9a+Lyon%2C+12+rue+Merci%C3%A8re%2C+69002+Lyon%2C+FR" in page


def test_the_page_speaks_the_language_of_who_was_sent(client, contact, message, store):
    Contact.objects.update(locale="fr")

    page = client.get(store_url(store, message)).content.decode()

    assert '<html lang="fr">' in page
    assert "Lundi" in page


def test_another_shops_message_gives_no_code(client, message, store):
    other = Shop.objects.create(name="Other", scope="other", base_url="https://other.example.com")
    store.shop = other
    store.save()
    message.context = {"code": "MERCI-7K2P"}
    message.save()

    assert "MERCI-7K2P" not in client.get(store_url(store, message)).content.decode()


def test_a_store_that_is_hidden_or_gone_and_a_link_that_is_old_open_nothing(client, store):
    url, gone = store_url(store), store_url(Store(pk=10**18))
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        old = client.get(url).status_code
    Store.objects.update(is_open_to_public=False)

    assert [old, client.get(url).status_code, client.get(gone).status_code] == [404] * 3


@pytest.mark.parametrize("method", ["get", "head", "options", "post", "put", "delete"])
def test_nothing_changes_whatever_is_done(client, store, message, method):
    before = kept_rows()

    response = getattr(client, method)(store_url(store, message))

    assert response.status_code == (200 if method in ("get", "head") else 405)
    assert kept_rows() == before
