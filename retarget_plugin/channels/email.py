"""E-mail by Django mail: whatever backend the project has, with anymail's extras where it is one of anymail's."""

from __future__ import annotations

import logging
import smtplib
import threading
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend
from django.utils.module_loading import import_string

from retarget_plugin.domain.messages import Outcome, OutgoingEmail
from retarget_plugin.domain.vocabulary import OutcomeKind

from . import answers, esp, headers, keys, mime, smtp, wire

logger = logging.getLogger(__name__)

#: A kept-open connection may have been closed by the server meanwhile; then one fresh connection is tried.
_STALE_CODES = ("disconnected", "421")
#: Failures that do not have a socket in doubt.
_CLEAN_KINDS = (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED)


@dataclass
class _Line:
    """One open connection of one thread."""

    backend: Any
    provider: str
    server: smtp.Watch | None
    is_http_watched: bool


class _Thread(threading.local):
    """What one thread holds of a channel: its connection, or how connecting ahead of time failed."""

    is_kept = False
    line: _Line | None = None
    failure: Outcome | None = None


class EmailChannel:
    """Sends one message to one address at a time. Safe to share between threads: each has its own connection.

    `with channel:` (or `open()` and `close()`) keeps the connection over a batch; without, each message opens its own.
    Never raises for what a provider or the network does, and never logs addresses, subjects or texts.
    """

    def __init__(self, mailer: str = "") -> None:
        """`mailer`: a MAILERS alias, or without MAILERS a backend's dotted path; empty: the project's default."""
        self.mailer = mailer
        self._thread = _Thread()

    @property
    def has_idempotency_keys(self) -> bool:
        """True when the provider promises that a repeated `idempotency_key` sends once."""
        return self.idempotency_key_life > 0

    @cached_property
    def idempotency_key_life(self) -> float:
        """Seconds for which a repeated key is honored; 0 where the provider takes none."""
        backend = self._backend()
        return 0.0 if isinstance(backend, Outcome) else keys.life(esp.provider_of(backend))

    def check(self) -> list[str]:
        """Problems of the configuration in plain words. Never touches the network."""
        backend = self._backend()
        if isinstance(backend, Outcome):
            return [backend.detail]
        provider = esp.provider_of(backend)
        if provider and not esp.has_tracking_switch(provider):
            return [
                f"{provider} cannot switch open and click tracking off for one message: "
                "switch it off in the account, or people are tracked without consent."
            ]
        return []

    def backend_path(self) -> str:
        """Dotted path of the backend's class; empty when it cannot be made, and `check` says why."""
        try:
            backend = self._backend()
        # The border to other people's code; `check` meets the same, and lets it through.
        except Exception:
            return ""
        return "" if isinstance(backend, Outcome) else f"{type(backend).__module__}.{type(backend).__qualname__}"

    def open(self) -> None:
        """Keep this thread's connection from the next message on. Connects later, so it cannot fail."""
        self._thread.is_kept = True

    def warm(self) -> None:
        """Connect now, if this thread keeps its connection and has none, so that the next `send` need not.

        Never raises: a failure is what the next `send` answers, once and without connecting again. Providers with an
        HTTP API are not called before there is something to say.
        """
        if self._thread.is_kept and self._thread.line is None and self._thread.failure is None:
            connected = self._connect()
            if isinstance(connected, Outcome):
                self._thread.failure = connected
            else:
                self._thread.line = connected

    def close(self) -> None:
        """Give this thread's connection back."""
        self._thread.is_kept, self._thread.failure = False, None
        self._drop()

    def __enter__(self) -> EmailChannel:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, email: OutgoingEmail) -> Outcome:
        """Hand one e-mail over, in one attempt.

        A value unfit for a header line is `rejected` with code `invalid_header`, whatever became of the connection.
        Trouble before the text left is `transient`; silence after it is `unknown`. `gateway_id` is the provider's id,
        else our Message-ID.
        """
        fault = headers.problem(email)
        if fault:
            return Outcome(kind=OutcomeKind.REJECTED, code="invalid_header", detail=fault)
        failure, self._thread.failure = self._thread.failure, None
        if failure is not None:
            return failure
        was_open = self._thread.line is not None
        try:
            outcome = self._attempt(email)
            if was_open and outcome.kind is OutcomeKind.TRANSIENT and outcome.code in _STALE_CODES:
                outcome = self._attempt(email)
            return outcome
        finally:
            if not self._thread.is_kept:
                self._drop()

    def _attempt(self, email: OutgoingEmail) -> Outcome:
        line = self._thread.line or self._connect()
        if isinstance(line, Outcome):
            return line
        self._thread.line = line
        message = mime.letter(email, has_message_id=not line.provider)
        for name, value in esp.extras(email, line.provider).items():
            setattr(message, name, value)
        keys.put(email.idempotency_key, provider=line.provider, backend=line.backend, message=message)
        wire.forget()
        if line.server is not None:
            line.server.forget()
        try:
            sent = line.backend.send_messages([message])
        # The border to other people's code: backends and signal receivers raise what they like.
        except Exception as error:
            outcome = self._outcome_of_error(error, line=line, status=getattr(message, "anymail_status", None))
        else:
            outcome = self._outcome_of_answer(sent, line=line, message=message, email=email)
        if outcome.kind not in _CLEAN_KINDS:
            self._drop()
        return outcome

    def _outcome_of_answer(self, sent: object, *, line: _Line, message: Any, email: OutgoingEmail) -> Outcome:
        if line.provider:
            return esp.outcome_of_answer(message.anymail_status)
        if sent == 0:
            # A backend told to fail silently. Only the watched SMTP connection still knows how far it came.
            has_left = line.server is None or line.server.has_left
            kind = OutcomeKind.UNKNOWN if has_left else OutcomeKind.TRANSIENT
            detail = "The mail backend failed silently; set fail_silently to False."
            return Outcome(kind=kind, code="silent_failure", detail=detail)
        status = getattr(message, "anymail_status", None)
        return Outcome(kind=OutcomeKind.ACCEPTED, gateway_id=esp.id_of(status) or mime.message_id(email))

    def _outcome_of_error(self, error: Exception, *, line: _Line, status: Any) -> Outcome:
        if isinstance(error, ImproperlyConfigured):
            return _misconfigured(error)
        if line.server is not None:
            if isinstance(error, ValueError) and not line.server.has_left:
                detail = f"Django refused it ({type(error).__name__})."
                return Outcome(kind=OutcomeKind.REJECTED, code="invalid_message", detail=detail)
            return smtp.outcome_of_sending(error, has_left=line.server.has_left)
        if line.provider:
            has_left = not line.is_http_watched or wire.request_has_left()
            outcome = esp.outcome_of_error(error, status=status, has_left=has_left)
        else:
            is_unreached = isinstance(error, ConnectionRefusedError)
            outcome = smtp.outcome_of_sending(error, has_left=not is_unreached)
        if outcome.code == "raised" or outcome.is_accepted:
            logger.error("Sending an e-mail raised %s.", type(error).__name__)
        return outcome

    def _connect(self) -> _Line | Outcome:
        backend = self._backend()
        if isinstance(backend, Outcome):
            return backend
        if isinstance(backend, SmtpBackend) and backend.timeout is None:
            backend.timeout = smtp.PATIENCE
        try:
            backend.open()
            server = getattr(backend, "connection", None)
            if isinstance(server, smtplib.SMTP):
                # smtplib would greet with the first message only; a slow greeting belongs to connecting.
                server.ehlo_or_helo_if_needed()
        except (ImproperlyConfigured, ImportError, ValueError, TypeError) as error:
            return _misconfigured(error)
        # The border to other people's code: whatever it raises, nothing has left yet.
        except Exception as error:
            _close(backend)
            return smtp.outcome_of_opening(error)
        return _Line(
            backend=backend,
            provider=esp.provider_of(backend),
            server=smtp.Watch(server) if isinstance(server, smtplib.SMTP) else None,
            is_http_watched=esp.watch(backend),
        )

    def _backend(self) -> Any:
        try:
            # Django 6.1 brings MAILERS. A project without it has EMAIL_BACKEND, whatever its Django; and only Django
            # may read that from 6.1 on without a warning.
            if hasattr(mail, "mailers") and (hasattr(settings, "MAILERS") or not self.mailer):
                return mail.mailers[self.mailer or "default"]
            return import_string(self.mailer)() if self.mailer else mail.get_connection()
        except (ImproperlyConfigured, ImportError, ValueError, TypeError) as error:
            return _misconfigured(error)

    def _drop(self) -> None:
        line, self._thread.line = self._thread.line, None
        if line is not None:
            _close(line.backend)


def _close(backend: Any) -> None:
    try:
        backend.close()
    # The outcome stands already; a server that is rude at the end changes nothing.
    except Exception as error:
        logger.info("Closing the mail connection raised %s.", type(error).__name__)


def _misconfigured(error: Exception) -> Outcome:
    detail = answers.safe_detail(error) or type(error).__name__
    return Outcome(kind=OutcomeKind.MISCONFIGURED, code="configuration", detail=detail)
