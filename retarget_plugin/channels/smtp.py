"""SMTP: whether the message's text had begun to leave, and what smtplib's exceptions mean."""

from __future__ import annotations

import re
import smtplib
from typing import Any

from retarget_plugin import failpoints
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind

#: Seconds a server may be silent where the project sets no EMAIL_TIMEOUT; smtplib would wait for ever.
PATIENCE = 30.0

#: Replies that speak about our account and not about the message: 530 log in first, 534/535/538 log-in refused.
_ACCOUNT_CODES = (530, 534, 535, 538)


class Watch:
    """Follows one smtplib connection: `has_left` is true once the server has asked for the text and it is going."""

    def __init__(self, server: smtplib.SMTP) -> None:
        self.has_left = False
        self._is_in_data = False
        self._server_data, self._server_send = server.data, server.send
        # On the connection and not by a subclass: Django's backend names its connection class itself.
        server.data = self._data  # type: ignore[assignment,method-assign]
        server.send = self._send  # type: ignore[assignment,method-assign]

    def forget(self) -> None:
        """Start afresh: nothing of the next message has left."""
        self.has_left = False

    def _data(self, message: Any) -> Any:
        self._is_in_data = True
        try:
            return self._server_data(message)
        finally:
            self._is_in_data = False

    def _send(self, line: Any) -> None:
        is_command = isinstance(line, str) and line.strip().lower() == "data"
        if not self._is_in_data or is_command:
            return self._server_send(line)
        failpoints.reach("before_first_byte")
        self.has_left = True
        self._server_send(line)
        failpoints.reach("after_body_sent")


def outcome_of_opening(error: Exception) -> Outcome:
    """The meaning of an exception while connecting, greeting, starting TLS or logging in. Never `unknown`."""
    name = type(error).__name__
    match error:
        case smtplib.SMTPResponseException(smtp_code=code):
            # 421, 451, 454: later. Anything final at this point is about this client or its account.
            kind = OutcomeKind.TRANSIENT if code < 500 else OutcomeKind.MISCONFIGURED
            return Outcome(kind=kind, code=str(code), detail=f"The server refused the connection ({name}).")
        case smtplib.SMTPServerDisconnected():
            detail = "The server hung up before it was ready."
            return Outcome(kind=OutcomeKind.TRANSIENT, code="not_reached", detail=detail)
        case smtplib.SMTPException():
            detail = "The server offers no STARTTLS or no log-in that works, but the settings ask for it."
            return Outcome(kind=OutcomeKind.MISCONFIGURED, code="not_supported", detail=detail)
        case _:
            detail = f"The server was not reached ({name})."
            return Outcome(kind=OutcomeKind.TRANSIENT, code="not_reached", detail=detail)


def outcome_of_sending(error: Exception, *, has_left: bool) -> Outcome:
    """The meaning of an exception after log-in. `has_left`: the text had begun to go, so silence is `unknown`."""
    match error:
        case smtplib.SMTPHeloError():
            # Without a log-in, smtplib greets when it sends.
            return outcome_of_opening(error)
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            return _outcome_of_reply(*next(iter(refused.values())), has_left=has_left)
        # A reply is bytes. Words as text are smtplib's own, about a reply it could not read.
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=bytes() as words):
            return _outcome_of_reply(code, words, has_left=has_left)
        case smtplib.SMTPNotSupportedError():
            detail = "The server cannot carry this address."
            return Outcome(kind=OutcomeKind.REJECTED, code="not_supported", detail=detail)
        case _ if has_left:
            detail = f"No answer after the text had left ({type(error).__name__})."
            return Outcome(kind=OutcomeKind.UNKNOWN, code="no_answer", detail=detail)
        case _:
            detail = f"The connection ended before the text was sent ({type(error).__name__})."
            return Outcome(kind=OutcomeKind.TRANSIENT, code="disconnected", detail=detail)


def _outcome_of_reply(code: int, words: bytes, *, has_left: bool) -> Outcome:
    """RFC 5321 section 4.2.1: 2yz done, 4yz later, 5yz never; the first digit decides, whatever smtplib expected."""
    # Only the enhanced status (RFC 3463): the words after it repeat the address.
    enhanced = re.match(rb"[245]\.[0-9]{1,3}\.[0-9]{1,3}\b", words)
    detail = f"The server answered {code} {enhanced[0].decode() if enhanced else ''}".strip()
    if code in _ACCOUNT_CODES:
        kind = OutcomeKind.MISCONFIGURED
    elif 400 <= code < 500:
        kind = OutcomeKind.TRANSIENT
    elif 500 <= code < 600:
        kind = OutcomeKind.REJECTED
    elif has_left:
        kind = OutcomeKind.ACCEPTED if 200 <= code < 300 else OutcomeKind.UNKNOWN
    else:
        kind = OutcomeKind.TRANSIENT
    return Outcome(kind=kind, code=str(code), detail=detail)
