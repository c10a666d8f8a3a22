"""Vonage's SMS API: sends part by part, reports and inbound texts in each of its three ways, signed where asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .twilio import segments
from .web import Call, Reply, WebFake

#: A recipient of this prefix and a status of two digits is refused with it; 98 and 99: only the first part is taken.
REFUSING = "4477009000"
PARTLY = (f"{REFUSING}98", f"{REFUSING}99")

WORDS = {
    "1": "Throughput Rate Exceeded - please wait [ 250 ] and retry",
    "2": "Missing to param",
    "3": "Invalid to param",
    "4": "Bad Credentials",
    "5": "Internal Error",
    "6": "Unroutable message - rejected",
    "7": "Number barred.",
    "8": "Partner Account Barred",
    "9": "Quota Exceeded - rejected",
    "10": "Too Many Existing Binds",
    "11": "Account Not Enabled For HTTP",
    "12": "Message Too Long",
    "14": "Invalid Signature",
    "15": "Illegal Sender Address - rejected",
    "22": "Invalid Network Code",
    "23": "Invalid Callback URL",
    "29": "Non White-listed Destination - rejected",
    "32": "Signature And API Secret Disallowed",
    "33": "Number De-activated",
}


class VonageServer(WebFake):
    """One account. `sent` holds what was taken, in order: sender, number, text as it arrives, type, parts, ids, callback.

    A text to a number in `stopped` is taken too; `report` then says that the person does not want it. Reports and inbound
    texts go out by `way` ("GET", "form" or "json"), signed by `signing` unless that is empty.
    """

    api_key = "abcd1234"
    api_secret = "vonage-api-secret-0123"
    signature_secret = "vonage-signature-secret-456789"
    price = "0.03330000"

    def __init__(self, *, journal: Path | None = None) -> None:
        super().__init__(journal=journal)
        self.sent: list[dict[str, Any]] = []
        self.stopped: set[str] = set()
        self.callbacks: list[int] = []
        self.way, self.signing = "form", ""

    def answer(self, call: Call) -> Reply:
        if (call.method, call.path) != ("POST", "/sms/json"):
            return Reply(404, body=b"<html>HTTP ERROR: 404</html>", headers={"Content-Type": "text/html"})
        form = {name: values[0] for name, values in call.form.items()}
        if not self._is_authorized(call, form):
            return _answer([_refusal("4")])
        code = self._code(form)
        if code:
            return _answer([_refusal(code)])
        return self._take(form)

    def report(self, message_id: str, status: str, *, err_code: str = "0", url: str = "") -> int:
        """Tell the callback what became of a part. Returns the receiver's HTTP status."""
        message = next(each for each in self.sent if message_id in each["ids"])
        if message["to"] in self.stopped and status in ("failed", "rejected"):
            err_code = "9"
        fields = {
            "msisdn": message["to"],
            "to": message["from"],
            "network-code": "23410",
            "messageId": message_id,
            "price": self.price,
            "status": status,
            "scts": "2001011400",
            "err-code": err_code,
            "api-key": self.api_key,
            "message-timestamp": "2020-01-01 12:00:00",
        }
        if message["client-ref"]:
            fields["client-ref"] = message["client-ref"]
        return self._tell(url or message["callback"], fields)

    def receive(self, url: str, *, sender: str, to: str, text: str) -> int:
        """Deliver a text somebody sent to the account's number, given in digits."""
        fields = {
            "msisdn": sender,
            "to": to,
            "messageId": _new_id(),
            "text": text,
            "type": "text",
            "keyword": (text.upper().split() or [""])[0],
            "api-key": self.api_key,
            "message-timestamp": "2020-01-01 12:00:00",
        }
        return self._tell(url, fields)

    def signed(self, fields: Mapping[str, str], *, at: float | None = None) -> dict[str, str]:
        """`fields` with timestamp, nonce and sig."""
        stamp = str(int(time.time() if at is None else at))
        found = {**fields, "timestamp": stamp, "nonce": str(uuid.uuid4())}
        text = "".join(f"&{name}={found[name].replace('&', '_').replace('=', '_')}" for name in sorted(found))
        if self.signing == "md5hash":
            sig = hashlib.md5((text + self.signature_secret).encode(), usedforsecurity=False).hexdigest()
        else:
            sig = hmac.new(self.signature_secret.encode(), text.encode(), self.signing).hexdigest()
        return {**found, "sig": sig}

    def _tell(self, url: str, fields: Mapping[str, str]) -> int:
        fields = self.signed(fields) if self.signing else dict(fields)
        match self.way:
            case "GET":
                request = urllib.request.Request(f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}")
            case "json":
                request = urllib.request.Request(url, data=json.dumps(fields).encode(), method="POST")
                request.add_header("Content-Type", "application/json")
            case _:
                request = urllib.request.Request(url, data=urlencode(fields).encode(), method="POST")
                request.add_header("Content-Type", "application/x-www-form-urlencoded")
        request.add_header("User-Agent", "Nexmo/MessagingHUB/v1.0")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                status = int(response.status)
        except urllib.error.HTTPError as error:
            status = int(error.code)
        self.callbacks.append(status)
        return status

    def _is_authorized(self, call: Call, form: Mapping[str, str]) -> bool:
        pair = base64.b64encode(f"{self.api_key}:{self.api_secret}".encode()).decode()
        in_form = (form.get("api_key"), form.get("api_secret")) == (self.api_key, self.api_secret)
        return in_form or call.headers.get("Authorization", "") == f"Basic {pair}"

    def _code(self, form: Mapping[str, str]) -> str:
        to, sender = form.get("to", ""), form.get("from", "")
        named = str(int(to[-2:])) if to.startswith(REFUSING) and to not in PARTLY and to[-2:].isdigit() else ""
        is_sender = (sender.isdigit() and len(sender) <= 15) or len(sender) <= 11
        checks = (
            (not to or not form.get("text") or not sender, "2"),
            (not to.isdigit() or not 7 <= len(to) <= 15, "3"),
            (len(form.get("client-ref", "")) > 100, "3"),
            (form.get("type", "text") not in ("text", "unicode"), "3"),
            (len(form.get("callback", "")) > 100, "23"),
            (not is_sender, "15"),
            (len(form.get("text", "")) > 3200, "12"),
            (named in WORDS, named),
        )
        return next((code for is_wrong, code in checks if is_wrong), "")

    def _take(self, form: Mapping[str, str]) -> Reply:
        is_unicode = form.get("type") == "unicode"
        # As "text", what the network's alphabet lacks is lost.
        text = form["text"] if is_unicode else _lossy(form["text"])
        parts = [
            {
                "to": form["to"],
                "message-id": _new_id(),
                "status": "0",
                "remaining-balance": "3.14159265",
                "message-price": self.price,
                "network": "23410",
                **({"client-ref": form["client-ref"]} if form.get("client-ref") else {}),
            }
            for _ in range(_parts(text, is_unicode=is_unicode))
        ]
        if form["to"] in PARTLY:
            parts = [parts[0], *({"to": form["to"], **_refusal("1")} for _ in parts[1:])]
        taken = [part["message-id"] for part in parts if part["status"] == "0"]
        self.sent.append(
            {
                "from": form["from"],
                "to": form["to"],
                "text": text,
                "type": form.get("type", "text"),
                "ids": taken,
                "client-ref": form.get("client-ref", ""),
                "callback": form.get("callback", ""),
            }
        )
        return _answer(parts)


def _lossy(text: str) -> str:
    return "".join(letter if _is_gsm7(letter) else "?" for letter in text)


def _is_gsm7(letter: str) -> bool:
    """Only 70 of the others fit into one segment."""
    return segments(letter * 71) == 1


def _parts(text: str, *, is_unicode: bool) -> int:
    units = len(text.encode("utf-16-be")) // 2
    if is_unicode:
        return 1 if units <= 70 else -(-units // 67)
    return segments(text)


def _refusal(code: str) -> dict[str, str]:
    return {"status": code, "error-text": WORDS[code]}


def _answer(parts: list[dict[str, str]]) -> Reply:
    return Reply(200, {"message-count": str(len(parts)), "messages": parts})


def _new_id() -> str:
    return str(uuid.uuid4())
