"""How gateways reach their provider: one kept-open session, hard limits, and an Outcome for everything that fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from retarget_plugin.domain import networks
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind

from .. import answers, wire

CONNECT_SECONDS = 3.05
READ_SECONDS = 10.0
#: Seconds for the whole body, however slowly it drips.
BODY_SECONDS = 20.0
LARGEST_ANSWER = 1024 * 1024
#: Connections kept open; more threads than this open extra ones.
POOL_SIZE = 32

# Only connecting. Left to itself, urllib3 waits for a Retry-After and then sends again.
_RETRY = Retry(
    total=2,
    connect=2,
    read=False,
    redirect=False,
    status=0,
    other=0,
    allowed_methods=None,
    respect_retry_after_header=False,
)


@dataclass(frozen=True)
class Answer:
    """What the provider said. `body` is at most 1 MiB; `is_whole` is false when it was cut or broke off."""

    status: int
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    body: bytes = b""
    is_whole: bool = True

    @cached_property
    def document(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body) if self.is_whole else None
        except (ValueError, RecursionError):
            return None


class Transport:
    """One provider's session. Safe to share between threads.

    Only what never left is tried again (twice, while connecting). Redirects are not followed, cookies not kept, and no
    credentials are taken from .netrc.
    """

    def __init__(self, *, connect_seconds: float = CONNECT_SECONDS, read_seconds: float = READ_SECONDS) -> None:
        self._timeout = (connect_seconds, read_seconds)
        self._body_seconds = max(BODY_SECONDS, 2 * read_seconds)
        self._lock = threading.Lock()
        self._session: requests.Session | None = None

    def call(
        self,
        method: str,
        url: str,
        *,
        authorize: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        document: Any = None,
    ) -> Answer | Outcome:
        """The provider's answer, whatever its status; or the Outcome of not getting one.

        `authorize` adds the credentials; `form` and `document` (JSON) are the body.
        """
        wire.forget()
        try:
            with self._open().request(
                method,
                url,
                auth=authorize or _leave_alone,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})},
                params=params,
                data=form,
                json=document,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                body, is_whole = self._read(response)
                return Answer(response.status_code, response.headers, body, is_whole)
        except requests.RequestException as error:
            return answers.outcome_of_failure(error)
        except (UnicodeError, HTTPError, OSError) as error:
            # What requests lets through: a header that is not Latin-1, a name that is no host.
            kind = OutcomeKind.UNKNOWN if wire.request_has_left() else OutcomeKind.MISCONFIGURED
            return Outcome(kind=kind, code="bad_request", detail=type(error).__name__)

    def close(self) -> None:
        """Give the connections back; the next call opens new ones."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self) -> requests.Session:
        with self._lock:
            if self._session is None:
                session = requests.Session()
                session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
                adapter = wire.WatchedAdapter(pool_connections=4, pool_maxsize=POOL_SIZE, max_retries=_RETRY)
                session.mount("https://", adapter)
                session.mount("http://", adapter)
                self._session = session
            return self._session

    def _read(self, response: requests.Response) -> tuple[bytes, bool]:
        # read1 hands over what has arrived; read would wait for the whole of a dripping body.
        read = getattr(response.raw, "read1", response.raw.read)
        body = bytearray()
        deadline = time.monotonic() + self._body_seconds
        try:
            while len(body) <= LARGEST_ANSWER and time.monotonic() < deadline:
                chunk = read(64 * 1024)
                if not chunk:
                    return bytes(body), True
                body += chunk
        except (HTTPError, OSError):
            pass
        # A connection with the rest of a body in it must not be used again.
        response.raw.close()
        return bytes(body[:LARGEST_ANSWER]), False


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def url_problems(option: str, url: object) -> list[str]:
    """For `Gateway.check`: why `url`, as `option` has it, can never be called. It is not repeated, for what it may hold."""
    problem = networks.url_problem(url)
    return [f"{option} {problem}"] if problem else []


def pick(document: Any, path: str) -> Any:
    """The value at a dotted path such as `messages.0.status`; None where there is none."""
    for part in path.split("."):
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isascii() and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document
