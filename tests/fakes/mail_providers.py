"""Calls that e-mail providers make to anymail's webhooks, in the shapes that anymail documents for each.

A provider knows a message by its own `id`, and gives back the `metadata` it was sent with. `Provider.report(kind, ...)` is
one call; kinds: delivered, deferred, soft, hard, dropped (the person had unsubscribed there), complained, unsubscribed,
opened, proxied (opened by a machine) and clicked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.test import Client

SIGNING_KEY = "mailgun-signing-key"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"
APPLE = "Mozilla/5.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
KINDS = (
    "delivered",
    "deferred",
    "soft",
    "hard",
    "dropped",
    "complained",
    "unsubscribed",
    "opened",
    "proxied",
    "clicked",
)


@dataclass(frozen=True)
class Call:
    """One POST to `path` below anymail's webhooks. `body`: JSON text, or fields of a form."""

    path: str
    body: str | dict[str, str]
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def post(self, client: Client, *, credentials: str = "") -> HttpResponse:
        headers = {**self.headers, **({"Authorization": f"Basic {credentials}"} if credentials else {})}
        if isinstance(self.body, dict):
            return client.post(f"/anymail/{self.path}", self.body, headers=headers)
        return client.post(f"/anymail/{self.path}", self.body, content_type=self.content_type, headers=headers)


