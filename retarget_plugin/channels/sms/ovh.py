"""OVHcloud: SMS by its API 1.0, signed with an application's and a consumer's key."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import requests

from retarget_plugin.domain.messages import DeliveryEvent, Outcome, OutgoingSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind

from .. import answers
from ..base import Cost, Gateway, Proof, WebhookRequest
from . import numbers, references, transport, webhooks
from .transport import pick

REAL_API = "https://eu.api.ovh.com/1.0"
LONGEST_TAG = 20
#: Seconds for which OVH's time is carried on before it is asked again.
CLOCK_LIFE = 3600.0

_K = OutcomeKind
#: errorCode or status -> what it means for every text. Other refusals are about the one text.
ERRORS = {
    "FORBIDDEN": _K.MISCONFIGURED,
    "INVALID_CREDENTIAL": _K.MISCONFIGURED,
    "INVALID_KEY": _K.MISCONFIGURED,
    "INVALID_SIGNATURE": _K.MISCONFIGURED,  # wrong secret, or a clock that ran off
    "NOT_CREDENTIAL": _K.MISCONFIGURED,
    "NOT_GRANTED_CALL": _K.MISCONFIGURED,  # the consumer key lacks the right
    "http_404": _K.MISCONFIGURED,  # no such service
    "http_460": _K.MISCONFIGURED,  # the service has expired
}

#: A report's `ptt` -> what became of the text. 39, 73, 74, 76 and 202 exist and say nothing that OVH explains.
_PTT = {
    "1": DeliveryKind.DEFERRED,
    "2": DeliveryKind.DEFERRED,
    "3": DeliveryKind.SENT,
    "4": DeliveryKind.DELIVERED,
    **dict.fromkeys(("5", "6", "8", "20", "21", "23", "24", "25", "26", "27", "28", "29", "33"), DeliveryKind.FAILED),
}
#: What the less precise `description` says where `ptt` says nothing.
_DESCRIPTIONS = {
    "1": DeliveryKind.DELIVERED,
    "2": DeliveryKind.FAILED,
    "4": DeliveryKind.DEFERRED,
    "8": DeliveryKind.DEFERRED,
    "16": DeliveryKind.FAILED,
}
#: Undeliverable; invalid, barred or on the blacklist; no handset for texts; parental lock.
PERMANENT_PTT = frozenset({"20", "23", "27", "33"})
_ID = re.compile("[0-9]{1,20}")


@dataclass(frozen=True)
class _Clock:
    """OVH's time, `ahead` seconds of the clock that only counts and that nobody sets; read when that one said `read_at`."""

    ahead: float
    read_at: float

    @property
    def now(self) -> int:
        return int(time.monotonic() + self.ahead)

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at < CLOCK_LIFE


