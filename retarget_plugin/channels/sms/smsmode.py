"""smsmode: REST API v1."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from retarget_plugin import conf
from retarget_plugin.domain.messages import DeliveryEvent, InboundSms, Outcome, OutgoingSms
from retarget_plugin.domain.sms import Encoding, measure
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind

from .. import answers
from ..base import Cost, Gateway, Proof, WebhookRequest
from . import numbers, references, transport, webhooks
from .transport import pick

REAL_API = "https://rest.smsmode.com/sms/v1"

# UNKNOWN and SCHEDULED say nothing yet.
_STATUSES = {
    "ENROUTE": DeliveryKind.SENT,
    "DELIVERED": DeliveryKind.DELIVERED,
    "READ": DeliveryKind.DELIVERED,
    "UNDELIVERED": DeliveryKind.FAILED,
    "UNDELIVERABLE": DeliveryKind.FAILED,
}
_SENDER = re.compile(r"[A-Za-z0-9 ]{1,11}|\+?[0-9]{1,15}")
_MESSAGE_ID = re.compile(r"[0-9a-fA-F-]{36}")


class SmsmodeGateway(Gateway):
    """One smsmode account.

    Options: `api_key`; `sender` where a text has none (letters, digits and spaces, at most 11, or a number), none for
    the account's own; `base_url`; `connect_seconds`, `read_seconds`.

    With `"STOP": ""` at this gateway, smsmode is asked to add its own words to marketing. It signs nothing: the secret in
    the receipts URL vouches for its calls. It knows no idempotency keys; its reports carry our id in `refClient`.
    """

    reports = Proof.PATH
    has_inbound = True
    says_segments = True
    says_cost = Cost.MONEY

    def __init__(
        self,
        alias: str = "default",
        *,
        api_key: str = "",
        sender: str = "",
        base_url: str = REAL_API,
        connect_seconds: float = transport.CONNECT_SECONDS,
        read_seconds: float = transport.READ_SECONDS,
        **unknown: Any,
    ) -> None:
        super().__init__(alias, **unknown)
        self.api_key, self.sender = api_key, sender
        self.messages_url = f"{base_url.rstrip('/')}/messages"
        self._transport = transport.Transport(connect_seconds=connect_seconds, read_seconds=read_seconds)

    def check(self) -> list[str]:
        return [f'RETARGET["SMS"]["{self.alias}"]["OPTIONS"]: {problem}' for problem in self._problems()]

    def send(self, sms: OutgoingSms) -> Outcome:
        refusal = numbers.refusal(sms)
        if refusal is not None:
            return refusal
        sender = sms.sender or self.sender
        problems = self._problems() or _problems_of_sender(sender)
        if problems:
            return Outcome(kind=OutcomeKind.MISCONFIGURED, code="configuration", detail=problems[0])
        document: dict[str, Any] = {
            "recipient": {"to": numbers.digits(sms.to)},
            "body": {
                "text": sms.text,
                "encoding": "GSM7" if measure(sms.text).encoding is Encoding.GSM7 else "UNICODE",
                "stop": sms.is_marketing and self._adds_stop(),
            },
            "refClient": references.write(sms.message_id),
        }
        if sender:
            document["from"] = numbers.digits(sender)
        if sms.receipt_url:
            document |= {"callbackUrlStatus": sms.receipt_url, "callbackUrlMo": sms.receipt_url}
        answer = self._transport.call("POST", self.messages_url, authorize=self._authorize, document=document)
        return answer if isinstance(answer, Outcome) else self._outcome(answer, hide=(sms.text, self.api_key))

    def look_up(self, gateway_id: str) -> Outcome | None:
        """What became of message `gateway_id` (a UUID); None when smsmode does not say."""
        if not _MESSAGE_ID.fullmatch(gateway_id):
            return None
        answer = self._transport.call("GET", f"{self.messages_url}/{gateway_id}", authorize=self._authorize)
        if isinstance(answer, Outcome) or answer.status != 200:
            return None
        outcome = self._outcome(answer, hide=(self.api_key,))
        return outcome if outcome.gateway_id == gateway_id else None

    def verify(self, request: WebhookRequest) -> None:
        webhooks.check_path_secret(request, self.alias)

    def parse_events(self, request: WebhookRequest) -> Sequence[DeliveryEvent]:
        report = webhooks.document(request)
        status = str(pick(report, "status.value"))
        kind = _STATUSES.get(status)
        if kind is None or pick(report, "direction") == "MO":
            return ()
        has_failed = kind is DeliveryKind.FAILED
        return [
            DeliveryEvent(
                kind=kind,
                message_id=references.read(pick(report, "refClient")),
                gateway_id=_gateway_id(report),
                recipient=numbers.e164(str(pick(report, "recipient.to") or "")),
                is_permanent=status == "UNDELIVERABLE",
                code=status.lower() if has_failed else "",
                detail=answers.safe_detail(pick(report, "status.detail")) if has_failed else "",
                raw={"status": status},
            )
        ]

    def parse_inbound(self, request: WebhookRequest) -> Sequence[InboundSms]:
        """A text somebody sent. smsmode may swap the two numbers: the person's is a full one, and not our sender."""
        report = webhooks.document(request)
        text = pick(report, "body.text")
        sender, to = (numbers.e164(str(pick(report, path) or "")) for path in ("from", "recipient.to"))
        if not sender.startswith("+") or sender == numbers.e164(self.sender):
            sender, to = to, sender
        if pick(report, "direction") != "MO" or not isinstance(text, str) or not sender.startswith("+"):
            return ()
        return [InboundSms(sender=sender, text=text, to=to, gateway_id=_gateway_id(report))]

    def close(self) -> None:
        self._transport.close()

    def _problems(self) -> list[str]:
        problems = [f"{name} is no option of SmsmodeGateway." for name in self.options]
        if not self.api_key:
            problems.append("api_key is missing.")
        problems += _problems_of_sender(self.sender)
        return problems + transport.url_problems("base_url", self.messages_url)

    def _adds_stop(self) -> bool:
        return conf.settings.SMS.get(self.alias, {}).get("STOP") == ""

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Api-Key"] = self.api_key
        return request

    def _outcome(self, answer: transport.Answer, *, hide: tuple[str, ...]) -> Outcome:
        document = answer.document
        if 200 <= answer.status < 300:
            return _outcome_of_message(document)
        code = str(pick(document, "errorCode") or "")[:60]
        words = pick(document, "detail") or pick(document, "message") or pick(document, "title")
        is_error = isinstance(document, Mapping) and bool(code or words)
        detail = answers.safe_detail(words, hide=hide)
        return answers.outcome_of_status(
            answer.status, answer.headers, code=code, detail=detail, has_error_body=is_error
        )


