"""What an e-mail that comes in asks for."""

from __future__ import annotations

import pytest

from retarget_plugin.domain import replies


@pytest.mark.parametrize(
    "subject",
    [
        "unsubscribe",
        "UNSUBSCRIBE",
        "  Unsubscribe!  ",
        "STOP",
        "stop.",
        "Opt-out",
        "Remove me",
        "Désabonnement",
        "De\u0301sinscription",
        "me désabonner",
        "Baja",
        "Darme de baja",
        "Abmelden",
        "Cancellami",
    ],
)
def test_a_subject_that_is_only_a_no_is_one(subject):
    assert replies.asks_to_stop(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "Re: unsubscribe",
        "Re: Your basket is waiting",
        "How do I unsubscribe?",
        "Please don't stop",
        "Cancel",
        "End",
        "Non-stop flights",
        "stop" + " " * 200 + "the presses",
        "unsubscribe" * 30,
        "!!!",
    ],
)
def test_any_other_subject_is_none(subject):
    assert not replies.asks_to_stop(subject)


@pytest.mark.parametrize(
    ("headers", "envelope_sender"),
    [
        ({"auto-submitted": "auto-replied"}, None),
        ({"auto-submitted": "Auto-Generated; owner-email=x@y.example"}, "a@b.example"),
        ({"precedence": "Bulk"}, None),
        ({"precedence": "auto_reply"}, None),
        ({"x-autoreply": "yes"}, None),
        ({"x-auto-response-suppress": "All"}, None),
        ({"list-id": "<news.example>"}, None),
        ({"content-type": "multipart/report; report-type=delivery-status"}, None),
        ({}, ""),
        ({}, "<>"),
    ],
)
def test_what_a_program_wrote_is_known_by_its_headers(headers, envelope_sender):
    assert replies.is_automatic(headers, envelope_sender=envelope_sender)


@pytest.mark.parametrize(
    ("headers", "envelope_sender"),
    [
        ({}, None),
        ({}, "ana@example.com"),
        ({"auto-submitted": "no"}, None),
        ({"auto-submitted": " No ; x=y"}, None),
        ({"precedence": "normal", "content-type": "multipart/alternative"}, "<ana@example.com>"),
    ],
)
def test_what_a_person_wrote_is_not(headers, envelope_sender):
    assert not replies.is_automatic(headers, envelope_sender=envelope_sender)
