"""offer/<token>/: what the page shows, and for whom the button applies the code."""

import copy
import re
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retarget_plugin import hosts
from retarget_plugin.domain.coupons import CouponState
from retarget_plugin.engine import links, tokens
from retarget_plugin.models import Link
from tests.web.conftest import answer, kept_rows, make_coupon, make_message

pytestmark = pytest.mark.delivery
CODE, PRODUCT = "MERCI-7K2P", "https://shop.example.com/shirt/"


@pytest.fixture
def host(settings):
    """The shop behind `shop`, which applies what it is given."""
    changed = copy.deepcopy(django_settings.RETARGET)
    changed["HOSTS"]["default"] = {"BACKEND": "retarget_plugin.testing.FakeHost"}
    settings.RETARGET = changed
    return hosts.get_host("default")


@pytest.fixture
def coupon(message, host):
    """What `message` gives, which speaks of a product."""
    links.shorten(PRODUCT, message=message, purpose=links.OFFERED, now=timezone.now())
    return make_coupon(message, expires_at=timezone.now() + timedelta(days=3))


@pytest.fixture
def offer_url(coupon):
    return url_of(coupon.message)


def url_of(message):
    return reverse("retarget_plugin:offer", args=[tokens.offer(message_id=message.pk)])


def page_of(response):
    return response.content.decode()


def test_the_page_says_what_it_is_worth_and_until_when(client, contact, coupon, offer_url):
    contact.time_zone = "Europe/Paris"
    contact.save()
    coupon.created_at = "2026-12-09T12:00Z"
    coupon.expires_at = "2036-12-12T23:00Z"
    coupon.save()

    response = client.get(offer_url)

    page = page_of(response)
    assert response.status_code == 200
    assert page.count("5% off, for you") == 2
    assert "Valid until December 12, 2036." in page
    assert "Use my code" in page
    assert "Chez Léa" in page
    assert response.headers["Cache-Control"] == "no-store, private"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert response.headers["X-Frame-Options"] == "DENY"


def test_an_amount_is_in_the_shops_currency_and_the_readers_language(client, contact, coupon, offer_url):
    contact.locale = "fr"
    contact.save()
    coupon.kind, coupon.value = "amount", "7.50"
    coupon.save()

    response = client.get(offer_url)

    assert response.headers["Content-Language"] == "fr"
    assert "7,50\u00a0€" in page_of(response)


def test_the_page_says_neither_the_code_nor_whose_it_is(client, contact, offer_url):
    page = page_of(client.get(offer_url))

    secrets = [CODE, contact.email, "camille", contact.phone, "612345678", "Durand", "Lefèvre", contact.postcode]
    assert [secret for secret in secrets if secret.lower() in page.lower()] == []


@pytest.mark.parametrize("headers", [{}, {"sec-purpose": "prefetch;prerender"}, {"user-agent": "SafeLinks-Scan/1.0"}])
def test_looking_changes_nothing(client, host, offer_url, headers):
    before = kept_rows()

    for method in ("get", "head", "options"):
        getattr(client, method)(offer_url, headers=headers)

    assert host.applied == []
    assert kept_rows() == before
    assert list(client.cookies) == ["csrftoken"]


def test_the_button_applies_the_code_and_leads_to_what_the_message_speaks_of(client, host, offer_url):
    response = client.post(offer_url)

    assert host.applied == [CODE]
    assert (response.status_code, response.headers["Location"]) == (303, PRODUCT)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store, private"
    assert CODE not in f"{offer_url}{response.headers}{response.cookies}"


def test_twice_leads_to_the_same_place(client, host, offer_url):
    first, second = client.post(offer_url), client.post(offer_url)

    assert answer(first) == answer(second)
    assert host.applied == [CODE, CODE]


def test_when_the_message_speaks_of_nothing_any_more_it_leads_to_the_shop(client, host, offer_url):
    Link.objects.all().delete()

    response = client.post(offer_url)

    assert host.applied == [CODE]
    assert response.headers["Location"] == "https://shop.example.com"


