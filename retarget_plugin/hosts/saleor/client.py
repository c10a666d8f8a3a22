"""Saleor's GraphQL API, over sessions that stay open. A token goes into one header and into no log, error or repr."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from retarget_plugin import dialing
from retarget_plugin.exceptions import RetargetError

CONNECT_SECONDS = 3.05
READ_SECONDS = 10.0
LARGEST_ANSWER = 8 * 1024 * 1024
POOL_SIZE = 16

#: `extensions.exception.code` of errors that say: this token may not, or no longer.
_DENIALS = frozenset({"PermissionDenied", "InvalidTokenError", "ExpiredSignatureError", "InvalidSignatureError"})


class SaleorError(RetargetError):
    """The API gave no data. The words are ours: what a server answers may repeat what it was sent."""


class Unavailable(SaleorError):
    """Not now: no answer, a broken one, too many calls, or trouble at the other end. `retry_after` in seconds, if told."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Denied(SaleorError):
    """The token is not good for this: the app was removed or switched off, or has a permission too few."""


class Refused(SaleorError):
    """The query itself: it costs more than this Saleor allows, or names what its version does not know."""


@dataclass(frozen=True)
class Client:
    """One Saleor instance, with our app's token or without. Safe to share between threads.

    Nothing is tried again, no redirect is followed, no cookie kept, and nothing is read from .netrc.
    """

    api_url: str
    token: str = field(default="", repr=False)

    def query(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer's `data`; JSON's broken numbers are Decimal. Raises Unavailable, Denied or Refused."""
        # Decimals go as texts: Saleor's PositiveDecimal takes them, and a float would change them.
        body = json.dumps({"query": document, "variables": variables or {}}, default=str).encode()
        status, answer, retry_after = _post(self.api_url, body, authorize=self._authorize)
        return _data(status, answer, retry_after=retry_after)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def origin(url: str) -> str:
    """Scheme, host and port of `url`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def fetch_keys(api_url: str) -> dict[str, Any]:
    """The instance's public keys (RFC 7517), as its own origin publishes them. Raises Unavailable."""
    try:
        with _session().get(
            f"{origin(api_url)}/.well-known/jwks.json",
            auth=_leave_alone,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as response:
            status, body = response.status_code, _body(response)
    except dialing.PrivateAddress as error:
        raise Unavailable(f"Saleor is not called: {error}") from None
    except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
        raise Unavailable(f"Saleor's keys did not arrive: {type(error).__name__}.") from None
    found = _document(body)
    if status != 200 or not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise Unavailable(f"Saleor's keys cannot be read (HTTP {status}).")
    return found


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = dialing.GuardedAdapter(pool_connections=4, pool_maxsize=POOL_SIZE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _post(api_url: str, body: bytes, *, authorize: Any) -> tuple[int, Any, float | None]:
    """(status, document or None, seconds to wait if told)."""
    try:
        with _session().post(
            api_url,
            data=body,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            auth=authorize,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as response:
            return response.status_code, _document(_body(response)), _seconds(response.headers.get("Retry-After", ""))
    except dialing.PrivateAddress as error:
        raise Unavailable(f"Saleor is not called: {error}") from None
    except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
        # The chain would show the request, and the request the token.
        raise Unavailable(f"Saleor did not answer: {type(error).__name__}.") from None


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise Unavailable("Saleor's answer is too long.")
    return bytes(body)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _seconds(header: str) -> float | None:
    return float(header) if header.isascii() and header.isdigit() and len(header) < 6 else None


def _data(status: int, answer: Any, *, retry_after: float | None) -> dict[str, Any]:
    if status in (401, 403):
        raise Denied(f"Saleor refuses our app (HTTP {status}).")
    if status == 429 or status >= 500 or not isinstance(answer, dict):
        raise Unavailable(f"Saleor cannot answer now (HTTP {status}).", retry_after=retry_after)
    errors = answer.get("errors")
    codes = {_code(error) for error in errors} if isinstance(errors, list) else set()
    if codes & _DENIALS:
        raise Denied("Saleor refuses our app: it lacks a permission, or was removed.")
    if status == 400:
        raise Refused("Saleor does not take this query: it costs too much, or its version does not know it.")
    data = answer.get("data")
    # Half an answer would be read as "it is gone".
    if errors or status != 200 or not isinstance(data, dict):
        raise Unavailable(f"Saleor could not answer (HTTP {status}).", retry_after=retry_after)
    return data


def _code(error: Any) -> str:
    for name in ("extensions", "exception", "code"):
        error = error.get(name) if isinstance(error, dict) else None
    return error if isinstance(error, str) else ""
