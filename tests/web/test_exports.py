"""exports/<token>/: one's own data by a link that went to the address on file; short-lived, in no cache, and kept nowhere."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.engine import notices, privacy, tokens
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, Erasure
from tests import canaries

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(shop):
    return canaries.Person(shop, "a", now=timezone.now() - timedelta(days=1))


def asked(contact, **changes):
    """The message by which the link is sent."""
    facts = {"channel": "email", "template": "export", "context": {}, "within": timedelta(days=1)} | changes
    return notices.queue(contact.shop, contact, now=timezone.now(), **facts)


def url_of(contact, message):
    return reverse("retarget_plugin:export", args=[tokens.export(contact_id=contact.pk, message_id=message.pk)])


@pytest.fixture
def url(ana):
    return url_of(ana.contact, asked(ana.contact))


def test_the_page_offers_both_and_shows_nobodys_data(client, ana, url):
    page = client.get(url)

    text = page.content.decode()
    assert page.status_code == 200
    assert 'value="download"' in text
    assert 'value="erase"' in text
    assert canaries.found(ana.marks, text) == []


@pytest.mark.promise
def test_the_file_is_complete_and_stays_nowhere(client, ana, url, promise):
    answer = client.post(url, {"act": "download"})

    data = json.loads(answer.content)
    headers = {
        name: answer[name] for name in ("Cache-Control", "Referrer-Policy", "Content-Disposition", "Content-Type")
    }
    assert [row["email"] for row in data["data"]["Contact"]["rows"]] == [ana.email]
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        statuses = client.get(url).status_code, client.post(url, {"act": "download"}).status_code
    promise(
        "P9",
        run="downloaded, and asked for again after 7 days",
        figure=f"{headers['Cache-Control']}; {statuses[0]} and {statuses[1]} after 7 days",
        bar="no-store, at most 7 days, 404 after",
        holds=headers
        == {
            "Cache-Control": "no-store, private",
            "Referrer-Policy": "no-referrer",
            "Content-Disposition": 'attachment; filename="my-data.json"',
            "Content-Type": "application/json",
        }
        and statuses == (404, 404),
    )


def test_looking_changes_nothing(client, ana, url):
    before = canaries.dump()

    for method in ("get", "head", "options"):
        getattr(client, method)(url, {"act": "erase-for-good"})

    assert canaries.dump() == before


def test_to_erase_asks_once_more(client, ana, url):
    page = client.post(url, {"act": "erase"})

    assert "Supprimer vos données\u00a0?" in page.content.decode()
    assert Contact.objects.get().erased_at is None


def test_to_erase_leaves_nothing_and_closes_the_door(client, ana, url):
    page = client.post(url, {"act": "erase-for-good"})

    assert "Vos données sont supprimées" in page.content.decode()
    assert canaries.found(ana.marks, canaries.dump(), page.content.decode()) == []
    assert Erasure.objects.get().by == "the person, by a link to the address on file"
    assert [client.get(url).status_code, client.post(url, {"act": "download"}).status_code] == [404, 404]


def test_the_pages_speak_the_readers_language(client, ana, url):
    Contact.objects.update(locale="fr-FR")

    assert client.get(url)["Content-Language"] == "fr"


@pytest.mark.promise
def test_knowing_somebody_opens_nothing(client, ana, shop, promise):
    """Addresses, ids, tokens of other purposes, another person's message, a message that was no such link."""
    bob = Contact.objects.create(shop=shop, email="bob@example.com", created_at=timezone.now())
    message, other, reminder = asked(ana.contact), asked(bob), asked(ana.contact, template="preferences_link")
    who = ana.contact.pk
    good = tokens.export(contact_id=who, message_id=message.pk)
    wrong = [
        ana.email,
        str(who),
        f"{who}.{message.pk}",
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good.replace(str(who), str(bob.pk), 1),
        tokens.export(contact_id=who, message_id=other.pk),
        tokens.export(contact_id=who, message_id=reminder.pk),
        tokens.export(contact_id=who, message_id=10**9),
        tokens.export(contact_id=10**9, message_id=message.pk),
        tokens.confirm(contact_id=who, message_id=message.pk),
        tokens.preferences(contact_id=who),
        tokens.recovery(cart_id=ana.cart.pk, contact_id=who, message_id=message.pk),
    ]

    answers = [
        client.post(reverse("retarget_plugin:export", args=[token]), {"act": act})
        for token in wrong
        for act in ("download", "erase-for-good")
    ]

    passed = sum(answer.status_code != 404 for answer in answers)
    promise(
        "P8",
        run=f"{len(answers)} requests with everything but the link",
        figure=f"{passed} passed, {len({answer.content for answer in answers})} kind of answer",
        bar="0 passed, one answer",
        holds=passed == 0 and len({answer.content for answer in answers}) == 1 and not Erasure.objects.exists(),
    )


def test_the_link_of_somebody_merged_since_opens_the_whole(client, ana, shop, url):
    kept = Contact.objects.create(shop=shop, email="kept@example.com", created_at=timezone.now())
    Contact.objects.filter(pk=ana.contact.pk).update(merged_into=kept)

    data = json.loads(client.post(url, {"act": "download"}).content)

    assert sorted(row["email"] for row in data["data"]["Contact"]["rows"]) == sorted([ana.email, "kept@example.com"])


def test_proof_is_refused_for_who_was_erased(ana):
    token = tokens.export(contact_id=ana.contact.pk, message_id=asked(ana.contact).pk)
    privacy.erase(ana.contact, by="staff #1", now=timezone.now())

    with pytest.raises(Refusal):
        privacy.proven(token)
