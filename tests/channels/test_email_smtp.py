"""E-mail over SMTP: what is written, and what every answer and silence of a server means."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from retarget_plugin.channels import smtp
from retarget_plugin.domain.vocabulary import OutcomeKind
from tests.fakes.smtp import Mode, SmtpServer
from tests.fakes.web import PATIENCE_SECONDS, closed_port

from .mailers import EMAIL, SMTP, channel_over, over_smtp

pytestmark = [
    pytest.mark.delivery,
    # The server is on loopback.
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]


@pytest.fixture
def server():
    with SmtpServer() as running:
        yield running


@pytest.fixture
def channel(settings, server):
    return over_smtp(settings, server)


# --- what is written -------------------------------------------------------------------------------------------


def test_one_message_to_one_address(channel, server):
    outcome = channel.send(EMAIL)

    assert outcome.kind is OutcomeKind.ACCEPTED
    [received] = server.messages
    assert (received.sender, received.recipients) == ("hello@shop.example", ("ada@customer.example",))
    assert outcome.gateway_id == received.message["Message-ID"]
    headers = {name: received.message[name] for name in ("From", "To", "Reply-To", "Subject", "List-Unsubscribe-Post")}
    assert headers == {
        "From": "The Shop <hello@shop.example>",
        "To": "ada@customer.example",
        "Reply-To": "help@shop.example",
        "Subject": "Your basket is waiting",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def test_text_comes_first_and_html_second(channel, server):
    channel.send(EMAIL)

    message = server.messages[0].message
    assert message.get_content_type() == "multipart/alternative"
    parts = [(part.get_content_type(), part.get_content().strip()) for part in message.iter_parts()]
    assert parts == [("text/plain", "Come back"), ("text/html", "<p>Come <b>back</b></p>")]


def test_message_without_html_is_plain_text(channel, server):
    channel.send(replace(EMAIL, html=""))

    assert server.messages[0].message.get_content_type() == "text/plain"


def test_letters_of_every_script_arrive(channel, server):
    name, subject, text = 'Zoë "Zo", Boutique; 店', "Panier 🛒 oublié — " + "é" * 150, "Žluťoučký 你好\n.\n..\nשלום"

    channel.send(replace(EMAIL, from_name=name, subject=subject, text=text, html=f"<p>{text}</p>"))

    message = server.messages[0].message
    assert message["From"].addresses[0].display_name == name
    assert message["From"].addresses[0].addr_spec == "hello@shop.example"
    # Python 3.11 begins a long subject on the second line, and its reader keeps that space.
    assert message["Subject"].strip() == subject
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n").strip() == text


@pytest.mark.parametrize("length", [10, 60, 80, 200, 850])
def test_unsubscribe_header_is_one_plain_line(channel, server, length):
    url = "https://shop.example/u/" + ("aB3-_.:" * length)[:length] + "/"

    channel.send(replace(EMAIL, unsubscribe_url=url))

    lines = server.messages[0].raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    assert f"List-Unsubscribe: <{url}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert server.messages[0].message.get_content_type() == "multipart/alternative"


def test_without_a_url_there_is_no_unsubscribe_header(channel, server):
    channel.send(replace(EMAIL, unsubscribe_url=""))

    assert b"list-unsubscribe" not in server.messages[0].raw.lower()


def test_message_id_is_ours_and_the_same_for_each_attempt(channel, server):
    first, second = channel.send(EMAIL), channel.send(EMAIL)
    other = channel.send(replace(EMAIL, message_id="42"))

    assert first.gateway_id == second.gateway_id != other.gateway_id
    assert first.gateway_id == "<retarget.41.5e0c2a52-5d0e-4c43-9c39-0a6d3b8f6f11@shop.example>"


def test_message_id_of_an_international_domain_is_ascii(channel, server):
    outcome = channel.send(replace(EMAIL, from_email="hallo@käse.example"))

    assert outcome.gateway_id.endswith("@xn--kse-qla.example>")
    assert server.messages[0].sender == "hallo@xn--kse-qla.example"


# --- connections -----------------------------------------------------------------------------------------------


def test_a_batch_uses_one_connection(channel, server):
    with channel:
        outcomes = [channel.send(replace(EMAIL, message_id=str(place))) for place in range(5)]

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 5
    assert (len(server.messages), server.connections) == (5, 1)


def test_without_a_batch_each_message_has_its_own_connection(channel, server):
    for _ in range(3):
        channel.send(EMAIL)

    assert (len(server.messages), server.connections) == (3, 3)


def test_closed_batch_opens_anew(channel, server):
    channel.open()
    channel.send(EMAIL)
    channel.close()
    channel.close()
    channel.send(EMAIL)

    assert server.connections == 2


def test_a_refused_message_leaves_the_connection_to_the_next(channel, server):
    with channel:
        server.mode = Mode.REFUSE_RECIPIENT
        assert channel.send(EMAIL).kind is OutcomeKind.REJECTED
        server.mode = Mode.NORMAL
        assert channel.send(EMAIL).kind is OutcomeKind.ACCEPTED

    assert server.connections == 1


def test_connection_the_server_closed_meanwhile_is_replaced(channel, server):
    with channel:
        channel.send(EMAIL)
        server.hang_up()
        outcome = channel.send(replace(EMAIL, message_id="42"))

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert (len(server.messages), server.connections) == (2, 2)


def test_servers_limit_per_connection_is_respected(settings):
    with SmtpServer(longest_connection=2) as server, over_smtp(settings, server) as channel:
        outcomes = [channel.send(replace(EMAIL, message_id=str(place))) for place in range(5)]

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 5
    assert len({received.message["Message-ID"] for received in server.messages}) == len(server.messages) == 5
    assert server.connections == 3


def test_a_failure_after_an_earlier_message_is_judged_by_itself(channel, server):
    with channel:
        channel.send(EMAIL)
        server.mode = Mode.GREYLIST
        assert channel.send(EMAIL).kind is OutcomeKind.TRANSIENT
        server.mode = Mode.DROP_BEFORE_DATA
        # The first message's text had left; this one's has not.
        assert channel.send(EMAIL).kind is OutcomeKind.TRANSIENT

    assert len(server.messages) == 1


def test_threads_have_their_own_connections(settings, server):
    channel, outcomes = over_smtp(settings, server, timeout=10), []

    def work(number):
        with channel:
            outcomes.extend(channel.send(replace(EMAIL, message_id=f"{number}-{place}")) for place in range(4))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 32
    assert len({outcome.gateway_id for outcome in outcomes}) == 32
    assert (len(server.messages), server.connections) == (32, 8)


# --- connecting ahead of time ----------------------------------------------------------------------------------


def test_warmed_channel_has_connected_before_it_sends(channel, server):
    with channel:
        channel.warm()
        channel.warm()
        assert (server.connections, server.messages) == (1, [])

        assert channel.send(EMAIL).kind is OutcomeKind.ACCEPTED
        channel.warm()
        assert channel.send(EMAIL).kind is OutcomeKind.ACCEPTED

    assert (len(server.messages), server.connections) == (2, 1)


def test_channel_that_keeps_no_connection_has_nothing_to_warm(channel, server):
    channel.warm()

    assert server.connections == 0


def test_failure_to_warm_is_what_the_next_message_hears_and_only_that_one(settings):
    port = closed_port()
    with channel_over(settings, SMTP, host="127.0.0.1", port=port, timeout=PATIENCE_SECONDS) as channel:
        channel.warm()
        with SmtpServer(port=port) as server:
            first, second = channel.send(EMAIL), channel.send(EMAIL)

    assert (first.kind, first.code) == (OutcomeKind.TRANSIENT, "not_reached")
    assert second.kind is OutcomeKind.ACCEPTED
    assert (len(server.messages), server.connections) == (1, 1)


def test_refused_log_in_is_met_once_when_warmed(settings):
    with SmtpServer(user="shop", password="right") as server:
        with over_smtp(settings, server, username="shop", password="wrong") as channel:
            channel.warm()
            channel.warm()
            outcome = channel.send(EMAIL)

        assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "535")
        assert server.connections == 1


def test_closing_forgets_a_failure_to_warm(settings):
    port = closed_port()
    channel = channel_over(settings, SMTP, host="127.0.0.1", port=port, timeout=PATIENCE_SECONDS)
    with channel:
        channel.warm()

    with SmtpServer(port=port):
        assert channel.send(EMAIL).kind is OutcomeKind.ACCEPTED


def test_connection_that_goes_stale_after_warming_is_replaced(channel, server):
    with channel:
        channel.warm()
        server.hang_up()

        assert channel.send(EMAIL).kind is OutcomeKind.ACCEPTED

    assert (len(server.messages), server.connections) == (1, 2)


# --- what went wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "kind", "code", "taken"),
    [
        (Mode.REFUSE_RECIPIENT, OutcomeKind.REJECTED, "550", 0),
        (Mode.GREYLIST, OutcomeKind.TRANSIENT, "451", 0),
        (Mode.REFUSE_SENDER, OutcomeKind.REJECTED, "553", 0),
        (Mode.REFUSE_TEXT, OutcomeKind.REJECTED, "554", 0),
        (Mode.TOO_BUSY, OutcomeKind.TRANSIENT, "421", 0),
        (Mode.DROP_BEFORE_DATA, OutcomeKind.TRANSIENT, "disconnected", 0),
        (Mode.HANG_AT_DATA, OutcomeKind.TRANSIENT, "disconnected", 0),
        (Mode.DROP_AFTER_DATA, OutcomeKind.UNKNOWN, "no_answer", 1),
        (Mode.HANG_AFTER_DATA, OutcomeKind.UNKNOWN, "no_answer", 1),
        (Mode.ODD_SUCCESS, OutcomeKind.ACCEPTED, "252", 1),
    ],
)
@pytest.mark.parametrize("is_batch", [False, True])
def test_answers_are_told_apart(settings, mode, kind, code, taken, is_batch):
    with SmtpServer(mode) as server:
        channel = over_smtp(settings, server)
        if is_batch:
            channel.open()
        outcome = channel.send(EMAIL)
        channel.close()

    assert (outcome.kind, outcome.code) == (kind, code)
    assert len(server.messages) == taken
    assert EMAIL.to not in outcome.detail


@pytest.mark.parametrize("change", [{"text": "half \ud83d"}, {"html": "<p>half \ud83d</p>"}])
def test_text_that_cannot_be_written_is_rejected(channel, server, change):
    outcome = channel.send(replace(EMAIL, **change))

    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid_message")
    assert server.messages == []


def test_enhanced_status_is_kept_without_the_words(settings):
    with SmtpServer(Mode.REFUSE_RECIPIENT) as server:
        assert over_smtp(settings, server).send(EMAIL).detail == "The server answered 550 5.1.1"


def test_connection_refused_is_transient(settings):
    channel = channel_over(settings, SMTP, host="127.0.0.1", port=closed_port(), timeout=PATIENCE_SECONDS)

    assert channel.send(EMAIL).kind is OutcomeKind.TRANSIENT


def test_unknown_host_is_transient(settings):
    channel = channel_over(settings, SMTP, host="mail.invalid", port=25, timeout=PATIENCE_SECONDS)

    assert channel.send(EMAIL).kind is OutcomeKind.TRANSIENT


def test_failed_tls_is_transient(settings, server):
    outcome = over_smtp(settings, server, use_ssl=True).send(EMAIL)

    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "not_reached")


def test_missing_starttls_is_a_matter_of_configuration(settings, server):
    outcome = over_smtp(settings, server, use_tls=True).send(EMAIL)

    assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "not_supported")
    assert server.messages == []


@pytest.mark.parametrize(
    ("password", "kind", "code"),
    [("right", OutcomeKind.ACCEPTED, ""), ("wrong", OutcomeKind.MISCONFIGURED, "535")],
)
def test_log_in(settings, password, kind, code):
    with SmtpServer(user="shop", password="right") as server:
        outcome = over_smtp(settings, server, username="shop", password=password).send(EMAIL)

    assert (outcome.kind, outcome.code) == (kind, code)


def test_missing_log_in_is_a_matter_of_configuration(settings):
    with SmtpServer(user="shop", password="right") as server:
        outcome = over_smtp(settings, server).send(EMAIL)

    assert (outcome.kind, outcome.code) == (OutcomeKind.MISCONFIGURED, "530")


def test_tls_and_ssl_together_are_a_matter_of_configuration(settings, server):
    channel = over_smtp(settings, server, use_tls=True, use_ssl=True)

    assert channel.send(EMAIL).kind is OutcomeKind.MISCONFIGURED
    assert len(channel.check()) == 1


class Greeter:
    """Says one line to whoever connects, and no more."""

    host = "127.0.0.1"

    def __init__(self, *lines):
        self.lines = lines

    def __enter__(self):
        self.socket = socket.create_server((self.host, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def serve(self):
        try:
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()
        except OSError:
            return

    def talk(self, connection):
        with connection:
            for line in self.lines:
                connection.sendall(line)
                if not connection.recv(1000):
                    return


@pytest.mark.parametrize(
    ("lines", "kind", "code"),
    [
        ((b"421 4.3.2 busy\r\n",), OutcomeKind.TRANSIENT, "421"),
        ((b"450 later\r\n",), OutcomeKind.TRANSIENT, "450"),
        ((b"554 5.7.1 your address is blocked\r\n",), OutcomeKind.MISCONFIGURED, "554"),
        ((b"",), OutcomeKind.TRANSIENT, "not_reached"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), OutcomeKind.TRANSIENT, "-1"),
        ((b"220 hi\r\n", b"550 no\r\n", b"550 no\r\n"), OutcomeKind.MISCONFIGURED, "550"),
        ((b"220 hi\r\n", b"421 no\r\n", b"421 no\r\n"), OutcomeKind.TRANSIENT, "421"),
        ((b"220 hi\r\n", b"250 ok\r\n", b"nonsense\r\n", b"250 ok\r\n"), OutcomeKind.TRANSIENT, "-1"),
        ((b"220 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"550 no\r\n"), OutcomeKind.REJECTED, "550"),
        ((b"220 hi\r\n", *[b"250 ok\r\n"] * 3, b"354 go\r\n", b"nonsense\r\n"), OutcomeKind.UNKNOWN, "-1"),
        ((b"220 hi\r\n", *[b"250 ok\r\n"] * 3, b"354 go\r\n", b"452 full\r\n"), OutcomeKind.TRANSIENT, "452"),
        ((b"220 hi\r\n", *[b"250 ok\r\n"] * 3, b"354 go\r\n", b"250" + b"x" * 9000), OutcomeKind.UNKNOWN, "no_answer"),
    ],
)
def test_rude_servers(settings, lines, kind, code):
    with Greeter(*lines) as server:
        outcome = over_smtp(settings, server).send(EMAIL)

    assert (outcome.kind, outcome.code) == (kind, code)


def test_a_project_without_a_timeout_does_not_wait_for_ever(settings, monkeypatch):
    monkeypatch.setattr(smtp, "PATIENCE", 0.2)

    with SmtpServer(Mode.HANG_AFTER_DATA) as server:
        assert over_smtp(settings, server, timeout=None).send(EMAIL).kind is OutcomeKind.UNKNOWN


def test_addresses_and_texts_are_not_logged(settings, caplog):
    with caplog.at_level("DEBUG"), SmtpServer(Mode.REFUSE_RECIPIENT) as server:
        channel = over_smtp(settings, server)
        channel.send(EMAIL)
        server.mode = Mode.DROP_AFTER_DATA
        channel.send(EMAIL)

    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("mail", "asyncio"))]
    for secret in (EMAIL.to, EMAIL.subject, EMAIL.text, "token"):
        assert secret not in str(ours)
