"""The far end of the demo: a mailbox behind a real SMTP server, and a phone behind a real HTTP SMS gateway."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any, cast

from aiosmtpd.controller import Controller

PAGE = Template((Path(__file__).parent / "templates" / "inbox.html").read_text("utf-8"))
MAX_BODY = 65_536


def free_port(wanted: int) -> int:
    """`wanted` if nobody listens there, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("No free port on 127.0.0.1.")


@dataclass
class Inbox:
    """What arrived: `mails` by SMTP, `texts` by the gateway's `POST /sms`. `url` shows both in a browser."""

    mails: list[EmailMessage] = field(default_factory=list)
    texts: list[dict[str, str]] = field(default_factory=list)

    def open(self, *, port: int = 0) -> Inbox:
        """Start both servers on this machine; answers itself."""
        self._smtp = Controller(_Mailman(self.mails.append), hostname="127.0.0.1", port=free_port(0))
        self._smtp.start()
        handler = type("InboxHandler", (_Handler,), {"inbox": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", free_port(port)), handler)
        threading.Thread(target=self._http.serve_forever, name="inbox", daemon=True).start()
        return self

    def close(self) -> None:
        self._smtp.stop(no_assert=True)
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def smtp_port(self) -> int:
        return int(self._smtp.port)


class _Mailman:
    """Takes every mail that comes in."""

    def __init__(self, deliver: Callable[[EmailMessage], None]) -> None:
        self.deliver = deliver

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.deliver(cast(EmailMessage, message_from_bytes(envelope.content, policy=default_policy)))
        return "250 OK"


class _Handler(BaseHTTPRequestHandler):
    inbox: Inbox

    def do_POST(self) -> None:
        """The gateway: {"to", "text", "from", "reference"} in, {"id"} out."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/sms" or not 0 < length <= MAX_BODY:
            return self._answer(404, "text/plain", "No such call.")
        try:
            call = json.loads(self.rfile.read(length))
            text = {name: str(call[name]) for name in ("to", "text", "from", "reference")}
        except (ValueError, KeyError, TypeError):
            return self._answer(422, "application/json", '{"error": "to, text, from and reference are needed"}')
        self.inbox.texts.append(text)
        self._answer(201, "application/json", json.dumps({"id": f"sms-{len(self.inbox.texts)}", "status": "queued"}))

    def do_GET(self) -> None:
        if self.path == "/":
            page = PAGE.substitute(mails=_mail_list(self.inbox.mails), texts=_text_list(self.inbox.texts))
            return self._answer(200, "text/html", page)
        if self.path.startswith("/mails/") and self.path[7:].isdigit() and int(self.path[7:]) < len(self.inbox.mails):
            return self._answer(200, "text/html", html_of(self.inbox.mails[int(self.path[7:])]))
        self._answer(404, "text/plain", "Nothing here.")

    def _answer(self, status: int, kind: str, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def html_of(mail: EmailMessage) -> str:
    """The HTML part as it was sent."""
    part = mail.get_body(("html", "plain"))
    return str(part.get_content()) if part else ""


def _mail_list(mails: list[EmailMessage]) -> str:
    if not mails:
        return '<p class="empty">No e-mail yet.</p>'
    # Sandboxed, as a mail program would: the shop's mail runs no script here. Links may leave the frame.
    sandbox = "allow-popups allow-popups-to-escape-sandbox"
    return "".join(
        f'<article class="mail"><h3>{escape(str(mail["Subject"]))}</h3>'
        f"<p>{escape(str(mail['From']))} → {escape(str(mail['To']))}</p>"
        f'<iframe title="{escape(str(mail["Subject"]))}" src="/mails/{number}" sandbox="{sandbox}"></iframe></article>'
        for number, mail in reversed(list(enumerate(mails)))
    )


def _text_list(texts: list[dict[str, str]]) -> str:
    if not texts:
        return '<p class="empty">No text yet.</p>'
    return "".join(
        f'<article class="text"><p>{escape(text["from"])} → {escape(text["to"])}</p>'
        f"<blockquote>{_with_links(text['text'])}</blockquote></article>"
        for text in reversed(texts)
    )


def _with_links(text: str) -> str:
    words = [
        f'<a href="{escape(word)}">{escape(word)}</a>' if word.startswith(("http://", "https://")) else escape(word)
        for word in text.split(" ")
    ]
    return " ".join(words)
