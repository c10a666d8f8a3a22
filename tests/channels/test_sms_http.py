"""The declarative gateway, against a provider like many."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from retarget_plugin.channels import WebhookRequest
from retarget_plugin.channels.sms.http import HttpGateway
from retarget_plugin.domain.messages import DeliveryEvent, InboundSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError
from tests.contracts.gateways import TEXT, NetworkGatewayContract
from tests.fakes import webhooks
from tests.fakes.plain_gateway import PlainGatewayServer
from tests.fakes.web import PATIENCE_SECONDS, Reply

pytestmark = pytest.mark.delivery

OPTIONS = {
    "auth": {"bearer": PlainGatewayServer.token},
    "body": {"message": {"to": "{to}", "text": "{text}", "ref": "{message_id}", "callback": "{receipt_url}"}},
    "id_path": "messages.0.id",
    "error_path": "error.code",
    "errors": {"opted_out": ["opted_out"], "no_credit": ["no_balance"], "rejected": ["invalid_number"]},
    "success": {"path": "messages.0.state", "equals": ["queued", "sent"]},
    "connect_seconds": PATIENCE_SECONDS,
    "read_seconds": PATIENCE_SECONDS,
}
RECEIPTS = {
    "receipts": {
        "message_id": "ref",
        "gateway_id": "id",
        "status": "state",
        "code": "err",
        "recipient": "msisdn",
        "statuses": {"delivered": ["DELIVRD"], "failed": ["UNDELIV", "2"]},
        "permanent_codes": ["1"],
    },
    "inbound": {"sender": "from", "text": "message", "to": "shortcode"},
}


class TestHttpGateway(NetworkGatewayContract):
    gateway_class = HttpGateway
    rejected_number = "+33600000001"
    opted_out_number = "+33600000004"
    secrets = (PlainGatewayServer.token,)

    @pytest.fixture
    def provider(self):
        with PlainGatewayServer() as server:
            self.server = server
            yield server

    def make(self, url, **options):
        return HttpGateway(**{**OPTIONS, **RECEIPTS, "url": f"{url}/v1/messages", **options})

    def sent(self, gateway):
        return [(message["to"], message["text"]) for message in self.server.sent]

    def report_delivery(self, provider, sent, url):
        report = {"ref": TEXT.message_id, "id": sent.gateway_id, "state": "DELIVRD", "msisdn": TEXT.to}
        webhooks.post(url, report)

    def receive_stop(self, provider, sent, url):
        webhooks.post(url, {"from": TEXT.to, "message": "STOP", "shortcode": "36180"})

    def test_body_is_filled_in_one_pass_and_empty_entries_are_left_out(self, gateway, provider):
        gateway.send(replace(TEXT, text="{to} {receipt_url}"))
        gateway.send(replace(TEXT, receipt_url="https://shop.example/x"))

        assert [call.document["message"] for call in provider.calls] == [
            {"to": TEXT.to, "text": "{to} {receipt_url}", "ref": "41"},
            {"to": TEXT.to, "text": TEXT.text, "ref": "41", "callback": "https://shop.example/x"},
        ]

    def test_form_with_digits_and_a_default_sender(self, provider):
        body = {"from": "{sender}", "recipient": "{to}", "message": "{text}", "fixed": "1"}
        gateway = self.make(provider.url, encoding="form", number_format="digits", body=body, sender="Default")
        provider.every_answer = Reply(200, {"messages": [{"id": "x-1", "state": "sent"}]})

        gateway.send(replace(TEXT, sender="", text="a+b & ç"))

        assert provider.calls[0].form == {
            "from": ["Default"],
            "recipient": ["33612345678"],
            "message": ["a+b & ç"],
            "fixed": ["1"],
        }

    def test_query_is_sent_and_not_logged(self, provider, caplog):
        gateway = self.make(provider.url, method="GET", encoding="query", body={"to": "{to}", "text": "{text}"})
        provider.every_answer = Reply(200, {"messages": [{"id": "x-1", "state": "sent"}]})

        with caplog.at_level("DEBUG"):
            gateway.send(TEXT)

        assert provider.calls[0].query == {"to": [TEXT.to], "text": [TEXT.text]}
        assert TEXT.to[1:] not in caplog.text

    @pytest.mark.parametrize(
        ("auth", "header", "value"),
        [
            ({"basic": ["Zoë", "p:w"]}, "Authorization", "Basic Wm/DqzpwOnc="),
            ({"bearer": "t0k"}, "Authorization", "Bearer t0k"),
            ({"header": ["X-Api-Key", "k3y"]}, "X-Api-Key", "k3y"),
        ],
    )
    def test_credentials(self, provider, auth, header, value):
        self.make(provider.url, auth=auth).send(TEXT)

        assert provider.calls[0].headers[header] == value

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(200, {"messages": [{"id": "7", "state": "refused"}], "error": {"code": "odd"}}), "rejected", "odd"),
            (Reply(200, {"messages": [{"id": "7"}]}), "unknown", "broken_answer"),
            (Reply(200, {"messages": [{"state": "queued"}]}), "unknown", "broken_answer"),
            (Reply(200, {"messages": []}), "unknown", "broken_answer"),
            (Reply(200, []), "unknown", "broken_answer"),
            (Reply(200, {"error": {"code": "opted_out"}}), "opted_out", "opted_out"),
            (Reply(206, {}), "unknown", "http_206"),
            (Reply(400, {"error": {"code": "bad_text"}}), "rejected", "bad_text"),
            (Reply(404, body=b"not here"), "rejected", "http_404"),
            (Reply(409, {}), "rejected", "http_409"),
            (Reply(408, {}), "rate_limited", "http_408"),
            (Reply(425, {}), "rate_limited", "http_425"),
            (Reply(402, {"error": {"code": "no_balance"}}), "no_credit", "no_balance"),
            (Reply(503, {"error": {"code": "maintenance"}}), "transient", "maintenance"),
            (Reply(503, body=b"<html>"), "unknown", "http_503"),
            (Reply(500, {"error": {"code": "internal"}}), "unknown", "internal"),
            (Reply(501, {}), "unknown", "http_501"),
        ],
    )
    def test_answers_are_told_apart(self, gateway, provider, reply, kind, code):
        provider.next_answers = [reply]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (kind, code)

    def test_true_and_numbers_are_compared_as_texts(self, provider):
        gateway = self.make(provider.url, success={"path": "ok", "equals": ["true"]}, id_path="id")
        provider.every_answer = Reply(200, {"ok": True, "id": 17})

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.gateway_id) == (OutcomeKind.ACCEPTED, "17")

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_server_error_is_unknown_with_idempotency_keys_too(self, provider, status):
        gateway = self.make(provider.url, idempotency_header="Idempotency-Key", idempotency_key_life=900.0)
        provider.next_answers = [Reply(status, body=b"")]

        assert gateway.has_idempotency_keys
        assert gateway.send(TEXT).kind is OutcomeKind.UNKNOWN

    def test_repeated_key_sends_once(self):
        with PlainGatewayServer(keeps_keys=True) as provider:
            gateway = self.make(provider.url, idempotency_header="Idempotency-Key", idempotency_key_life=900.0)

            first, second = gateway.send(TEXT), gateway.send(TEXT)

            assert first.gateway_id == second.gateway_id
            assert len(provider.sent) == 1
            assert len(provider.calls) == 2

    def test_journal_is_on_the_disk(self, tmp_path):
        with PlainGatewayServer(journal=tmp_path / "journal.jsonl") as provider:
            self.make(provider.url).send(TEXT)

        line = json.loads((tmp_path / "journal.jsonl").read_text())
        assert json.loads(line["body"])["message"]["to"] == TEXT.to


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": ""}, "url must be"),
        ({"url": "ftp://x.example/"}, "url must be"),
        ({"encoding": "xml"}, "encoding must be"),
        ({"number_format": "national"}, "number_format must be"),
        ({"body": {"to": "{to}"}}, "body must contain {text}"),
        ({"auth": {"digest": "x"}}, "auth must be"),
        ({"auth": {"basic": "user:password"}}, "auth must be"),
        ({"auth": {"bearer": ""}}, "auth must be"),
        ({"errors": {"oops": ["1"]}}, "errors names no outcome: oops"),
        ({"receipts": {"statuses": {"eaten": ["E"]}}}, "names no delivery kind: eaten"),
        ({"idempotency_header": "Key"}, "idempotency_key_life"),
        ({"timeout": 3}, "timeout is no option"),
    ],
)
def test_check_names_the_option(options, words):
    gateway = HttpGateway(alias="fr", **{**OPTIONS, "url": "https://x.example/", **options})

    assert [problem for problem in gateway.check() if words in problem and 'RETARGET["SMS"]["fr"]' in problem]
    assert gateway.send(TEXT).kind is OutcomeKind.MISCONFIGURED


class TestReceipts:
    @pytest.fixture
    def gateway(self, settings):
        settings.RETARGET = {"WEBHOOK_SECRETS": {"fr": "s3cret-path"}}
        return HttpGateway(alias="fr", **{**OPTIONS, "url": "https://x.example/", **RECEIPTS})

    def call(self, *, secret="s3cret-path", body=b"", content_type="application/x-www-form-urlencoded", query=""):
        url = f"https://shop.example/receipts/sms/fr/{secret}/{query}"
        return WebhookRequest(method="POST", url=url, body=body, headers={"content-type": content_type})

    @pytest.mark.parametrize("secret", ["", "s3cret", "s3cret-path2", "S3CRET-PATH", "fr"])
    def test_wrong_secret_is_refused(self, gateway, secret):
        gateway.verify(self.call())

        with pytest.raises(SignatureError):
            gateway.verify(self.call(secret=secret))

    def test_without_a_configured_secret_everything_is_refused(self, gateway, settings):
        settings.RETARGET = {}

        nothing = WebhookRequest(method="POST", url="https://shop.example/", body=b"")
        for request in (nothing, self.call(secret="None"), self.call()):
            with pytest.raises(SignatureError):
                gateway.verify(request)

    def test_form_query_and_json_are_read(self, gateway):
        fields = {"ref": "41", "id": "x-1", "state": "DELIVRD", "msisdn": "33612345678"}
        wanted = [
            DeliveryEvent(kind=DeliveryKind.DELIVERED, message_id="41", gateway_id="x-1", recipient="+33612345678")
        ]

        assert gateway.parse_events(self.call(body=urlencode(fields).encode())) == wanted
        assert gateway.parse_events(self.call(query=f"?{urlencode(fields)}")) == wanted
        assert (
            gateway.parse_events(self.call(body=json.dumps(fields).encode(), content_type="application/json")) == wanted
        )

    def test_permanent_failures_are_marked(self, gateway):
        [soft] = gateway.parse_events(self.call(body=b"state=UNDELIV&err=7&ref=41"))
        [hard] = gateway.parse_events(self.call(body=b"state=2&err=1&ref=41"))

        assert (soft.kind, soft.code, soft.is_permanent) == (DeliveryKind.FAILED, "7", False)
        assert (hard.kind, hard.code, hard.is_permanent) == (DeliveryKind.FAILED, "1", True)

    def test_several_reports_in_one_call(self, gateway):
        gateway.receipts["list_path"] = "results"
        reports = {
            "results": [{"state": "DELIVRD", "ref": "1"}, {"state": "EATEN"}, 7, {"state": "UNDELIV", "ref": "2"}]
        }

        events = gateway.parse_events(self.call(body=json.dumps(reports).encode(), content_type="application/json"))

        assert [(event.kind, event.message_id) for event in events] == [("delivered", "1"), ("failed", "2")]

    @pytest.mark.parametrize(
        "body", [b"", b"\xff\xfe", b"state=EATEN", b"{", b"[" * 5000, b"null", b'{"state": {"a": 1}}']
    )
    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
    def test_nonsense_is_no_event(self, gateway, body, content_type):
        call = self.call(body=body, content_type=content_type)

        assert list(gateway.parse_events(call)) == []
        assert list(gateway.parse_inbound(call)) == []

    def test_received_text(self, gateway):
        body = urlencode({"from": "33612345678", "message": "STOP ça", "shortcode": "36180"}).encode()

        assert gateway.parse_inbound(self.call(body=body)) == [
            InboundSms(sender="+33612345678", text="STOP ça", to="36180")
        ]