def test_it_is_good_to_the_last_second_and_then_leads_on_without(client, host, coupon, offer_url):
    with time_machine.travel(coupon.expires_at - timedelta(seconds=1), tick=False):
        assert client.post(offer_url).status_code == 303
    with time_machine.travel(coupon.expires_at, tick=False):
        shown, pressed = client.get(offer_url), client.post(offer_url)

    assert host.applied == [CODE]
    assert "This code is no longer valid" in page_of(shown)
    assert f'href="{PRODUCT}"' in page_of(shown)
    assert "<button" not in page_of(shown)
    assert answer(shown) == answer(pressed)


@pytest.mark.parametrize("state", [CouponState.REDEEMED, CouponState.EXPIRED, CouponState.TAKEN_BACK])
def test_a_code_that_was_used_or_taken_back_is_not_applied(client, host, coupon, offer_url, state):
    coupon.state = state
    coupon.save()

    answers = [client.get(offer_url), client.post(offer_url)]

    assert ["This code is no longer valid" in page_of(response) for response in answers] == [True, True]
    assert host.applied == []


def test_a_code_that_the_shop_takes_no_longer_is_said_to_be_over(client, host, offer_url, monkeypatch):
    monkeypatch.setattr(host, "apply_coupon", lambda request, code: False)

    response = client.post(offer_url)

    assert response.status_code == 200
    assert "This code is no longer valid" in page_of(response)


def test_a_shop_in_trouble_says_so_and_keeps_the_button(client, host, offer_url, monkeypatch):
    monkeypatch.setattr(host, "apply_coupon", lambda request, code: 1 / 0)

    response = client.post(offer_url)

    assert response.status_code == 503
    assert "That did not work just now. Please try again in a moment." in page_of(response)
    assert "Use my code" in page_of(response)


def test_a_forged_form_on_another_site_applies_nothing(host, offer_url):
    client = Client(enforce_csrf_checks=True)
    client.get(offer_url)

    response = client.post(offer_url, headers={"origin": "https://evil.example"})

    assert response.status_code == 403
    assert host.applied == []


def test_the_pages_own_form_is_accepted(host, offer_url):
    client = Client(enforce_csrf_checks=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page_of(client.get(offer_url))).group(1)

    response = client.post(offer_url, {"csrfmiddlewaretoken": token}, headers={"origin": "http://testserver"})

    assert response.status_code == 303
    assert host.applied == [CODE]


@pytest.mark.parametrize("who", ["anonymous", "owner", "friend", "staff"])
def test_nobody_is_logged_in_or_out(client, contact, host, offer_url, who):
    users = get_user_model().objects
    if who != "anonymous":
        email = contact.email if who == "owner" else f"{who}@mail.example"
        client.force_login(users.create_user(who, email=email, is_staff=who == "staff"))
    logged_in_as, before = client.session.get("_auth_user_id"), list(users.values())

    client.post(offer_url)

    assert host.applied == [CODE]
    assert client.session.get("_auth_user_id") == logged_in_as
    assert list(users.values()) == before


@pytest.mark.parametrize("wrong", ["tampered", "other purpose", "no coupon", "no code yet", "erased"])
def test_a_link_that_opens_nothing_says_what_any_dead_link_says(client, contact, coupon, host, wrong):
    dead = answer(client.get("/retarget/offer/nonsense/"))
    token = tokens.offer(message_id=coupon.message_id)
    if wrong == "tampered":
        token = token.swapcase()
    elif wrong == "other purpose":
        token = tokens.asset(lead_id=coupon.message_id)
    elif wrong == "no coupon":
        token = tokens.offer(message_id=make_message(contact).pk)
    elif wrong == "no code yet":
        coupon.code = ""
        coupon.save()
    else:
        contact.erased_at = timezone.now()
        contact.save()
    url = reverse("retarget_plugin:offer", args=[token])

    assert answer(client.get(url)) == answer(client.post(url)) == dead
    assert dead[0] == 404
    assert host.applied == []


def test_the_page_needs_no_script_no_inline_style_and_nothing_from_elsewhere(client, offer_url):
    page = page_of(client.get(offer_url))

    assert re.findall(r"<script|<style|\sstyle=|\son\w+=|javascript:", page) == []
    assert re.findall(r'<link [^>]*href="([^"]+)"', page) == ["/static/retarget_plugin/pages.css"]
