"""How each SMS provider calls the shop. What every gateway's calls are tested with: one class a provider, one line in CALLERS."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.http import HttpResponse
from django.test import Client

from retarget_plugin.channels.sms import references
from tests.fakes.brevo import BrevoServer
from tests.fakes.smsmode import SmsmodeServer
from tests.fakes.twilio import TwilioServer
from tests.fakes.vonage import VonageServer
from tests.promises import length

ORIGIN = "https://shop.example.com"
ALIAS = "default"
SECRET = "receipts-secret_0123456789"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Call:
    """One call to `url`, the public one. `key` names the header, or the field of the body, that proves who calls."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    def post(self, client: Client) -> HttpResponse:
        parts = urlsplit(self.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {name: value for name, value in self.headers.items() if name != "Content-Type"}
        return client.generic(
            self.method, path, self.body, content_type=self.headers.get("Content-Type", FORM), headers=headers
        )


class Caller:
    """One provider. `options` are its gateway's."""

    name: str
    backend: str
    options: Mapping[str, Any]
    #: The option that holds its signing key; empty where it signs nothing.
    key: str = ""
    #: Whether a secret in the address vouches for it, alone or beside the signature.
    has_secret = True
    #: What it reports of a text, and whether it hands on what people answer.
    kinds: tuple[str, ...] = ("sent", "delivered", "failed", "opted_out")
    has_texts = True

    def setting(self, *, secret: str | list[str] | None = SECRET, **options: Any) -> dict[str, Any]:
        """What `RETARGET` says of this gateway, with its key and secret unless they are given otherwise."""
        entry = {"BACKEND": self.backend, "OPTIONS": {**self.options, **options}}
        return {"SMS": {ALIAS: entry}, "WEBHOOK_SECRETS": {ALIAS: secret} if secret and self.has_secret else {}}

    def keyless(self, value: str | None) -> dict[str, Any]:
        """The same with `value` in the place of the key, and without a secret; or in the place of the secret."""
        return self.setting(secret=None, **{self.key: value}) if self.key else self.setting(secret=value)

    def url(self) -> str:
        return f"{ORIGIN}/retarget/receipts/sms/{ALIAS}/" + (f"{SECRET}/" if self.has_secret else "")

    def report(self, kind: str, *, message_id: str, gateway_id: str, number: str) -> Call:
        """A report that a text was `kind`; failed means for good."""
        raise NotImplementedError

    def text(self, words: str, *, number: str, gateway_id: str = "") -> Call:
        """A text that somebody sent."""
        raise NotImplementedError

    def forgeries(self, call: Call) -> Iterator[tuple[str, Call]]:
        """Everything but `call` that might pass for it."""
        yield from _elsewhere(call)

    def _json(self, **fields: Any) -> Call:
        return Call(self.url(), json.dumps(fields).encode(), {"Content-Type": "application/json"})


class TwilioCaller(Caller):
    name = "twilio"
    backend = "retarget_plugin.channels.sms.twilio.TwilioGateway"
    # With an API key it can send whether or not it has the token that proves its calls.
    options = {
        "account_sid": TwilioServer.account_sid,
        "auth_token": TwilioServer.auth_token,
        "api_key_sid": TwilioServer.api_key_sid,
        "api_key_secret": TwilioServer.api_key_secret,
        "sender": "+15005550006",
    }
    key = "auth_token"
    has_secret = False

    def report(self, kind: str, *, message_id: str, gateway_id: str, number: str) -> Call:
        status, code = {"failed": ("undelivered", "30005"), "opted_out": ("failed", "21610")}.get(kind, (kind, ""))
        fields = {"MessageSid": gateway_id, "MessageStatus": status, "SmsStatus": status, "To": number}
        fields |= {"AccountSid": TwilioServer.account_sid, "From": "+15005550006", "ApiVersion": "2010-04-01"}
        return self._signed(f"{self.url()}?m={message_id}", fields | ({"ErrorCode": code} if code else {}))

    def text(self, words: str, *, number: str, gateway_id: str = "") -> Call:
        fields = TwilioServer().inbound_fields(sender=number, to="+15005550006", text=words)
        return self._signed(self.url(), fields | ({"MessageSid": gateway_id} if gateway_id else {}))

    def forgeries(self, call: Call) -> Iterator[tuple[str, Call]]:
        given = call.headers["X-Twilio-Signature"]
        fields = dict(pair.split("=") for pair in call.body.decode().split("&"))
        signed = (call.url + "".join(name + fields[name] for name in sorted(fields))).encode()
        token = TwilioServer.auth_token.encode()
        wrong = {
            "no signature": None,
            "an empty signature": "",
            "a wrong signature": base64.b64encode(bytes(20)).decode(),
            "a cut signature": given[:-1],
            "SHA-256": base64.b64encode(hmac.new(token, signed, hashlib.sha256).digest()).decode(),
            "SHA-1 without a key": base64.b64encode(hashlib.sha1(signed, usedforsecurity=False).digest()).decode(),
            "MD5": base64.b64encode(hmac.new(token, signed, hashlib.md5).digest()).decode(),
            "hexadecimal digits": base64.b64decode(given).hex(),
            "the key of another account": TwilioServer().sign(call.url + "x", {}),
        }
        others = {name: value for name, value in call.headers.items() if name != "X-Twilio-Signature"}
        for name, value in wrong.items():
            yield name, replace(call, headers=others if value is None else {**others, "X-Twilio-Signature": value})
        yield from _bent(call)
        yield "no body", replace(call, body=b"")
        yield "a field more", replace(call, body=call.body + b"&x=1")
        yield "the query of another message", replace(call, url=f"{self.url()}?m=999")
        yield "by GET", replace(call, method="GET", url=f"{self.url()}?{call.body.decode()}", body=b"")
        yield from _elsewhere(call)

    def _signed(self, url: str, fields: dict[str, str]) -> Call:
        proof = TwilioServer().sign(url, fields)
        return Call(url, urlencode(fields).encode(), {"X-Twilio-Signature": proof, "Content-Type": FORM})


class HttpCaller(Caller):
    name = "http"
    backend = "retarget_plugin.channels.sms.http.HttpGateway"
    options = {
        "url": "https://sms.example/send",
        "body": {"to": "{to}", "text": "{text}", "callback": "{receipt_url}"},
        "receipts": {
            "message_id": "ref",
            "gateway_id": "id",
            "status": "state",
            "code": "code",
            "recipient": "to",
            "statuses": {"sent": ["out"], "delivered": ["in"], "failed": ["lost"], "unsubscribed": ["no"]},
            "permanent_codes": ["9"],
        },
        "inbound": {"sender": "from", "text": "words", "gateway_id": "id"},
    }

    def report(self, kind: str, *, message_id: str, gateway_id: str, number: str) -> Call:
        status = {"sent": "out", "delivered": "in", "failed": "lost", "opted_out": "no"}[kind]
        return self._call(ref=message_id, id=gateway_id, state=status, to=number.removeprefix("+"), code="9")

    def text(self, words: str, *, number: str, gateway_id: str = "") -> Call:
        return self._call(words=words, id=gateway_id or uuid.uuid4().hex, **{"from": number.removeprefix("+")})

    def _call(self, **fields: str) -> Call:
        return Call(self.url(), urlencode(fields).encode(), {"Content-Type": FORM})


class VonageCaller(Caller):
    name = "vonage"
    backend = "retarget_plugin.channels.sms.vonage.VonageGateway"
    options = {
        "api_key": VonageServer.api_key,
        "api_secret": VonageServer.api_secret,
        "signature_secret": VonageServer.signature_secret,
        "signature_method": "sha256",
    }
    key = "signature_secret"

    def report(self, kind: str, *, message_id: str, gateway_id: str, number: str) -> Call:
        status, code = {"sent": ("accepted", "0"), "delivered": ("delivered", "0"), "failed": ("failed", "3")}.get(
            kind, ("failed", "9")
        )
        fields = {
            "messageId": gateway_id,
            "client-ref": references.write(message_id),
            "status": status,
            "err-code": code,
        }
        return self._signed(fields | {"msisdn": number.removeprefix("+"), "to": "MyShop"})

    def text(self, words: str, *, number: str, gateway_id: str = "") -> Call:
        fields = {"messageId": gateway_id or uuid.uuid4().hex, "msisdn": number.removeprefix("+"), "to": "33755530000"}
        return self._signed(fields | {"text": words, "type": "text", "keyword": words.upper()})

    def forgeries(self, call: Call) -> Iterator[tuple[str, Call]]:
        fields = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        unsigned = {name: value for name, value in fields.items() if name not in ("sig", "timestamp", "nonce")}
        yield "no signature", replace(call, body=urlencode(unsigned).encode())
        for name, sig in {
            "an empty signature": "",
            "a wrong signature": "0" * 64,
            "a cut one": fields["sig"][:-1],
        }.items():
            yield name, replace(call, body=urlencode({**fields, "sig": sig}).encode())
        for method in ("md5", "sha1", "sha512", "md5hash"):
            yield method, self._signed(unsigned, method=method)
        for minutes in (-60 * 24, -6, 6):
            yield f"{minutes} minutes old", self._signed(unsigned, at=time.time() + 60 * minutes)
        yield from _bent(call)
        yield "no body", replace(call, body=b"")
        yield "a field more", replace(call, body=call.body + b"&x=1")
        yield from _elsewhere(call)

    def _signed(self, fields: Mapping[str, str], *, method: str = "sha256", at: float | None = None) -> Call:
        server = VonageServer()
        server.signing = method
        return Call(self.url(), urlencode(server.signed(fields, at=at)).encode(), {"Content-Type": FORM})


class BrevoCaller(Caller):
    name = "brevo"
    backend = "retarget_plugin.channels.sms.brevo.BrevoGateway"
    options = {"api_key": BrevoServer.api_key, "sender": "MyShop"}

    def report(self, kind: str, *, message_id: str, gateway_id: str, number: str) -> Call:
        status = {"failed": "hard_bounce", "opted_out": "unsubscribed"}.get(kind, kind)
        tag = references.write(message_id)
        return self._json(msg_status=status, messageId=gateway_id, tag=tag, to=number.removeprefix("+"))

    def text(self, words: str, *, number: str, gateway_id: str = "") -> Call:
        # Its id is that of the text that is answered.
        return self._json(msg_status="reply", messageId=7, reply=words, to=number.removeprefix("+"))


class SmsmodeCaller(Caller):
    name = "smsmode"
    backend = "retarget_plugin.channels.sms.smsmode.SmsmodeGateway"
    options = {"api_key": SmsmodeServer.api_key, "sender": "MyShop"}
    kinds = ("sent", "delivered", "failed")

    def report(self, kind: str, *, message_id: str, gateway_id: str, number: str) -> Call:
        status = {"sent": "ENROUTE", "delivered": "DELIVERED", "failed": "UNDELIVERABLE"}[kind]
        found = {"messageId": gateway_id, "refClient": references.write(message_id), "direction": "MT"}
        return self._json(**found, recipient={"to": number.removeprefix("+")}, status={"value": status})

    def text(self, words: str, *, number: str, gateway_id: str = "") -> Call:
        found = {"messageId": gateway_id or str(uuid.uuid4()), "direction": "MO", "from": number.removeprefix("+")}
        return self._json(**found, recipient={"to": "36180"}, body={"text": words})


class OvhCaller(Caller):
    """By GET, without our id, and without the answers of people."""

    name = "ovh"
    backend = "retarget_plugin.channels.sms.ovh.OvhGateway"
    options = {
        "service_name": "sms-ab12345-1",
        "application_key": "key",
        "application_secret": "secret",
        "consumer_key": "consumer",
        "sender": "MyShop",
    }
    kinds = ("sent", "delivered", "failed")
    has_texts = False

    def report(self, kind: str, *, message_id: str, gateway_id: str, number: str) -> Call:
        ptt = {"sent": 3, "delivered": 4, "failed": 20}[kind]
        return Call(f"{self.url()}?{urlencode({'id': gateway_id, 'ptt': ptt, 'description': 1})}", b"", method="GET")


def _bent(call: Call) -> Iterator[tuple[str, Call]]:
    """The call with one byte changed, in short runs one in 17. tests/channels/test_webhook_vectors.py changes each."""
    for place in range(len(call.url) % 17, len(call.body), length(17, 1)):
        changed = bytes([call.body[place] ^ 1])
        yield f"byte {place}", replace(call, body=call.body[:place] + changed + call.body[place + 1 :])


def _elsewhere(call: Call) -> Iterator[tuple[str, Call]]:
    """The call with another secret in its address, or for another gateway."""
    path = urlsplit(call.url).path
    for name, secret in {
        "the gateway's name for a secret": ALIAS,
        "a cut secret": SECRET[:-1],
        "a longer secret": f"{SECRET}0",
        "a secret in capitals": SECRET.upper(),
        "a secret with a blank": f"{SECRET}%20",
        "a secret in other letters": SECRET.replace("e", "е"),
    }.items():
        if SECRET in path:
            yield name, replace(call, url=call.url.replace(SECRET, secret))
    if SECRET in path:
        yield "no secret", replace(call, url=call.url.replace(f"{SECRET}/", ""))
        yield "the secret in the query", replace(call, url=call.url.replace(f"{SECRET}/", f"?secret={SECRET}"))
        yield (
            "the secret in a header",
            replace(
                call,
                url=call.url.replace(f"{SECRET}/", ""),
                headers={**call.headers, "Authorization": f"Bearer {SECRET}"},
            ),
        )
    yield "another gateway", replace(call, url=call.url.replace(f"/{ALIAS}/", "/other/"))


#: One line a provider.
CALLERS = [
    TwilioCaller(),
    HttpCaller(),
    VonageCaller(),
    BrevoCaller(),
    SmsmodeCaller(),
    OvhCaller(),
]
