"""smsmode's REST API v1: sends, look-ups, and its calls back, which nothing signs."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

from . import webhooks
from .twilio import segments
from .web import Call, Reply, WebFake

PRICE_A_SEGMENT = 0.05
STOP_WORDS = " STOP au 36180"
#: Last digits of a number -> (status, errorCode, words) it is refused with.
REFUSALS = {
    "0001": (400, "invalidRecipient", "The recipient {to} is not valid"),
    "0015": (402, "insufficientBalance", "The account's balance is too low"),
}


class SmsmodeServer(WebFake):
    """One account. `sent` holds the message resources it accepted, in order."""

    api_key = "smsmode-api-key-0123456789abcdef"
    own_number = "33700000000"

    def __init__(self, *, journal: Path | None = None) -> None:
        super().__init__(journal=journal)
        self.sent: list[dict[str, Any]] = []
        self._callbacks: dict[str, dict[str, str]] = {}

    def answer(self, call: Call) -> Reply:
        if call.headers.get("X-Api-Key") != self.api_key:
            return _error(401, "unauthorized", "Unauthorized")
        if (call.method, call.path) == ("POST", "/sms/v1/messages"):
            return self._send(call.document)
        found = re.fullmatch(r"/sms/v1/messages/([0-9a-f-]{36})", call.path)
        for message in self.sent:
            if call.method == "GET" and found and message["messageId"] == found[1]:
                return Reply(200, message)
        return _error(404, "notFound", "Not found")

    def report(self, message_id: str, status: str, *, detail: str = "") -> int:
        """Change a message's status and tell its callbackUrlStatus. Returns the receiver's HTTP status."""
        message = next(each for each in self.sent if each["messageId"] == message_id)
        message["status"] = {"deliveryDate": "2026-11-24T10:00:00", "value": status} | (
            {"detail": detail} if detail else {}
        )
        return webhooks.post(self._callbacks[message_id]["callbackUrlStatus"], message)

    def receive(self, message_id: str, *, text: str, is_swapped: bool = False) -> int:
        """Hand an answer to message `message_id` to its callbackUrlMo. Returns the receiver's HTTP status."""
        message = next(each for each in self.sent if each["messageId"] == message_id)
        sender, to = message["recipient"]["to"], self.own_number
        if is_swapped:
            sender, to = to, sender
        document = {
            "messageId": str(uuid.uuid4()),
            "originMessageId": message_id,
            "acceptedAt": "2026-11-24T10:05:00",
            "type": "SMS",
            "direction": "MO",
            "recipient": {"to": to},
            "from": sender,
            "body": {"text": text},
        }
        return webhooks.post(self._callbacks[message_id]["callbackUrlMo"], document)

    def _send(self, text: dict[str, Any]) -> Reply:
        to, sender, body = text.get("recipient", {}).get("to", ""), text.get("from"), text.get("body", {})
        if not re.fullmatch(r"[1-9][0-9]{6,14}", to) or to[-4:] == "0001":
            status, code, words = REFUSALS["0001"]
            return _error(status, code, words.format(to=to))
        if to[-4:] in REFUSALS:
            return _error(*REFUSALS[to[-4:]])
        if sender is not None and not re.fullmatch(r"[a-zA-Z0-9\s]{1,11}|[0-9]{1,15}", sender):
            return _error(400, "invalidFrom", "from is not valid")
        if not 3 <= len(text.get("refClient", "xxx")) <= 140:
            return _error(422, "invalidRefClient", "refClient must have 3 to 140 characters")
        if any(len(text.get(name, "")) > 255 for name in ("callbackUrlStatus", "callbackUrlMo")):
            return _error(422, "invalidCallbackUrl", "A callback URL has at most 255 characters")
        count = segments(body["text"] + (STOP_WORDS if body.get("stop") else ""))
        message = {
            "messageId": str(uuid.uuid4()),
            "acceptedAt": "2026-11-24T09:59:58",
            "channel": {"channelId": str(uuid.uuid4()), "name": "shop", "type": "SMS", "flow": "MARKETING"},
            "type": "SMS",
            "direction": "MT",
            "recipient": {"to": to},
            "from": sender,
            "body": {**body, "messagePartCount": count},
            "price": {"amount": round(count * PRICE_A_SEGMENT, 2), "currency": "EUR"},
            "status": {"deliveryDate": "2026-11-24T09:59:58", "value": "ENROUTE"},
            "refClient": text.get("refClient"),
        }
        message["href"] = f"https://rest.smsmode.com/sms/v1/messages/{message['messageId']}"
        self.sent.append(message)
        self._callbacks[str(message["messageId"])] = {
            name: text.get(name, "") for name in ("callbackUrlStatus", "callbackUrlMo")
        }
        return Reply(201, message)


def _error(status: int, code: str, words: str) -> Reply:
    return Reply(status, {"title": "Error", "message": words, "detail": words, "errorCode": code})
