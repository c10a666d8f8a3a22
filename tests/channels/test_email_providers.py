"""E-mail by anymail: Postmark's own backend against a local Postmark, and what each of anymail's backends takes."""

from __future__ import annotations

import importlib
import types
from dataclasses import replace

import pytest
import requests
from anymail.exceptions import AnymailAPIError, AnymailCancelSend, AnymailUnsupportedFeature
from anymail.signals import post_send, pre_send
from django.core import mail
from requests.adapters import HTTPAdapter

from retarget_plugin.channels import EmailChannel, email, esp, get_email, mime
from retarget_plugin.domain.vocabulary import OutcomeKind
from tests.fakes.postmark import PostmarkServer
from tests.fakes.web import Fault, Reply, closed_port

from .mailers import EMAIL, HAS_MAILERS, LOCMEM, POSTMARK, SMTP, channel_over, over_postmark

pytestmark = pytest.mark.delivery


@pytest.fixture
def server():
    with PostmarkServer() as running:
        yield running


@pytest.fixture
def channel(settings, server):
    return over_postmark(settings, server)


# --- what is sent ----------------------------------------------------------------------------------------------


def test_message_as_postmark_gets_it(channel, server):
    outcome = channel.send(EMAIL)

    [sent] = server.sent
    assert (outcome.kind, outcome.gateway_id) == (OutcomeKind.ACCEPTED, sent.pop("MessageID"))
    assert sent == {
        "From": "The Shop <hello@shop.example>",
        "To": "ada@customer.example",
        "ReplyTo": "help@shop.example",
        "Subject": "Your basket is waiting",
        "TextBody": "Come back",
        "HtmlBody": "<p>Come <b>back</b></p>",
        "Headers": [
            {"Name": "List-Unsubscribe", "Value": "<https://shop.example/retarget/u/token/>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ],
        "Tag": "cart",
        "Metadata": {"flow": "7", "retarget_message": "41"},
        "TrackOpens": False,
        "TrackLinks": "None",
    }


def test_tracking_is_on_only_when_asked_for(channel, server):
    channel.send(replace(EMAIL, track_opens=True, track_clicks=True))

    assert (server.sent[0]["TrackOpens"], server.sent[0]["TrackLinks"]) == (True, "HtmlAndText")


def test_project_default_does_not_switch_tracking_on(settings, server):
    channel = over_postmark(settings, server)
    settings.ANYMAIL = {**getattr(settings, "ANYMAIL", {}), "SEND_DEFAULTS": {"track_opens": True, "tags": ["all"]}}

    channel.send(replace(EMAIL, tags=()))

    assert (server.sent[0]["TrackOpens"], server.sent[0]["Tag"]) == (False, "all")


def test_a_batch_uses_one_connection(channel, server):
    with channel:
        outcomes = [channel.send(replace(EMAIL, message_id=str(place))) for place in range(5)]

    assert len({outcome.gateway_id for outcome in outcomes}) == len(server.sent) == 5
    assert server.connections == 1


# --- what went wrong -------------------------------------------------------------------------------------------


def refused(code, words="Something about ada@customer.example"):
    return Reply(422, {"ErrorCode": code, "Message": words})


ANSWERS = [
    (Reply(429, {}), "rate_limited", "http_429", None),
    (Reply(429, {}, headers={"Retry-After": "2"}), "rate_limited", "http_429", 2.0),
    (Reply(429, {}, headers={"Retry-After": "2.5"}), "rate_limited", "http_429", 2.5),
    (Reply(429, {}, headers={"Retry-After": "5000"}), "rate_limited", "http_429", 3600.0),
    (Reply(429, {}, headers={"Retry-After": "31536000"}), "rate_limited", "http_429", None),
    (Reply(429, {}, headers={"Retry-After": "NaN"}), "rate_limited", "http_429", None),
    (
        Reply(
            429,
            {},
            headers={"Retry-After": "Wed, 21 Oct 2037 07:29:00 GMT", "Date": "Wed, 21 Oct 2037 07:28:00 GMT"},
        ),
        "rate_limited",
        "http_429",
        60.0,
    ),
    (
        Reply(
            429,
            {},
            headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2037 07:28:00 GMT"},
        ),
        "rate_limited",
        "http_429",
        None,
    ),
    (Reply(408, {}), "rate_limited", "http_408", None),
    (Reply(425, {}), "rate_limited", "http_425", None),
    (Reply(401, {"ErrorCode": 10, "Message": "Bad token"}), "misconfigured", "http_401", None),
    (Reply(403, {}), "misconfigured", "http_403", None),
    (Reply(402, {}), "no_credit", "http_402", None),
    (Reply(400, {}), "rejected", "http_400", None),
    (Reply(404, body=b""), "rejected", "http_404", None),
    (Reply(413, body=b"<html>"), "rejected", "http_413", None),
    (refused(300), "rejected", "300", None),
    (refused(300, "Invalid 'To' address: 'ada@customer.example'."), "rejected", "recipient_refused", None),
    (
        refused(406, "Found inactive addresses: ada@customer.example. Inactive recipients are ones that"),
        "rejected",
        "recipient_refused",
        None,
    ),
    (refused(406, "In words that nobody knows yet"), "rejected", "unknown", None),
    (refused(400), "misconfigured", "400", None),
    (refused(401), "misconfigured", "401", None),
    (refused(405), "no_credit", "405", None),
    (refused(412), "misconfigured", "412", None),
    (refused(999), "rejected", "999", None),
    (Reply(422, body=b"<html>"), "rejected", "http_422", None),
    (Reply(500, {}), "unknown", "http_500", None),
    (Reply(502, body=b"<html>"), "unknown", "http_502", None),
    (Reply(503, body=b""), "unknown", "http_503", None),
    (Reply(503, body=b"", headers={"Retry-After": "9"}), "transient", "http_503", 9.0),
    (Reply(504, body=b""), "unknown", "http_504", None),
    (Reply(507, body=b""), "unknown", "http_507", None),
    (Reply(301, headers={"Location": "/elsewhere"}), "misconfigured", "http_301", None),
    (Reply(302, headers={"Location": "/elsewhere"}), "unknown", "http_302", None),
    (Reply(307, headers={"Location": "/elsewhere"}), "misconfigured", "http_307", None),
    (Reply(200, {"Message": "OK"}), "unknown", "broken_answer", None),
    (Reply(200, {"ErrorCode": 0}), "unknown", "broken_answer", None),
    (Reply(200, {"ErrorCode": 7, "Message": "new"}), "unknown", "broken_answer", None),
    (Reply(200, []), "unknown", "broken_answer", None),
    (Reply(200, 7), "unknown", "raised", None),
    (Reply(200, body=b""), "unknown", "broken_answer", None),
    (Fault.BROKEN_SUCCESS, "unknown", "broken_answer", None),
    (Fault.EMPTY_SUCCESS, "unknown", "broken_answer", None),
    (Fault.HTML_SUCCESS, "unknown", "broken_answer", None),
    (Fault.HALF_ANSWER, "unknown", "no_answer", None),
    (Fault.HANG_AFTER_BODY, "unknown", "no_answer", None),
    (Fault.RESET_AFTER_BODY, "unknown", "no_answer", None),
    (Fault.CLOSE_AFTER_BODY, "unknown", "no_answer", None),
    (Fault.HANG_BEFORE_BODY, "unknown", "no_answer", None),
    (Fault.RESET_BEFORE_BODY, "unknown", "no_answer", None),
    (Fault.DRIP, "accepted", "", None),
]


@pytest.mark.parametrize(("answer", "kind", "code", "wait"), ANSWERS)
@pytest.mark.parametrize("is_batch", [False, True])
def test_answers_are_told_apart(channel, server, answer, kind, code, wait, is_batch):
    server.drip_seconds = 0.0005
    server.next_answers = [answer]
    if is_batch:
        channel.open()

    outcome = channel.send(EMAIL)

    channel.close()
    assert (outcome.kind, outcome.code, outcome.retry_after) == (kind, code, wait)
    assert EMAIL.to not in outcome.detail
    # Nothing is tried again, redirects are not followed.
    assert len(server.calls) <= 1


def test_inactive_recipient_is_rejected(channel, server):
    server.inactive.add(EMAIL.to)

    outcome = channel.send(EMAIL)

    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "recipient_refused")
    assert server.sent == []


def test_wrong_token_is_a_matter_of_configuration(settings, server):
    assert over_postmark(settings, server, server_token="wrong").send(EMAIL).kind is OutcomeKind.MISCONFIGURED


@pytest.mark.parametrize("url", ["http://127.0.0.1:{closed}/", "http://postmark.invalid/", "http://192.0.2.1/"])
def test_provider_that_is_not_reached_is_transient(settings, server, url):
    outcome = over_postmark(settings, server, api_url=url.format(closed=closed_port())).send(EMAIL)

    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "not_reached")


