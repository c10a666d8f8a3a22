"""A local HTTP server that keeps a journal of what reached it and misbehaves on demand."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

LONGEST_HANG = 60.0
#: Seconds a test waits for a far end: longer than a busy machine stalls, and no longer, since those that hang use them up.
PATIENCE_SECONDS = 2.0


class Fault(StrEnum):
    """Ways to misbehave. Those named `*_after_body` have taken the message: only the answer is lost."""

    HANG_BEFORE_BODY = "hang_before_body"
    HANG_AFTER_BODY = "hang_after_body"
    RESET_BEFORE_BODY = "reset_before_body"
    RESET_AFTER_BODY = "reset_after_body"
    CLOSE_AFTER_BODY = "close_after_body"
    GARBAGE_AFTER_BODY = "garbage_after_body"
    HALF_ANSWER = "half_answer"
    BROKEN_SUCCESS = "broken_success"
    EMPTY_SUCCESS = "empty_success"
    HTML_SUCCESS = "html_success"
    HUGE_SUCCESS = "huge_success"
    DRIP = "drip"


@dataclass(frozen=True)
class Call:
    """One request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    #: time.time() of its first line.
    at: float = 0.0

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer. A `document` is sent as JSON."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def bytes(self) -> bytes:
        return json.dumps(self.document).encode() if self.document is not None else self.body


class WebFake:
    """Answers as `answer()` says; `next_answers` come first, one each, and `every_answer` replaces all.

    `calls` is the journal in memory, `connections` a count of callers; with `journal` every line is on the disk before
    the caller gets its answer.
    """

    drip_seconds = 0.01
    #: Seconds it thinks after it has taken a call.
    answer_seconds = 0.0

    def __init__(self, *, journal: Path | None = None, certificate: Path | None = None) -> None:
        """`certificate`: a PEM file with key and certificate; the server then speaks TLS."""
        self.calls: list[Call] = []
        self.next_answers: list[Reply | Fault] = []
        self.every_answer: Reply | Fault | None = None
        self.connections = 0
        self._journal, self._certificate = journal, certificate
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: _Server | None = None

    def answer(self, call: Call) -> Reply:
        """What the provider does with a request. Runs under a lock."""
        raise NotImplementedError

    def facts(self, call: Call) -> Mapping[str, object]:
        """What else the journal says of a call that was just answered, such as its recipient."""
        return {}

    @property
    def url(self) -> str:
        """Origin of the running server, without a slash at the end."""
        assert self._server is not None
        scheme = "https" if self._certificate else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        fake = self

        class Handler(_Handler):
            owner = fake

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            # The handshake takes place in the call's own thread, at its first read.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, call: Call) -> Reply | tuple[Fault, Reply]:
        """Journal the call and decide. A fault comes with the answer that the provider itself has come to."""
        with self._lock:
            self.calls.append(call)
            told = self.next_answers.pop(0) if self.next_answers else self.every_answer
            if isinstance(told, Reply):
                reply: Reply | tuple[Fault, Reply] = told
            else:
                reply = self.answer(call) if told is None else (told, self.answer(call))
            self._write(call, reply)
            return reply

    def peek(self) -> Fault | None:
        """The fault that befalls the next call before its body is read."""
        with self._lock:
            told = self.next_answers[0] if self.next_answers else self.every_answer
            if told not in (Fault.HANG_BEFORE_BODY, Fault.RESET_BEFORE_BODY):
                return None
            if self.next_answers:
                self.next_answers.pop(0)
            return Fault(str(told))

    def wait(self, seconds: float) -> None:
        """Be silent, but no longer than the server runs."""
        self._stopping.wait(seconds)

    def _write(self, call: Call, reply: object) -> None:
        if self._journal is None:
            return
        line = {
            "at": call.at,
            "method": call.method,
            "target": call.target,
            "body": call.body.decode("utf-8", "replace"),
            "hash": hashlib.sha256(call.body).hexdigest(),
            "answer": repr(reply),
            **self.facts(call),
        }
        with self._journal.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256
    owner: WebFake

    def get_request(self) -> Any:
        accepted = super().get_request()
        self.owner.connections += 1
        return accepted

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is what many of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        at = time.time()
        match self.owner.peek():
            case Fault.HANG_BEFORE_BODY:
                return self._hang()
            case Fault.RESET_BEFORE_BODY:
                return self._reset()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.title(): value for name, value in self.headers.items()}
        match self.owner.take(Call(self.command, self.path, headers, body, at)):
            case Reply() as reply:
                if self.owner.answer_seconds:
                    self.owner.wait(self.owner.answer_seconds)
                self._send(reply)
            case (fault, Reply() as reply):
                self._fail(fault, reply)

    do_GET = do_PUT = do_DELETE = do_POST

    def _fail(self, fault: Fault, reply: Reply) -> None:
        match fault:
            case Fault.HANG_AFTER_BODY:
                self._hang()
            case Fault.RESET_AFTER_BODY:
                self._reset()
            case Fault.CLOSE_AFTER_BODY:
                self.close_connection = True
            case Fault.GARBAGE_AFTER_BODY:
                # Below TLS, where there is TLS.
                os.write(self.connection.fileno(), b"garbage\r\n" * 20)
                self.close_connection = True
            case Fault.HALF_ANSWER:
                self._send(reply, cut=len(reply.bytes) // 2)
            case Fault.BROKEN_SUCCESS:
                self._send(Reply(200, body=b'{"sid": "SM', headers={"Content-Type": "application/json"}))
            case Fault.EMPTY_SUCCESS:
                self._send(Reply(200))
            case Fault.HTML_SUCCESS:
                self._send(
                    Reply(
                        200, body=b"<html>Welcome to the captive portal</html>", headers={"Content-Type": "text/html"}
                    )
                )
            case Fault.HUGE_SUCCESS:
                self._send(Reply(200, body=b'{"padding": "' + b"x" * (3 * 1024 * 1024) + b'"}'))
            case Fault.DRIP:
                self._send(reply, is_dripping=True)

    def _send(self, reply: Reply, *, cut: int | None = None, is_dripping: bool = False) -> None:
        body = reply.bytes
        self.send_response_only(reply.status)
        usual = {"Date": self.date_time_string(), "Content-Type": "application/json"}
        for name, value in {**usual, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if is_dripping:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.owner.wait(self.owner.drip_seconds)
            return
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def _hang(self) -> None:
        self.close_connection = True
        self.owner.wait(LONGEST_HANG)

    def _reset(self) -> None:
        self.close_connection = True
        # With a zero linger, closing sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port of this machine that refuses every connection, and that nobody else takes meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def closed_port() -> int:
    """A port of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
