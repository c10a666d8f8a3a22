"""What a provider's answer, or its silence, means: HTTP statuses, Retry-After and requests' exceptions as Outcomes."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from retarget_plugin import dialing
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind

#: Seconds a provider may make us wait; longer waits are cut to this.
LONGEST_WAIT = 3600.0
#: Seconds beyond which a Retry-After is a mistake and is ignored.
ABSURD_WAIT = 86_400.0
#: What no text costs, in any currency.
ABSURD_COST = Decimal(1_000_000)
#: As finely as costs are kept.
SMALLEST_COST = Decimal("0.00001")

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_NUMBER = re.compile(r"\+?\d(?:[\s().-]{0,2}\d){5,}")
_ADDRESS = re.compile(r"[^\s<>\"',;]+@[^\s<>\"',;]+")
_WINDOW = 12


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks us to wait (RFC 9110 section 10.2.3), at most an hour; None when absent or absurd.

    A date counts from the answer's own Date header, so neither clock has to be right.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        wait = float(value)
    else:
        try:
            until = parsedate_to_datetime(value)
            wait = (until - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
        except (TypeError, ValueError, OverflowError, IndexError):
            return None
    if not 0 <= wait <= ABSURD_WAIT:
        return None
    return min(wait, LONGEST_WAIT)


def outcome_of_status(
    status: int,
    headers: Mapping[str, str],
    *,
    code: str = "",
    detail: str = "",
    has_error_body: bool = False,
) -> Outcome:
    """The meaning of a status that is no success. `code` is the provider's own, else `http_<status>`.

    `has_error_body`: the body is an error in the provider's own form, so the provider answered and not a proxy.
    """
    wait = retry_after(headers)
    match status:
        case 408 | 425 | 429:
            kind = OutcomeKind.RATE_LIMITED
        case 401 | 403:
            kind = OutcomeKind.MISCONFIGURED
        case 402:
            kind = OutcomeKind.NO_CREDIT
        case 503 if wait is not None or has_error_body:
            kind = OutcomeKind.TRANSIENT
        case 301 | 307 | 308:
            # The request has to be made elsewhere; a 302 or 303 may as well be the page after a success.
            kind = OutcomeKind.MISCONFIGURED
        case _ if 400 <= status < 500:
            kind = OutcomeKind.REJECTED
        case _:
            kind = OutcomeKind.UNKNOWN
    return Outcome(kind=kind, code=code or f"http_{status}", detail=detail, retry_after=wait)


def outcome_of_failure(error: Exception) -> Outcome:
    """The meaning of an exception of requests: `transient` if no byte of the request had left, else `unknown`.

    The exception's own text is not kept, for it holds addresses with their query; only PrivateAddress has none.
    """
    response = getattr(error, "response", None)
    if response is not None:
        return outcome_of_status(response.status_code, response.headers, detail=type(error).__name__)
    if isinstance(error, dialing.PrivateAddress):
        return Outcome(kind=OutcomeKind.MISCONFIGURED, code="private_address", detail=str(error))
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.JSONDecodeError):
        detail = f"The URL or a header cannot be used ({type(error).__name__})."
        return Outcome(kind=OutcomeKind.MISCONFIGURED, code="bad_request", detail=detail)
    if has_left(error):
        detail = f"No answer after the request had left ({type(error).__name__})."
        return Outcome(kind=OutcomeKind.UNKNOWN, code="no_answer", detail=detail)
    detail = f"The provider was not reached ({type(error).__name__})."
    return Outcome(kind=OutcomeKind.TRANSIENT, code="not_reached", detail=detail)


def has_left(error: BaseException) -> bool:
    """Whether a byte of the failed request may have reached the provider; unwatched, its class decides."""
    chain = list(_chain(error))
    for link in chain:
        watched = getattr(link, "request_has_left", None)
        if watched is not None:
            return bool(watched)
    before = (requests.ConnectTimeout, NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)
    return not any(isinstance(link, before) for link in chain)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]


def safe_detail(text: object, *, hide: tuple[str, ...] = ()) -> str:
    """A provider's words, fit to be stored: one line, at most 200 characters, numbers and addresses masked.

    Empty when they repeat 12 characters in a row of anything in `hide` (a shorter secret: the whole of it).
    """
    line = " ".join(str(text or "").split())
    for secret in hide:
        pieces = [secret[i : i + _WINDOW] for i in range(len(secret) - _WINDOW + 1)] or [secret]
        if any(piece and piece in line for piece in pieces):
            return ""
    return _ADDRESS.sub("…@…", _NUMBER.sub("…", line))[:200]


def cost(value: object) -> Decimal | None:
    """A price or a number of credits as a provider writes it, without its sign; None when it is no number or absurd."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        found = abs(Decimal(str(value)[:40]))
    except InvalidOperation:
        return None
    return found.quantize(SMALLEST_COST) if found.is_finite() and found < ABSURD_COST else None


def segments(value: object) -> int | None:
    """A number of segments as a provider writes it, 1 to 99; None for anything else, such as a 0 that means "later"."""
    digits = str(value)
    return int(digits) if re.fullmatch("[1-9][0-9]?", digits, re.ASCII) else None
