"""The provider's side of the story, over HTTP: it reports, hands on a STOP and a START, and tells of an opt-out by itself."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from retarget_plugin.engine import consent
from retarget_plugin.models import ConsentRecord, Contact, Message
from tests.shop.models import Product

pytestmark = pytest.mark.delivery

EMAIL, PHONE, SHOP = "ana@example.com", "+33612345678", "+15005550006"


@pytest.fixture
def reachable(town, live_server, settings):
    """The town's provider can call the shop, at its public address."""
    settings.RETARGET = {**settings.RETARGET, "PUBLIC_URL": live_server.url}
    return town


def leave_a_basket(town):
    desk = town.browser()
    desk.get(f"/add/{Product.objects.get().pk}/")
    desk.post("/checkout/", {"email": EMAIL})
    town.wait(hours=1, minutes=45)


def callback_of(text, town):
    """Where the provider was told to report, without what marks the one message."""
    (call,) = [call for call in town.twilio.calls if call.form.get("Body") == [text["body"]]]
    return urlsplit(call.form["StatusCallback"][0])._replace(query="").geturl()


def test_delivered_then_stop_then_nothing_then_start_and_it_goes_on(reachable):
    town, twilio = reachable, reachable.twilio
    ana = town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)
    (text,) = twilio.sent
    receipts = callback_of(text, town)

    twilio.report(text["sid"], "delivered")
    twilio.report(text["sid"], "sent")
    message = Message.objects.get(step="sms")
    assert (message.state, message.gateway_id) == ("accepted", text["sid"])
    assert message.delivered_at is not None

    twilio.receive(receipts, sender=PHONE, to=SHOP, text="Stop")
    assert consent.state_of(ana, channel="sms") == "withdrawn"
    assert consent.state_of(ana, channel="email") == "granted"

    town.wait(days=8)
    leave_a_basket(town)
    town.wait(hours=3)
    assert (len(twilio.sent), len(town.mailbox.messages)) == (1, 1)

    twilio.receive(receipts, sender=PHONE, to=SHOP, text="START")
    assert consent.state_of(ana, channel="sms") == "granted"
    town.wait(days=8)
    leave_a_basket(town)
    assert len(twilio.sent) == 2
    assert twilio.callbacks == [200] * 4


def test_who_stops_with_the_provider_alone_is_found_out_by_its_report(reachable):
    """A messaging service takes the text first, and says only afterwards that the person has opted out."""
    town, twilio = reachable, reachable.twilio
    ana = town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)
    (text,) = twilio.sent

    twilio.report(text["sid"], "failed", error_code=21610)

    assert consent.state_of(ana, channel="sms") == "withdrawn"
    assert ConsentRecord.objects.get(state="withdrawn").source == "unsubscribed reported by default"
    town.wait(days=8)
    leave_a_basket(town)
    assert len(twilio.sent) == 1


def test_somebody_else_cannot_stop_anybody_and_no_stranger_becomes_known(reachable):
    town, twilio = reachable, reachable.twilio
    ana = town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)
    receipts = callback_of(twilio.sent[0], town)

    twilio.receive(receipts, sender="+33698765432", to=SHOP, text="STOP")
    twilio.auth_token = "an attacker's"
    twilio.receive(receipts, sender=PHONE, to=SHOP, text="STOP")

    assert twilio.callbacks == [200, 403]
    assert consent.state_of(ana, channel="sms") == "granted"
    assert Contact.objects.count() == 1


def test_help_is_answered_with_who_writes_and_how_to_stop(reachable):
    town, twilio = reachable, reachable.twilio
    town.agree(email=EMAIL, phone=PHONE)
    leave_a_basket(town)

    twilio.receive(callback_of(twilio.sent[0], town), sender=PHONE, to=SHOP, text="HELP")
    town.wait(minutes=1)

    (_reminder, answer) = twilio.sent
    assert (answer["to"], answer["from"]) == (PHONE, SHOP)
    assert "Lumen Camera" in answer["body"]
    assert "help@shop.example.com" in answer["body"]
    assert answer["body"].endswith("STOP to end.")
