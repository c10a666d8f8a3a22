"""Brevo, against a local server that behaves like it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from retarget_plugin.channels import WebhookRequest
from retarget_plugin.channels.sms.brevo import BrevoGateway
from retarget_plugin.domain.messages import DeliveryEvent, InboundSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError
from tests.contracts.gateways import SECRET, TEXT, NetworkGatewayContract
from tests.fakes.brevo import BrevoServer
from tests.fakes.web import PATIENCE_SECONDS, Reply

pytestmark = pytest.mark.delivery

RECEIPTS = f"https://shop.example/retarget/receipts/default/{SECRET}/"
STOP = {"SMS": {"default": {"STOP": "STOP au [STOP_CODE]"}}}


def gateway_for(url, **options):
    limits = {"connect_seconds": PATIENCE_SECONDS, "read_seconds": PATIENCE_SECONDS}
    return BrevoGateway(**{"api_key": BrevoServer.api_key, "base_url": f"{url}/v3", **limits, **options})


class TestBrevoGateway(NetworkGatewayContract):
    gateway_class = BrevoGateway
    rejected_number = "+33600000001"
    secrets = (BrevoServer.api_key,)
    settings = STOP

    @pytest.fixture
    def provider(self):
        with BrevoServer() as server:
            self.server = server
            yield server

    def make(self, url, **options):
        return gateway_for(url, **options)

    def sent(self, gateway):
        return [(f"+{message['recipient']}", message["content"]) for message in self.server.sent]

    def report_delivery(self, provider, sent, url):
        provider.report(sent.gateway_id, "delivered")

    def receive_stop(self, provider, sent, url):
        provider.report(sent.gateway_id, "replied", reply="STOP")

    def test_request_is_brevos(self, gateway, provider):
        gateway.send(replace(TEXT, receipt_url=RECEIPTS))

        [call] = provider.calls
        assert (call.method, call.target) == ("POST", "/v3/transactionalSMS/sms")
        assert call.headers["Content-Type"] == "application/json"
        assert call.document == {
            "sender": "MyShop",
            "recipient": "33612345678",
            "content": TEXT.text,
            "type": "transactional",
            "tag": "retarget-41",
            "unicodeEnabled": False,
            "webUrl": RECEIPTS,
        }

    @pytest.mark.parametrize(
        ("text", "is_unicode"),
        [("é€ [~]", False), ("Ç", False), ("ç", True), ("Prêt ?", True), ("\u00a0!", True), ("😀", True)],
    )
    def test_letters_outside_gsm_7_are_announced_and_arrive(self, gateway, provider, text, is_unicode):
        gateway.send(replace(TEXT, text=text))

        assert [(sent["content"], sent["unicodeEnabled"]) for sent in provider.sent] == [(text, is_unicode)]

    def test_marketing_says_so_and_holds_the_stop_code(self, gateway, provider):
        gateway.send(replace(TEXT, text="Your basket. STOP au [STOP_CODE]", is_marketing=True))

        assert [sent["type"] for sent in provider.sent] == ["marketing"]

    def test_marketing_without_the_stop_code_is_refused_by_brevo(self, gateway, provider):
        outcome = gateway.send(replace(TEXT, is_marketing=True))

        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid_parameter")
        assert provider.sent == []

    def test_segments_and_credits_are_brevos(self, gateway, provider):
        outcomes = [gateway.send(replace(TEXT, text=text)) for text in ("a", "€" * 81, "ê" * 135)]

        assert [(outcome.segments, outcome.cost, outcome.cost_currency) for outcome in outcomes] == [
            (1, Decimal("0.35"), ""),
            (2, Decimal("0.7"), ""),
            (3, Decimal("1.05"), ""),
        ]

    @pytest.mark.parametrize(
        ("given", "sent"), [("MyShop", "MyShop"), ("Shop2000", "Shop2000"), ("+33700000000", "33700000000")]
    )
    def test_senders(self, gateway, provider, given, sent):
        gateway.send(replace(TEXT, sender=given))

        assert [message["sender"] for message in provider.sent] == [sent]

    @pytest.mark.parametrize("sender", ["", "My Shop", "TwelveLetter", "Boutique é", "+3370000000000000"])
    def test_a_sender_brevo_does_not_take_is_a_matter_of_configuration(self, gateway, provider, sender):
        outcome = gateway.send(replace(TEXT, sender=sender))

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "configuration")
        assert provider.calls == []

    def test_the_options_sender_stands_in(self, provider):
        gateway_for(provider.url, sender="Default").send(replace(TEXT, sender=""))

        assert [message["sender"] for message in provider.sent] == ["Default"]

    def test_wrong_key_is_a_matter_of_configuration(self, provider):
        outcome = gateway_for(provider.url, api_key="wrong").send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "unauthorized")

    def test_no_credits(self, gateway, provider):
        outcome = gateway.send(replace(TEXT, to="+33600000015"))

        assert (outcome.kind, outcome.code) == (OutcomeKind.NO_CREDIT, "not_enough_credits")
        assert provider.sent == []

    def test_number_in_the_words_of_a_refusal_is_masked(self, gateway):
        assert gateway.send(replace(TEXT, to="+33600000001")).detail == "Invalid telephone number …"

    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (400, "invalid_parameter", "rejected"),
            (400, "missing_parameter", "rejected"),
            (400, "out_of_range", "rejected"),
            (400, "duplicate_parameter", "rejected"),
            (400, "bad_request", "rejected"),
            (404, "document_not_found", "rejected"),
            (406, "not_acceptable", "rejected"),
            (422, "unprocessable_entity", "rejected"),
            (400, "not_enough_credits", "no_credit"),
            (402, "not_enough_credits", "no_credit"),
            (401, "unauthorized", "misconfigured"),
            (403, "permission_denied", "misconfigured"),
            (400, "account_under_validation", "misconfigured"),
            (405, "method_not_allowed", "misconfigured"),
            (400, "duplicate_request", "unknown"),
            (400, "something_new", "rejected"),
            (429, "too_many_requests", "rate_limited"),
            (503, "maintenance", "transient"),
            (500, "internal", "unknown"),
        ],
    )
    def test_every_code(self, gateway, provider, status, code, kind):
        provider.next_answers = [Reply(status, {"code": code, "message": "no"})]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (kind, code)

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(400, {"code": 7}), "rejected", "http_400"),
            (Reply(400, []), "rejected", "http_400"),
            (Reply(503, body=b"<html>"), "unknown", "http_503"),
            (Reply(201, {"messageId": "seven"}), "unknown", "broken_answer"),
            (Reply(201, {"messageId": None}), "unknown", "broken_answer"),
            (Reply(201, {"reference": "ab1c"}), "unknown", "broken_answer"),
            (Reply(201, []), "unknown", "broken_answer"),
            (Reply(201, {"messageId": 7, "smsCount": "many", "usedCredits": "NaN"}), "accepted", ""),
            (Reply(201, {"messageId": 7, "smsCount": True, "usedCredits": True}), "accepted", ""),
            (Reply(201, {"messageId": 7, "smsCount": 0, "usedCredits": 1e99}), "accepted", ""),
        ],
    )
    def test_answers_are_told_apart(self, gateway, provider, reply, kind, code):
        provider.next_answers = [reply]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code, outcome.segments, outcome.cost) == (kind, code, None, None)

    def test_with_webhook_auth_the_accounts_own_webhook_reports(self, provider, shop):
        gateway = gateway_for(provider.url, webhook_auth={"bearer": "t0ken-of-the-webhook"})
        provider.webhook = (f"{shop.url}/default/{SECRET}/", {"Authorization": "Bearer t0ken-of-the-webhook"})
        sent = gateway.send(replace(TEXT, receipt_url=RECEIPTS))
        provider.report(sent.gateway_id, "delivered")

        request = shop.last_request()
        gateway.verify(request)

        assert "webUrl" not in provider.calls[0].document
        assert [event.message_id for event in gateway.parse_events(request)] == ["41"]

    def test_an_unknown_outcome_cannot_be_looked_up(self, gateway, provider):
        sent = gateway.send(TEXT)

        assert gateway.look_up(sent.gateway_id) is None
        assert len(provider.calls) == 1


# --- what vouches for its calls --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _secrets(settings):
    settings.RETARGET = {**settings.RETARGET, "WEBHOOK_SECRETS": {"default": SECRET}, **STOP}


def call(document=None, *, url=RECEIPTS, headers=None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    return WebhookRequest(method="POST", url=url, body=json.dumps(document).encode(), headers=headers)


AUTHS = [
    ({"bearer": "t0ken"}, {"authorization": "Bearer t0ken"}),
    ({"basic": ["Zoë", "p:w"]}, {"AUTHORIZATION": "Basic Wm/DqzpwOnc="}),
    ({"basic": ("Zoë", "p:w")}, {"Authorization": "Basic Wm/DqzpwOnc="}),
    ({"header": ["X-Shop", "t0ken"]}, {"x-shop": "t0ken"}),
]


@pytest.mark.parametrize(("auth", "headers"), AUTHS)
def test_configured_header_is_asked_for_beside_the_secret(auth, headers):
    gateway = gateway_for("https://api.example", webhook_auth=auth)
    [(name, value)] = headers.items()

    gateway.verify(call(headers=headers))

    forgeries = [
        call(),
        call(headers={name: ""}),
        call(headers={name: value[:-1]}),
        call(headers={name: value + "0"}),
        call(headers={name: value.swapcase()}),
        call(headers={"X-Other": value}),
        call(headers=headers, url=RECEIPTS.replace(SECRET, "s3cret")),
        call(headers=headers, url=RECEIPTS.replace(SECRET, "")),
    ]
    for forgery in forgeries:
        with pytest.raises(SignatureError):
            gateway.verify(forgery)


def test_a_broken_webhook_auth_believes_nobody():
    gateway = gateway_for("https://api.example", webhook_auth={"bearer": ""})

    for headers in ({}, {"Authorization": "Bearer "}, {"": ""}):
        with pytest.raises(SignatureError):
            gateway.verify(call(headers=headers))


# --- reading calls ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "is_permanent", "code"),
    [
        ("sent", DeliveryKind.SENT, False, ""),
        ("delivered", DeliveryKind.DELIVERED, False, ""),
        ("soft_bounce", DeliveryKind.FAILED, False, "softbounce"),
        ("softBounce", DeliveryKind.FAILED, False, "softbounce"),
        ("hard_bounce", DeliveryKind.FAILED, True, "hardbounce"),
        ("hardBounce", DeliveryKind.FAILED, True, "hardbounce"),
        ("rejected", DeliveryKind.FAILED, False, "rejected"),
        ("skip", DeliveryKind.FAILED, False, "skip"),
        ("skipped", DeliveryKind.FAILED, False, "skipped"),
        ("unsubscribe", DeliveryKind.UNSUBSCRIBED, False, "unsubscribe"),
        ("unsubscribed", DeliveryKind.UNSUBSCRIBED, False, "unsubscribed"),
        ("blacklisted", DeliveryKind.UNSUBSCRIBED, False, "blacklisted"),
    ],
)
def test_statuses(status, kind, is_permanent, code):
    report = {"msg_status": status, "to": "33612345678", "messageId": 1511882900176220, "tag": "retarget-41"}

    assert gateway_for("https://api.example").parse_events(call(report)) == [
        DeliveryEvent(
            kind=kind,
            message_id="41",
            gateway_id="1511882900176220",
            recipient="+33612345678",
            is_permanent=is_permanent,
            code=code,
            raw={"msg_status": status.lower().replace("_", "")},
        )
    ]


@pytest.mark.parametrize(
    ("tag", "message_id"),
    [
        ("retarget-41", "41"),
        (["sale", "retarget-41"], "41"),
        ("41", ""),
        ("sale", ""),
        ([], ""),
        ([7], ""),
        (None, ""),
        ({"a": "retarget-41"}, ""),
    ],
)
def test_only_our_own_tag_names_a_message(tag, message_id):
    [event] = gateway_for("https://api.example").parse_events(call({"msg_status": "sent", "tag": tag}))

    assert (event.message_id, event.gateway_id) == (message_id, "")


@pytest.mark.parametrize("status", ["accepted", "subscribe", "reply", "replied", "new", "", None, 7, ["sent"]])
def test_what_says_nothing_of_delivery_is_no_event(status):
    report = call({"msg_status": status, "to": "33612345678", "tag": "retarget-41"})

    assert list(gateway_for("https://api.example").parse_events(report)) == []


@pytest.mark.parametrize("field", ["reply", "content"])
@pytest.mark.parametrize("status", ["reply", "replied"])
def test_an_answer_comes_from_the_number_that_was_written_to(status, field):
    report = call({"msg_status": status, "to": "33612345678", "messageId": 7, field: "Arrêt"})

    assert gateway_for("https://api.example").parse_inbound(report) == [
        InboundSms(sender="+33612345678", text="Arrêt", gateway_id="7")
    ]


@pytest.mark.parametrize(
    "report",
    [
        {"msg_status": "replied", "reply": "STOP"},
        {"msg_status": "replied", "to": "33612345678"},
        {"msg_status": "replied", "to": "33612345678", "reply": ["STOP"]},
        {"msg_status": "sent", "to": "33612345678", "content": "STOP au 36180"},
        [],
        None,
        "STOP",
    ],
)
def test_what_nobody_wrote_is_no_text(report):
    assert list(gateway_for("https://api.example").parse_inbound(call(report))) == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[" * 5000, b"msg_status[]=sent"])
def test_nonsense_is_nothing(body):
    request = replace(call(), body=body)
    gateway = gateway_for("https://api.example")

    assert (list(gateway.parse_events(request)), list(gateway.parse_inbound(request))) == ([], [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key": ""}, "api_key is missing"),
        ({"sender": "My Shop"}, "sender must be"),
        ({"webhook_auth": {"digest": "x"}}, "webhook_auth must be"),
        ({"webhook_auth": {"bearer": ""}}, "webhook_auth must be"),
        ({"webhook_auth": {"basic": "user:password"}}, "webhook_auth must be"),
        ({"webhook_auth": {"header": ["", "x"]}}, "webhook_auth must be"),
        ({"webhook_auth": {"bearer": "x", "header": ["X", "y"]}}, "webhook_auth must be"),
        ({"base_url": "api.brevo.com"}, "base_url must be"),
        ({"key": "x"}, "key is no option"),
    ],
)
def test_check_names_the_option(options, words):
    gateway = gateway_for("https://api.example", alias="fr", **options)

    assert [problem for problem in gateway.check() if words in problem and 'RETARGET["SMS"]["fr"]' in problem]
    assert gateway.send(TEXT).kind is OutcomeKind.MISCONFIGURED


@pytest.mark.parametrize("stop", [{}, {"STOP": ""}, {"STOP": None}, {"STOP": "STOP au 36111"}])
def test_check_wants_the_stop_code_in_this_gateways_words(settings, stop):
    settings.RETARGET = {"SMS": {"default": stop}}

    assert gateway_for("https://api.example").check() == [
        'RETARGET["SMS"]["default"]["STOP"] must hold [STOP_CODE], such as "STOP au [STOP_CODE]".'
    ]