class Provider:
    """`takes`: the kinds it reports at all."""

    name = ""
    takes: tuple[str, ...] = KINDS

    def report(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> Call:
        raise NotImplementedError


class Postmark(Provider):
    name = "Postmark"
    takes = tuple(kind for kind in KINDS if kind != "dropped")

    def report(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> Call:
        bounces = {"soft": "SoftBounce", "hard": "HardBounce", "deferred": "Transient", "complained": "SpamComplaint"}
        said: dict[str, Any] = {"MessageID": id, "Tag": "cart", "Metadata": dict(metadata), "ServerID": 23}
        if kind in bounces:
            record = "SpamComplaint" if kind == "complained" else "Bounce"
            said |= {"RecordType": record, "Type": bounces[kind], "ID": 901542550, "Email": to, "BouncedAt": _iso(at)}
        elif kind == "delivered":
            said |= {"RecordType": "Delivery", "Recipient": to, "DeliveredAt": _iso(at), "Details": "250 OK"}
        elif kind == "unsubscribed":
            said |= {"RecordType": "SubscriptionChange", "Recipient": to, "ChangedAt": _iso(at), "Origin": "Recipient"}
            said |= {"SuppressSending": True, "SuppressionReason": "ManualSuppression", "MessageStream": "outbound"}
        else:
            record = "Click" if kind == "clicked" else "Open"
            agent = APPLE if kind == "proxied" else FIREFOX
            said |= {"RecordType": record, "Recipient": to, "ReceivedAt": _iso(at), "UserAgent": agent, "Geo": {}}
        return Call("postmark/tracking/", json.dumps(said))


class Mailgun(Provider):
    name = "Mailgun"
    takes = tuple(kind for kind in KINDS if kind != "dropped")

    def report(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> Call:
        events = {"soft": "failed", "hard": "failed", "deferred": "failed", "proxied": "opened"}
        # Mailgun's own id comes without the brackets it was given out with.
        said: dict[str, Any] = {
            "event": events.get(kind, kind),
            "timestamp": at.timestamp(),
            "id": uuid.uuid4().hex[:22],
            "recipient": to,
            "recipient-domain": to.rpartition("@")[2],
            "tags": ["cart"],
            "user-variables": dict(metadata),
            "message": {"headers": {"to": to, "message-id": id.strip("<>"), "from": "hello@shop.example"}},
        }
        if events.get(kind) == "failed":
            severity = "temporary" if kind == "deferred" else "permanent"
            reason = {"hard": "bounce", "soft": "old", "deferred": "generic"}[kind]
            status = {"code": 550, "message": "", "description": "", "attempt-no": 1}
            said |= {"severity": severity, "reason": reason, "delivery-status": status}
        if said["event"] in ("opened", "clicked"):
            bot = "apple" if kind == "proxied" else ""
            said["client-info"] = {"user-agent": FIREFOX, "client-type": "browser", "bot": bot}
        return Call("mailgun/tracking/", json.dumps({"signature": signed(at), "event-data": said}))


class SendGrid(Provider):
    name = "SendGrid"

    def report(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> Call:
        return self.batch([(kind, {"id": id, "to": to, "at": at, "metadata": metadata})])

    def batch(self, reports: list[tuple[str, Mapping[str, Any]]]) -> Call:
        return Call("sendgrid/tracking/", json.dumps([self._event(kind, **facts) for kind, facts in reports]))

    def _event(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> dict[str, Any]:
        events = {"soft": "bounce", "hard": "bounce", "complained": "spamreport", "unsubscribed": "unsubscribe"}
        events |= {"opened": "open", "proxied": "open", "clicked": "click"}
        said = {
            "event": events.get(kind, kind),
            "email": to,
            "timestamp": int(at.timestamp()),
            "anymail_id": id,
            "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.net>",
            "sg_event_id": uuid.uuid4().hex[:22],
            "sg_message_id": "wrfRRvF7Q0GgwUo2CvDmEA.filter0425p1mdw1.13037.57168B4A1D.0",
            **metadata,
        }
        more = {
            "soft": {"type": "blocked", "status": "4.7.1", "reason": "451 4.7.1 Greylisted"},
            "hard": {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 does not exist"},
            "dropped": {"reason": "Unsubscribed Address"},
            "opened": {"useragent": FIREFOX, "sg_machine_open": False},
            "proxied": {"useragent": FIREFOX, "sg_machine_open": True},
            "clicked": {"useragent": FIREFOX, "url": "https://shop.example/"},
        }
        return said | more.get(kind, {})


class Brevo(Provider):
    name = "Brevo"
    takes = tuple(kind for kind in KINDS if kind != "dropped")

    def report(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> Call:
        events = {"soft": "soft_bounce", "hard": "hard_bounce", "complained": "spam", "unsubscribed": "unsubscribe"}
        events |= {"opened": "unique_opened", "proxied": "unique_proxy_open", "clicked": "click"}
        said = {
            "event": events.get(kind, kind),
            "email": to,
            "id": 9999999,
            "message-id": id,
            "subject": "Your basket is waiting",
            "ts": int(at.timestamp()),
            "ts_epoch": int(at.timestamp() * 1000),
            "tag": '["cart"]',
            "tags": ["cart"],
            "sending_ip": "192.0.2.1",
        }
        if metadata:
            said["X-Mailin-custom"] = json.dumps(dict(metadata))
        return Call("brevo/tracking/", json.dumps(said))


class Mailjet(Provider):
    name = "Mailjet"

    def report(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> Call:
        events = {"delivered": "sent", "deferred": "bounce", "soft": "bounce", "hard": "bounce", "dropped": "blocked"}
        events |= {
            "complained": "spam",
            "unsubscribed": "unsub",
            "opened": "open",
            "proxied": "open",
            "clicked": "click",
        }
        said = {
            "event": events[kind],
            "time": int(at.timestamp()),
            "MessageID": int(id),
            "email": to,
            "mj_campaign_id": 1234567890,
            "mj_contact_id": 9876543210,
            "customcampaign": "cart",
            "Payload": json.dumps(dict(metadata)) if metadata else "",
        }
        more: dict[str, dict[str, Any]] = {
            "deferred": {"blocked": False, "hard_bounce": False, "error": "greylisted", "error_related_to": "domain"},
            "soft": {
                "blocked": False,
                "hard_bounce": False,
                "error": "quota exceeded",
                "error_related_to": "recipient",
            },
            "hard": {"blocked": True, "hard_bounce": True, "error": "user unknown", "error_related_to": "recipient"},
            # What Mailjet says of somebody who complained of an earlier e-mail.
            "dropped": {"error": "spam reporter", "error_related_to": "recipient"},
            "opened": {"agent": FIREFOX},
            "proxied": {"agent": GMAIL},
            "clicked": {"agent": FIREFOX, "url": "https://shop.example/"},
        }
        return Call("mailjet/tracking/", json.dumps([said | more.get(kind, {})]))


class AmazonSes(Provider):
    """Through SNS, whose own signature anymail does not look at."""

    name = "Amazon SES"
    takes = tuple(kind for kind in KINDS if kind not in ("dropped", "deferred", "unsubscribed"))

    def report(self, kind: str, *, id: str, to: str, at: datetime, metadata: Mapping[str, str]) -> Call:
        headers = [{"name": "X-Metadata", "value": json.dumps(dict(metadata))}] if metadata else []
        mail = {"messageId": id, "destination": [to], "timestamp": _iso(at), "headers": headers}
        agent = APPLE if kind == "proxied" else FIREFOX
        bounced = {
            "bouncedRecipients": [{"emailAddress": to, "diagnosticCode": "smtp; 550"}],
            "bounceSubType": "General",
        }
        complained = {"complainedRecipients": [{"emailAddress": to}], "complaintFeedbackType": "abuse"}
        said = {
            "delivered": {"eventType": "Delivery", "delivery": {"recipients": [to], "smtpResponse": "250 ok"}},
            "soft": {"eventType": "Bounce", "bounce": {**bounced, "bounceType": "Transient"}},
            "hard": {"eventType": "Bounce", "bounce": {**bounced, "bounceType": "Permanent"}},
            "complained": {"eventType": "Complaint", "complaint": complained},
            "opened": {"eventType": "Open", "open": {"userAgent": agent, "ipAddress": "192.0.2.1"}},
            "proxied": {"eventType": "Open", "open": {"userAgent": agent, "ipAddress": "192.0.2.1"}},
            "clicked": {"eventType": "Click", "click": {"userAgent": agent, "link": "https://shop.example/"}},
        }[kind]
        return self.notify({**said, "mail": mail}, at=at)

    def notify(self, said: Mapping[str, Any], *, at: datetime) -> Call:
        sns = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:SES_Events",
            "Message": json.dumps(said) + "\n",
            "Timestamp": _iso(at),
            "SignatureVersion": "1",
            "Signature": "EXAMPLE==",
        }
        headers = {"x-amz-sns-message-id": sns["MessageId"], "x-amz-sns-message-type": sns["Type"]}
        return Call("amazon_ses/tracking/", json.dumps(sns), "text/plain; charset=UTF-8", headers)


PROVIDERS: tuple[Provider, ...] = (Mailgun(), SendGrid(), Postmark(), Brevo(), AmazonSes(), Mailjet())


def signed(at: datetime, *, key: str = SIGNING_KEY) -> dict[str, str]:
    """Mailgun's signature block."""
    timestamp, token = str(int(at.timestamp())), uuid.uuid4().hex * 2
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": timestamp, "token": token, "signature": signature}


# -- mail that people send ---------------------------------------------------------------------------------------------


def received_by_postmark(*, sender: str, to: str, subject: str, text: str = "", headers: Mapping[str, str]) -> Call:
    said = {
        "FromFull": {"Email": sender, "Name": "", "MailboxHash": ""},
        "ToFull": [{"Email": to, "Name": "", "MailboxHash": ""}],
        "OriginalRecipient": to,
        "Subject": subject,
        "MessageID": str(uuid.uuid4()),
        "Date": "Tue, 24 Nov 2026 10:00:00 +0100",
        "TextBody": text,
        "HtmlBody": "",
        "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
        "Attachments": [],
    }
    return Call("postmark/inbound/", json.dumps(said))


def received_by_mailgun(*, sender: str, to: str, subject: str, text: str = "", headers: Mapping[str, str]) -> Call:
    lines = [["From", sender], ["To", to], ["Subject", subject], *([*pair] for pair in headers.items())]
    fields = {
        "sender": sender,
        "recipient": to,
        "from": sender,
        "subject": subject,
        "body-plain": text,
        "stripped-text": text,
        "message-headers": json.dumps(lines),
        **signed(datetime(2026, 11, 24, 10).astimezone()),
    }
    return Call("mailgun/inbound/", fields)


def received_by_mailjet(*, sender: str, to: str, subject: str, text: str = "", headers: Mapping[str, str]) -> Call:
    said = {
        "Sender": sender,
        "Recipient": to,
        "From": sender,
        "Subject": subject,
        "Date": "20261124T100000",
        "Headers": {"From": [sender], "To": to, "Subject": subject, **headers},
        "Parts": [],
        "Text-part": text,
        "SpamAssassinScore": "0.1",
    }
    return Call("mailjet/inbound/", json.dumps(said))


RECEIVERS = (received_by_postmark, received_by_mailgun, received_by_mailjet)


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
