"""An SMTP server that takes mail, refuses it, or goes away at a moment of your choice."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Mode(StrEnum):
    NORMAL = "normal"
    REFUSE_RECIPIENT = "refuse_recipient"
    GREYLIST = "greylist"
    REFUSE_SENDER = "refuse_sender"
    REFUSE_TEXT = "refuse_text"
    TOO_BUSY = "too_busy"
    DROP_BEFORE_DATA = "drop_before_data"
    HANG_AT_DATA = "hang_at_data"
    DROP_AFTER_DATA = "drop_after_data"
    HANG_AFTER_DATA = "hang_after_data"
    ODD_SUCCESS = "odd_success"


@dataclass(frozen=True)
class Received:
    """A message the server took. `raw` is what came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class SmtpServer:
    """Listens on `host` and `port` while the context lasts. `messages` is what it took; `connections` is a count.

    After DATA the message is taken even where the answer never comes, as real servers do. With `journal` a line of each
    (at, to, key, hash, answer, is_taken) is on the disk before the answer goes.
    """

    host = "127.0.0.1"
    #: Seconds it thinks after it has taken a message.
    answer_seconds = 0.0

    def __init__(
        self,
        mode: Mode = Mode.NORMAL,
        *,
        user: str = "",
        password: str = "",
        longest_connection: int = 1000,
        journal: Path | None = None,
        port: int = 0,
    ) -> None:
        """`port`: 0 takes a free one.

        `longest_connection`: messages after which a connection gets 421, as servers with a limit do.
        """
        self.mode = mode
        self.longest_connection = longest_connection
        self.messages: list[Received] = []
        self.connections = 0
        self.transports: list[Any] = []
        self.port = port
        self._user, self._password, self._journal = user, password, journal
        self._controller: Any = None

    def __enter__(self) -> Self:
        self._controller = _Controller(self, hostname=self.host, port=self.port)
        self._controller.start()
        self.port = self._controller.port
        # The controller knocks at its own door once.
        self.connections = 0
        return self

    def __exit__(self, *_: object) -> None:
        assert self._controller is not None
        self._controller.stop()

    def hang_up(self) -> None:
        """Close every connection, as a server does with idle ones."""
        assert self._controller is not None
        closed = threading.Event()

        def close() -> None:
            for transport in self.transports:
                transport.close()
            # One more turn of the loop, in which they really close.
            self._controller.loop.call_later(0.02, closed.set)

        self._controller.loop.call_soon_threadsafe(close)
        closed.wait(5)

    @property
    def has_log_in(self) -> bool:
        return bool(self._user)

    def authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_right = (
            isinstance(data, LoginPassword)
            and data.login == self._user.encode()
            and data.password == self._password.encode()
        )
        return AuthResult(success=is_right, handled=is_right)

    async def handle_MAIL(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        server.taken += 1
        if server.taken > self.longest_connection:
            return "421 4.7.0 Too many messages on this connection"
        match self.mode:
            case Mode.REFUSE_SENDER:
                return "553 5.7.1 Sender address rejected: not owned by user"
            case Mode.TOO_BUSY:
                return "421 4.3.2 Too busy"
            case Mode.DROP_BEFORE_DATA:
                server.transport.abort()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        match self.mode:
            case Mode.REFUSE_RECIPIENT:
                return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
            case Mode.GREYLIST:
                return f"451 4.7.1 <{address}>: Recipient address rejected: Greylisted, try again in 300 seconds"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.mode is Mode.REFUSE_TEXT:
            return "554 5.7.1 Message rejected as spam"
        received = Received(str(envelope.mail_from), tuple(envelope.rcpt_tos), envelope.original_content or b"")
        self._take(received, at=server.data_at)
        if self.answer_seconds:
            await asyncio.sleep(self.answer_seconds)
        match self.mode:
            case Mode.DROP_AFTER_DATA:
                server.transport.abort()
            case Mode.HANG_AFTER_DATA:
                await asyncio.Event().wait()
            case Mode.ODD_SUCCESS:
                return "252 Will try"
        return "250 OK: queued"

    def _take(self, received: Received, *, at: float) -> None:
        self.messages.append(received)
        if self._journal is not None:
            line = {
                "at": at,
                "to": ", ".join(received.recipients),
                "key": received.message["Message-ID"],
                "hash": hashlib.sha256(received.raw).hexdigest(),
                "answer": self.mode,
                "is_taken": True,
            }
            with self._journal.open("a") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())


class _Protocol(SMTP):
    """aiosmtpd's, with a DATA that may never be answered and a count of connections."""

    event_handler: SmtpServer
    transport: Any
    #: Messages begun on this connection.
    taken = 0
    #: When the last one's DATA was asked for.
    data_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.event_handler.connections += 1
        self.event_handler.transports.append(transport)
        super().connection_made(transport)

    async def smtp_DATA(self, arg: str) -> None:
        self.data_at = time.time()
        if self.event_handler.mode is Mode.HANG_AT_DATA:
            await asyncio.Event().wait()
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # Port 0 was asked for; only now it is known which one that is.
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]

    def factory(self) -> SMTP:
        return _Protocol(
            self.handler,
            hostname="mail.example.com",
            enable_SMTPUTF8=False,
            auth_required=self.handler.has_log_in,
            # Log-in without TLS is for loopback only.
            auth_require_tls=False,
            authenticator=self.handler.authenticate,
        )
