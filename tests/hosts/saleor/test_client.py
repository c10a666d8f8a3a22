"""What the API's answers mean, and that nothing of the token is ever said."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from retarget_plugin.hosts.saleor import client as api
from retarget_plugin.hosts.saleor.client import Client, Denied, Refused, Unavailable
from tests.fakes.saleor import SaleorServer
from tests.fakes.web import Fault, Reply, refusing_port

TOKEN = "secret-of-the-app-k3"
ANY = "{ app { id } }"


@pytest.fixture
def saleor():
    with SaleorServer() as server:
        yield server


def test_a_query_answers_its_data_with_exact_amounts_over_one_connection(saleor):
    saleor.next_answers = [Reply(200, body=b'{"data": {"price": {"amount": 19.99}}}')] * 3

    answers = [Client(saleor.api_url, TOKEN).query("{ price { amount } }") for _ in range(3)]

    assert answers == [{"price": {"amount": Decimal("19.99")}}] * 3
    assert [call.headers["Authorization"] for call in saleor.calls] == [f"Bearer {TOKEN}"] * 3
    assert saleor.connections == 1


def test_without_a_token_no_header_is_sent(saleor):
    assert Client(saleor.api_url).query(ANY) == {"app": None}
    assert "Authorization" not in saleor.calls[0].headers


ANSWERS = [
    (Reply(401, {"errors": [{"message": "no"}]}), Denied),
    (Reply(403), Denied),
    (
        Reply(200, {"data": {"app": None}, "errors": [{"extensions": {"exception": {"code": "PermissionDenied"}}}]}),
        Denied,
    ),
    (Reply(400, {"errors": [{"message": "exceeds the maximum cost"}]}), Refused),
    (Reply(429, {"detail": "slow down"}, headers={"Retry-After": "7"}), Unavailable),
    (Reply(500), Unavailable),
    (Reply(503, {"data": {}}), Unavailable),
    (Reply(302, headers={"Location": "http://127.0.0.1:9/graphql/"}), Unavailable),
    (Reply(200, {"data": {"app": None}, "errors": [{"message": "Internal Server Error"}]}), Unavailable),
    (Reply(200, {"data": None}), Unavailable),
    (Reply(200, [1]), Unavailable),
    (Reply(200, body=b"[" * 100_000), Unavailable),
    (Fault.HTML_SUCCESS, Unavailable),
    (Fault.HALF_ANSWER, Unavailable),
    (Fault.RESET_AFTER_BODY, Unavailable),
    (Fault.GARBAGE_AFTER_BODY, Unavailable),
]


@pytest.mark.parametrize(("answer", "error"), ANSWERS, ids=range(len(ANSWERS)))
def test_every_answer_has_one_meaning_and_tells_no_token(saleor, caplog, answer, error):
    caplog.set_level(logging.DEBUG)
    saleor.every_answer = answer

    with pytest.raises(error) as raised:
        Client(saleor.api_url, TOKEN).query(ANY)

    assert len(saleor.calls) == 1
    shown = f"{raised.value!r} {raised.getrepr(style='long', showlocals=False)} {caplog.text}"
    assert TOKEN not in shown


def test_how_long_to_wait_is_told(saleor):
    saleor.every_answer = Reply(429, headers={"Retry-After": "7"})

    with pytest.raises(Unavailable) as raised:
        Client(saleor.api_url, TOKEN).query(ANY)

    assert raised.value.retry_after == 7


def test_silence_ends_and_a_closed_door_is_not_knocked_at_for_long(saleor, monkeypatch):
    monkeypatch.setattr(api, "READ_SECONDS", 0.2)
    saleor.every_answer = Fault.HANG_AFTER_BODY

    with pytest.raises(Unavailable, match="did not answer"):
        Client(saleor.api_url, TOKEN).query(ANY)
    with refusing_port() as port, pytest.raises(Unavailable):
        Client(f"http://127.0.0.1:{port}/graphql/", TOKEN).query(ANY)


def test_an_answer_without_end_is_not_read_to_its_end(saleor, monkeypatch):
    monkeypatch.setattr(api, "LARGEST_ANSWER", 100_000)
    saleor.every_answer = Fault.HUGE_SUCCESS

    with pytest.raises(Unavailable, match="too long"):
        Client(saleor.api_url).query(ANY)


def test_a_client_does_not_show_its_token():
    assert TOKEN not in repr(Client("http://127.0.0.1/graphql/", TOKEN))


def test_a_field_that_nobody_promised_is_refused(saleor):
    with pytest.raises(Refused):
        Client(saleor.api_url).query("{ checkout(id: 1) { secretNote } }")


def test_the_keys_come_from_the_origin_of_the_api(saleor):
    (key,) = api.fetch_keys(saleor.api_url)["keys"]

    assert (key["kid"], key["kty"], key["alg"]) == (saleor.key_id, "RSA", "RS256")
    assert saleor.calls[0].path == "/.well-known/jwks.json"


@pytest.mark.parametrize("answer", [Reply(404), Reply(200, []), Reply(200, {"keys": 1}), Fault.RESET_AFTER_BODY])
def test_keys_that_cannot_be_read_are_no_keys(saleor, answer):
    saleor.every_answer = answer

    with pytest.raises(Unavailable):
        api.fetch_keys(saleor.api_url)
