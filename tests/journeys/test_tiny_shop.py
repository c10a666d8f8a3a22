"""The main job in the smallest shop there is: real HTTP views, a real SMTP server, a faithful Twilio."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from retarget_plugin.engine import reports
from retarget_plugin.models import Attempt, Message, Order
from tests.channels.mailers import over_smtp
from tests.fakes.web import Fault
from tests.shop.models import Product

pytestmark = pytest.mark.delivery

EMAIL, PHONE = "ana@example.com", "+33612345678"


def path_of(text, name):
    """The path of the first link to `name` in a text."""
    found = re.search(rf"https://shop\.example\.com(/retarget/{name}/\S+)", text)
    assert found, text
    return found[1]


def leave_a_basket(town):
    desk = town.browser()
    desk.get(f"/add/{Product.objects.get().pk}/")
    desk.post("/checkout/", {"email": EMAIL})
    return desk


def test_left_reminded_restored_elsewhere_ordered_and_reported(town):
    town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)

    town.wait(hours=1, minutes=45)
    (text,) = town.twilio.sent
    assert (text["to"], text["num_segments"]) == (PHONE, "1")
    assert "Macro lens" in text["body"]

    town.wait(hours=2, minutes=15)
    (mail,) = [received.message for received in town.mailbox.messages]
    assert mail["To"] == EMAIL
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "€499.00" in mail.get_body(("html",)).get_content()
    assert "499.00" in mail.get_body(("plain",)).get_content()

    phone = town.browser()
    landed = phone.get(path_of(text["body"], "r"))
    assert landed.status_code == 302
    page = phone.get(landed["Location"].removeprefix("https://shop.example.com"))
    assert b"Macro lens" in page.content
    back = phone.post(page.request["PATH_INFO"])
    assert (back.status_code, back["Location"]) == (303, "/basket/")
    assert phone.get("/basket/").content == b"1 x Macro lens"

    town.wait(minutes=10)
    phone.post("/checkout/", {"email": EMAIL, "buy": "1"})
    town.wait(minutes=1)
    assert Order.objects.get().credited_message.channel == "sms"

    town.wait(days=1)
    town.wait(days=1)
    assert (len(town.twilio.sent), len(town.mailbox.messages)) == (1, 1)
    seen = reports.overview(town.shop, since=town.shop.created_at, until=timezone.now(), now=timezone.now())
    assert (seen.abandoned, seen.messaged, seen.recovered, seen.revenue) == (1, 1, 1, 499)


def test_one_click_in_the_mail_ends_the_mails(town):
    town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)
    town.wait(hours=4)
    (mail,) = [received.message for received in town.mailbox.messages]
    address = path_of(mail["List-Unsubscribe"].strip("<>"), "unsubscribe")

    answer = town.browser().post(
        address, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
    )

    assert answer.status_code == 200
    for _day in range(3):
        town.wait(days=1)
    assert len(town.mailbox.messages) == 1
    assert Message.objects.filter(reason="suppressed", channel="email").count() == 1


def test_a_silent_gateway_leaves_an_unknown_that_staff_sees_and_nothing_repeats(town, admin_client):
    town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)
    town.twilio.next_answers = [Fault.HANG_AFTER_BODY]

    town.wait(hours=1, minutes=45)
    town.wait(minutes=10)
    town.wait(hours=1)

    message = Message.objects.get(step="sms")
    assert message.state == "unknown"
    assert len([call for call in town.twilio.calls if call.method == "POST"]) == 1
    assert Attempt.objects.filter(message=message).count() == 1
    page = admin_client.get(f"/admin/retarget_plugin/message/{message.pk}/change/")
    assert "Outcome unknown" in page.content.decode()


def test_someone_who_answered_stop_at_the_gateway_is_left_alone(town):
    town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)
    town.twilio.stopped.add(PHONE)

    town.wait(hours=1, minutes=45)
    assert Message.objects.get(step="sms").state == "rejected"

    Message.objects.all().delete()
    leave_a_basket(town)
    town.wait(hours=1, minutes=45)
    assert town.twilio.sent == []


def test_a_mail_server_that_is_down_for_an_hour_loses_nothing(town, settings):
    town.agree(email=EMAIL)
    leave_a_basket(town)
    over_smtp(settings, town.mailbox, port=1)

    town.wait(hours=4)
    assert Message.objects.get(step="reminder").state == "scheduled"

    over_smtp(settings, town.mailbox, timeout=3)
    town.wait(hours=1)
    assert Message.objects.get(step="reminder").state == "accepted"
    assert len(town.mailbox.messages) == 1
