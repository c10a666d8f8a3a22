"""Every published signature is believed by our adapters, and no call that differs from it in one byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import pytest

from retarget_plugin.channels import Gateway, WebhookRequest
from retarget_plugin.channels.sms.twilio import TwilioGateway
from retarget_plugin.channels.sms.vonage import VonageGateway
from retarget_plugin.exceptions import SignatureError
from tests.contracts.gateways import SECRET
from tests.vectors import webhook_signatures as vectors

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _secret(settings):
    settings.RETARGET = {"WEBHOOK_SECRETS": {"default": SECRET}}


@dataclass(frozen=True)
class Signed:
    """A call as its provider signed it. `gateway` believes it; `stranger` is the same with another key.

    `signature` names the header that holds the proof, or is empty where it stands among the fields. `signs_url`: whether
    the proof covers the URL too.
    """

    name: str
    gateway: Gateway
    stranger: Gateway
    request: WebhookRequest
    signature: str = ""
    signs_url: bool = True


def twilio() -> Iterator[Signed]:
    """twilio-python, tests/unit/test_request_validator.py."""
    ours, other = (TwilioGateway(account_sid="AC" + "0" * 32, auth_token=token) for token in ("12345", "12346"))
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    call = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309"}
    call |= {"To": "+18005551212", "Caller": "+14158675309"}
    repeated = {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]}
    document = b'{"property": "value", "boolean": true}'
    hashed = f"{url}&bodySHA256={hashlib.sha256(document).hexdigest()}"
    known = (
        ("form", url, urlencode(call).encode(), FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("repeated fields", url, urlencode(repeated, doseq=True).encode(), FORM, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        ("JSON", hashed, document, "application/json", "a9nBmqA0ju/hNViExpshrM61xv4="),
    )
    for name, address, body, kind, proof in known:
        headers = {"X-Twilio-Signature": proof, "Content-Type": kind}
        request = WebhookRequest(method="POST", url=address, body=body, headers=headers)
        yield Signed(f"twilio {name}", ours, other, request, signature="X-Twilio-Signature")


def vonage() -> Iterator[Signed]:
    """vonage-python-sdk, http_client/tests/test_auth.py; the last as accounts sign unless they say otherwise."""
    fields = {"param1": "value1", "param2": "value2", "timestamp": "1234567890"}
    known = (
        ("sha256", fields, "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287"),
        ("md5", fields, "724c2bf6ca423c36e20631b11d1c5753"),
        ("md5", {**fields, "param1": "value&1", "param2": "value=2"}, "2bbf0abafb2c55e5af6231513896a2ac"),
        ("md5", {"param": "value", "timestamp": "1234567890"}, "655a4d0b7f064dff438defc52b012cf5"),
        ("md5hash", fields, vectors.vonage_sig("signature_secret", fields)),
    )
    for place, (method, signed, proof) in enumerate(known):
        ours, other = (
            VonageGateway(api_key="abcd1234", api_secret="-", signature_secret=secret, signature_method=method)
            for secret in ("signature_secret", "signature_secreu")
        )
        request = WebhookRequest(
            method="POST",
            url=f"https://mycompany.com/receipts/sms/default/{SECRET}/",
            body=urlencode({"sig": proof, **signed}).encode(),
            headers={"Content-Type": FORM},
            at=datetime.fromtimestamp(1234567890, tz=UTC),
        )
        yield Signed(f"vonage {method} {place}", ours, other, request, signs_url=False)


#: One line a provider that signs its calls.
CALLS = [
    *twilio(),
    *vonage(),
]


def tampered(call: Signed) -> Iterator[tuple[str, WebhookRequest]]:
    """The call with one byte of what is signed changed, and with every other thing in the place of its signature."""
    request = call.request
    for place, byte in enumerate(request.body):
        changed = bytes([byte ^ 1])
        yield f"body byte {place}", replace(request, body=request.body[:place] + changed + request.body[place + 1 :])
    for body in (b"", request.body[:-1], request.body + b"&", request.body * 2, request.body + b"&x=1"):
        if body != request.body and not (body.endswith(b"&") and request.headers["Content-Type"] == FORM):
            yield f"body of {len(body)} bytes", replace(request, body=body)
    if call.signs_url:
        start = len(f"https://{urlsplit(request.url).netloc}")
        for place in range(start, len(request.url)):
            changed_url = request.url[:place] + chr(ord(request.url[place]) ^ 1) + request.url[place + 1 :]
            yield f"URL character {place}", replace(request, url=changed_url)
        yield "another scheme", replace(request, url=request.url.replace("https:", "http:"))
        yield "another host", replace(request, url=request.url.replace("mycompany", "yourcompany"))
    if call.signature:
        given = request.headers[call.signature]
        others = {name: value for name, value in request.headers.items() if name != call.signature}
        yield "no signature", replace(request, headers=others)
        wrong = ["", " ", given[:-1], given + "=", given.swapcase(), given * 2, "é", "\x00"]
        wrong += [given[:place] + chr(ord(given[place]) ^ 1) + given[place + 1 :] for place in range(len(given))]
        for value in wrong:
            yield f"signature {value!r}", replace(request, headers={**others, call.signature: value})


def test_the_vectors_are_their_providers():
    vectors.check()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_what_a_provider_has_signed_is_believed(call):
    call.gateway.verify(call.request)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_the_signature_of_another_key_is_refused(call):
    with pytest.raises(SignatureError):
        call.stranger.verify(call.request)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_nothing_that_was_changed_on_the_way_is_believed(call):
    believed = []
    for name, request in tampered(call):
        try:
            call.gateway.verify(request)
        except SignatureError:
            continue
        believed.append(name)

    assert believed == []
