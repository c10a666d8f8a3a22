"""What statuses, waits and failures mean, by themselves."""

from __future__ import annotations

import ssl
from decimal import Decimal

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError, SSLError

from retarget_plugin.channels import answers
from retarget_plugin.channels.sms import numbers
from retarget_plugin.channels.sms.transport import Answer, pick

NOON = "Wed, 21 Oct 2037 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 30 ", 30.0),
        ("0.5", 0.5),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("86400", 3600.0),
        ("86401", None),
        ("999999999999", None),
        ("9" * 5000, None),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("0x10", None),
        ("١٢", None),
        ("٣٠.٥", None),
        ("NaN", None),
        ("Infinity", None),
        ("1, 2", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2037 12:00:20 GMT", 20.0),
        ("Wed, 21 Oct 2037 13:00:20 +0100", 20.0),
        ("Wed, 21 Oct 2037 14:00:00 GMT", 3600.0),
        (NOON, 0.0),
        ("Wed, 21 Oct 2037 11:59:59 GMT", None),
        ("Fri, 23 Oct 2037 12:00:00 GMT", None),
        ("Wed, 99 Oct 2037 12:00:20 GMT", None),
        ("Wed, 21 Oct 99999 12:00:20 GMT", None),
        ("Wed, 21 Oct 2037 12:00:20", None),
    ],
)
def test_retry_after(value, wait):
    assert answers.retry_after({"Retry-After": value, "Date": NOON}) == wait


def test_date_without_the_answers_own_date_says_nothing():
    assert answers.retry_after({"Retry-After": NOON}) is None
    assert answers.retry_after({"Retry-After": NOON, "Date": "today"}) is None


def wrapped(reason):
    return requests.ConnectionError(MaxRetryError(None, "/path?secret", reason))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wrapped(NewConnectionError(None, "refused")), "transient"),
        (requests.ConnectTimeout("slow"), "transient"),
        (requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(ssl.SSLCertVerificationError()))), "transient"),
        (requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(ssl.SSLEOFError()))), "unknown"),
        (requests.ReadTimeout(ReadTimeoutError(None, "/", "slow")), "unknown"),
        (requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())), "unknown"),
        (requests.exceptions.ChunkedEncodingError("cut"), "unknown"),
        (requests.exceptions.InvalidURL("https://user:secret@x"), "misconfigured"),
        (requests.exceptions.InvalidHeader("secret"), "misconfigured"),
        (requests.exceptions.JSONDecodeError("x", "{", 0), "unknown"),
    ],
)
def test_failures_that_were_not_watched_are_judged_by_their_class(error, kind):
    outcome = answers.outcome_of_failure(error)

    assert outcome.kind == kind
    assert "secret" not in outcome.detail


@pytest.mark.parametrize(("has_left", "kind"), [(False, "transient"), (True, "unknown")])
def test_what_was_watched_counts_more_than_the_class(has_left, kind):
    error = wrapped(ProtocolError("Connection aborted."))
    error.request_has_left = has_left

    assert answers.outcome_of_failure(error).kind == kind


@pytest.mark.parametrize(
    ("words", "hide", "detail"),
    [
        ("The 'To' number +33612345678 is wrong", (), "The 'To' number … is wrong"),
        ("Call (415) 555-2671 or 06 12 34 56 78", (), "Call (… or …"),
        ("Write to ada@customer.example\nnow", (), "Write to …@… now"),
        ("Error 21211 at 12:30", (), "Error 21211 at 12:30"),
        ("Cannot send 'Your basket is wait…'", ("Your basket is waiting",), ""),
        ("Token s3cret is wrong", ("s3cret",), ""),
        ("Nothing to hide", ("", "s3cret"), "Nothing to hide"),
        ("x" * 500, (), "x" * 200),
        (None, (), ""),
        ({"a": 1}, (), "{'a': 1}"),
    ],
)
def test_safe_detail(words, hide, detail):
    assert answers.safe_detail(words, hide=hide) == detail


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", [{"b": 1}, {"b": None}]),
        ("a.0.b", 1),
        ("a.1.b", None),
        ("a.2.b", None),
        ("a.-1.b", None),
        ("a.x", None),
        ("a.0.b.c", None),
        ("", None),
    ],
)
def test_pick(path, value):
    assert pick({"a": [{"b": 1}, {"b": None}]}, path) == value


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_body_that_is_no_json_is_no_document(body):
    assert Answer(status=200, body=body).document is None


@pytest.mark.parametrize(
    ("number", "shown"), [("+33612345678", "+336…78"), ("+1234567", "…"), ("12345", "…"), ("", "…")]
)
def test_masked_number(number, shown):
    assert numbers.masked(number) == shown


@pytest.mark.parametrize(
    ("received", "number"),
    [
        ("33612345678", "+33612345678"),
        ("0033612345678", "+33612345678"),
        (" +33612345678 ", "+33612345678"),
        ("0612345678", "0612345678"),
        ("33612345678 ext. 5", "33612345678 ext. 5"),
        ("3" * 16, "3" * 16),
        ("36180", "36180"),
        ("MyShop", "MyShop"),
        ("٣٣٦١٢٣٤٥٦٧٨", "٣٣٦١٢٣٤٥٦٧٨"),
        ("", ""),
    ],
)
def test_received_number(received, number):
    assert numbers.e164(received) == number


@pytest.mark.parametrize(
    ("written", "cost"),
    [
        (0.7, "0.7"),
        (2, "2"),
        ("0.03330000", "0.0333"),
        ("-0.00750", "0.0075"),
        (0, "0"),
        (Decimal("0.05"), "0.05"),
        ("0.000004", "0"),
        ("1e-999999", "0"),
        ("999999.99", "999999.99"),
        ("1000000", None),
        (1e99, None),
        ("9" * 4000, None),
        ("NaN", None),
        ("sNaN", None),
        (float("inf"), None),
        ("0,05", None),
        ("free", None),
        ("", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_cost(written, cost):
    found = answers.cost(written)

    assert found == (None if cost is None else Decimal(cost))
    assert found is None or found.as_tuple().exponent == -5


@pytest.mark.parametrize(
    ("written", "segments"),
    [(1, 1), ("2", 2), (99, 99)],
)
def test_segments(written, segments):
    assert answers.segments(written) == segments


@pytest.mark.parametrize("written", [100, 0, "0", -1, 1.5, "٢", True, None, "", "two", [1]])
def test_what_is_no_number_of_segments(written):
    assert answers.segments(written) is None
