"""OVHcloud, against a local server that behaves like it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from retarget_plugin.channels import WebhookRequest
from retarget_plugin.channels.sms import ovh
from retarget_plugin.channels.sms.ovh import OvhGateway, signature
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError
from tests.contracts.gateways import SECRET, TEXT, NetworkGatewayContract
from tests.fakes.ovh import OvhServer
from tests.fakes.web import PATIENCE_SECONDS, Fault, Reply

pytestmark = pytest.mark.delivery

RECEIPTS = f"https://shop.example/receipts/sms/default/{SECRET}/"
MARKETING = replace(TEXT, is_marketing=True)


def gateway_for(url, **options):
    defaults = {
        "service_name": OvhServer.service_name,
        "application_key": OvhServer.application_key,
        "application_secret": OvhServer.application_secret,
        "consumer_key": OvhServer.consumer_key,
        "base_url": f"{url}/1.0",
        "connect_seconds": PATIENCE_SECONDS,
        "read_seconds": PATIENCE_SECONDS,
    }
    return OvhGateway(**{**defaults, **options})


class TestOvhGateway(NetworkGatewayContract):
    gateway_class = OvhGateway
    # Its own id is all that OVH's report names.
    repeats_our_id = False
    rejected_number = "+33600000001"
    opted_out_number = "+33600000004"
    secrets = (OvhServer.application_secret, OvhServer.consumer_key)

    @pytest.fixture
    def provider(self):
        with OvhServer() as server:
            server.blacklist.add(self.opted_out_number)
            self.server = server
            yield server

    @pytest.fixture
    def gateway(self, provider):
        gateway = self.make(provider.url)
        # From here on it knows OVH's time, and one text is one call.
        gateway.look_up("1")
        provider.calls.clear()
        yield gateway
        gateway.close()

    def make(self, url, **options):
        return gateway_for(url, **options)

    def sent(self, gateway):
        return [(entry["receiver"], entry["message"]) for entry in self.server.sent]

    def told(self, gateway):
        return gateway.look_up(gateway.send(TEXT).gateway_id)

    def report_delivery(self, provider, sent, url):
        provider.report(url, sent.gateway_id, 4)

    def test_request_is_ovhs(self, gateway, provider):
        gateway.send(replace(TEXT, receipt_url=RECEIPTS))

        [call] = provider.calls
        assert (call.method, call.target) == ("POST", "/1.0/sms/sms-ab12345-1/jobs")
        assert call.headers["Content-Type"] == "application/json"
        assert call.document == {
            "message": TEXT.text,
            "receivers": ["+33612345678"],
            "charset": "UTF-8",
            "noStopClause": True,
            "sender": "MyShop",
            "tag": "retarget-41",
        }

    def test_ovhs_time_is_asked_once(self, provider):
        gateway = gateway_for(provider.url)

        gateway.send(TEXT)
        gateway.send(TEXT)

        assert [call.path for call in provider.calls] == ["/1.0/auth/time", *["/1.0/sms/sms-ab12345-1/jobs"] * 2]
        assert "X-Ovh-Signature" not in provider.calls[0].headers

    @pytest.mark.parametrize("ahead", [-86_400, -61, 61, 86_400])
    def test_another_time_at_ovh_is_no_trouble(self, provider, ahead):
        provider.ahead = ahead

        assert gateway_for(provider.url).send(TEXT).kind is OutcomeKind.ACCEPTED

    def test_a_time_that_ran_off_is_asked_anew(self, gateway, provider):
        provider.ahead = 3600

        outcomes = [gateway.send(TEXT), gateway.send(TEXT)]

        assert [(outcome.kind, outcome.code) for outcome in outcomes] == [
            (OutcomeKind.MISCONFIGURED, "INVALID_SIGNATURE"),
            (OutcomeKind.ACCEPTED, ""),
        ]
        assert len(provider.sent) == 1

    def test_an_old_time_is_asked_anew(self, gateway, provider, monkeypatch):
        monkeypatch.setattr(ovh, "CLOCK_LIFE", 0.0)
        provider.ahead = 3600

        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Reply(500, body=b"oops"), OutcomeKind.TRANSIENT),
            (Reply(503, body=b"oops"), OutcomeKind.TRANSIENT),
            (Reply(429, {}), OutcomeKind.RATE_LIMITED),
            (Reply(404, {}), OutcomeKind.MISCONFIGURED),
            (Reply(302), OutcomeKind.TRANSIENT),
            (Reply(200, {"time": 1}), OutcomeKind.TRANSIENT),
            (Reply(200, True), OutcomeKind.TRANSIENT),
            (Fault.HANG_AFTER_BODY, OutcomeKind.TRANSIENT),
            (Fault.RESET_AFTER_BODY, OutcomeKind.TRANSIENT),
            (Fault.HTML_SUCCESS, OutcomeKind.TRANSIENT),
        ],
    )
    def test_without_ovhs_time_nothing_has_left(self, provider, answer, kind):
        provider.next_answers = [answer]
        gateway = gateway_for(provider.url)

        assert gateway.send(TEXT).kind is kind
        assert [call.path for call in provider.calls] == ["/1.0/auth/time"]
        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"application_key": "wrong"}, "INVALID_KEY"),
            ({"consumer_key": "wrong"}, "INVALID_CREDENTIAL"),
            ({"application_secret": "wrong"}, "INVALID_SIGNATURE"),
            ({"service_name": "sms-zz99999-9"}, "http_404"),
        ],
    )
    def test_wrong_keys_are_a_matter_of_configuration(self, provider, options, code):
        outcome = gateway_for(provider.url, **options).send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, code)
        assert provider.sent == []

    def test_marketing_takes_ovhs_stop_clause_and_other_texts_do_not(self, gateway, provider):
        gateway.send(MARKETING)
        gateway.send(TEXT)

        assert [job["noStopClause"] for job in provider.jobs] == [False, True]

    def test_senders(self, provider):
        gateway_for(provider.url, sender="Other").send(replace(TEXT, sender=""))
        gateway_for(provider.url, can_be_answered=True).send(TEXT)

        assert [(job.get("sender"), job.get("senderForResponse")) for job in provider.jobs] == [
            ("Other", None),
            (None, True),
        ]

    def test_a_reference_that_is_too_long_for_a_tag_is_left_out(self, gateway, provider):
        gateway.send(replace(TEXT, message_id="12345678901"))
        gateway.send(replace(TEXT, message_id="123456789012"))

        assert [job.get("tag") for job in provider.jobs] == ["retarget-12345678901", None]

    def test_credits_are_told_at_once_and_segments_later(self, gateway, provider):
        outcome = gateway.send(replace(TEXT, text="ê" * 71))

        assert (outcome.segments, outcome.cost, outcome.cost_currency) == (None, Decimal(2), "")
        found = gateway.look_up(outcome.gateway_id)
        assert (found.kind, found.segments, found.cost) == (OutcomeKind.ACCEPTED, 2, Decimal(2))

    def test_a_stop_is_about_marketing(self, gateway, provider):
        """OVH keeps a blacklist of who sent STOP, and keeps to it for marketing only."""
        provider.blacklist.add(TEXT.to)

        outcome = gateway.send(MARKETING)

        assert (outcome.kind, outcome.code) == (OutcomeKind.OPTED_OUT, "blacklisted")
        assert [call.target for call in provider.calls][1:] == ["/1.0/sms/sms-ab12345-1/blacklists/%2B33612345678"]
        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED

    def test_an_invalid_number_is_not_taken_for_a_stop(self, gateway, provider):
        outcome = gateway.send(replace(MARKETING, to=self.rejected_number))

        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid_receiver")

    @pytest.mark.parametrize("answer", [Reply(500), Fault.RESET_AFTER_BODY, Reply(404, {})])
    def test_a_blacklist_out_of_reach_leaves_the_refusal(self, gateway, provider, answer):
        refused = {"ids": [], "invalidReceivers": [TEXT.to], "validReceivers": [], "totalCreditsRemoved": 0}
        provider.next_answers = [Reply(200, refused), answer]

        assert gateway.send(TEXT).kind is OutcomeKind.REJECTED

    def test_a_refusal_without_credits_left_is_no_credit(self, gateway, provider):
        provider.credits = 0.0

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.detail) == (OutcomeKind.NO_CREDIT, "Not enough credits")
        assert outcome.is_retryable

    def test_a_refusal_with_credits_left_is_about_the_text(self, gateway, provider):
        outcome = gateway.send(replace(TEXT, sender="NoSuchSenderHere"))

        assert (outcome.kind, outcome.code, outcome.detail) == (
            OutcomeKind.REJECTED,
            "http_400",
            "Sender is not valid",
        )

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(403, {"errorCode": "NOT_GRANTED_CALL", "message": "x"}), "misconfigured", "NOT_GRANTED_CALL"),
            (Reply(403, {"errorCode": "NOT_CREDENTIAL", "message": "x"}), "misconfigured", "NOT_CREDENTIAL"),
            (Reply(401, {"errorCode": "INVALID_KEY", "message": "x"}), "misconfigured", "INVALID_KEY"),
            (Reply(403, {"errorCode": "INVALID_CREDENTIAL"}), "misconfigured", "INVALID_CREDENTIAL"),
            (Reply(403, {"errorCode": "FORBIDDEN"}), "misconfigured", "FORBIDDEN"),
            (Reply(400, {"errorCode": "INVALID_SIGNATURE"}), "misconfigured", "INVALID_SIGNATURE"),
            (Reply(404, {"message": "This service does not exist"}), "misconfigured", "http_404"),
            (Reply(460, {"message": "This service is expired"}), "misconfigured", "http_460"),
            (Reply(409, {"message": "Conflict"}), "rejected", "http_409"),
            (Reply(400, {"message": "Bad parameter"}), "rejected", "http_400"),
            (Reply(400, []), "rejected", "http_400"),
            (Reply(429, {"message": "Slow down"}), "rate_limited", "http_429"),
            (Reply(503, {"message": "Maintenance"}), "transient", "http_503"),
            (Reply(503, body=b"<html>"), "unknown", "http_503"),
            (Reply(500, {"message": "Internal server error"}), "unknown", "http_500"),
            (Reply(200, {"ids": [], "invalidReceivers": []}), "unknown", "broken_answer"),
            (Reply(200, {"ids": [1, 2], "invalidReceivers": []}), "unknown", "broken_answer"),
            (Reply(200, {"ids": ["1"]}), "unknown", "broken_answer"),
            (Reply(200, {"ids": [True]}), "unknown", "broken_answer"),
            (Reply(200, {}), "unknown", "broken_answer"),
            (Reply(200, {"ids": [7]}), "accepted", ""),
        ],
    )
    def test_answers_are_told_apart(self, gateway, provider, reply, kind, code):
        provider.next_answers = [reply]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (kind, code)

    @pytest.mark.parametrize(
        ("ptt", "kind", "code"),
        [(0, "accepted", ""), (1, "accepted", ""), (4, "accepted", ""), (8, "rejected", "8"), (23, "rejected", "23")],
    )
    def test_look_up_says_what_became_of_it(self, gateway, provider, ptt, kind, code):
        gateway_id = gateway.send(TEXT).gateway_id
        provider.sent[0]["ptt"] = ptt

        outcome = gateway.look_up(gateway_id)

        assert (outcome.kind, outcome.code, outcome.gateway_id) == (kind, code, gateway_id)

    @pytest.mark.parametrize("gateway_id", ["", "1", "../jobs", "1?", "１", "9" * 21])
    def test_look_up_of_what_is_unknown(self, gateway, provider, gateway_id):
        assert gateway.look_up(gateway_id) is None

    def test_a_waiting_text_is_looked_up_in_vain(self, gateway, provider):
        provider.next_answers = [Reply(200, [])]

        assert gateway.look_up("10867690") is None


# --- signing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "body", "wanted"),
    [
        ("GET", b"", "$1$e9556054b6309771395efa467c22e627407461ad"),
        ("POST", b'{"a":"b","c":"d"}', "$1$ec2fb5c7a81f64723c77d2e5b609ae6f58a84fc1"),
    ],
)
def test_signature_vectors(method, body, wanted):
    """python-ovh, tests/test_client.py."""
    keys = ("9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk", "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY")

    found = signature(*keys, method=method, url="https://eu.api.ovh.com/1.0/auth", body=body, timestamp=1457018875)

    assert found == wanted


# --- reading calls ---------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _secret(settings):
    settings.RETARGET = {**settings.RETARGET, "WEBHOOK_SECRETS": {"default": SECRET}}


@pytest.fixture
def verifier():
    return gateway_for("https://api.example")


def call(url=RECEIPTS, **fields):
    return WebhookRequest(method="GET", url=f"{url}?{urlencode(fields)}", body=b"")


@pytest.mark.parametrize(
    ("ptt", "kind", "is_permanent"),
    [
        ("1", DeliveryKind.DEFERRED, False),
        ("2", DeliveryKind.DEFERRED, False),
        ("3", DeliveryKind.SENT, False),
        ("4", DeliveryKind.DELIVERED, False),
        ("5", DeliveryKind.FAILED, False),
        ("6", DeliveryKind.FAILED, False),
        ("8", DeliveryKind.FAILED, False),
        ("20", DeliveryKind.FAILED, True),
        ("21", DeliveryKind.FAILED, False),
        ("23", DeliveryKind.FAILED, True),
        ("24", DeliveryKind.FAILED, False),
        ("25", DeliveryKind.FAILED, False),
        ("26", DeliveryKind.FAILED, False),
        ("27", DeliveryKind.FAILED, True),
        ("28", DeliveryKind.FAILED, False),
        ("29", DeliveryKind.FAILED, False),
        ("33", DeliveryKind.FAILED, True),
    ],
)
def test_ptt_of_reports(verifier, ptt, kind, is_permanent):
    [event] = verifier.parse_events(call(id="10867690", ptt=ptt, description="0"))

    assert (event.kind, event.is_permanent, event.gateway_id) == (kind, is_permanent, "10867690")
    assert event.code == (ptt if kind is DeliveryKind.FAILED else "")


@pytest.mark.parametrize("ptt", ["39", "73", "74", "76", "202", "999", ""])
@pytest.mark.parametrize(
    ("description", "kinds"),
    [
        ("0", []),
        ("1", [DeliveryKind.DELIVERED]),
        ("2", [DeliveryKind.FAILED]),
        ("4", [DeliveryKind.DEFERRED]),
        ("8", [DeliveryKind.DEFERRED]),
        ("16", [DeliveryKind.FAILED]),
        ("", []),
    ],
)
def test_what_ptt_does_not_say_the_description_says(verifier, ptt, description, kinds):
    events = verifier.parse_events(call(id="10867690", ptt=ptt, description=description))

    assert [event.kind for event in events] == kinds
    assert not any(event.is_permanent for event in events)


@pytest.mark.parametrize("gateway_id", ["", "abc", "1 OR 1=1", "-1", "9" * 21, "１"])
def test_a_report_about_nothing_is_nothing(verifier, gateway_id):
    assert verifier.parse_events(call(id=gateway_id, ptt="4")) == ()


@pytest.mark.parametrize(
    "url",
    [
        RECEIPTS.replace(SECRET, "another-secret"),
        RECEIPTS.replace(f"{SECRET}/", ""),
        RECEIPTS.replace(SECRET, SECRET[:-1]),
        RECEIPTS.replace(SECRET, f"{SECRET}x"),
        f"https://shop.example/receipts/sms/default/?secret={SECRET}",
    ],
)
def test_another_path_is_refused(verifier, url):
    with pytest.raises(SignatureError):
        verifier.verify(WebhookRequest(method="GET", url=url, body=b""))


@pytest.mark.parametrize("secrets", [{}, {"default": ""}, {"default": []}, {"other": SECRET}])
def test_without_a_secret_in_the_settings_nothing_is_believed(settings, verifier, secrets):
    settings.RETARGET = {"WEBHOOK_SECRETS": secrets}

    assert any("WEBHOOK_SECRETS" in problem for problem in verifier.check_webhooks())
    for url in (RECEIPTS, RECEIPTS.replace(f"{SECRET}/", "")):
        with pytest.raises(SignatureError):
            verifier.verify(WebhookRequest(method="GET", url=url, body=b""))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"service_name": ""}, "service_name is missing"),
        ({"application_key": ""}, "application_key is missing"),
        ({"application_secret": ""}, "application_secret is missing"),
        ({"consumer_key": ""}, "consumer_key is missing"),
        ({"base_url": "eu.api.ovh.com/1.0"}, "base_url must be"),
        ({"account": "sms-ab12345-1"}, "account is no option"),
    ],
)
def test_check_names_the_option(options, words):
    gateway = gateway_for("https://api.example", alias="fr", **options)

    [problem] = gateway.check()
    assert problem.startswith('RETARGET["SMS"]["fr"]["OPTIONS"]: ')
    assert words in problem
    assert gateway.send(TEXT).kind is OutcomeKind.MISCONFIGURED