def test_failed_tls_is_transient(settings, server):
    outcome = over_postmark(settings, server, api_url=server.url.replace("http:", "https:")).send(EMAIL)

    assert outcome.kind is OutcomeKind.TRANSIENT
    assert server.calls == []


@pytest.mark.parametrize("url", ["nonsense", "ftp://x.example/", "http://"])
def test_url_that_is_none_is_a_matter_of_configuration(settings, server, url):
    assert over_postmark(settings, server, api_url=url).send(EMAIL).kind is OutcomeKind.MISCONFIGURED


def test_batch_goes_on_after_a_failure(channel, server):
    with channel:
        server.next_answers = [Fault.RESET_AFTER_BODY]
        assert channel.send(EMAIL).kind is OutcomeKind.UNKNOWN
        assert channel.send(replace(EMAIL, message_id="42")).kind is OutcomeKind.ACCEPTED

    assert [sent["Metadata"]["retarget_message"] for sent in server.sent] == ["41", "42"]


def test_addresses_texts_and_tokens_are_not_logged(channel, server, caplog):
    server.next_answers = [refused(300), Fault.RESET_AFTER_BODY, Reply(500, body=EMAIL.to.encode())]

    with caplog.at_level("DEBUG"):
        details = [channel.send(EMAIL).detail for _ in range(4)]

    for secret in (EMAIL.to, EMAIL.subject, EMAIL.text, server.token):
        assert secret not in caplog.text + str(details)


