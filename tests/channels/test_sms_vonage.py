"""Vonage, against a local server that behaves like it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from retarget_plugin.channels import WebhookRequest
from retarget_plugin.channels.base import Proof
from retarget_plugin.channels.sms.vonage import ERRORS, METHODS, VonageGateway, signature
from retarget_plugin.domain.messages import DeliveryEvent, InboundSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError
from tests.contracts.gateways import SECRET, TEXT, NetworkGatewayContract
from tests.fakes.twilio import TwilioServer
from tests.fakes.vonage import PARTLY, REFUSING, VonageServer
from tests.fakes.web import PATIENCE_SECONDS, Reply

pytestmark = pytest.mark.delivery

RECEIPTS = f"https://shop.example/receipts/sms/default/{SECRET}/"
OURS = "447700900042"
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def gateway_for(url, **options):
    defaults = {
        "api_key": VonageServer.api_key,
        "api_secret": VonageServer.api_secret,
        "sender": "MyShop",
        "signature_secret": VonageServer.signature_secret,
        "signature_method": "sha256",
        "base_url": url,
        "connect_seconds": PATIENCE_SECONDS,
        "read_seconds": PATIENCE_SECONDS,
    }
    return VonageGateway(**{**defaults, **options})


class TestVonageGateway(NetworkGatewayContract):
    gateway_class = VonageGateway
    rejected_number = f"+{REFUSING}07"
    secrets = (VonageServer.api_secret, VonageServer.signature_secret)

    @pytest.fixture
    def provider(self):
        with VonageServer() as server:
            server.signing = "sha256"
            self.server = server
            yield server

    def make(self, url, **options):
        return gateway_for(url, **options)

    def sent(self, gateway):
        return [("+" + message["to"], message["text"]) for message in self.server.sent]

    def report_delivery(self, provider, sent, url):
        provider.report(sent.gateway_id, "delivered")

    def receive_stop(self, provider, sent, url):
        provider.receive(url, sender=TEXT.to[1:], to=OURS, text="STOP")

    def test_request_is_vonages(self, gateway, provider):
        gateway.send(replace(TEXT, receipt_url=RECEIPTS))

        [call] = provider.calls
        assert (call.method, call.target) == ("POST", "/sms/json")
        assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert call.form == {
            "from": ["MyShop"],
            "to": ["33612345678"],
            "text": [TEXT.text],
            "type": ["text"],
            "client-ref": ["retarget-41"],
            "callback": [RECEIPTS],
        }

    def test_secrets_travel_in_a_header_only(self, gateway, provider):
        gateway.send(TEXT)

        [call] = provider.calls
        assert call.headers["Authorization"] == "Basic YWJjZDEyMzQ6dm9uYWdlLWFwaS1zZWNyZXQtMDEyMw=="
        assert provider.api_secret.encode() not in call.body

    def test_the_gateways_sender_stands_in_and_a_number_loses_its_plus(self, gateway, provider):
        gateway.send(replace(TEXT, sender=""))
        gateway.send(replace(TEXT, sender=f"+{OURS}"))

        assert [message["from"] for message in provider.sent] == ["MyShop", OURS]

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("Été à 5 € [10%]", "text"),
            ("œuvre", "unicode"),
            ("ç", "unicode"),
            ("ê", "unicode"),
            ("basket 🛒", "unicode"),
        ],
    )
    def test_only_what_fits_its_alphabet_is_sent_as_plain_text(self, gateway, provider, text, kind):
        gateway.send(replace(TEXT, text=text))

        assert [(message["type"], message["text"]) for message in provider.sent] == [(kind, text)]

    def test_a_callback_longer_than_vonage_takes_is_left_to_the_account(self, gateway, provider):
        longest = f"https://shop.example/{'r' * 79}"

        outcomes = [gateway.send(replace(TEXT, receipt_url=url)) for url in (longest, f"{longest}r")]

        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 2
        assert [message["callback"] for message in provider.sent] == [longest, ""]

    @pytest.mark.parametrize(
        ("text", "parts", "cost"), [("a", 1, "0.0333"), ("€" * 81, 2, "0.0666"), ("ê" * 135, 3, "0.0999")]
    )
    def test_every_part_is_counted_and_paid(self, gateway, provider, text, parts, cost):
        outcome = gateway.send(replace(TEXT, text=text))

        assert (outcome.segments, outcome.cost, outcome.cost_currency) == (parts, Decimal(cost), "EUR")
        assert outcome.gateway_id == provider.sent[0]["ids"][0]

    def test_the_accounts_currency_is_an_option(self, provider):
        assert gateway_for(provider.url, currency="GBP").send(TEXT).cost_currency == "GBP"

    @pytest.mark.parametrize("number", PARTLY)
    def test_a_text_taken_in_part_counts_as_sent(self, gateway, provider, number):
        outcome = gateway.send(replace(TEXT, to=f"+{number}", text="a" * 400))

        assert (outcome.kind, outcome.code) == (OutcomeKind.ACCEPTED, "1")
        assert (outcome.segments, outcome.cost) == (1, Decimal("0.0333"))
        assert outcome.detail.startswith("2 of 3 parts were not taken. Throughput Rate Exceeded")
        assert not outcome.is_retryable

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("1", OutcomeKind.RATE_LIMITED),
            ("2", OutcomeKind.REJECTED),
            ("3", OutcomeKind.REJECTED),
            ("4", OutcomeKind.MISCONFIGURED),
            ("5", OutcomeKind.TRANSIENT),
            ("6", OutcomeKind.REJECTED),
            ("7", OutcomeKind.REJECTED),
            ("8", OutcomeKind.MISCONFIGURED),
            ("9", OutcomeKind.NO_CREDIT),
            ("10", OutcomeKind.TRANSIENT),
            ("11", OutcomeKind.MISCONFIGURED),
            ("12", OutcomeKind.REJECTED),
            ("14", OutcomeKind.MISCONFIGURED),
            ("15", OutcomeKind.MISCONFIGURED),
            ("22", OutcomeKind.MISCONFIGURED),
            ("23", OutcomeKind.MISCONFIGURED),
            ("29", OutcomeKind.REJECTED),
            ("32", OutcomeKind.MISCONFIGURED),
            ("33", OutcomeKind.REJECTED),
        ],
    )
    def test_statuses_of_a_refused_part(self, gateway, provider, status, kind):
        outcome = gateway.send(replace(TEXT, to=f"+{REFUSING}{int(status):02}"))

        assert (outcome.kind, outcome.code) == (kind, status)
        assert outcome.retry_after == (1.0 if status == "1" else None)
        assert provider.sent == []
        assert status in ERRORS

    def test_wrong_secret_is_a_matter_of_configuration(self, provider):
        outcome = gateway_for(provider.url, api_secret="wrong").send(TEXT)

        assert (outcome.kind, outcome.code, outcome.detail) == (OutcomeKind.MISCONFIGURED, "4", "Bad Credentials")

    def test_too_long_a_text_is_rejected(self, gateway, provider):
        assert gateway.send(replace(TEXT, text="a" * 3201)).code == "12"

    @pytest.mark.parametrize(
        ("document", "kind", "code"),
        [
            ({"message-count": 1, "messages": [{"status": "0", "message-id": "0A1"}]}, "accepted", ""),
            ({"message-count": "1", "messages": [{"status": "99"}]}, "rejected", "99"),
            ({"message-count": "1", "messages": [{"status": "0"}]}, "unknown", "broken_answer"),
            ({"message-count": "2", "messages": [{"status": "7"}]}, "unknown", "broken_answer"),
            ({"message-count": "1", "messages": [{"status": 7}]}, "unknown", "broken_answer"),
            ({"message-count": "1", "messages": ["7"]}, "unknown", "broken_answer"),
            ({"message-count": "0", "messages": []}, "unknown", "broken_answer"),
            ({"message-count": "1", "messages": {"status": "0"}}, "unknown", "broken_answer"),
            ({}, "unknown", "broken_answer"),
            ([], "unknown", "broken_answer"),
        ],
    )
    def test_answers_are_told_apart(self, gateway, provider, document, kind, code):
        provider.next_answers = [Reply(200, document)]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (kind, code)

    @pytest.mark.parametrize("price", [None, "free", "NaN", True, "1e999", "9" * 30, {}])
    def test_a_price_that_is_none_is_not_kept(self, gateway, provider, price):
        part = {"status": "0", "message-id": "0A1", "message-price": price}
        provider.next_answers = [Reply(200, {"message-count": "1", "messages": [part]})]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.cost, outcome.cost_currency) == (OutcomeKind.ACCEPTED, None, "")

    @pytest.mark.parametrize("way", ["GET", "form", "json"])
    @pytest.mark.parametrize("method", METHODS)
    def test_signed_calls_of_the_server_are_verified_and_read(self, provider, shop, way, method):
        gateway = gateway_for(provider.url, signature_method=method)
        provider.way, provider.signing = way, method
        url = f"{shop.url}/receipts/sms/default/{SECRET}/"
        sent = gateway.send(replace(TEXT, receipt_url=url))
        provider.report(sent.gateway_id, "accepted")
        provider.report(sent.gateway_id, "failed", err_code="4")
        provider.receive(url, sender=TEXT.to[1:], to=OURS, text="Arrêt & = +1")

        requests = [shop.request(call) for call in shop.calls]
        for request in requests:
            gateway.verify(request)
        about = {"message_id": "41", "gateway_id": sent.gateway_id, "recipient": TEXT.to}
        assert [event for request in requests for event in gateway.parse_events(request)] == [
            DeliveryEvent(kind=DeliveryKind.SENT, raw={"status": "accepted", "err-code": "0"}, **about),
            DeliveryEvent(
                kind=DeliveryKind.FAILED,
                is_permanent=True,
                code="4",
                raw={"status": "failed", "err-code": "4"},
                **about,
            ),
        ]
        [text] = [text for request in requests for text in gateway.parse_inbound(request)]
        assert (text.sender, text.to, text.text) == (TEXT.to, f"+{OURS}", "Arrêt & = +1")
        assert provider.callbacks == [204, 204, 204]

    def test_who_has_opted_out_is_told_by_report(self, gateway, provider, shop):
        provider.stopped.add(TEXT.to[1:])
        sent = gateway.send(replace(TEXT, receipt_url=f"{shop.url}/{SECRET}/"))
        provider.report(sent.gateway_id, "rejected")

        [event] = gateway.parse_events(shop.last_request())
        assert (event.kind, event.code, event.message_id) == (DeliveryKind.UNSUBSCRIBED, "9", "41")

    def test_every_part_reports_under_our_one_id(self, gateway, provider, shop):
        gateway.send(replace(TEXT, text="a" * 161, receipt_url=f"{shop.url}/{SECRET}/"))
        for gateway_id in provider.sent[0]["ids"]:
            provider.report(gateway_id, "delivered")

        events = [event for call in shop.calls for event in gateway.parse_events(shop.request(call))]
        assert [event.message_id for event in events] == ["41", "41"]
        assert [event.gateway_id for event in events] == provider.sent[0]["ids"]

    def test_without_a_signature_secret_the_path_is_the_proof(self, provider, shop):
        gateway = gateway_for(provider.url, signature_secret="")
        provider.signing = ""
        provider.receive(f"{shop.url}/{SECRET}/", sender=TEXT.to[1:], to=OURS, text="STOP")

        request = shop.last_request()
        gateway.verify(request)
        assert gateway.reports is Proof.PATH
        with pytest.raises(SignatureError):
            gateway.verify(replace(request, url=request.url.replace(SECRET, "")))


# --- signatures ------------------------------------------------------------------------------------------------

REPORT = {
    "msisdn": "33612345678",
    "to": "MyShop",
    "messageId": "0A1",
    "status": "delivered",
    "err-code": "0",
    "client-ref": "retarget-41",
}


@pytest.fixture(autouse=True)
def _secret(settings):
    settings.RETARGET = {**settings.RETARGET, "WEBHOOK_SECRETS": {"default": SECRET}}


@pytest.fixture
def verifier():
    return gateway_for("https://api.example")


def signed(fields=REPORT, *, method="sha256", secret=VonageServer.signature_secret, at=NOW, **changed):
    """`fields` with time, nonce and signature; `changed` afterwards."""
    found = {**fields, "timestamp": str(int(at.timestamp())), "nonce": "7c1e"}
    return {**found, "sig": signature(secret, found, method=method), **changed}


def call(fields, *, url=RECEIPTS, at=NOW, body=None, content_type="application/x-www-form-urlencoded"):
    body = urlencode(fields).encode() if body is None else body
    return WebhookRequest(method="POST", url=url, body=body, headers={"Content-Type": content_type}, at=at)


@pytest.mark.parametrize("seconds", [-300, -1, 0, 300])
def test_a_call_of_the_last_five_minutes_is_believed(verifier, seconds):
    verifier.verify(call(signed(at=NOW + timedelta(seconds=seconds))))


def test_an_upper_case_signature_is_believed(verifier):
    fields = signed()

    verifier.verify(call({**fields, "sig": fields["sig"].upper()}))


def test_json_numbers_and_booleans_are_signed_as_they_are_written(verifier):
    fields = {**REPORT, "concat": "true", "concat-part": "2"}
    document = {**signed(fields), "concat": True, "concat-part": 2, "timestamp": int(NOW.timestamp())}

    verifier.verify(call({}, body=json.dumps(document).encode(), content_type="application/json"))


FORGERIES = {
    "no signature": {"fields": REPORT},
    "an empty signature": {"fields": signed(sig="")},
    "a signature that is no hex": {"fields": signed(sig="é" * 64)},
    "one digit of the signature": {"fields": signed(sig="0" + signed()["sig"][1:])},
    "another secret": {"fields": signed(secret="another")},
    "an empty secret": {"fields": signed(secret="")},
    **{f"signed by {method}": {"fields": signed(method=method)} for method in METHODS if method != "sha256"},
    "a changed field": {"fields": signed(status="failed")},
    "an added field": {"fields": signed(extra="1")},
    "a missing field": {"fields": {name: value for name, value in signed().items() if name != "err-code"}},
    "an added field in the query": {"fields": signed(), "url": f"{RECEIPTS}?extra=1"},
    "another message in the query": {"fields": signed(), "url": f"{RECEIPTS}?client-ref=retarget-42"},
    "a repeated field": {"fields": {}, "body": urlencode(signed()).encode() + b"&status=failed"},
    "two fields hidden in a name": {
        "fields": {
            "client-ref": "retarget-41&err-code=0",
            **{name: value for name, value in signed().items() if name not in ("client-ref", "err-code")},
        }
    },
    "a name that swallows the next field": {
        "fields": {
            "client-ref=retarget-41&err-code": "0",
            **{name: value for name, value in signed().items() if name not in ("client-ref", "err-code")},
        }
    },
    "six minutes old": {"fields": signed(at=NOW - timedelta(seconds=301))},
    "of the future": {"fields": signed(at=NOW + timedelta(seconds=301))},
    "replayed the day after": {"fields": signed(), "at": NOW + timedelta(days=1)},
    "an arrival that nobody noted": {"fields": signed(), "at": None},
    "another secret in the path": {"fields": signed(), "url": RECEIPTS.replace(SECRET, "0" * len(SECRET))},
    "no secret in the path": {"fields": signed(), "url": "https://shop.example/receipts/sms/default/"},
    "a body that is no form": {"fields": {}, "body": b"\xff\xfe"},
    "JSON that is none": {"fields": {}, "body": b'{"sig":', "content_type": "application/json"},
    "half a character": {
        "fields": {},
        "body": json.dumps(signed(status="\ud83d")).encode(),
        "content_type": "application/json",
    },
    "JSON that is a list": {"fields": {}, "body": b"[]", "content_type": "application/json"},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused(verifier, name):
    with pytest.raises(SignatureError):
        verifier.verify(call(**FORGERIES[name]))


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", "9" * 13, "１２３"])
def test_a_signed_time_that_is_none_is_refused(verifier, timestamp):
    fields = {**REPORT, "timestamp": timestamp}
    fields["sig"] = signature(VonageServer.signature_secret, fields, method="sha256")

    with pytest.raises(SignatureError):
        verifier.verify(call(fields))


def test_a_signed_call_without_a_time_is_refused(verifier):
    with pytest.raises(SignatureError):
        verifier.verify(call({**REPORT, "sig": signature(VonageServer.signature_secret, REPORT, method="sha256")}))


def test_another_providers_signature_is_refused(verifier):
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": TEXT.to}
    request = call(fields)
    theirs = {**request.headers, "X-Twilio-Signature": TwilioServer().sign(RECEIPTS, fields)}

    with pytest.raises(SignatureError):
        verifier.verify(replace(request, headers=theirs))


def test_the_same_call_twice_reads_the_same(verifier):
    request = call(signed())
    verifier.verify(request)
    verifier.verify(request)

    assert verifier.parse_events(request) == verifier.parse_events(request)


def test_without_any_secret_nothing_is_believed(settings):
    settings.RETARGET = {}
    gateway = gateway_for("https://api.example", signature_secret="")

    [problem] = gateway.check_webhooks()
    assert 'RETARGET["WEBHOOK_SECRETS"]["default"] is not set' in problem
    for request in (call(signed()), call(signed(secret="")), call(REPORT)):
        with pytest.raises(SignatureError):
            gateway.verify(request)


def test_a_signature_needs_no_secret_in_the_path(settings, verifier):
    settings.RETARGET = {}
    verifier.verify(call(signed(), url="https://shop.example/receipts/sms/default/"))

    assert verifier.check_webhooks() == []
    with pytest.raises(SignatureError):
        verifier.verify(call(signed(status="failed")))


# --- reading calls ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind", "is_permanent"),
    [
        ("accepted", "0", DeliveryKind.SENT, False),
        ("buffered", "0", DeliveryKind.DEFERRED, False),
        ("delivered", "0", DeliveryKind.DELIVERED, False),
        ("expired", "1", DeliveryKind.FAILED, False),
        ("failed", "1", DeliveryKind.FAILED, False),
        ("failed", "2", DeliveryKind.FAILED, False),
        ("failed", "3", DeliveryKind.FAILED, True),
        ("failed", "4", DeliveryKind.FAILED, True),
        ("failed", "5", DeliveryKind.FAILED, True),
        ("rejected", "6", DeliveryKind.FAILED, False),
        ("failed", "7", DeliveryKind.FAILED, False),
        ("failed", "8", DeliveryKind.FAILED, False),
        ("failed", "9", DeliveryKind.UNSUBSCRIBED, False),
        ("rejected", "9", DeliveryKind.UNSUBSCRIBED, False),
        ("rejected", "10", DeliveryKind.FAILED, False),
        ("rejected", "11", DeliveryKind.FAILED, True),
        ("failed", "12", DeliveryKind.FAILED, False),
        ("failed", "13", DeliveryKind.FAILED, True),
        ("rejected", "14", DeliveryKind.FAILED, True),
        ("failed", "15", DeliveryKind.FAILED, False),
        ("rejected", "16", DeliveryKind.FAILED, False),
        ("rejected", "50", DeliveryKind.FAILED, False),
        ("rejected", "54", DeliveryKind.FAILED, False),
        ("failed", "99", DeliveryKind.FAILED, False),
    ],
)
def test_statuses_of_reports(verifier, status, code, kind, is_permanent):
    [event] = verifier.parse_events(call({**REPORT, "status": status, "err-code": code}))

    assert (event.kind, event.is_permanent, event.code) == (kind, is_permanent, code if code != "0" else "")
    assert (event.message_id, event.gateway_id, event.recipient) == ("41", "0A1", TEXT.to)


@pytest.mark.parametrize("changed", [{"status": "unknown"}, {"status": "submitted"}, {"status": ""}])
def test_other_statuses_are_no_events(verifier, changed):
    assert verifier.parse_events(call({**REPORT, **changed})) == ()


def test_a_reference_of_somebody_else_is_not_taken_for_ours(verifier):
    [event] = verifier.parse_events(call({**REPORT, "client-ref": "41"}))

    assert (event.message_id, event.gateway_id) == ("", "0A1")


def test_inbound_is_read_as_typed(verifier):
    fields = {"msisdn": "33612345678", "to": "36180", "messageId": "0B2", "text": "Arrêt", "keyword": "ARRÊT"}

    assert verifier.parse_inbound(call(fields)) == [
        InboundSms(sender=TEXT.to, text="Arrêt", to="36180", gateway_id="0B2")
    ]


@pytest.mark.parametrize("missing", ["msisdn", "text"])
def test_inbound_without_a_sender_or_a_text_is_nothing(verifier, missing):
    fields = {"msisdn": "33612345678", "to": OURS, "messageId": "0B2", "text": "STOP"}

    assert verifier.parse_inbound(call({name: value for name, value in fields.items() if name != missing})) == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key": ""}, "api_key and api_secret"),
        ({"api_secret": ""}, "api_key and api_secret"),
        ({"signature_method": "HMAC"}, "signature_method must be one of md5hash"),
        ({"currency": "euro"}, "currency must be"),
        ({"base_url": "rest.nexmo.com"}, "base_url must be"),
        ({"base_url": "https://"}, "base_url must be"),
        ({"key": "abcd1234"}, "key is no option"),
    ],
)
def test_check_names_the_option(options, words):
    gateway = gateway_for(options.pop("base_url", "https://api.example"), alias="uk", **options)

    [problem] = gateway.check()
    assert problem.startswith('RETARGET["SMS"]["uk"]["OPTIONS"]: ')
    assert words in problem
    assert gateway.send(TEXT).kind is OutcomeKind.MISCONFIGURED
