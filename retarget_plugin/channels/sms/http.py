"""A gateway described in settings: for every provider with a plain HTTP API and no room of its own."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import requests

from retarget_plugin.domain.messages import DeliveryEvent, InboundSms, Outcome, OutgoingSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind

from .. import answers
from ..base import Gateway, Proof, WebhookRequest
from . import numbers, transport, webhooks
from .transport import pick

_PLACEHOLDER = re.compile(r"\{(to|text|sender|message_id|receipt_url|idempotency_key)\}")
_ENCODINGS = ("json", "form", "query")
_AUTH_FORMS = {"basic": list, "header": list, "bearer": str}


class HttpGateway(Gateway):
    """Sends one request per text, as the options say. An option that is not given costs what it would tell.

    - `url`, `method` ("POST"), `headers` (fixed), `encoding`: "json", "form" or "query".
    - `auth`: {"basic": [user, password]}, {"bearer": token} or {"header": [name, value]}.
    - `body`: dict (for "json" nested at will) whose texts may hold {to} {text} {sender} {message_id} {receipt_url}
      {idempotency_key}. An entry that is one empty placeholder is left out.
    - `number_format`: "e164" (+33...) or "digits" (33...). `sender`: used where the text has none.
    - `success`: {"status": [200, 201, 202], "path": "messages.0.status", "equals": ["0"]}; the path is optional, and
      values are compared as texts.
    - `id_path`, `error_path`: dotted paths of the provider's id and error code in the answer.
    - `errors`: outcome kind -> codes, such as {"opted_out": ["21610"], "rate_limited": ["throttled"]}.
    - `idempotency_header` with `idempotency_key_life` (seconds): only if the provider documents that a repeated key
      sends once.
    - `connect_seconds` (3.05), `read_seconds` (10).
    - `receipts`: names of the fields in a delivery report (`message_id`, `gateway_id`, `status`, `code`, `recipient`,
      each a dotted path), `list_path` where a call holds several, `statuses`: delivery kind -> values,
      `permanent_codes`.
    - `inbound`: names of the fields in a received text (`sender`, `text`, `to`, `gateway_id`).

    Calls of the provider are unsigned: the secret in the receipts URL is all that vouches for them.
    """

    reports = Proof.PATH
    has_inbound = True

    def __init__(
        self,
        alias: str = "default",
        *,
        url: str = "",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        auth: Mapping[str, Any] | None = None,
        encoding: str = "json",
        body: Mapping[str, Any] | None = None,
        number_format: str = "e164",
        sender: str = "",
        success: Mapping[str, Any] | None = None,
        id_path: str = "",
        error_path: str = "",
        errors: Mapping[str, Sequence[str]] | None = None,
        idempotency_header: str = "",
        idempotency_key_life: float = 0.0,
        connect_seconds: float = transport.CONNECT_SECONDS,
        read_seconds: float = transport.READ_SECONDS,
        receipts: Mapping[str, Any] | None = None,
        inbound: Mapping[str, str] | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(alias, **unknown)
        self.url, self.method, self.headers, self.auth = url, method.upper(), dict(headers or {}), dict(auth or {})
        self.encoding, self.body, self.number_format, self.sender = encoding, dict(body or {}), number_format, sender
        self.success = {"status": [200, 201, 202], **(success or {})}
        self.id_path, self.error_path, self.errors = id_path, error_path, dict(errors or {})
        self.idempotency_header, self.idempotency_key_life = idempotency_header, idempotency_key_life
        self.has_idempotency_keys = bool(idempotency_header and idempotency_key_life > 0)
        self.receipts, self.inbound = dict(receipts or {}), dict(inbound or {})
        self.reports = Proof.PATH if self.receipts or self.inbound else Proof.NONE
        self._transport = transport.Transport(connect_seconds=connect_seconds, read_seconds=read_seconds)

    def check(self) -> list[str]:
        return [f'RETARGET["SMS"]["{self.alias}"]["OPTIONS"]: {problem}' for problem in self._problems()]

    def send(self, sms: OutgoingSms) -> Outcome:
        refusal = numbers.refusal(sms)
        if refusal is not None:
            return refusal
        problems = self._problems()
        if problems:
            return Outcome(kind=OutcomeKind.MISCONFIGURED, code="configuration", detail=problems[0])
        headers = dict(self.headers)
        if self.idempotency_header:
            headers[self.idempotency_header] = sms.idempotency_key
        filled = self._filled(self.body, self._values(sms))
        answer = self._transport.call(
            self.method,
            self.url,
            authorize=self._authorize(),
            headers=headers,
            params=filled if self.encoding == "query" else None,
            form=filled if self.encoding == "form" else None,
            document=filled if self.encoding == "json" else None,
        )
        return answer if isinstance(answer, Outcome) else self._outcome(answer, sms)

    def verify(self, request: WebhookRequest) -> None:
        webhooks.check_path_secret(request, self.alias)

    def parse_events(self, request: WebhookRequest) -> Sequence[DeliveryEvent]:
        document = webhooks.document(request)
        list_path = self.receipts.get("list_path")
        reports = pick(document, list_path) if list_path else [document]
        if not isinstance(reports, list):
            return ()
        return [event for event in map(self._event, reports) if event is not None]

    def parse_inbound(self, request: WebhookRequest) -> Sequence[InboundSms]:
        document = webhooks.document(request)
        found = {name: _text(pick(document, path)) for name, path in self.inbound.items()}
        if not found.get("sender") or "text" not in found or pick(document, self.inbound["text"]) is None:
            return ()
        return [
            InboundSms(
                sender=numbers.e164(found["sender"]),
                text=found["text"],
                to=numbers.e164(found.get("to", "")),
                gateway_id=found.get("gateway_id", ""),
            )
        ]

    def close(self) -> None:
        self._transport.close()

    def _problems(self) -> list[str]:
        problems = [f"{name} is no option of HttpGateway." for name in self.options]
        problems += transport.url_problems("url", self.url)
        if self.encoding not in _ENCODINGS:
            problems.append(f"encoding must be one of {', '.join(_ENCODINGS)}.")
        if self.number_format not in ("e164", "digits"):
            problems.append('number_format must be "e164" or "digits".')
        wanted = {"{to}", "{text}"} - set(re.findall(r"\{to\}|\{text\}", str(self.body)))
        if wanted:
            problems.append(f"body must contain {' and '.join(sorted(wanted))}.")
        if any(form not in _AUTH_FORMS or not self._is_auth(form) for form in self.auth) or len(self.auth) > 1:
            problems.append('auth must be {"basic": [user, password]}, {"bearer": token} or {"header": [name, value]}.')
        if unknown := set(self.errors) - {kind.value for kind in OutcomeKind}:
            problems.append(f"errors names no outcome: {', '.join(sorted(unknown))}.")
        if unknown := set(self.receipts.get("statuses", {})) - {kind.value for kind in DeliveryKind}:
            problems.append(f"receipts.statuses names no delivery kind: {', '.join(sorted(unknown))}.")
        if self.idempotency_header and self.idempotency_key_life <= 0:
            problems.append("idempotency_header needs idempotency_key_life, in seconds.")
        return problems

    def _is_auth(self, form: str) -> bool:
        given = self.auth[form]
        if _AUTH_FORMS[form] is str:
            return isinstance(given, str) and bool(given)
        return isinstance(given, list | tuple) and len(given) == 2 and all(isinstance(part, str) for part in given)

    def _authorize(self) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        name, value = "", ""
        match self.auth:
            case {"basic": (user, password)}:
                name, value = "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
            case {"bearer": token}:
                name, value = "Authorization", f"Bearer {token}"
            case {"header": (name, value)}:
                pass

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if name:
                request.headers[name] = value
            return request

        return authorize

    def _values(self, sms: OutgoingSms) -> dict[str, str]:
        return {
            "to": numbers.digits(sms.to) if self.number_format == "digits" else sms.to,
            "text": sms.text,
            "sender": sms.sender or self.sender,
            "message_id": sms.message_id,
            "receipt_url": sms.receipt_url,
            "idempotency_key": sms.idempotency_key,
        }

    def _filled(self, template: Any, values: Mapping[str, str]) -> Any:
        """`template` with its placeholders replaced, in one pass: a text that reads "{sender}" stays as it is."""
        match template:
            case Mapping():
                filled = {key: self._filled(part, values) for key, part in template.items()}
                return {key: part for key, part in filled.items() if part != "" or template[key] == ""}
            case list() | tuple():
                return [self._filled(part, values) for part in template]
            case str():
                return _PLACEHOLDER.sub(lambda found: values[found[1]], template)
        return template

    def _outcome(self, answer: transport.Answer, sms: OutgoingSms) -> Outcome:
        document = answer.document
        code = _text(pick(document, self.error_path)) if self.error_path else ""
        for kind, codes in self.errors.items():
            if code and code in map(str, codes):
                wait = answers.retry_after(answer.headers)
                return Outcome(kind=OutcomeKind(kind), code=code, retry_after=wait)
        if answer.status in self.success["status"]:
            return self._outcome_of_success(document, code=code)
        if 200 <= answer.status < 300:
            return Outcome(
                kind=OutcomeKind.UNKNOWN,
                code=code or f"http_{answer.status}",
                detail="A status that is no known success.",
            )
        return answers.outcome_of_status(
            answer.status,
            answer.headers,
            code=code,
            has_error_body=bool(code),
        )

    def _outcome_of_success(self, document: Any, *, code: str) -> Outcome:
        gateway_id = _text(pick(document, self.id_path)) if self.id_path else ""
        broken = Outcome(
            kind=OutcomeKind.UNKNOWN, code="broken_answer", gateway_id=gateway_id, detail="The answer cannot be read."
        )
        path = self.success.get("path")
        if path:
            given = pick(document, path)
            if given is None:
                return broken
            if _text(given) not in map(str, self.success.get("equals", ())):
                return Outcome(kind=OutcomeKind.REJECTED, code=code or "refused", gateway_id=gateway_id)
        if self.id_path and not gateway_id:
            return broken
        return Outcome(kind=OutcomeKind.ACCEPTED, gateway_id=gateway_id)

    def _event(self, report: Any) -> DeliveryEvent | None:
        def field(name: str) -> str:
            path = self.receipts.get(name)
            return _text(pick(report, path)) if path else ""

        status, code = field("status"), field("code")
        for kind, values in self.receipts.get("statuses", {}).items():
            if status and status in map(str, values):
                return DeliveryEvent(
                    kind=DeliveryKind(kind),
                    message_id=field("message_id"),
                    gateway_id=field("gateway_id"),
                    recipient=numbers.e164(field("recipient")),
                    is_permanent=bool(code) and code in map(str, self.receipts.get("permanent_codes", ())),
                    code=code,
                )
        return None


def _text(value: Any) -> str:
    """A JSON scalar as text, at most 200 characters: `True` as "true", nothing and whole objects as ""."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float() | Decimal():
            return str(value)[:200]
    return ""