# --- the project's own receivers -------------------------------------------------------------------------------


@pytest.fixture
def receive():
    """Connect a receiver to a signal for one test."""
    connected = []

    def connect(signal, receiver):
        signal.connect(receiver, weak=False)
        connected.append((signal, receiver))

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver)


def test_receiver_that_raises_after_the_send_does_not_undo_it(channel, server, receive):
    def fail(**_):
        raise RuntimeError("full disk")

    receive(post_send, fail)

    outcome = channel.send(EMAIL)

    assert (outcome.kind, outcome.gateway_id) == (OutcomeKind.ACCEPTED, server.sent[0]["MessageID"])


def test_receiver_that_raises_before_the_send_leaves_it_to_do(channel, server, receive):
    def fail(**_):
        raise RuntimeError("no database")

    receive(pre_send, fail)

    assert channel.send(EMAIL).kind is OutcomeKind.TRANSIENT
    assert server.calls == []


def test_receiver_that_cancels_is_obeyed(channel, server, receive):
    def cancel(**_):
        raise AnymailCancelSend

    receive(pre_send, cancel)

    outcome = channel.send(EMAIL)

    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "cancelled")
    assert server.calls == []


# --- what each backend takes -----------------------------------------------------------------------------------

BACKENDS = [
    "brevo",
    "mailersend",
    "mailgun",
    "mailjet",
    "mailtrap",
    "mandrill",
    "postal",
    "postmark",
    "resend",
    "scaleway",
    "sendgrid",
    "sparkpost",
    "unisender_go",
    "test",
]


def backend_of(name, settings):
    """A backend of anymail with credentials that are none."""
    settings.ANYMAIL = {
        f"{vendor}_{credential.upper()}": "https://api.example/v1/" if credential == "api_url" else "x"
        for vendor in (name.upper(),)
        for credential in ("api_key", "secret_key", "server_token", "api_token", "project_id", "access_key", "api_url")
    }
    return importlib.import_module(f"anymail.backends.{name}").EmailBackend()


@pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")
@pytest.mark.filterwarnings("ignore:Directly creating EmailBackend")
@pytest.mark.parametrize("name", BACKENDS)
def test_no_backend_of_anymail_refuses_our_message(settings, name):
    backend = backend_of(name, settings)
    provider = esp.provider_of(backend)
    message = mime.letter(EMAIL, has_message_id=False)
    for attribute, value in esp.extras(EMAIL, provider).items():
        setattr(message, attribute, value)

    payload = backend.build_message_payload(message, {})

    # What the switches are for: where a backend takes them, leaving them out would leave tracking to the account.
    assert provider in esp._KNOWN
    message.track_opens = False
    if esp.has_tracking_switch(provider):
        backend.build_message_payload(message, {})
    else:
        with pytest.raises(AnymailUnsupportedFeature):
            backend.build_message_payload(message, {})
    assert payload is not None


@pytest.mark.parametrize(
    ("provider", "wanted"),
    [
        ("Postmark", {"tags", "metadata", "track_opens", "track_clicks"}),
        ("Amazon SES", {"tags", "metadata"}),
        ("Brevo", {"tags", "metadata"}),
        ("MailerSend", {"tags", "track_opens", "track_clicks"}),
        ("Postal", {"tags"}),
        ("A New One", {"tags", "metadata"}),
        ("", {"tags", "metadata"}),
    ],
)
def test_attributes_for_a_provider(provider, wanted):
    assert set(esp.extras(EMAIL, provider)) == wanted


@pytest.mark.parametrize(("provider", "count"), [("Mailgun", 2), ("Postmark", 1), ("A New One", 1), ("", 1)])
def test_tags_for_a_provider(provider, count):
    assert len(esp.extras(EMAIL, provider)["tags"]) == count


class BotoError(Exception):
    """Stands for boto's, which is not installed: only names of classes are looked at."""


