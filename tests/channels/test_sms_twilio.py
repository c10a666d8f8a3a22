"""Twilio, against a local server that behaves like it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from retarget_plugin.channels import WebhookRequest
from retarget_plugin.channels.sms.twilio import TwilioGateway, signature
from retarget_plugin.domain.messages import DeliveryEvent, InboundSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError
from tests.contracts.gateways import TEXT, NetworkGatewayContract
from tests.fakes.twilio import TwilioServer
from tests.fakes.web import PATIENCE_SECONDS, Reply
from tests.fakes.webhooks import Receiver

pytestmark = pytest.mark.delivery

SENDER = "+15005550006"
SERVICE = "MG" + "a" * 32
RECEIPTS = "https://shop.example/retarget/receipts/sms/default/s3cret/"


def gateway_for(url, **options):
    defaults = {
        "account_sid": TwilioServer.account_sid,
        "auth_token": TwilioServer.auth_token,
        "sender": SENDER,
        "base_url": url,
        "connect_seconds": PATIENCE_SECONDS,
        "read_seconds": PATIENCE_SECONDS,
    }
    return TwilioGateway(**{**defaults, **options})


class TestTwilioGateway(NetworkGatewayContract):
    gateway_class = TwilioGateway
    rejected_number = "+15005550001"
    opted_out_number = "+15005550004"
    secrets = (TwilioServer.auth_token, TwilioServer.api_key_secret)

    @pytest.fixture
    def provider(self):
        with TwilioServer() as server:
            self.server = server
            yield server

    def make(self, url, **options):
        # An empty base_url has to be wrong too.
        return gateway_for(url, **options)

    def sent(self, gateway):
        return [(message["to"], message["body"]) for message in self.server.sent]

    def told(self, gateway):
        sid = gateway.send(TEXT).gateway_id
        self.server.sent[-1] |= {"price": "-0.00750", "price_unit": "USD"}
        return gateway.look_up(sid)

    def report_delivery(self, provider, sent, url):
        provider.report(sent.gateway_id, "delivered")

    def receive_stop(self, provider, sent, url):
        provider.receive(url, sender=TEXT.to, to=SENDER, text="STOP")

    def test_request_is_twilios(self, gateway, provider):
        gateway.send(replace(TEXT, receipt_url=f"{RECEIPTS}?k=1"))

        [call] = provider.calls
        assert (call.method, call.target) == ("POST", f"/2010-04-01/Accounts/{provider.account_sid}/Messages.json")
        assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert call.form == {
            "To": [TEXT.to],
            "From": ["MyShop"],
            "Body": [TEXT.text],
            "StatusCallback": [f"{RECEIPTS}?k=1&m=41"],
        }

    def test_senders(self, provider):
        gateway_for(provider.url).send(replace(TEXT, sender=""))
        gateway_for(provider.url, messaging_service_sid=SERVICE).send(TEXT)

        assert [(sent["from"], sent["messaging_service_sid"]) for sent in provider.sent] == [
            (SENDER, None),
            (None, SERVICE),
        ]

    def test_api_key_is_used_for_sending(self, provider):
        gateway = gateway_for(
            provider.url, auth_token="", api_key_sid=provider.api_key_sid, api_key_secret=provider.api_key_secret
        )

        assert gateway.check() == []
        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED

    def test_wrong_token_is_a_matter_of_configuration(self, provider):
        outcome = gateway_for(provider.url, auth_token="wrong").send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "20003")

    def test_segments_are_those_billed(self, gateway, provider):
        assert [gateway.send(replace(TEXT, text=text)).segments for text in ("a", "€" * 81, "ê" * 71)] == [1, 2, 2]

    def test_a_service_tells_segments_later(self, provider):
        assert gateway_for(provider.url, messaging_service_sid=SERVICE).send(TEXT).segments is None

    @pytest.mark.parametrize(
        ("number", "kind", "code"),
        [
            ("+15005550001", OutcomeKind.REJECTED, "21211"),
            ("+15005550002", OutcomeKind.REJECTED, "21612"),
            ("+15005550003", OutcomeKind.REJECTED, "21408"),
            ("+15005550004", OutcomeKind.OPTED_OUT, "21610"),
            ("+15005550009", OutcomeKind.REJECTED, "21614"),
        ],
    )
    def test_magic_recipients(self, gateway, provider, number, kind, code):
        outcome = gateway.send(replace(TEXT, to=number))

        assert (outcome.kind, outcome.code) == (kind, code)
        assert number not in outcome.detail
        assert provider.sent == []

    @pytest.mark.parametrize(
        ("sender", "kind", "code"),
        [
            ("+15005550001", OutcomeKind.MISCONFIGURED, "21212"),
            ("+15005550007", OutcomeKind.MISCONFIGURED, "21606"),
            ("+15005550008", OutcomeKind.TRANSIENT, "21611"),
        ],
    )
    def test_magic_senders(self, gateway, provider, sender, kind, code):
        outcome = gateway.send(replace(TEXT, sender=sender))

        assert (outcome.kind, outcome.code) == (kind, code)

    def test_too_long_a_text_is_rejected(self, gateway, provider):
        assert gateway.send(replace(TEXT, text="a" * 1601)).code == "21617"

    def test_missing_sender_is_a_matter_of_configuration(self, provider):
        outcome = gateway_for(provider.url, sender="").send(replace(TEXT, sender=""))

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "21603")

    def test_stop_and_start(self, gateway, provider):
        provider.note_keyword(TEXT.to, "stop ")
        assert gateway.send(TEXT).kind is OutcomeKind.OPTED_OUT

        provider.note_keyword(TEXT.to, "START please")
        assert gateway.send(TEXT).kind is OutcomeKind.OPTED_OUT

        provider.note_keyword(TEXT.to, "Start")
        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(429, {"code": 20429, "message": "Too Many Requests"}), "rate_limited", "20429"),
            (Reply(429, body=b"busy"), "rate_limited", "http_429"),
            (Reply(503, {"code": 20503, "message": "Service unavailable"}), "transient", "20503"),
            (Reply(503, body=b"<html>"), "unknown", "http_503"),
            (Reply(500, {"code": 20500, "message": "Internal Server Error"}), "unknown", "20500"),
            (Reply(400, {"code": 29999, "message": "Something new"}), "rejected", "29999"),
            (Reply(403, {"code": 29998, "message": "Not you"}), "misconfigured", "29998"),
            (Reply(404, {"code": 20404, "message": "Not found"}), "rejected", "20404"),
            (
                Reply(400, {"type": "x", "title": "Bad", "status": 400, "code": 21610, "detail": "Stop"}),
                "opted_out",
                "21610",
            ),
            (Reply(400, {"code": "21211", "message": "as text"}), "rejected", "21211"),
            (Reply(400, {"code": True}), "rejected", "http_400"),
            (Reply(400, {"code": None}), "rejected", "http_400"),
            (Reply(400, []), "rejected", "http_400"),
            (Reply(201, {"sid": "SM12", "status": "queued"}), "unknown", "broken_answer"),
            (Reply(201, {"sid": 7}), "unknown", "broken_answer"),
            (Reply(200, {}), "unknown", "broken_answer"),
            (Reply(201, {"sid": "SM" + "0" * 32, "status": "failed", "error_code": 21610}), "opted_out", "21610"),
            (Reply(201, {"sid": "SM" + "0" * 32, "status": "failed"}), "rejected", ""),
            (Reply(200, {"sid": "MM" + "F" * 32, "status": "accepted"}), "accepted", ""),
        ],
    )
    def test_answers_are_told_apart(self, gateway, provider, reply, kind, code):
        provider.next_answers = [reply]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (kind, code)

    def test_look_up(self, gateway, provider):
        sid = gateway.send(TEXT).gateway_id
        provider.sent[0] |= {"status": "delivered", "price": "-0.00750", "price_unit": "usd", "num_segments": "1"}

        outcome = gateway.look_up(sid)

        assert (outcome.kind, outcome.gateway_id, outcome.segments) == (OutcomeKind.ACCEPTED, sid, 1)
        assert (outcome.cost, outcome.cost_currency) == (Decimal("0.00750"), "USD")

    def test_look_up_of_a_failure(self, gateway, provider):
        sid = gateway.send(TEXT).gateway_id
        provider.sent[0] |= {"status": "undelivered", "error_code": 30005}

        assert (gateway.look_up(sid).kind, gateway.look_up(sid).code) == (OutcomeKind.REJECTED, "30005")

    @pytest.mark.parametrize("sid", ["", "SM1", "../Calls", "SM" + "0" * 32])
    def test_look_up_of_what_is_unknown(self, gateway, provider, sid):
        assert gateway.look_up(sid) is None

    def test_callback_of_the_server_is_verified_and_read(self, gateway, provider):
        with Receiver() as shop:
            sid = gateway.send(replace(TEXT, receipt_url=f"{shop.url}/receipts/")).gateway_id
            provider.report(sid, "sent")
            provider.report(sid, "undelivered", error_code=30005)

        requests = [shop.request(call) for call in shop.calls]
        for request in requests:
            gateway.verify(request)
        assert provider.callbacks == [204, 204]
        assert [event for request in requests for event in gateway.parse_events(request)] == [
            DeliveryEvent(
                kind=DeliveryKind.SENT,
                message_id="41",
                gateway_id=sid,
                recipient=TEXT.to,
                raw={"MessageStatus": "sent"},
            ),
            DeliveryEvent(
                kind=DeliveryKind.FAILED,
                message_id="41",
                gateway_id=sid,
                recipient=TEXT.to,
                is_permanent=True,
                code="30005",
                raw={"MessageStatus": "undelivered", "ErrorCode": "30005"},
            ),
        ]

    def test_inbound_stop_of_the_server_is_verified_and_read(self, gateway, provider):
        with Receiver() as shop:
            provider.receive(f"{shop.url}/receipts/", sender=TEXT.to, to=SENDER, text="Stop")

        request = shop.request(shop.calls[0])
        gateway.verify(request)
        assert gateway.parse_events(request) == ()
        [text] = gateway.parse_inbound(request)
        assert (text.sender, text.to, text.text) == (TEXT.to, SENDER, "Stop")
        assert gateway.send(TEXT).kind is OutcomeKind.OPTED_OUT


# --- signatures ------------------------------------------------------------------------------------------------

# The first two and the hash: twilio-python, tests/unit/test_request_validator.py.
VECTOR_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
VECTOR_FIELDS = {
    "CallSid": ["CA1234567890ABCDE"],
    "Digits": ["1234"],
    "From": ["+14158675309"],
    "To": ["+18005551212"],
    "Caller": ["+14158675309"],
}
VECTOR_BODY = b'{"property": "value", "boolean": true}'
VECTOR_HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


@pytest.fixture
def verifier():
    return gateway_for("https://api.example", auth_token="12345")


def call(*, url=VECTOR_URL, fields=None, body=b"", given="", content_type="application/x-www-form-urlencoded"):
    body = urlencode(fields, doseq=True).encode() if fields is not None else body
    headers = {"x-twilio-signature": given, "content-type": content_type}
    return WebhookRequest(method="POST", url=url, body=body, headers=headers)


@pytest.mark.parametrize(
    ("url", "fields", "wanted"),
    [
        (VECTOR_URL, VECTOR_FIELDS, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            VECTOR_URL,
            {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]},
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (f"{VECTOR_URL}&bodySHA256={VECTOR_HASH}", {}, "a9nBmqA0ju/hNViExpshrM61xv4="),
    ],
)
def test_signature_vectors(url, fields, wanted):
    assert signature("12345", url, fields) == wanted


def test_signed_form_is_verified(verifier):
    verifier.verify(call(fields=VECTOR_FIELDS, given="RSOYDt4T1cUTdK1PDd93/VVr8B8="))


def test_form_without_a_raw_body_is_verified(verifier):
    verifier.verify(
        WebhookRequest(
            method="POST",
            url=VECTOR_URL,
            body=b"",
            form=VECTOR_FIELDS,
            headers={"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
        )
    )


def test_signed_json_is_verified(verifier):
    url = f"{VECTOR_URL}&bodySHA256={VECTOR_HASH}"

    verifier.verify(
        call(url=url, body=VECTOR_BODY, given="a9nBmqA0ju/hNViExpshrM61xv4=", content_type="application/json")
    )


@pytest.mark.parametrize(
    ("configured", "signed"),
    [
        ("https://shop.example/hook?m=1", "https://shop.example:443/hook?m=1"),
        ("https://shop.example:443/hook?m=1", "https://shop.example/hook?m=1"),
        ("http://shop.example/hook", "http://shop.example:80/hook"),
        ("https://shop.example:8443/hook", "https://shop.example/hook"),
        ("https://shop.example:8443/hook", "https://shop.example:8443/hook"),
        ("https://user:pass@shop.example/hook", "https://user:pass@shop.example:443/hook"),
        ("https://[2001:db8::1]:8443/hook", "https://[2001:db8::1]/hook"),
    ],
)
def test_signature_with_and_without_the_port(verifier, configured, signed):
    fields = {"MessageStatus": ["sent"], "Empty": [""]}

    verifier.verify(call(url=configured, fields=fields, given=signature("12345", signed, fields)))


GOOD = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
JSON_URL = f"{VECTOR_URL}&bodySHA256={VECTOR_HASH}"
JSON_GOOD = "a9nBmqA0ju/hNViExpshrM61xv4="
FORGERIES = {
    "no signature": {"fields": VECTOR_FIELDS},
    "empty form with the full form's signature": {"fields": {}, "given": GOOD},
    "one byte of the signature": {"fields": VECTOR_FIELDS, "given": "RSOYDt4T1cUTdK1PDd93/VVr8B9="},
    "without padding": {"fields": VECTOR_FIELDS, "given": GOOD.rstrip("=")},
    "a letter no base64 has": {"fields": VECTOR_FIELDS, "given": "é"},
    "another token": {"fields": VECTOR_FIELDS, "given": signature("54321", VECTOR_URL, VECTOR_FIELDS)},
    "a changed field": {"fields": {**VECTOR_FIELDS, "Digits": ["1235"]}, "given": GOOD},
    "an added field": {"fields": {**VECTOR_FIELDS, "Zzz": ["1"]}, "given": GOOD},
    "a missing field": {"fields": {"CallSid": VECTOR_FIELDS["CallSid"]}, "given": GOOD},
    "another message in the query": {"url": VECTOR_URL + "&m=42", "fields": VECTOR_FIELDS, "given": GOOD},
    "another scheme": {"url": VECTOR_URL.replace("https", "http"), "fields": VECTOR_FIELDS, "given": GOOD},
    "another host": {"url": VECTOR_URL.replace("mycompany", "yourcompany"), "fields": VECTOR_FIELDS, "given": GOOD},
    "a changed JSON body": {
        "url": JSON_URL,
        "body": VECTOR_BODY + b" ",
        "given": JSON_GOOD,
        "content_type": "application/json",
    },
    "a JSON body without its hash": {
        "body": VECTOR_BODY,
        "given": signature("12345", VECTOR_URL, {}),
        "content_type": "application/json",
    },
    "a body of an unknown kind": {
        "body": b"MessageStatus=delivered",
        "given": signature("12345", VECTOR_URL, {}),
        "content_type": "text/plain",
    },
    "a form that is not UTF-8": {"body": b"\xff\xfe=1", "given": GOOD},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused(verifier, name):
    with pytest.raises(SignatureError):
        verifier.verify(call(**FORGERIES[name]))


def test_empty_or_missing_token_verifies_nothing():
    verifier = gateway_for("https://api.example", auth_token="", api_key_sid="SK1", api_key_secret="s")

    with pytest.raises(SignatureError):
        verifier.verify(call(fields=VECTOR_FIELDS, given=signature("", VECTOR_URL, VECTOR_FIELDS)))


# --- reading calls ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind", "is_permanent"),
    [
        ("sent", "", DeliveryKind.SENT, False),
        ("delivered", "", DeliveryKind.DELIVERED, False),
        ("read", "", DeliveryKind.DELIVERED, False),
        ("undelivered", "30003", DeliveryKind.FAILED, False),
        ("undelivered", "30004", DeliveryKind.FAILED, True),
        ("undelivered", "30006", DeliveryKind.FAILED, True),
        ("undelivered", "30008", DeliveryKind.FAILED, False),
        ("failed", "30001", DeliveryKind.FAILED, False),
        ("failed", "", DeliveryKind.FAILED, False),
        ("failed", "21610", DeliveryKind.UNSUBSCRIBED, False),
        ("canceled", "", DeliveryKind.FAILED, False),
    ],
)
def test_statuses(verifier, status, code, kind, is_permanent):
    fields = {"MessageSid": ["SM1"], "MessageStatus": [status], "To": ["33612345678"]}
    fields |= {"ErrorCode": [code]} if code else {}

    [event] = verifier.parse_events(call(url="https://shop.example/x?m=41", fields=fields))

    assert (event.kind, event.code, event.is_permanent) == (kind, code, is_permanent)
    assert (event.message_id, event.gateway_id, event.recipient) == ("41", "SM1", "+33612345678")


@pytest.mark.parametrize("status", ["queued", "sending", "accepted", "scheduled", "receiving", "new", ""])
def test_statuses_on_the_way_are_no_events(verifier, status):
    assert list(verifier.parse_events(call(fields={"MessageSid": ["SM1"], "MessageStatus": [status]}))) == []


def test_message_id_survives_the_query():
    with TwilioServer() as provider:
        gateway_for(provider.url).send(replace(TEXT, message_id="a b&c=d", receipt_url=RECEIPTS))

        [sent] = provider.calls

    url = sent.form["StatusCallback"][0]
    assert parse_qs(urlsplit(url).query) == {"m": ["a b&c=d"]}


@pytest.mark.parametrize(
    ("extra", "text"),
    [({}, "Arrêt"), ({"OptOutType": ["STOP"]}, "STOP"), ({"OptOutType": ["HELP"]}, "HELP")],
)
def test_inbound_text_is_the_keyword_twilio_understood(verifier, extra, text):
    fields = {"From": [TEXT.to], "To": [SENDER], "Body": ["Arrêt"], "MessageSid": ["SM2"], "SmsStatus": ["received"]}

    assert verifier.parse_inbound(call(fields=fields | extra)) == [
        InboundSms(sender=TEXT.to, text=text, to=SENDER, gateway_id="SM2")
    ]


def test_inbound_from_nobody_is_nothing(verifier):
    assert verifier.parse_inbound(call(fields={"Body": ["STOP"]})) == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"account_sid": ""}, "account_sid must be"),
        ({"account_sid": "SK" + "0" * 32}, "account_sid must be"),
        ({"auth_token": ""}, "auth_token"),
        ({"api_key_sid": "SK1"}, "go together"),
        ({"messaging_service_sid": "MG1"}, "messaging_service_sid must be"),
        ({"base_url": "api.twilio.com"}, "base_url must be"),
        ({"from_number": "+1"}, "from_number is no option"),
    ],
)
def test_check_names_the_option(options, words):
    gateway = gateway_for(options.pop("base_url", "https://api.example"), alias="us", **options)

    assert [problem for problem in gateway.check() if words in problem and 'RETARGET["SMS"]["us"]' in problem]
    assert gateway.send(TEXT).kind is OutcomeKind.MISCONFIGURED


def test_hash_of_the_vector_is_its_bodys():
    assert hashlib.sha256(VECTOR_BODY).hexdigest() == VECTOR_HASH
