"""Who follows a recovery link: a host is told whether the browser is proven to be the owner's, and nothing is guessed."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from retarget_plugin import hosts
from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import visitors
from retarget_plugin.models import Cart, Contact


@pytest.fixture(autouse=True)
def _a_shop_that_listens(settings, recover_url):
    settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": {"BACKEND": "tests.web.hosts.ChannelShop"}}}


@pytest.fixture
def visitor(shop):
    return visitors.meet(shop, grant=Grant(tracking=True, wording="v1", source="banner"), now=timezone.now())


def press(url, cookie=""):
    browser = Client()
    if cookie:
        browser.cookies["retarget_visitor"] = cookie
    answer = browser.post(url)
    assert (answer.status_code, answer["Location"]) == (303, "/basket/")


def test_the_link_alone_does_not_make_anybody_the_owner(recover_url, visitor):
    for cookie in ("", "x" * 43, visitor.key):
        press(recover_url, cookie)

    assert [asked["is_own"] for asked in hosts.get_host("default").asked] == [False, False, False]


def test_a_browser_that_has_proven_to_be_the_owners_is_told_so(recover_url, visitor, contact):
    visitors.become(visitor, contact, source="log-in", now=timezone.now())

    press(recover_url, visitor.key)

    reference = Cart.objects.get().reference
    assert hosts.get_host("default").asked == [{"reference": reference, "scope": "", "is_own": True}]


def test_somebody_elses_proven_browser_is_not_the_owners(recover_url, visitor, shop):
    other = Contact.objects.create(shop=shop, email="ben@mail.example", created_at=timezone.now())
    visitors.become(visitor, other, source="log-in", now=timezone.now())

    press(recover_url, visitor.key)

    assert [asked["is_own"] for asked in hosts.get_host("default").asked] == [False]