@pytest.mark.parametrize(
    ("response", "cause", "kind"),
    [
        ({"Error": {"Code": "TooManyRequestsException"}}, None, "rate_limited"),
        ({"Error": {"Code": "SendingPausedException"}}, None, "misconfigured"),
        ({"Error": {"Code": "MessageRejected"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, None, "rejected"),
        ({"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, None, "unknown"),
        (None, "EndpointConnectionError", "transient"),
        (None, "ReadTimeoutError", "unknown"),
        (None, "NoCredentialsError", "misconfigured"),
    ],
)
def test_errors_of_amazon_ses_by_their_names_without_boto(response, cause, kind):
    error = AnymailAPIError("x", response=response)
    if cause:
        error.__cause__ = types.new_class(cause, (BotoError,))()

    assert esp.outcome_of_error(error).kind == kind


def test_session_with_the_projects_own_adapter_keeps_it():
    class OwnAdapter(HTTPAdapter):
        pass

    session = requests.Session()
    session.mount("https://", OwnAdapter())

    assert esp.watch(types.SimpleNamespace(session=session)) is False
    assert type(session.get_adapter("https://x.example/")) is OwnAdapter


# --- which backend ---------------------------------------------------------------------------------------------


def test_projects_default_backend_is_used(settings):
    outcome = channel_over(settings, LOCMEM).send(EMAIL)

    [message] = mail.outbox
    assert outcome.gateway_id == message.extra_headers["Message-ID"]
    assert message.metadata == {"flow": "7", "retarget_message": "41"}


@pytest.mark.filterwarnings("ignore:The EMAIL_BACKEND setting is deprecated")
def test_project_without_mailers_sends_over_its_email_backend(settings):
    del settings.MAILERS
    settings.EMAIL_BACKEND = LOCMEM

    assert EmailChannel().send(EMAIL).kind is OutcomeKind.ACCEPTED
    assert EmailChannel().backend_path() == LOCMEM
    assert len(mail.outbox) == 1


def test_project_without_mailers_names_a_backend_by_its_dotted_path(settings, server):
    del settings.MAILERS
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": server.token, "POSTMARK_API_URL": server.url}

    assert EmailChannel(POSTMARK).send(EMAIL).kind is OutcomeKind.ACCEPTED
    assert EmailChannel(POSTMARK).backend_path() == POSTMARK
    assert len(server.sent) == 1


@pytest.mark.skipif(not HAS_MAILERS, reason="Django 6.1 brings MAILERS; on older ones the next test has a stub")
def test_alias_of_mailers_names_a_backend(settings, server):
    options = {"server_token": server.token, "api_url": server.url}
    settings.MAILERS = {
        "default": {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"},
        "retarget": {"BACKEND": POSTMARK, "OPTIONS": options},
    }

    assert EmailChannel("retarget").send(EMAIL).kind is OutcomeKind.ACCEPTED
    assert len(server.sent) == 1
    assert EmailChannel("retarget").backend_path() == POSTMARK
    assert EmailChannel("nobody").send(EMAIL).kind is OutcomeKind.MISCONFIGURED


def test_alias_of_mailers_is_asked_for_with_a_stub_of_django_6_1(settings, monkeypatch):
    class Backend:
        sent = []

        def open(self):
            pass

        close = open

        def send_messages(self, messages):
            self.sent += messages
            return len(messages)

    asked = []

    class Mailers:
        def __getitem__(self, alias):
            asked.append(alias)
            return Backend()

    settings.MAILERS = {"default": {}, "retarget": {}}
    monkeypatch.setattr(email.mail, "mailers", Mailers(), raising=False)

    assert EmailChannel("retarget").send(EMAIL).kind is OutcomeKind.ACCEPTED
    assert EmailChannel().send(EMAIL).kind is OutcomeKind.ACCEPTED
    assert asked == ["retarget", "default"]
    assert len(Backend.sent) == 2


@pytest.mark.parametrize("path", ["no.such.Backend", "retarget_plugin.channels.email.NoBackend"])
def test_backend_that_is_none_is_a_matter_of_configuration(settings, path):
    channel = channel_over(settings, path)

    assert channel.send(EMAIL).kind is OutcomeKind.MISCONFIGURED
    assert len(channel.check()) == 1
    assert channel.backend_path() == ""


class SilentBackend:
    def __init__(self, **_):
        pass

    def open(self):
        pass

    close = open

    def send_messages(self, messages):
        return 0


class RaisingBackend(SilentBackend):
    error: Exception = RuntimeError()

    def send_messages(self, messages):
        raise self.error


def test_backend_that_fails_silently_leaves_it_unknown(settings):
    outcome = channel_over(settings, f"{__name__}.SilentBackend").send(EMAIL)

    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "silent_failure")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("who knows"), OutcomeKind.UNKNOWN),
        (ValueError("who knows"), OutcomeKind.UNKNOWN),
        (TimeoutError(), OutcomeKind.UNKNOWN),
        (ConnectionRefusedError(), OutcomeKind.TRANSIENT),
    ],
)
def test_backend_of_the_projects_own_that_raises(settings, monkeypatch, error, kind):
    monkeypatch.setattr(RaisingBackend, "error", error)

    assert channel_over(settings, f"{__name__}.RaisingBackend").send(EMAIL).kind is kind


def test_check_warns_where_tracking_cannot_be_switched_off(settings, server):
    assert over_postmark(settings, server).check() == []

    [problem] = (
        channel_over(settings, "anymail.backends.brevo.EmailBackend", api_key="x").check()
        if HAS_MAILERS
        else (brevo_check(settings))
    )
    assert problem.startswith("Brevo cannot switch open and click tracking off")


def brevo_check(settings):
    settings.ANYMAIL = {"BREVO_API_KEY": "x"}
    settings.EMAIL_BACKEND = "anymail.backends.brevo.EmailBackend"
    return EmailChannel().check()


def test_door_keeps_the_channel_and_forgets_it_when_settings_change(settings):
    first = get_email()
    assert get_email() is first

    settings.RETARGET = {"MAILER": SMTP}

    assert get_email() is not first
    assert get_email().mailer == SMTP
