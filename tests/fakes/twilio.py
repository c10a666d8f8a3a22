"""Twilio's messaging API 2010-04-01: sends, look-ups, signed status callbacks, inbound texts and their STOP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .web import Call, Reply, WebFake

#: Numbers of Twilio's test credentials (twilio.com/docs/iam/test-credentials) and the code each is refused with.
MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}

WORDS = {
    20003: "Authenticate",
    21211: "The 'To' number {to} is not a valid phone number.",
    21212: "The 'From' number {sender} is not a valid phone number, shortcode, or alphanumeric sender ID.",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The From phone number {sender} is not a valid, SMS-capable phone number or short code for your account.",
    21609: "The StatusCallback URL is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages.",
    21612: "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number: {sender} via SMS.",
    21614: "'To' number: {to}, is not a valid mobile number.",
    21617: "The concatenated message body exceeds the 1600 character limit.",
}
STOP_WORDS = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"}
START_WORDS = {"START", "YES", "UNSTOP"}

_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWICE = set("\f^{}\\[~]|€")


class TwilioServer(WebFake):
    """One account. `sent` holds the message resources it accepted, in order; `callbacks` the statuses a receiver gave.

    A text to a number that sent STOP is refused with 21610 until it sends START, as on a long code.
    """

    account_sid = "AC" + "0123456789abcdef" * 2
    auth_token = "twilio-auth-token-0123456789abcd"
    api_key_sid = "SK" + "fedcba9876543210" * 2
    api_key_secret = "twilio-api-key-secret"

    def __init__(self, *, journal: Path | None = None) -> None:
        super().__init__(journal=journal)
        self.sent: list[dict[str, Any]] = []
        self.stopped: set[str] = set()
        self.callbacks: list[int] = []
        self._callback_urls: dict[str, str] = {}

    def answer(self, call: Call) -> Reply:
        if not self._is_authorized(call):
            return _error(401, 20003, "Authenticate")
        messages = f"/2010-04-01/Accounts/{self.account_sid}/Messages"
        if (call.method, call.path) == ("POST", f"{messages}.json"):
            return self._create({name: values[0] for name, values in call.form.items()})
        found = re.fullmatch(rf"{messages}/(\w+)\.json", call.path)
        if call.method == "GET" and found:
            for message in self.sent:
                if message["sid"] == found[1]:
                    return Reply(200, message)
        return _error(404, 20404, f"The requested resource {call.path} was not found")

    def report(self, sid: str, status: str, *, error_code: int | None = None) -> int:
        """Change a message's status and tell its StatusCallback, signed. Returns the receiver's HTTP status."""
        message = next(each for each in self.sent if each["sid"] == sid)
        message |= {"status": status, "error_code": error_code}
        fields = {
            "SmsSid": sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": message["to"],
            "MessageSid": sid,
            "AccountSid": self.account_sid,
            "From": message["from"] or "",
            "ApiVersion": "2010-04-01",
        }
        if error_code is not None:
            fields["ErrorCode"] = str(error_code)
        return self._post(self._callback_urls[sid], fields)

    def receive(self, url: str, *, sender: str, to: str, text: str, opt_out_type: str = "") -> int:
        """Deliver a text somebody sent to the shop's number. STOP and START act on this account first."""
        self.note_keyword(sender, text)
        return self._post(url, self.inbound_fields(sender=sender, to=to, text=text, opt_out_type=opt_out_type))

    def note_keyword(self, sender: str, text: str) -> None:
        """Only a body that is the keyword and nothing else counts, whatever its case."""
        word = text.strip().upper()
        if word in STOP_WORDS:
            self.stopped.add(sender)
        elif word in START_WORDS:
            self.stopped.discard(sender)

    def inbound_fields(self, *, sender: str, to: str, text: str, opt_out_type: str = "") -> dict[str, str]:
        """The form of an inbound call. `opt_out_type` is sent by services with Advanced Opt-Out only."""
        sid = _new_sid()
        fields = {
            "ToCountry": "US",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": text,
            "To": to,
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": self.account_sid,
            "From": sender,
            "ApiVersion": "2010-04-01",
        }
        return fields | ({"OptOutType": opt_out_type} if opt_out_type else {})

    def sign(self, url: str, fields: dict[str, str]) -> str:
        """X-Twilio-Signature of a form post."""
        text = url + "".join(name + fields[name] for name in sorted(fields))
        return base64.b64encode(hmac.new(self.auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()

    def _post(self, url: str, fields: dict[str, str]) -> int:
        request = urllib.request.Request(url, data=urlencode(fields).encode(), method="POST")
        request.add_header("X-Twilio-Signature", self.sign(url, fields))
        request.add_header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
        request.add_header("User-Agent", "TwilioProxy/1.1")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                status = int(response.status)
        except urllib.error.HTTPError as error:
            status = int(error.code)
        self.callbacks.append(status)
        return status

    def _is_authorized(self, call: Call) -> bool:
        pairs = ((self.account_sid, self.auth_token), (self.api_key_sid, self.api_key_secret))
        known = {"Basic " + base64.b64encode(":".join(pair).encode()).decode() for pair in pairs}
        return call.headers.get("Authorization", "") in known

    def _create(self, form: dict[str, str]) -> Reply:
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        code = self._refusal(form)
        if code:
            return _error(400, code, WORDS[code].format(to=to, sender=sender))
        service = form.get("MessagingServiceSid")
        message = {
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
            "date_sent": None,
            "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": sender or None,
            "messaging_service_sid": service,
            "num_media": "0",
            # A service picks the sender later, and the segments with it.
            "num_segments": "0" if service else str(segments(body)),
            "price": None,
            "price_unit": None,
            "sid": _new_sid(),
            "status": "accepted" if service else "queued",
            "to": to,
        }
        sid = str(message["sid"])
        message["uri"] = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}.json"
        self._callback_urls[sid] = form.get("StatusCallback", "")
        self.sent.append(message)
        return Reply(201, message)

    def _refusal(self, form: dict[str, str]) -> int:
        to, sender = form.get("To", ""), form.get("From", "")
        callback = form.get("StatusCallback", "")
        checks = (
            (not to, 21604),
            (not form.get("Body"), 21602),
            (not sender and not form.get("MessagingServiceSid"), 21603),
            (not re.fullmatch(r"\+[1-9]\d{6,14}", to), 21211),
            (to in MAGIC_TO, MAGIC_TO.get(to, 0)),
            (sender in MAGIC_FROM, MAGIC_FROM.get(sender, 0)),
            (to in self.stopped, 21610),
            (len(form.get("Body", "")) > 1600, 21617),
            (bool(callback) and not re.match(r"https?://[^/_]+/", callback), 21609),
        )
        return next((code for is_wrong, code in checks if is_wrong), 0)


def segments(text: str) -> int:
    """Segments as Twilio bills them. The fake counts for itself and trusts nobody."""
    if set(text) <= _GSM7 | _GSM7_TWICE:
        widths, single, each = [2 if letter in _GSM7_TWICE else 1 for letter in text], 160, 153
    else:
        widths, single, each = [len(letter.encode("utf-16-be")) // 2 for letter in text], 70, 67
    if sum(widths) <= single:
        return 1
    count, room = 1, each
    for width in widths:
        if width > room:
            count, room = count + 1, each
        room -= width
    return count


def _new_sid() -> str:
    return f"SM{uuid.uuid4().hex}"


def _error(status: int, code: int, words: str) -> Reply:
    return Reply(
        status,
        {"code": code, "message": words, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status},
    )