def _outcome_of_message(document: Any) -> Outcome:
    """The meaning of a message resource. Without an id it says nothing: the text may be on its way."""
    gateway_id = _gateway_id(document)
    if not gateway_id:
        return Outcome(kind=OutcomeKind.UNKNOWN, code="broken_answer", detail="smsmode's answer cannot be read.")
    status = str(pick(document, "status.value") or "")
    has_failed = _STATUSES.get(status) is DeliveryKind.FAILED
    price = answers.cost(pick(document, "price.amount"))
    return Outcome(
        kind=OutcomeKind.REJECTED if has_failed else OutcomeKind.ACCEPTED,
        gateway_id=gateway_id,
        code=status.lower() if has_failed else "",
        segments=answers.segments(pick(document, "body.messagePartCount")),
        cost=price,
        cost_currency=str(pick(document, "price.currency") or "")[:3].upper() if price is not None else "",
    )


def _problems_of_sender(sender: str) -> list[str]:
    """smsmode takes a text without a sender: it then shows the account's."""
    if not sender or _SENDER.fullmatch(sender):
        return []
    return ["sender must be 1 to 11 letters, digits and spaces, or a number."]


def _gateway_id(document: Any) -> str:
    given = pick(document, "messageId")
    return given if isinstance(given, str) and _MESSAGE_ID.fullmatch(given) else ""
