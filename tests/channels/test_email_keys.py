"""Idempotency keys on single e-mails: Brevo's and Resend's own backends against local servers of theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retarget_plugin.domain.vocabulary import OutcomeKind
from tests.fakes.keyed_mail import BrevoServer, ResendServer
from tests.fakes.web import Fault, Reply

from .mailers import EMAIL, LOCMEM, channel_over, over

pytestmark = pytest.mark.delivery


@pytest.fixture
def brevo(settings):
    with BrevoServer() as server:
        yield server, over(settings, "brevo", server)


@pytest.fixture
def resend(settings):
    with ResendServer() as server:
        yield server, over(settings, "resend", server)


def test_life_of_a_key_at_brevo_is_a_quarter_of_an_hour(brevo):
    assert (brevo[1].has_idempotency_keys, brevo[1].idempotency_key_life) == (True, 900.0)


def test_life_of_a_key_at_resend_is_a_day(resend):
    assert (resend[1].has_idempotency_keys, resend[1].idempotency_key_life) == (True, 86_400.0)


def test_other_providers_and_plain_backends_have_none(settings):
    channel = channel_over(settings, LOCMEM)

    assert (channel.has_idempotency_keys, channel.idempotency_key_life) == (False, 0.0)


def test_resend_sends_a_repeated_message_once_and_answers_the_same(resend):
    server, channel = resend
    server.next_answers = [Fault.HANG_AFTER_BODY]

    lost, again = channel.send(EMAIL), channel.send(EMAIL)
    other = channel.send(replace(EMAIL, message_id="42", idempotency_key="another"))

    assert lost.kind is OutcomeKind.UNKNOWN
    assert again.kind is other.kind is OutcomeKind.ACCEPTED
    assert again.gateway_id != other.gateway_id
    assert len(server.sent) == 2


def test_each_message_of_a_batch_carries_its_own_key(resend):
    server, channel = resend
    with channel:
        for place in range(3):
            channel.send(replace(EMAIL, message_id=str(place), idempotency_key=f"key-{place}"))

    assert [call.headers["Idempotency-Key"] for call in server.calls] == ["key-0", "key-1", "key-2"]
    assert server.connections == 1


def test_resend_does_not_say_what_became_of_a_different_message_with_the_same_key(resend):
    server, channel = resend
    channel.send(EMAIL)

    outcome = channel.send(replace(EMAIL, text="Another text"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "invalid_idempotent_request")
    assert len(server.sent) == 1


def test_resend_still_at_work_on_the_first_attempt_does_not_say_what_becomes_of_it(resend):
    server, channel = resend
    server.next_answers = [Reply(409, {"statusCode": 409, "name": "concurrent_idempotent_requests", "message": "x"})]

    assert channel.send(EMAIL).kind is OutcomeKind.UNKNOWN


def test_brevo_sends_a_repeated_message_once_and_does_not_say_what_became_of_it(brevo):
    server, channel = brevo
    server.next_answers = [Fault.RESET_AFTER_BODY]

    lost, again = channel.send(EMAIL), channel.send(EMAIL)
    other = channel.send(replace(EMAIL, message_id="42", idempotency_key="another"))

    assert (lost.kind, lost.code) == (OutcomeKind.UNKNOWN, "no_answer")
    assert (again.kind, again.code) == (OutcomeKind.UNKNOWN, "duplicate_parameter")
    assert other.kind is OutcomeKind.ACCEPTED
    assert len(server.sent) == 2
    assert server.sent[0]["headers"]["idempotencyKey"] == EMAIL.idempotency_key


@pytest.mark.parametrize("vendor", ["brevo", "resend"])
@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (Reply(500, {}), "unknown", "http_500"),
        (Reply(503, body=b""), "unknown", "http_503"),
        (Reply(400, {"code": "invalid_parameter"}), "rejected", "http_400"),
        (Reply(409, []), "rejected", "http_409"),
        (Reply(409, {"name": 7}), "rejected", "http_409"),
    ],
)
def test_other_errors_mean_what_they_mean_without_a_key(request, vendor, reply, kind, code):
    server, channel = request.getfixturevalue(vendor)
    server.next_answers = [reply]

    outcome = channel.send(EMAIL)

    assert (outcome.kind, outcome.code) == (kind, code)
