"""What a shop's own tests are given, played in the tiny shop."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client, TestCase
from django.utils import timezone

from retarget_plugin import channels
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, Flow
from retarget_plugin.testing import MemoryGateway, Scene
from retarget_plugin.testing.clock import TUESDAY_MORNING
from retarget_plugin.testing.plugin import retarget  # noqa: F401 - a fixture
from tests.shop.models import Product, Purchase

EMAIL, PHONE = "ana@example.com", "+33612345678"


def leave_a_basket(client):
    client.post(f"/add/{Product.objects.create(name='Macro lens', price=499).pk}/")
    client.post("/checkout/", {"email": EMAIL})


def test_a_message_leaves_at_its_own_minute_and_not_before(retarget, client):  # noqa: F811
    retarget.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(client)

    retarget.advance(hours=1, minutes=44)
    assert retarget.outbox == []

    retarget.advance(minutes=1)
    (text,) = retarget.outbox
    assert (text.channel, text.to, text.subject, text.html) == ("sms", PHONE, "", "")
    assert "Macro lens" in text.text
    assert retarget.now == timezone.now() == TUESDAY_MORNING + timedelta(hours=1, minutes=45)


def test_in_a_long_time_everything_leaves_in_turn(retarget, client):  # noqa: F811
    retarget.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(client)

    retarget.advance(days=2)

    assert [sent.channel for sent in retarget.outbox] == ["sms", "email", "email"]
    assert {mail.to for mail in retarget.outbox[1:]} == {EMAIL}
    assert len({mail.subject for mail in retarget.outbox[1:]}) == 2


def test_who_never_agreed_gets_nothing(retarget, client):  # noqa: F811
    leave_a_basket(client)

    retarget.advance(days=2)

    assert Cart.objects.get().state == "abandoned"
    assert retarget.outbox == []


def test_an_order_ends_it(retarget, client):  # noqa: F811
    retarget.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(client)
    retarget.advance(hours=2)

    client.post("/checkout/", {"buy": "1"})
    retarget.advance(days=2)

    assert len(retarget.outbox) == 1
    assert Purchase.objects.get().placed_at == TUESDAY_MORNING + timedelta(hours=2)
    assert Cart.objects.get().state == "ordered"


def test_the_shops_own_mail_is_not_among_ours(retarget, client):  # noqa: F811
    retarget.agree(email=EMAIL, channels=["email"])
    leave_a_basket(client)
    mail.send_mail("Welcome", "Thank you for your account.", None, [EMAIL])

    retarget.advance(hours=4)

    (sent,) = retarget.outbox
    assert sent.subject != "Welcome"
    assert len(mail.outbox) == 2


def test_a_gateway_can_be_told_to_refuse(retarget, client):  # noqa: F811
    retarget.agree(email=EMAIL, phone=PHONE, channels=["sms"])
    leave_a_basket(client)
    MemoryGateway.answers.append(Outcome(kind=OutcomeKind.REJECTED, detail="no such number"))

    retarget.advance(hours=2)

    assert retarget.outbox == []
    assert [text.to for text in MemoryGateway.calls] == [PHONE]


@pytest.mark.django_db(transaction=True)
def test_it_plays_as_well_where_the_shop_really_commits(retarget, client):  # noqa: F811
    retarget.agree(email=EMAIL, channels=["email"])
    leave_a_basket(client)

    retarget.advance(hours=4)

    assert [sent.to for sent in retarget.outbox] == [EMAIL]


@pytest.mark.django_db
def test_afterwards_all_is_as_it_was():
    before, gateway = dict(settings.RETARGET), channels.get_gateway()

    with Scene(name="Lumen", time_zone="UTC") as scene:
        assert (scene.shop.name, scene.shop.time_zone) == ("Lumen", "UTC")
        assert Flow.objects.get(slug="abandoned-cart").state == "on"
        assert timezone.now() == TUESDAY_MORNING
        assert channels.get_gateway() is not gateway

    assert dict(settings.RETARGET) == before
    assert timezone.now() != TUESDAY_MORNING


@pytest.mark.django_db
def test_a_shop_that_is_not_ready_says_so_and_time_goes_on():
    with pytest.raises(Refusal, match="postal address"), Scene(postal_address=""):
        pass

    assert timezone.now() != TUESDAY_MORNING


def test_a_shop_that_makes_no_coupons_does_without_the_flows_that_give_some(retarget):  # noqa: F811
    assert Flow.objects.get(slug="browse-abandonment").state == "on"
    assert Flow.objects.get(slug="content-upgrade").state == "off"

    with pytest.raises(Refusal, match="makes no coupon codes"):
        retarget.only("content-upgrade")


def test_who_is_held_out_is_in_the_tests_hands(retarget, client):  # noqa: F811
    retarget.agree(email=EMAIL, phone=PHONE)
    retarget.arm = "holdout"
    leave_a_basket(client)

    retarget.advance(days=2)

    assert retarget.outbox == []


class WithoutPytest(TestCase):
    def test_a_scene_is_entered_by_hand(self):
        with Scene() as scene:
            scene.agree(email=EMAIL, channels=["email"])
            leave_a_basket(Client())

            scene.advance(hours=4)

            self.assertEqual([sent.channel for sent in scene.outbox], ["email"])


def test_nothing_of_it_needs_pytest():
    script = (
        "import sys; sys.modules['pytest'] = None\n"
        "import django; django.setup()\n"
        "import retarget_plugin.testing as testing; print(testing.Scene.__name__)"
    )

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout == "Scene\n"
