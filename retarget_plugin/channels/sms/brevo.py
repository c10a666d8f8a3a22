"""Brevo: transactional SMS, API v3."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from retarget_plugin import conf
from retarget_plugin.domain.messages import DeliveryEvent, InboundSms, Outcome, OutgoingSms
from retarget_plugin.domain.sms import Encoding, measure
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError

from .. import answers
from ..base import Cost, Gateway, Proof, WebhookRequest
from . import numbers, references, transport, webhooks

REAL_API = "https://api.brevo.com/v3"
#: What Brevo replaces by the words to say STOP by; every marketing text must hold it.
STOP_CODE = "[STOP_CODE]"

#: Code -> what it means for this one text; any other means what its HTTP status means.
ERRORS = {
    "not_enough_credits": OutcomeKind.NO_CREDIT,
    "unauthorized": OutcomeKind.MISCONFIGURED,
    "permission_denied": OutcomeKind.MISCONFIGURED,
    "account_under_validation": OutcomeKind.MISCONFIGURED,
    "method_not_allowed": OutcomeKind.MISCONFIGURED,
    # It has had this request before, and does not say what became of it.
    "duplicate_request": OutcomeKind.UNKNOWN,
}

# Both spellings in use, without their underscores: events are `softBounce`, the statuses in reports `soft_bounce`.
_STATUSES = {
    "sent": DeliveryKind.SENT,
    "delivered": DeliveryKind.DELIVERED,
    "softbounce": DeliveryKind.FAILED,
    "hardbounce": DeliveryKind.FAILED,
    "rejected": DeliveryKind.FAILED,
    "skip": DeliveryKind.FAILED,
    "skipped": DeliveryKind.FAILED,
    "unsubscribe": DeliveryKind.UNSUBSCRIBED,
    "unsubscribed": DeliveryKind.UNSUBSCRIBED,
    "blacklisted": DeliveryKind.UNSUBSCRIBED,
}
_REPLIES = ("reply", "replied")
_SENDER = re.compile(r"[A-Za-z0-9]{1,11}|\+?[0-9]{1,15}")
_AUTH_FORMS = '{"bearer": token}, {"basic": [user, password]} or {"header": [name, value]}'


class BrevoGateway(Gateway):
    """One Brevo account.

    Options: `api_key`; `sender` where a text has none (letters and digits, at most 11, or a number); `webhook_auth`
    ({"bearer": token}, {"basic": [user, password]} or {"header": [name, value]}); `base_url`; `connect_seconds`,
    `read_seconds`.

    Brevo signs nothing: the secret in the receipts URL vouches for its calls, and `webhook_auth` with it. Each text names
    the URL to report to; with `webhook_auth` none does, and the webhook is made in the account, since only there Brevo
    can be told what to show. Marketing must say `[STOP_CODE]`, so put it into this gateway's "STOP"; between 22:00 and
    08:00, on Sundays and public holidays Brevo keeps such texts back in France.

    It knows no idempotency keys and finds no message by its id: reports carry our id in their tag.
    """

    reports = Proof.PATH
    has_inbound = True
    says_segments = True
    says_cost = Cost.CREDITS

    def __init__(
        self,
        alias: str = "default",
        *,
        api_key: str = "",
        sender: str = "",
        webhook_auth: Mapping[str, Any] | None = None,
        base_url: str = REAL_API,
        connect_seconds: float = transport.CONNECT_SECONDS,
        read_seconds: float = transport.READ_SECONDS,
        **unknown: Any,
    ) -> None:
        super().__init__(alias, **unknown)
        self.api_key, self.sender, self.webhook_auth = api_key, sender, dict(webhook_auth or {})
        self.base_url = base_url.rstrip("/")
        self._transport = transport.Transport(connect_seconds=connect_seconds, read_seconds=read_seconds)

    def check(self) -> list[str]:
        entry = f'RETARGET["SMS"]["{self.alias}"]'
        problems = [f'{entry}["OPTIONS"]: {problem}' for problem in self._problems()]
        if STOP_CODE not in str(conf.settings.SMS.get(self.alias, {}).get("STOP")):
            problems.append(f'{entry}["STOP"] must hold {STOP_CODE}, such as "STOP au {STOP_CODE}".')
        return problems

    def send(self, sms: OutgoingSms) -> Outcome:
        refusal = numbers.refusal(sms)
        if refusal is not None:
            return refusal
        sender = sms.sender or self.sender
        problems = self._problems() or _problems_of_sender(sender)
        if problems:
            return Outcome(kind=OutcomeKind.MISCONFIGURED, code="configuration", detail=problems[0])
        document = {
            "sender": numbers.digits(sender),
            "recipient": numbers.digits(sms.to),
            "content": sms.text,
            "type": "marketing" if sms.is_marketing else "transactional",
            "tag": references.write(sms.message_id),
            "unicodeEnabled": measure(sms.text).encoding is Encoding.UCS2,
        }
        if sms.receipt_url and not self.webhook_auth:
            document["webUrl"] = sms.receipt_url
        answer = self._transport.call(
            "POST", f"{self.base_url}/transactionalSMS/sms", authorize=self._authorize, document=document
        )
        return answer if isinstance(answer, Outcome) else self._outcome(answer, hide=(sms.text, self.api_key))

    def verify(self, request: WebhookRequest) -> None:
        """The secret in the path and, where `webhook_auth` is set, the header it stands for."""
        webhooks.check_path_secret(request, self.alias)
        if not self.webhook_auth:
            return
        name, expected = _header_of(self.webhook_auth)
        if not expected or not hmac.compare_digest(webhooks.header(request, name).encode(), expected.encode()):
            raise SignatureError("The credentials of webhook_auth are missing or wrong.", gateway=self.alias)

    def parse_events(self, request: WebhookRequest) -> Sequence[DeliveryEvent]:
        report = _report(request)
        status = str(report.get("msg_status", "")).lower().replace("_", "")
        kind = _STATUSES.get(status)
        if kind is None:
            return ()
        return [
            DeliveryEvent(
                kind=kind,
                message_id=_message_id(report.get("tag")),
                gateway_id=_gateway_id(report),
                recipient=numbers.e164(str(report.get("to", ""))),
                is_permanent=status == "hardbounce",
                code="" if kind in (DeliveryKind.SENT, DeliveryKind.DELIVERED) else status,
                raw={"msg_status": status},
            )
        ]

    def parse_inbound(self, request: WebhookRequest) -> Sequence[InboundSms]:
        """An answer to one of our texts: `to` is then the number that answers."""
        report = _report(request)
        text = report.get("reply") or report.get("content")
        if report.get("msg_status") not in _REPLIES or not isinstance(text, str) or not report.get("to"):
            return ()
        return [InboundSms(sender=numbers.e164(str(report["to"])), text=text, gateway_id=_gateway_id(report))]

    def close(self) -> None:
        self._transport.close()

    def _problems(self) -> list[str]:
        problems = [f"{name} is no option of BrevoGateway." for name in self.options]
        if not self.api_key:
            problems.append("api_key is missing.")
        if self.sender:
            problems += _problems_of_sender(self.sender)
        if self.webhook_auth and not all(_header_of(self.webhook_auth)):
            problems.append(f"webhook_auth must be {_AUTH_FORMS}.")
        return problems + transport.url_problems("base_url", self.base_url)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["api-key"] = self.api_key
        return request

    def _outcome(self, answer: transport.Answer, *, hide: tuple[str, ...]) -> Outcome:
        found = answer.document if isinstance(answer.document, Mapping) else {}
        if 200 <= answer.status < 300:
            gateway_id = _gateway_id(found)
            if not gateway_id:
                return Outcome(kind=OutcomeKind.UNKNOWN, code="broken_answer", detail="Brevo's answer cannot be read.")
            return Outcome(
                kind=OutcomeKind.ACCEPTED,
                gateway_id=gateway_id,
                segments=answers.segments(found.get("smsCount")),
                cost=answers.cost(found.get("usedCredits")),
            )
        code = found["code"] if isinstance(found.get("code"), str) else ""
        detail = answers.safe_detail(found.get("message"), hide=hide)
        if code in ERRORS:
            wait = answers.retry_after(answer.headers)
            return Outcome(kind=ERRORS[code], code=code, detail=detail, retry_after=wait)
        return answers.outcome_of_status(
            answer.status, answer.headers, code=code[:60], detail=detail, has_error_body=bool(code)
        )


def _problems_of_sender(sender: str) -> list[str]:
    return [] if _SENDER.fullmatch(sender) else ["sender must be 1 to 11 letters and digits, or a number."]


def _header_of(auth: Mapping[str, Any]) -> tuple[str, str]:
    """(name, value) of the header that `auth` asks for; empty where it asks for none."""
    match auth:
        case {"bearer": str(token)} if token and len(auth) == 1:
            return "Authorization", f"Bearer {token}"
        case {"basic": [str(user), str(password)]} if user and password and len(auth) == 1:
            return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        case {"header": [str(name), str(value)]} if len(auth) == 1:
            return name, value
    return "", ""


def _report(request: WebhookRequest) -> Mapping[str, Any]:
    document = webhooks.document(request)
    return document if isinstance(document, Mapping) else {}


def _message_id(tag: object) -> str:
    """Ours among the tags: Brevo takes one or several, and may repeat one as several."""
    tags = tag if isinstance(tag, list) else [tag]
    return next(filter(None, map(references.read, tags)), "")


def _gateway_id(document: Mapping[str, Any]) -> str:
    """Brevo's number of a message, as text; empty when there is none."""
    given = str(document.get("messageId", ""))
    return given if given.isascii() and given.isdigit() and len(given) <= 40 else ""