class OvhGateway(Gateway):
    """One SMS service of an OVHcloud account.

    Options: `service_name` (sms-ab12345-1); `application_key`, `application_secret` and `consumer_key`, with the rights
    GET and POST on /sms/*; `sender` where a text has none, or `can_be_answered` for OVH's short number; `base_url`;
    `connect_seconds`, `read_seconds`.

    OVH adds its own STOP to marketing, so `"STOP": ""` belongs beside these options, and keeps a blacklist of who sent
    it: a text to them is refused and the blacklist says why. How it would hand over a received text is not documented,
    so none is read. Its reports are unsigned and come without our id: the secret in the receipts URL, which is set once
    as the service's callback, vouches for them.
    """

    reports = Proof.PATH
    says_segments = True
    says_cost = Cost.CREDITS

    def __init__(
        self,
        alias: str = "default",
        *,
        service_name: str = "",
        application_key: str = "",
        application_secret: str = "",
        consumer_key: str = "",
        sender: str = "",
        can_be_answered: bool = False,
        base_url: str = REAL_API,
        connect_seconds: float = transport.CONNECT_SECONDS,
        read_seconds: float = transport.READ_SECONDS,
        **unknown: Any,
    ) -> None:
        super().__init__(alias, **unknown)
        self.service_name, self.application_key = service_name, application_key
        self.application_secret, self.consumer_key = application_secret, consumer_key
        self.sender, self.can_be_answered = sender, can_be_answered
        self.base_url = base_url.rstrip("/")
        self.service_url = f"{self.base_url}/sms/{quote(service_name, safe='')}"
        self._transport = transport.Transport(connect_seconds=connect_seconds, read_seconds=read_seconds)
        self._clock: _Clock | None = None

    def check(self) -> list[str]:
        return [f'RETARGET["SMS"]["{self.alias}"]["OPTIONS"]: {problem}' for problem in self._problems()]

    def send(self, sms: OutgoingSms) -> Outcome:
        refusal = numbers.refusal(sms)
        if refusal is not None:
            return refusal
        problems = self._problems()
        if problems:
            return Outcome(kind=_K.MISCONFIGURED, code="configuration", detail=problems[0])
        job: dict[str, Any] = {
            "message": sms.text,
            # One number a call: only so is it certain whose id the answer holds.
            "receivers": [sms.to],
            "charset": "UTF-8",
            "noStopClause": not sms.is_marketing,
        }
        if self.can_be_answered:
            job["senderForResponse"] = True
        elif sms.sender or self.sender:
            job["sender"] = sms.sender or self.sender
        tag = references.write(sms.message_id)
        if len(tag) <= LONGEST_TAG:
            job["tag"] = tag
        answer = self._call("POST", "/jobs", document=job)
        if isinstance(answer, Outcome):
            return answer
        outcome = _outcome(answer, hide=(sms.text, self.application_secret, self.consumer_key))
        return self._explained(outcome, to=sms.to)

    def look_up(self, gateway_id: str) -> Outcome | None:
        """What became of text `gateway_id` (digits); None while OVH has it waiting, or does not say."""
        if not _ID.fullmatch(gateway_id):
            return None
        answer = self._call("GET", f"/outgoing/{gateway_id}")
        if isinstance(answer, Outcome) or answer.status != 200 or not isinstance(answer.document, Mapping):
            return None
        ptt = str(answer.document.get("ptt"))
        has_failed = _PTT.get(ptt) is DeliveryKind.FAILED
        return Outcome(
            kind=_K.REJECTED if has_failed else _K.ACCEPTED,
            gateway_id=gateway_id,
            code=ptt if has_failed else "",
            segments=answers.segments(answer.document.get("numberOfSms")),
            cost=answers.cost(answer.document.get("credits")),
        )

    def verify(self, request: WebhookRequest) -> None:
        webhooks.check_path_secret(request, self.alias)

    def parse_events(self, request: WebhookRequest) -> Sequence[DeliveryEvent]:
        report = webhooks.document(request)
        gateway_id, ptt, description = (str(pick(report, name)) for name in ("id", "ptt", "description"))
        kind = _PTT.get(ptt) or _DESCRIPTIONS.get(description)
        if kind is None or not _ID.fullmatch(gateway_id):
            return ()
        ptt = ptt if _ID.fullmatch(ptt) else ""
        has_failed = kind is DeliveryKind.FAILED
        return [
            DeliveryEvent(
                kind=kind,
                gateway_id=gateway_id,
                is_permanent=has_failed and ptt in PERMANENT_PTT,
                code=ptt if has_failed else "",
                raw={"ptt": ptt},
            )
        ]

    def close(self) -> None:
        self._transport.close()

    def _problems(self) -> list[str]:
        problems = [f"{name} is no option of OvhGateway." for name in self.options]
        needed = ("service_name", "application_key", "application_secret", "consumer_key")
        problems += [f"{name} is missing." for name in needed if not getattr(self, name)]
        problems += transport.url_problems("base_url", self.base_url)
        return problems

    def _call(self, method: str, path: str, *, document: Any = None) -> transport.Answer | Outcome:
        """A signed call below the service; the Outcome of not getting an answer, or not even OVH's time."""
        clock = self._clock if self._clock is not None and self._clock.is_fresh else self._ask_time()
        if isinstance(clock, Outcome):
            return clock
        self._clock = clock
        authorize = self._signer(clock.now)
        answer = self._transport.call(method, f"{self.service_url}{path}", authorize=authorize, document=document)
        if isinstance(answer, transport.Answer) and answer.status in (400, 401, 403):
            # A time that ran off, as after a sleep of the machine, is refused like a wrong key.
            self._clock = None
        return answer

    def _ask_time(self) -> _Clock | Outcome:
        """OVH's time now. Whatever goes wrong here, the text has not left."""
        answer = self._transport.call("GET", f"{self.base_url}/auth/time")
        if isinstance(answer, transport.Answer):
            if answer.status == 200 and type(answer.document) is int:
                read_at = time.monotonic()
                return _Clock(ahead=answer.document - read_at, read_at=read_at)
            answer = answers.outcome_of_status(answer.status, answer.headers)
        kinds = {_K.UNKNOWN: _K.TRANSIENT, _K.REJECTED: _K.MISCONFIGURED}
        return replace(answer, kind=kinds.get(answer.kind, answer.kind))

    def _signer(self, timestamp: int) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            body = request.body or b""
            request.headers["X-Ovh-Application"] = self.application_key
            request.headers["X-Ovh-Consumer"] = self.consumer_key
            request.headers["X-Ovh-Timestamp"] = str(timestamp)
            request.headers["X-Ovh-Signature"] = signature(
                self.application_secret,
                self.consumer_key,
                method=request.method or "",
                url=request.url or "",
                body=body if isinstance(body, bytes) else str(body).encode(),
                timestamp=timestamp,
            )
            return request

        return sign

    def _explained(self, outcome: Outcome, *, to: str) -> Outcome:
        """A refusal with the reason that OVH does not give by itself: the person's STOP, or no credit left."""
        if outcome.code == "invalid_receiver":
            answer = self._call("GET", f"/blacklists/{quote(to, safe='')}")
            if isinstance(answer, transport.Answer) and answer.status == 200:
                return replace(outcome, kind=_K.OPTED_OUT, code="blacklisted")
        elif outcome.kind is _K.REJECTED:
            answer = self._call("GET", "")
            left = pick(answer.document, "creditsLeft") if isinstance(answer, transport.Answer) else None
            if isinstance(left, int | float) and left < 1:
                return replace(outcome, kind=_K.NO_CREDIT)
        return outcome


