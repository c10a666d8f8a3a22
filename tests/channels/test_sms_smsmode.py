"""smsmode, against a local server that behaves like it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from retarget_plugin.channels import WebhookRequest
from retarget_plugin.channels.sms.smsmode import SmsmodeGateway
from retarget_plugin.domain.messages import DeliveryEvent, InboundSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from tests.contracts.gateways import SECRET, TEXT, NetworkGatewayContract
from tests.fakes.smsmode import SmsmodeServer
from tests.fakes.web import PATIENCE_SECONDS, Reply

pytestmark = pytest.mark.delivery

RECEIPTS = f"https://shop.example/retarget/receipts/default/{SECRET}/"
UUID = "67c15045-1067-4588-ba3c-737cc5051438"


def gateway_for(url, **options):
    limits = {"connect_seconds": PATIENCE_SECONDS, "read_seconds": PATIENCE_SECONDS}
    return SmsmodeGateway(**{"api_key": SmsmodeServer.api_key, "base_url": f"{url}/sms/v1", **limits, **options})


class TestSmsmodeGateway(NetworkGatewayContract):
    gateway_class = SmsmodeGateway
    rejected_number = "+33600000001"
    secrets = (SmsmodeServer.api_key,)

    @pytest.fixture
    def provider(self):
        with SmsmodeServer() as server:
            self.server = server
            yield server

    def make(self, url, **options):
        return gateway_for(url, **options)

    def sent(self, gateway):
        return [(f"+{message['recipient']['to']}", message["body"]["text"]) for message in self.server.sent]

    def report_delivery(self, provider, sent, url):
        provider.report(sent.gateway_id, "DELIVERED")

    def receive_stop(self, provider, sent, url):
        provider.receive(sent.gateway_id, text="STOP")

    def test_request_is_smsmodes(self, gateway, provider):
        gateway.send(replace(TEXT, receipt_url=RECEIPTS))

        [call] = provider.calls
        assert (call.method, call.target) == ("POST", "/sms/v1/messages")
        assert call.headers["Content-Type"] == "application/json"
        assert call.document == {
            "recipient": {"to": "33612345678"},
            "from": "MyShop",
            "body": {"text": TEXT.text, "encoding": "GSM7", "stop": False},
            "refClient": "retarget-41",
            "callbackUrlStatus": RECEIPTS,
            "callbackUrlMo": RECEIPTS,
        }

    def test_nothing_is_called_back_without_a_receipts_url(self, gateway, provider):
        gateway.send(TEXT)

        assert {"callbackUrlStatus", "callbackUrlMo"} & set(provider.calls[0].document) == set()

    @pytest.mark.parametrize(
        ("text", "encoding"), [("é€ [~]", "GSM7"), ("Ç", "GSM7"), ("ç", "UNICODE"), ("Prêt ?", "UNICODE")]
    )
    def test_encoding_is_the_texts(self, gateway, provider, text, encoding):
        gateway.send(replace(TEXT, text=text))

        assert [sent["body"]["encoding"] for sent in provider.sent] == [encoding]

    @pytest.mark.parametrize(
        ("entry", "is_marketing", "stop"),
        [
            ({"STOP": ""}, True, True),
            ({"STOP": ""}, False, False),
            ({"STOP": "STOP au 36180"}, True, False),
            ({}, True, False),
        ],
    )
    def test_smsmode_adds_the_stop_words_to_marketing_that_has_none(
        self, gateway, provider, settings, entry, is_marketing, stop
    ):
        settings.RETARGET = {**settings.RETARGET, "SMS": {"default": entry}}

        gateway.send(replace(TEXT, is_marketing=is_marketing))

        assert [sent["body"]["stop"] for sent in provider.sent] == [stop]

    def test_segments_and_price_are_smsmodes(self, gateway, provider, settings):
        settings.RETARGET = {**settings.RETARGET, "SMS": {"default": {"STOP": ""}}}
        texts = ["a" * 150, "ê" * 71]

        outcomes = [gateway.send(replace(TEXT, text=text)) for text in texts]
        outcomes.append(gateway.send(replace(TEXT, text="a" * 150, is_marketing=True)))

        # The words that smsmode adds make two segments of one.
        assert [(outcome.segments, outcome.cost, outcome.cost_currency) for outcome in outcomes] == [
            (1, Decimal("0.05"), "EUR"),
            (2, Decimal("0.1"), "EUR"),
            (2, Decimal("0.1"), "EUR"),
        ]

    @pytest.mark.parametrize(
        ("given", "sent"), [("My Shop 24", "My Shop 24"), ("+33700000000", "33700000000"), ("36180", "36180")]
    )
    def test_senders(self, gateway, provider, given, sent):
        gateway.send(replace(TEXT, sender=given))

        assert [message["from"] for message in provider.sent] == [sent]

    def test_without_a_sender_the_accounts_own_is_shown(self, provider):
        gateway_for(provider.url).send(replace(TEXT, sender=""))
        gateway_for(provider.url, sender="Default").send(replace(TEXT, sender=""))

        assert [call.document.get("from") for call in provider.calls] == [None, "Default"]

    @pytest.mark.parametrize("sender", ["TwelveLetter", "Boutique é", "My\nShop", "My-Shop"])
    def test_a_sender_smsmode_does_not_take_is_a_matter_of_configuration(self, gateway, provider, sender):
        outcome = gateway.send(replace(TEXT, sender=sender))

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "configuration")
        assert provider.calls == []

    def test_wrong_key_is_a_matter_of_configuration(self, provider):
        outcome = gateway_for(provider.url, api_key="wrong").send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "unauthorized")

    def test_no_credit(self, gateway, provider):
        assert gateway.send(replace(TEXT, to="+33600000015")).kind is OutcomeKind.NO_CREDIT
        assert provider.sent == []

    def test_number_in_the_words_of_a_refusal_is_masked(self, gateway):
        assert gateway.send(replace(TEXT, to="+33600000001")).detail == "The recipient … is not valid"

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(400, {"errorCode": "E1", "detail": "no"}), "rejected", "E1"),
            (Reply(400, {"errorCode": 17}), "rejected", "17"),
            (Reply(401, {"title": "Unauthorized"}), "misconfigured", "http_401"),
            (Reply(403, {"errorCode": "E3"}), "misconfigured", "E3"),
            (Reply(404, {"errorCode": "E4"}), "rejected", "E4"),
            (Reply(422, {"errorCode": "E5"}), "rejected", "E5"),
            (Reply(429, {"errorCode": "E6"}), "rate_limited", "E6"),
            (Reply(503, {"title": "Service Unavailable"}), "transient", "http_503"),
            (Reply(503, body=b"<html>"), "unknown", "http_503"),
            (Reply(500, {"errorCode": "E7"}), "unknown", "E7"),
            (Reply(400, []), "rejected", "http_400"),
            (Reply(201, {"messageId": "short"}), "unknown", "broken_answer"),
            (Reply(201, {"messageId": 7}), "unknown", "broken_answer"),
            (Reply(201, [UUID]), "unknown", "broken_answer"),
            (Reply(201, {"messageId": UUID}), "accepted", ""),
            (Reply(201, {"messageId": UUID, "status": {"value": "SCHEDULED"}}), "accepted", ""),
            (Reply(201, {"messageId": UUID, "status": {"value": "UNDELIVERABLE"}}), "rejected", "undeliverable"),
            (Reply(201, {"messageId": UUID, "price": {"amount": "x"}, "body": {}}), "accepted", ""),
        ],
    )
    def test_answers_are_told_apart(self, gateway, provider, reply, kind, code):
        provider.next_answers = [reply]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code, outcome.segments, outcome.cost) == (kind, code, None, None)

    def test_look_up(self, gateway, provider):
        sent = gateway.send(TEXT)
        provider.sent[0]["status"] = {"value": "DELIVERED"}

        assert gateway.look_up(sent.gateway_id) == sent

    def test_look_up_of_a_failure(self, gateway, provider):
        sent = gateway.send(TEXT)
        provider.sent[0]["status"] = {"value": "UNDELIVERED"}

        outcome = gateway.look_up(sent.gateway_id)

        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "undelivered")

    @pytest.mark.parametrize("message_id", ["", "1", "../channels", UUID])
    def test_look_up_of_what_is_unknown(self, gateway, provider, message_id):
        assert gateway.look_up(message_id) is None

    def test_look_up_that_answers_with_another_message_is_none(self, gateway, provider):
        provider.next_answers = [Reply(200, {"messageId": UUID.replace("6", "7")})]

        assert gateway.look_up(UUID) is None

    @pytest.mark.parametrize("is_swapped", [False, True])
    def test_an_answer_is_the_persons_whichever_way_round_the_numbers_come(self, provider, shop, is_swapped):
        gateway = gateway_for(provider.url, sender=f"+{provider.own_number}")
        sent = gateway.send(replace(TEXT, receipt_url=f"{shop.url}/{SECRET}/", sender=""))
        provider.receive(sent.gateway_id, text="Arrêt", is_swapped=is_swapped)

        [text] = gateway.parse_inbound(shop.last_request())

        assert (text.sender, text.to, text.text) == (TEXT.to, f"+{provider.own_number}", "Arrêt")


# --- reading calls ---------------------------------------------------------------------------------------------


def call(document):
    body = json.dumps(document).encode()
    return WebhookRequest(method="POST", url=RECEIPTS, body=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("status", "kind", "is_permanent", "code"),
    [
        ("ENROUTE", DeliveryKind.SENT, False, ""),
        ("DELIVERED", DeliveryKind.DELIVERED, False, ""),
        ("READ", DeliveryKind.DELIVERED, False, ""),
        ("UNDELIVERED", DeliveryKind.FAILED, False, "undelivered"),
        ("UNDELIVERABLE", DeliveryKind.FAILED, True, "undeliverable"),
    ],
)
def test_statuses(status, kind, is_permanent, code):
    report = {
        "messageId": UUID,
        "direction": "MT",
        "recipient": {"to": "33612345678"},
        "refClient": "retarget-41",
        "status": {"value": status, "detail": "Call 33612345678 later"},
    }

    assert gateway_for("https://api.example").parse_events(call(report)) == [
        DeliveryEvent(
            kind=kind,
            message_id="41",
            gateway_id=UUID,
            recipient="+33612345678",
            is_permanent=is_permanent,
            code=code,
            detail="Call … later" if code else "",
            raw={"status": status},
        )
    ]


@pytest.mark.parametrize("status", ["SCHEDULED", "UNKNOWN", "delivered", "", None, 7, ["DELIVERED"]])
def test_what_says_nothing_of_delivery_is_no_event(status):
    report = {"messageId": UUID, "direction": "MT", "refClient": "retarget-41", "status": {"value": status}}

    assert list(gateway_for("https://api.example").parse_events(call(report))) == []


@pytest.mark.parametrize("reference", ["41", "order-41", "", None, 41, ["retarget-41"]])
def test_only_our_own_reference_names_a_message(reference):
    report = {"messageId": UUID, "status": {"value": "DELIVERED"}, "refClient": reference}

    [event] = gateway_for("https://api.example").parse_events(call(report))

    assert (event.message_id, event.gateway_id) == ("", UUID)


@pytest.mark.parametrize(
    ("sender", "to"), [("33612345678", "36180"), ("36180", "33612345678"), ("+33612345678", "36180")]
)
def test_an_answer_to_a_short_code(sender, to):
    document = {
        "messageId": UUID,
        "direction": "MO",
        "from": sender,
        "recipient": {"to": to},
        "body": {"text": "STOP"},
    }

    assert gateway_for("https://api.example").parse_inbound(call(document)) == [
        InboundSms(sender="+33612345678", text="STOP", to="36180", gateway_id=UUID)
    ]


ANSWER = {"direction": "MO", "from": "33612345678", "recipient": {"to": "36180"}, "body": {"text": "STOP"}}


@pytest.mark.parametrize(
    "document",
    [
        {**ANSWER, "direction": "MT"},
        {**ANSWER, "from": "36181"},
        {**ANSWER, "from": None},
        {**ANSWER, "body": {"text": None}},
        {**ANSWER, "body": "STOP"},
        [ANSWER],
        None,
        "STOP",
    ],
)
def test_what_nobody_wrote_is_no_text(document):
    assert list(gateway_for("https://api.example").parse_inbound(call(document))) == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[" * 5000, b"status=DELIVERED"])
def test_nonsense_is_nothing(body):
    request = replace(call(None), body=body)
    gateway = gateway_for("https://api.example")

    assert (list(gateway.parse_events(request)), list(gateway.parse_inbound(request))) == ([], [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key": ""}, "api_key is missing"),
        ({"sender": "TwelveLetter"}, "sender must be"),
        ({"base_url": "rest.smsmode.com"}, "base_url must be"),
        ({"channel": "x"}, "channel is no option"),
    ],
)
def test_check_names_the_option(options, words):
    gateway = gateway_for("https://api.example", alias="fr", **options)

    assert [problem for problem in gateway.check() if words in problem and 'RETARGET["SMS"]["fr"]' in problem]
    assert gateway.send(replace(TEXT, sender="")).kind is OutcomeKind.MISCONFIGURED
