"""From an address typed into a form to the guide in the mailbox: real HTTP, a real SMTP server, a faithful Twilio."""

from __future__ import annotations

import json
import re

import pytest
from django.utils import timezone

from retarget_plugin.engine import consent
from retarget_plugin.models import Attempt, Consent, Contact, Event, Lead, Message, Visitor
from tests.channels.mailers import over_smtp
from tests.lead_forms import make_form, make_magnet

pytestmark = pytest.mark.delivery

EMAIL, PHONE = "nadia@example.com", "+33612345678"
PDF = b"%PDF-1.7 twelve soups"
GRANT = {"tracking": True, "ads": False, "measurement": False, "wording": "2026-01", "source": "cmp"}


@pytest.fixture
def form(town, settings, tmp_path):
    """A pop-up that gives a booklet for an address."""
    settings.MEDIA_ROOT = str(tmp_path)
    magnet = make_magnet(town.shop, now=timezone.now(), files=(("soups.pdf", PDF),))
    return make_form(town.shop, now=timezone.now(), magnet=magnet, phone="optional", consents=["email", "sms"])


def look_at(browser, path):
    """A page view whose visitor has agreed to be recognised."""
    events = [{"n": "view_item", "i": f"e{path[-1]}", "a": 0, "items": [{"item_id": path[-1]}]}]
    body = {"v": 1, "grant": GRANT, "page": {"path": path}, "events": events}
    answer = browser.post("/retarget/t", json.dumps(body), content_type="text/plain")
    assert answer.status_code == 204, answer


def fill_in(browser, **fields):
    """Answers what the visitor is told."""
    answer = browser.post("/retarget/forms/soups/", json.dumps(fields), content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def path_of(text, name):
    found = re.search(rf"https://shop\.example\.com(/retarget/{name}/[^/\s]+/)", text)
    assert found, text
    return found[1]


def text_of(mail):
    return mail.get_body(("plain",)).get_content()


def mails(town):
    return [received.message for received in town.mailbox.messages]


def consents():
    return {f"{row.channel}:{row.purpose}": row.state for row in Consent.objects.exclude(contact=None)}


def test_typed_asked_confirmed_delivered_downloaded_and_known(town, form):
    browser = town.browser()
    look_at(browser, "/p/1")

    told = fill_in(browser, email=" Nadia@Example.com", consent_email_marketing=True)
    town.wait(minutes=1)
    (question,) = mails(town)
    waiting = consents()
    answered = browser.post(path_of(text_of(question), "confirm"))
    town.wait(minutes=1)
    gift = mails(town)[1]
    download = path_of(text_of(gift), "assets")
    page = browser.get(download)
    file = browser.get(download + re.search(r'href="(\?file=\d+)"', page.content.decode())[1])

    assert told == {"ok": True, "message": "Please look into your inbox."}
    assert (question["To"], gift["To"]) == (EMAIL, EMAIL)
    assert question["Subject"] == "One click to get “Twelve winter soups”"
    assert [mail["List-Unsubscribe"] for mail in mails(town)] == [None, None]
    assert waiting == {"email:marketing": "pending"}
    assert answered.status_code == 200
    assert consents() == {"email:marketing": "granted"}
    assert b"".join(file.streaming_content) == PDF
    contact, visitor = Contact.objects.get(), Visitor.objects.get()
    assert (contact.email, visitor.contact) == (EMAIL, contact)
    seen = Event.objects.filter(contact=contact).values_list("name", flat=True)
    assert {"view_item", "asset_downloaded"} <= set(seen)
    assert list(Attempt.objects.values_list("basis", "outcome")) == [("service", "accepted")] * 2


def test_a_mail_server_that_is_down_for_an_hour_loses_and_doubles_no_question(town, form, settings):
    fill_in(town.browser(), email=EMAIL, consent_email_marketing=True)
    over_smtp(settings, town.mailbox, port=1)

    town.wait(minutes=30)
    fill_in(town.browser(), email=EMAIL, consent_email_marketing=True)
    town.wait(minutes=30)
    before = len(mails(town))
    over_smtp(settings, town.mailbox, timeout=3)
    town.wait(hours=1)
    town.wait(hours=1)

    assert before == 0
    assert [mail["To"] for mail in mails(town)] == [EMAIL]
    town.browser().post(path_of(text_of(mails(town)[0]), "confirm"))
    assert Lead.objects.exclude(confirmed_at=None).count() == 2


def test_a_number_is_asked_by_text_and_is_somebody_of_its_own(town, form):
    fill_in(town.browser(), email=EMAIL, phone=PHONE, consent_email_marketing=True, consent_sms_marketing=True)
    town.wait(minutes=1)

    (text,) = town.twilio.sent
    short = re.search(r"https://shop\.example\.com(/retarget/r/\S+)", text["body"])[1]
    browser = town.browser()
    page = browser.get(short)["Location"].removeprefix("https://shop.example.com")
    asked = consents()
    browser.post(page)

    assert (text["to"], text["num_segments"]) == (PHONE, "1")
    assert asked == {"email:marketing": "pending", "sms:marketing": "pending"}
    assert consents() == {"email:marketing": "pending", "sms:marketing": "granted"}
    assert Contact.objects.get(phone=PHONE).email == ""


def test_it_was_not_me(town, form):
    fill_in(town.browser(), email=EMAIL, consent_email_marketing=True)
    town.wait(minutes=1)
    link = re.search(r"https://shop\.example\.com(/retarget/confirm/\S+/not-me/)", text_of(mails(town)[0]))[1]
    reader = town.browser()

    asked = reader.get(link)
    before = Lead.objects.count()
    done = reader.post(link)
    town.wait(days=2)

    assert (asked.status_code, done.status_code, before) == (200, 200, 1)
    assert Lead.objects.count() == 0
    assert Contact.objects.count() == 0
    assert len(mails(town)) == 1


def test_somebody_unsubscribed_is_asked_and_told_the_same_as_anybody(town, form):
    known = town.agree(email=EMAIL)
    consent.unsubscribe(known.pk, channel="email", message_id=None, source="page", now=timezone.now())

    told = fill_in(town.browser(), email=EMAIL, consent_email_marketing=True)
    other = fill_in(town.browser(), email="stranger@example.com", consent_email_marketing=True)
    town.wait(minutes=1)

    assert told == other
    assert [mail["To"] for mail in mails(town)] == [EMAIL, "stranger@example.com"]
    assert Message.objects.filter(kind="marketing").count() == 0
