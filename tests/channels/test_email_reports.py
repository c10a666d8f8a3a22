"""What each provider's own words mean: for good or for now, a person or a machine. Read by anymail's views, where they can
be made without a key."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import pytest
from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent
from anymail.webhooks.mailersend import MailerSendTrackingWebhookView
from anymail.webhooks.mailtrap import MailtrapTrackingWebhookView
from anymail.webhooks.mandrill import MandrillCombinedWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.resend import ResendTrackingWebhookView
from anymail.webhooks.sparkpost import SparkPostTrackingWebhookView
from anymail.webhooks.unisender_go import UnisenderGoTrackingWebhookView

from retarget_plugin.channels import replies, reports
from retarget_plugin.domain.vocabulary import DeliveryKind

pytestmark = [
    pytest.mark.delivery,
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailInsecureWebhookWarning"),
]

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"


def read(provider, said):
    """The report that anymail makes of `said`, as we understand it: (kind, is it for good, was it a machine)."""
    event = EVENTS[provider](said)
    found = reports.event_of(event, provider=provider)
    return found and (found.kind.value, found.is_permanent, found.is_machine)


def made_by(view, **options):
    return lambda said: view(**options).esp_to_anymail_event(said)


def sparkpost(said):
    [(kind, event)] = said["msys"].items()
    return SparkPostTrackingWebhookView().esp_to_anymail_event(kind, event, said)


def resend(said):
    return ResendTrackingWebhookView().esp_to_anymail_event(said, SimpleNamespace(headers={"svix-id": "msg_1"}))


def postal(said):
    # Its view wants a public key before it reads anything.
    payload = said["payload"]
    kinds = {"HardFail": "failed", "SoftFail": "deferred"}
    return AnymailTrackingEvent(event_type=kinds[payload["status"]], esp_event=said, mta_response=payload["output"])


EVENTS = {
    "MailerSend": made_by(MailerSendTrackingWebhookView, signing_secret="x"),
    "Mailtrap": made_by(MailtrapTrackingWebhookView),
    "Mandrill": made_by(MandrillCombinedWebhookView, webhook_key="x"),
    "Postal": postal,
    "Postmark": made_by(PostmarkTrackingWebhookView),
    "Resend": resend,
    "SparkPost": sparkpost,
    "Unisender Go": made_by(UnisenderGoTrackingWebhookView, api_key="x"),
}


def bounce_at_sparkpost(bounce_class, kind="bounce"):
    return {"msys": {"message_event": {"type": kind, "bounce_class": bounce_class, "timestamp": "1460989507"}}}


def open_at_sparkpost(**facts):
    return {"msys": {"track_event": {"type": "open", "timestamp": "1460989507", "user_agent": FIREFOX, **facts}}}


def at_mailtrap(event, **facts):
    return {
        "event": event,
        "email": "a@x.example",
        "message_id": "m",
        "event_id": "e",
        "timestamp": 1726358400,
        **facts,
    }


SAID = [
    ("MailerSend", {"data": {"type": "hard_bounced"}}, ("bounced", True, False)),
    ("MailerSend", {"data": {"type": "soft_bounced"}}, ("bounced", False, False)),
    ("MailerSend", {"data": {"type": "opened"}}, ("opened", False, False)),
    ("Mailtrap", at_mailtrap("bounce"), ("bounced", True, False)),
    ("Mailtrap", at_mailtrap("soft bounce"), ("deferred", False, False)),
    ("Mailtrap", at_mailtrap("click", user_agent="Barracuda Sentinel"), ("clicked", False, True)),
    ("Mandrill", {"event": "hard_bounce", "msg": {}}, ("bounced", True, False)),
    ("Mandrill", {"event": "soft_bounce", "msg": {}}, ("bounced", False, False)),
    ("Mandrill", {"event": "reject", "msg": {}}, ("failed", False, False)),
    ("Mandrill", {"event": "open", "user_agent": FIREFOX}, ("opened", False, False)),
    ("Mandrill", {"event": "open", "user_agent": "YahooMailProxy; https://x.example"}, ("opened", False, True)),
    ("Mandrill", {"event": "whitelist"}, None),
    ("Postal", {"payload": {"status": "HardFail", "output": "550 5.1.1 No such user"}}, ("failed", True, False)),
    ("Postal", {"payload": {"status": "HardFail", "output": "550 5.7.1 Blocked"}}, ("failed", False, False)),
    ("Postal", {"payload": {"status": "HardFail", "output": "550 15.1.1.2 odd"}}, ("failed", False, False)),
    ("Postal", {"payload": {"status": "SoftFail", "output": "450 4.2.1 later"}}, ("deferred", False, False)),
    ("Postmark", {"RecordType": "Bounce", "Type": "BadEmailAddress"}, ("failed", True, False)),
    ("Postmark", {"RecordType": "Bounce", "Type": "DMARCPolicy"}, ("failed", False, False)),
    ("Postmark", {"RecordType": "Bounce", "Type": "AutoResponder"}, None),
    (
        "Postmark",
        {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"},
        ("bounced", True, False),
    ),
    ("Postmark", {"RecordType": "SubscriptionChange", "SuppressSending": False}, None),
    ("Postmark", {"RecordType": "Open", "UserAgent": FIREFOX}, ("opened", False, False)),
    ("Postmark", {"RecordType": "Open", "UserAgent": "Mozilla/5.0"}, ("opened", False, True)),
    ("Postmark", {"RecordType": "Open"}, ("opened", False, False)),
    (
        "Resend",
        {"type": "email.bounced", "data": {"bounce": {"message": "x", "type": "Permanent"}}},
        ("bounced", True, False),
    ),
    (
        "Resend",
        {"type": "email.bounced", "data": {"bounce": {"message": "x", "type": "Transient"}}},
        ("bounced", False, False),
    ),
    ("SparkPost", bounce_at_sparkpost("10"), ("bounced", True, False)),
    ("SparkPost", bounce_at_sparkpost("30"), ("bounced", True, False)),
    ("SparkPost", bounce_at_sparkpost("22"), ("bounced", False, False)),
    # A mailbox provider took it for spam. The person complained of nothing.
    ("SparkPost", bounce_at_sparkpost("51"), ("bounced", False, False)),
    ("SparkPost", bounce_at_sparkpost("60"), None),
    ("SparkPost", bounce_at_sparkpost("90"), ("unsubscribed", False, False)),
    ("SparkPost", open_at_sparkpost(is_prefetched="true"), ("opened", False, True)),
    ("SparkPost", open_at_sparkpost(is_prefetched="false"), ("opened", False, False)),
    ("Unisender Go", {"status": "hard_bounced", "email": "a@x.example"}, ("bounced", True, False)),
    ("Unisender Go", {"status": "soft_bounced", "email": "a@x.example"}, ("deferred", False, False)),
]


@pytest.mark.parametrize(("provider", "said", "meaning"), SAID)
def test_a_providers_words_are_understood(provider, said, meaning):
    assert read(provider, said) == meaning


@pytest.mark.parametrize("odd", [None, [], "text", 7, {"bounce": None}, {"bounce": []}, {"event": ["hard_bounce"]}])
@pytest.mark.parametrize("provider", sorted(reports._FOR_GOOD))
def test_words_of_another_shape_give_nobody_up(provider, odd):
    event = AnymailTrackingEvent(event_type="bounced", esp_event=odd, metadata=odd)

    found = reports.event_of(event, provider=provider)

    assert (found.kind, found.is_permanent, found.message_id, found.seal) == (DeliveryKind.BOUNCED, False, "", "")


def test_a_time_without_its_zone_is_no_time():
    event = AnymailTrackingEvent(event_type="delivered", timestamp=datetime(2026, 11, 24, 10))

    assert reports.event_of(event, provider="MailerSend").at is None


def mail(**headers):
    message = AnymailInboundMessage.construct(
        headers=[(name.replace("_", "-"), text) for name, text in headers.items()]
    )
    return AnymailInboundEvent(event_type="inbound", message=message)


def test_a_mail_is_read_by_its_addresses_and_subject():
    event = mail(From="Ana <ana@example.com>", To="A <a@x.example>, b@x.example", Cc="c@x.example", Subject="Bonjour")
    event.message.envelope_recipient = "b@x.example"

    found = replies.email_of(event)

    assert (found.sender, found.recipients) == ("ana@example.com", ("b@x.example", "a@x.example", "c@x.example"))
    assert (found.subject, found.is_automatic) == ("Bonjour", False)


def test_a_mail_from_several_people_is_from_nobody():
    assert replies.email_of(mail(From="ana@example.com, bo@example.com", Subject="STOP")).sender == ""


def test_a_mail_that_could_not_be_received_is_none():
    assert replies.email_of(AnymailInboundEvent(event_type="inbound_failed")) is None
