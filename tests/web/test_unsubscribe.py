"""unsubscribe/<token>/: looking changes nothing, one POST is enough, and it works for ever."""

from datetime import timedelta
from time import perf_counter

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from retarget_plugin.domain.vocabulary import Channel, ConsentState, SuppressionReason
from retarget_plugin.engine import consent
from retarget_plugin.models import Consent, ConsentRecord, Contact, Suppression
from tests.promises import length
from tests.web.conftest import answer, kept_rows, make_message, stop_url

FORM = "application/x-www-form-urlencoded"
ONE_CLICK = "List-Unsubscribe=One-Click"
MULTIPART = 'multipart/form-data; boundary="xYz"'
PARTS = '--xYz\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--xYz--\r\n'


def states(contact):
    return dict(Consent.objects.filter(contact=contact).values_list("channel", "state"))


def one_click(url, *, body=ONE_CLICK, content_type=FORM):
    """As a mail provider sends it: no cookie, no referrer, no login, and CSRF checks on."""
    return Client(enforce_csrf_checks=True).post(url, data=body, content_type=content_type)


@pytest.mark.parametrize(
    ("channel", "question", "promise"),
    [
        (Channel.EMAIL, "Stop these e-mails?", "You will get no more reminders and offers by e-mail."),
        (Channel.SMS, "Stop these text messages?", "You will get no more reminders and offers by text message."),
    ],
)
def test_the_page_says_what_will_stop_and_offers_a_button(client, contact, channel, question, promise):
    response = client.get(stop_url(make_message(contact, channel=channel)))

    page = response.content.decode()
    assert response.status_code == 200
    assert question in page
    assert promise in page
    assert "Chez Léa" in page
    assert '<form class="action" method="post" action="?from=page">' in page
    assert contact.email not in page
    assert contact.phone not in page
    assert not response.cookies
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing(client, contact, unsubscribe_url, method):
    before = kept_rows()

    getattr(client, method)(unsubscribe_url)
    getattr(client, method)(f"{unsubscribe_url}?from=page&List-Unsubscribe=One-Click")

    assert kept_rows() == before
    assert states(contact) == {"email": ConsentState.GRANTED, "sms": ConsentState.GRANTED}


def test_the_button_ends_this_channel_and_no_other(client, contact, message, unsubscribe_url):
    response = client.post(f"{unsubscribe_url}?from=page")

    message.refresh_from_db()
    record = ConsentRecord.objects.latest("pk")
    assert response.status_code == 200
    assert "You are unsubscribed" in response.content.decode()
    assert states(contact) == {"email": ConsentState.WITHDRAWN, "sms": ConsentState.GRANTED}
    assert (record.state, record.source) == (ConsentState.WITHDRAWN, "unsubscribe page")
    assert message.unsubscribed_at is not None
    assert list(Suppression.objects.values_list("channel", "reason")) == [("email", SuppressionReason.UNSUBSCRIBED)]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ONE_CLICK, FORM),
        (PARTS, MULTIPART),
        ("", FORM),
        ("", ""),
        ("--broken", MULTIPART),
        ("%ff%fe=\0&&&=", FORM),
        ("a=b&" * 5000, FORM),
        ("{}", "application/json"),
    ],
)
def test_the_mail_programs_one_click_is_enough(contact, unsubscribe_url, body, content_type):
    response = one_click(unsubscribe_url, body=body, content_type=content_type)

    assert response.status_code == 200
    assert not response.has_header("Location")
    assert not response.cookies
    assert states(contact)["email"] == ConsentState.WITHDRAWN
    assert ConsentRecord.objects.latest("pk").source == "one-click unsubscribe (RFC 8058)"


def test_twice_is_as_good_as_once(contact, unsubscribe_url):
    first = answer(one_click(unsubscribe_url))
    records = ConsentRecord.objects.count()
    second = answer(one_click(unsubscribe_url))
    page = Client().post(f"{unsubscribe_url}?from=page")

    assert first == second
    assert first[0] == page.status_code == 200
    assert ConsentRecord.objects.count() == records
    assert Suppression.objects.count() == 1


@pytest.mark.parametrize("query", ["", "?from=page"])
def test_the_post_works_years_later(contact, unsubscribe_url, query):
    with time_machine.travel(timezone.now() + timedelta(days=5 * 365)):
        response = Client(enforce_csrf_checks=True).post(unsubscribe_url + query, data=ONE_CLICK, content_type=FORM)

    assert response.status_code == 200
    assert states(contact)["email"] == ConsentState.WITHDRAWN


def test_the_page_opens_for_sixty_days(client, unsubscribe_url):
    with time_machine.travel(timezone.now() + timedelta(days=59, hours=23)):
        alive = client.get(unsubscribe_url)
    with time_machine.travel(timezone.now() + timedelta(days=60, minutes=1)):
        expired = client.get(unsubscribe_url)

    assert alive.status_code == 200
    assert answer(expired) == answer(client.get("/retarget/unsubscribe/nonsense/"))


def test_someone_long_gone_is_answered_like_anybody(contact, message, unsubscribe_url):
    unknown = stop_url(message, contact_id=contact.pk + 1_000_000)

    known, stranger = one_click(unsubscribe_url), one_click(unknown)

    assert answer(known) == answer(stranger)
    assert stranger.status_code == 200
    assert not Consent.objects.exclude(contact=contact).exists()


def test_a_suppressed_address_is_answered_like_anybody(shop, contact, message, unsubscribe_url):
    other = Contact.objects.create(shop=shop, email="other@mail.example", created_at=timezone.now())
    consent.suppress(
        shop, channel=Channel.EMAIL, address=other.email, reason=SuppressionReason.COMPLAINED, now=timezone.now()
    )

    assert answer(one_click(stop_url(make_message(other)))) == answer(one_click(unsubscribe_url))


def test_someone_long_gone_sees_a_page_without_a_name(client, contact, message):
    url = stop_url(message, contact_id=contact.pk + 1_000_000)

    asked, stopped = client.get(url), client.post(f"{url}?from=page")

    assert (asked.status_code, stopped.status_code) == (200, 200)
    assert "Chez" not in asked.content.decode() + stopped.content.decode()


def test_an_undecodable_token_gets_the_friendly_page(client, contact):
    before = kept_rows()

    looked = answer(client.get("/retarget/unsubscribe/nonsense/"))
    stopped = answer(one_click("/retarget/unsubscribe/nonsense/"))

    assert looked == stopped
    assert looked[0] == 404
    assert b"This link no longer works" in looked[1]
    assert kept_rows() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_other_methods_are_refused(client, contact, unsubscribe_url, method):
    response = getattr(client, method)(unsubscribe_url)

    assert response.status_code == 405
    assert states(contact)["email"] == ConsentState.GRANTED


@pytest.mark.alone
@pytest.mark.promise
def test_leaving_takes_less_than_a_second(contact, promise):
    """RFC 8058: no cookie, no referrer, no log-in, no token field; and twice is answered like once."""
    times, answers = [], []
    for channel in Channel:
        url = stop_url(make_message(contact, channel=channel))
        for _press in range(length(2, 50)):
            started = perf_counter()
            answers.append(one_click(url).status_code)
            times.append(perf_counter() - started)

    promise(
        "P12",
        run=f"{len(times)} one-click POSTs for both channels",
        figure=f"slowest {max(times) * 1000:.0f} ms, all {set(answers)}, {states(contact)}",
        bar="1 s to stored, 2xx each time",
        holds=max(times) < 1 and set(answers) == {200} and set(states(contact).values()) == {ConsentState.WITHDRAWN},
    )