def signature(secret: str, consumer_key: str, *, method: str, url: str, body: bytes, timestamp: int) -> str:
    """`$1$` and the SHA-1 of all six joined by plus signs; `body` as sent, empty for GET (python-ovh, `client.py`)."""
    parts = (secret, consumer_key, method, url, body.decode(), str(timestamp))
    return "$1$" + hashlib.sha1("+".join(parts).encode(), usedforsecurity=False).hexdigest()


def _outcome(answer: transport.Answer, *, hide: tuple[str, ...]) -> Outcome:
    document = answer.document
    if not 200 <= answer.status < 300:
        words = pick(document, "message")
        code = str(pick(document, "errorCode") or "")[:60]
        outcome = answers.outcome_of_status(
            answer.status,
            answer.headers,
            code=code,
            detail=answers.safe_detail(words, hide=hide),
            has_error_body=bool(code or words),
        )
        kind = ERRORS.get(code) or ERRORS.get(f"http_{answer.status}")
        return replace(outcome, kind=kind) if kind else outcome
    ids = pick(document, "ids")
    if isinstance(ids, list) and len(ids) == 1 and type(ids[0]) is int:
        cost = answers.cost(pick(document, "totalCreditsRemoved"))
        return Outcome(kind=_K.ACCEPTED, gateway_id=str(ids[0]), cost=cost)
    if ids == [] and pick(document, "invalidReceivers"):
        return Outcome(kind=_K.REJECTED, code="invalid_receiver", detail="OVHcloud takes no texts for this number.")
    return Outcome(kind=_K.UNKNOWN, code="broken_answer", detail="OVHcloud's answer cannot be read.")
