"""What every SMS gateway must pass. Subclass one of the two; its fixtures say what is under test."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from retarget_plugin.channels import Gateway, WebhookRequest
from retarget_plugin.channels.base import Cost, Proof
from retarget_plugin.domain.messages import Outcome, OutgoingSms
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.exceptions import SignatureError
from tests.fakes.web import Fault, Reply, WebFake, closed_port

from .gateway_calls import SECRET, TEXT, GatewayCallsContract


class GatewayContract:
    """Cases for every gateway, also those without a network. `gateway_class`, `gateway` and `sent` must be given.

    README's table of gateways is made of its subclasses (`tests/gateways_table.py`): what a gateway says of itself, a case
    holds it to.
    """

    gateway_class: type[Gateway]

    @pytest.fixture
    def gateway(self) -> Iterator[Gateway]:
        raise NotImplementedError

    @pytest.fixture
    def patient_gateway(self, gateway: Gateway) -> Iterator[Gateway]:
        """One that waits for an answer as long as a shop's would."""
        yield gateway

    def sent(self, gateway: Gateway) -> list[tuple[str, str]]:
        """(number in E.164, text) of everything the other side took, in order."""
        raise NotImplementedError

    def told(self, gateway: Gateway) -> Outcome:
        """The fullest answer about TEXT: that to sending it, or to a look-up where the provider says more later."""
        return gateway.send(TEXT)

    def test_it_is_the_gateway_of_the_table(self, gateway):
        facts = ("reports", "has_inbound", "has_idempotency_keys", "says_segments", "says_cost")

        assert type(gateway) is self.gateway_class
        assert [getattr(gateway, fact) for fact in facts] == [getattr(self.gateway_class, fact) for fact in facts]

    def test_configuration_has_no_problems(self, gateway):
        assert gateway.check() == []

    def test_sends_a_text(self, gateway):
        outcome = gateway.send(TEXT)

        assert outcome.kind is OutcomeKind.ACCEPTED
        assert outcome.gateway_id
        assert self.sent(gateway) == [(TEXT.to, TEXT.text)]

    def test_sends_letters_of_every_script(self, gateway):
        text = "Žluťoučký kůň, 你好, שלום 🛒 €{to} & <b> %41 +1"

        outcome = gateway.send(replace(TEXT, text=text))

        assert outcome.kind is OutcomeKind.ACCEPTED
        assert self.sent(gateway) == [(TEXT.to, text)]

    def test_sends_two_segments_as_one_text(self, gateway):
        text = "a" * 161

        outcome = gateway.send(replace(TEXT, text=text))

        assert outcome.segments in (2, None)
        assert self.sent(gateway) == [(TEXT.to, text)]

    def test_ids_differ_between_texts(self, gateway):
        first, second = gateway.send(TEXT), gateway.send(replace(TEXT, message_id="42"))

        assert first.gateway_id != second.gateway_id

    def test_a_text_that_is_sent_twice_arrives_twice_unless_keys_are_kept(self, gateway):
        gateway.send(TEXT)
        gateway.send(TEXT)

        assert len(self.sent(gateway)) == (1 if gateway.has_idempotency_keys else 2)

    def test_it_says_of_segments_and_cost_what_it_declares(self, gateway):
        outcome = self.told(gateway)

        assert (outcome.segments is not None) == gateway.says_segments
        assert _cost_of(outcome) is gateway.says_cost

    def test_it_takes_the_calls_that_it_declares(self, gateway):
        written = {name for name in ("verify", "parse_events", "parse_inbound") if _is_written(gateway, name)}

        declared = {"verify", "parse_events"} if gateway.reports is not Proof.NONE else set()
        assert written == declared | ({"parse_inbound"} if gateway.has_inbound else set())

    @pytest.mark.parametrize(
        "number",
        [
            *("", "0612345678", "33612345678", "+", "+0612345678", "+336 12", "+33612345678\n"),
            *("36111", "+36111", "+３３６１２３４５６７８", "+33612345678;ext=5", "+33612345678x5", "+1800FLOWERS"),
        ],
    )
    def test_refuses_what_is_no_number_and_sends_nothing(self, gateway, number):
        outcome = gateway.send(replace(TEXT, to=number))

        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid_number")
        assert self.sent(gateway) == []

    @pytest.mark.parametrize(
        "number", ["+33892701239", "+19005551234", "+979123456789", "+8821612345678", "+881612345678"]
    )
    def test_refuses_premium_and_satellite_numbers_and_sends_nothing(self, gateway, number):
        outcome = gateway.send(replace(TEXT, to=number))

        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "costly_number")
        assert self.sent(gateway) == []

    @pytest.mark.parametrize("text", ["", "  ", "\n"])
    def test_refuses_an_empty_text_and_sends_nothing(self, gateway, text):
        outcome = gateway.send(replace(TEXT, text=text))

        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "no_text")
        assert self.sent(gateway) == []

    def test_refuses_half_a_character_and_sends_nothing(self, gateway):
        outcome = gateway.send(replace(TEXT, text="basket \ud83d"))

        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid_text")
        assert self.sent(gateway) == []

    def test_sixteen_threads_at_once(self, patient_gateway):
        texts = [replace(TEXT, message_id=str(place), text=f"Number {place}") for place in range(64)]
        outcomes: list[Any] = []

        def work(part: list[OutgoingSms]) -> None:
            outcomes.extend(patient_gateway.send(text) for text in part)

        threads = [threading.Thread(target=work, args=(texts[start::16],)) for start in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 64
        assert len({outcome.gateway_id for outcome in outcomes}) == 64
        assert sorted(text for _, text in self.sent(patient_gateway)) == sorted(text.text for text in texts)

    def test_unsigned_calls_are_refused(self, gateway):
        request = WebhookRequest(method="POST", url="https://shop.example/receipts/", body=b"MessageStatus=delivered")

        with pytest.raises((SignatureError, NotImplementedError)):
            gateway.verify(request)

    def test_sends_again_after_close(self, gateway):
        gateway.send(TEXT)
        gateway.close()

        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED


class NetworkGatewayContract(GatewayCallsContract, GatewayContract):
    """Cases for gateways that talk to a provider over HTTP.

    `provider` is the running fake; `make(url, **options)` builds the gateway, with timeouts of seconds. The fake
    refuses `rejected_number` and `opted_out_number` (empty where the provider takes the text and tells later, by report);
    `secrets` must never be seen in a log or an outcome; `settings` are further keys of RETARGET.
    """

    rejected_number: str
    opted_out_number: str = ""
    secrets: tuple[str, ...]
    settings: dict[str, Any] = {}

    @pytest.fixture(autouse=True)
    def _retarget(self, settings):
        settings.RETARGET = {**settings.RETARGET, "WEBHOOK_SECRETS": {"default": SECRET}, **self.settings}

    @pytest.fixture
    def provider(self) -> Iterator[WebFake]:
        raise NotImplementedError

    def make(self, url: str, **options: Any) -> Gateway:
        raise NotImplementedError

    @pytest.fixture
    def gateway(self, provider: WebFake) -> Iterator[Gateway]:
        gateway = self.make(provider.url)
        yield gateway
        gateway.close()

    @pytest.fixture
    def patient_gateway(self, provider: WebFake) -> Iterator[Gateway]:
        gateway = self.make(provider.url, connect_seconds=10.0, read_seconds=10.0)
        yield gateway
        gateway.close()

    def test_rejected_number(self, gateway, provider):
        outcome = gateway.send(replace(TEXT, to=self.rejected_number))

        assert outcome.kind is OutcomeKind.REJECTED
        assert outcome.code
        assert not outcome.is_retryable
        assert self.sent(gateway) == []

    def test_opted_out_number(self, gateway, provider):
        if not self.opted_out_number:
            pytest.skip("this provider tells of opt-outs by report only")
        outcome = gateway.send(replace(TEXT, to=self.opted_out_number, is_marketing=True))

        assert outcome.kind is OutcomeKind.OPTED_OUT
        assert self.sent(gateway) == []

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({"Retry-After": "7"}, 7.0),
            ({"Retry-After": "7200"}, 3600.0),
            ({"Retry-After": "-5"}, None),
            ({"Retry-After": "99999999999999999999"}, None),
            ({"Retry-After": "soon"}, None),
            ({}, None),
        ],
    )
    def test_rate_limit_says_when_to_return(self, gateway, provider, headers, wait):
        provider.next_answers = [Reply(429, {"error": "slow down"}, headers=headers)]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.retry_after) == (OutcomeKind.RATE_LIMITED, wait)
        assert self.sent(gateway) == []

    def test_rate_limit_until_a_date_counts_from_the_answers_own_date(self, gateway, provider):
        until = {"Retry-After": "Wed, 21 Oct 2037 07:28:30 GMT", "Date": "Wed, 21 Oct 2037 07:28:00 GMT"}
        provider.next_answers = [Reply(429, {}, headers=until)]

        assert gateway.send(TEXT).retry_after == 30.0

    @pytest.mark.parametrize("status", [500, 502, 504])
    def test_server_error_without_idempotency_keys_is_unknown(self, gateway, provider, status):
        provider.next_answers = [Reply(status, body=b"oops")]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, f"http_{status}")
        assert len(provider.calls) == 1

    def test_unavailable_with_a_time_to_return_is_transient(self, gateway, provider):
        provider.next_answers = [Reply(503, body=b"", headers={"Retry-After": "3"})]

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.retry_after) == (OutcomeKind.TRANSIENT, 3.0)

    def test_wrong_credentials_are_a_matter_of_configuration(self, gateway, provider):
        provider.next_answers = [Reply(401, {"error": "who are you"}), Reply(403, {"error": "not you"})]

        assert gateway.send(TEXT).kind is OutcomeKind.MISCONFIGURED
        assert gateway.send(TEXT).kind is OutcomeKind.MISCONFIGURED

    def test_payment_required_is_no_credit(self, gateway, provider):
        provider.next_answers = [Reply(402, {})]

        assert gateway.send(TEXT).kind is OutcomeKind.NO_CREDIT

    @pytest.mark.parametrize(
        "fault", [Fault.HANG_AFTER_BODY, Fault.RESET_AFTER_BODY, Fault.CLOSE_AFTER_BODY, Fault.GARBAGE_AFTER_BODY]
    )
    def test_silence_after_the_body_left_is_unknown_and_not_tried_again(self, gateway, provider, fault):
        provider.every_answer = fault

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "no_answer")
        assert not outcome.is_retryable
        assert len(self.sent(gateway)) == 1

    @pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_BODY, Fault.RESET_BEFORE_BODY])
    def test_silence_before_the_body_was_read_is_unknown_too(self, gateway, provider, fault):
        provider.every_answer = fault

        # The bytes had left; what the other side read of them cannot be seen from here.
        assert gateway.send(TEXT).kind is OutcomeKind.UNKNOWN

    @pytest.mark.parametrize(
        "fault", [Fault.BROKEN_SUCCESS, Fault.EMPTY_SUCCESS, Fault.HTML_SUCCESS, Fault.HALF_ANSWER, Fault.HUGE_SUCCESS]
    )
    def test_success_that_cannot_be_read_is_unknown(self, gateway, provider, fault):
        provider.every_answer = fault

        outcome = gateway.send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "broken_answer")
        assert len(self.sent(gateway)) == 1

    def test_dripping_answer_is_awaited(self, gateway, provider):
        provider.every_answer = Fault.DRIP
        provider.drip_seconds = 0.0005

        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED

    def test_connection_refused_is_transient(self):
        outcome = self.make(f"http://127.0.0.1:{closed_port()}").send(TEXT)

        assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "not_reached")

    def test_unknown_host_is_transient(self):
        assert self.make("http://gateway.invalid").send(TEXT).kind is OutcomeKind.TRANSIENT

    def test_failed_tls_is_transient(self, provider):
        # The fake speaks plain HTTP: the handshake fails, so no request can have left.
        outcome = self.make(provider.url.replace("http:", "https:")).send(TEXT)

        assert outcome.kind is OutcomeKind.TRANSIENT
        assert provider.calls == []

    def test_connect_time_out_is_transient(self):
        # TEST-NET-1 (RFC 5737) is nobody's: packets go nowhere, or the kernel says so at once.
        assert self.make("http://192.0.2.1").send(TEXT).kind is OutcomeKind.TRANSIENT

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (301, OutcomeKind.MISCONFIGURED),
            (302, OutcomeKind.UNKNOWN),
            (303, OutcomeKind.UNKNOWN),
            (307, OutcomeKind.MISCONFIGURED),
            (308, OutcomeKind.MISCONFIGURED),
        ],
    )
    def test_redirects_are_not_followed(self, gateway, provider, status, kind):
        elsewhere = {"Location": f"{provider.url}/elsewhere"}
        provider.next_answers = [Reply(status, headers=elsewhere)]

        assert gateway.send(TEXT).kind is kind
        assert len(provider.calls) == 1

    def test_one_connection_serves_many_texts(self, gateway, provider):
        for _ in range(5):
            gateway.send(TEXT)

        assert (len(provider.calls), provider.connections) == (5, 1)

    def test_numbers_texts_and_secrets_are_not_logged(self, gateway, provider, caplog):
        provider.next_answers = [Reply(400, {"code": 1, "message": f"{TEXT.to}: cannot send '{TEXT.text}'"})]
        unreachable = self.make(f"http://127.0.0.1:{closed_port()}")

        with caplog.at_level(logging.DEBUG):
            outcomes = [gateway.send(TEXT), gateway.send(TEXT), unreachable.send(TEXT)]
            provider.every_answer = Fault.RESET_AFTER_BODY
            outcomes.append(gateway.send(TEXT))

        seen = caplog.text + repr([(outcome.code, outcome.detail) for outcome in outcomes])
        for secret in (TEXT.to, TEXT.to[1:], TEXT.text, *self.secrets):
            assert secret not in seen

    def test_secrets_are_not_in_the_problems(self):
        assert not any(secret in str(self.make("no-url").check()) for secret in self.secrets)


def _cost_of(outcome: Outcome) -> Cost:
    if outcome.cost is None:
        return Cost.NONE
    return Cost.MONEY if outcome.cost_currency else Cost.CREDITS


def _is_written(gateway: Gateway, name: str) -> bool:
    return getattr(type(gateway), name) is not getattr(Gateway, name)
