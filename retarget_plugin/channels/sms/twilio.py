"""Twilio: programmable messaging, API 2010-04-01."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests

from retarget_plugin.domain.messages import DeliveryEvent, InboundSms, Outcome, OutgoingSms
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError

from .. import answers
from ..base import Cost, Gateway, Proof, WebhookRequest
from . import numbers, transport, webhooks

REAL_API = "https://api.twilio.com"

#: Code -> what it means for this one text. What would stop every text is `misconfigured`; unknown 4xx are `rejected`.
#: Twilio splits codes without notice (changelog of 10 July 2024), so nothing may hang on a code being here.
ERRORS = {
    20003: OutcomeKind.MISCONFIGURED,  # wrong credentials or no permission
    20429: OutcomeKind.RATE_LIMITED,  # too many requests; not processed
    21211: OutcomeKind.REJECTED,  # invalid To
    21408: OutcomeKind.REJECTED,  # this To's region is not enabled; others are
    21602: OutcomeKind.REJECTED,  # no body
    21603: OutcomeKind.MISCONFIGURED,  # no From
    21604: OutcomeKind.REJECTED,  # no To
    21606: OutcomeKind.MISCONFIGURED,  # From cannot send texts
    21212: OutcomeKind.MISCONFIGURED,  # invalid From
    21608: OutcomeKind.REJECTED,  # trial account, unverified To
    21609: OutcomeKind.MISCONFIGURED,  # invalid StatusCallback
    21610: OutcomeKind.OPTED_OUT,  # the person replied STOP
    21611: OutcomeKind.TRANSIENT,  # From's queue is full
    21612: OutcomeKind.REJECTED,  # To not reachable from From
    21614: OutcomeKind.REJECTED,  # not a mobile number
    21617: OutcomeKind.REJECTED,  # body longer than 1600 characters
    21703: OutcomeKind.MISCONFIGURED,  # no number in the messaging service
}

#: Delivery ErrorCodes after which the number will not work later either.
PERMANENT_DELIVERY_CODES = frozenset({"21211", "21614", "30004", "30005", "30006"})

_OPTED_OUT = "21610"
_STATUSES = {
    "sent": DeliveryKind.SENT,
    "delivered": DeliveryKind.DELIVERED,
    "read": DeliveryKind.DELIVERED,
    "undelivered": DeliveryKind.FAILED,
    "failed": DeliveryKind.FAILED,
    "canceled": DeliveryKind.FAILED,
}
_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
_SERVICE_SID = re.compile(r"MG[0-9a-fA-F]{32}")
_MESSAGE_SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class TwilioGateway(Gateway):
    """One Twilio account (or subaccount).

    Options: `account_sid`; `auth_token`, which also proves webhooks, and for sending instead of it `api_key_sid` with
    `api_key_secret`; `messaging_service_sid`, which then chooses the sender for every text, or `sender` where a text
    has none; `base_url`; `connect_seconds`, `read_seconds`.

    Twilio knows no idempotency keys and echoes no reference of ours: our message id travels in the query of the status
    callback (`?m=`), which Twilio's signature covers.
    """

    reports = Proof.SIGNED
    has_inbound = True
    says_segments = True
    says_cost = Cost.MONEY
    #: Nothing to answer the person who wrote, in TwiML.
    acknowledgement = ("text/xml; charset=utf-8", "<Response/>")

    def __init__(
        self,
        alias: str = "default",
        *,
        account_sid: str = "",
        auth_token: str = "",
        api_key_sid: str = "",
        api_key_secret: str = "",
        sender: str = "",
        messaging_service_sid: str = "",
        base_url: str = REAL_API,
        connect_seconds: float = transport.CONNECT_SECONDS,
        read_seconds: float = transport.READ_SECONDS,
        **unknown: Any,
    ) -> None:
        super().__init__(alias, **unknown)
        self.account_sid, self.auth_token = account_sid, auth_token
        self.api_key_sid, self.api_key_secret = api_key_sid, api_key_secret
        self.sender, self.messaging_service_sid = sender, messaging_service_sid
        self.messages_url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}/Messages"
        self._transport = transport.Transport(connect_seconds=connect_seconds, read_seconds=read_seconds)

    def check(self) -> list[str]:
        return [f'RETARGET["SMS"]["{self.alias}"]["OPTIONS"]: {problem}' for problem in self._problems()]

    def check_webhooks(self) -> list[str]:
        if self.auth_token:
            return []
        name = f'RETARGET["SMS"]["{self.alias}"]["OPTIONS"]["auth_token"]'
        return [
            f"{name} is not set, so no delivery report and no STOP of this gateway can be believed. Set it to the account's "
            "auth token, also where an API key sends: Twilio signs its calls with it."
        ]

    def send(self, sms: OutgoingSms) -> Outcome:
        refusal = numbers.refusal(sms)
        if refusal is not None:
            return refusal
        problems = self._problems()
        if problems:
            return Outcome(kind=OutcomeKind.MISCONFIGURED, code="configuration", detail=problems[0])
        form = {"To": sms.to, "Body": sms.text}
        if self.messaging_service_sid:
            form["MessagingServiceSid"] = self.messaging_service_sid
        elif sms.sender or self.sender:
            form["From"] = sms.sender or self.sender
        if sms.receipt_url:
            joint = "&" if urlsplit(sms.receipt_url).query else "?"
            form["StatusCallback"] = f"{sms.receipt_url}{joint}{urlencode({'m': sms.message_id})}"
        answer = self._transport.call("POST", f"{self.messages_url}.json", authorize=self._authorize, form=form)
        return answer if isinstance(answer, Outcome) else self._outcome(answer, hide=self._hidden(sms))

    def look_up(self, gateway_id: str) -> Outcome | None:
        """What became of message `gateway_id` (SM... or MM...); None when Twilio does not say."""
        if not _MESSAGE_SID.fullmatch(gateway_id):
            return None
        answer = self._transport.call("GET", f"{self.messages_url}/{gateway_id}.json", authorize=self._authorize)
        if isinstance(answer, Outcome) or answer.status != 200:
            return None
        outcome = self._outcome_of_message(answer.document, hide=())
        return None if outcome.kind is OutcomeKind.UNKNOWN else outcome

    def verify(self, request: WebhookRequest) -> None:
        """Twilio's X-Twilio-Signature over the public URL and the form fields (twilio-python, `request_validator.py`).

        A body that is no form counts only under the `bodySHA256` of the signed URL; nor may such a body be missing.
        """
        if not self.auth_token:
            raise SignatureError("auth_token is not set, so no call of Twilio can be verified.", gateway=self.alias)
        given = webhooks.header(request, "X-Twilio-Signature")
        fields = webhooks.form(request)
        digest = webhooks.query(request).get("bodySHA256", [""])[0]
        if digest or (request.body and not _is_form(request)):
            fields = {}
            if not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), digest.lower().encode()):
                raise SignatureError("The body does not match the hash in the signed URL.", gateway=self.alias)
        expected = [signature(self.auth_token, url, fields) for url in _spellings(request.url)]
        if not any(hmac.compare_digest(given.encode(), each.encode()) for each in expected):
            raise SignatureError("The signature is missing or wrong.", gateway=self.alias)

    def parse_events(self, request: WebhookRequest) -> Sequence[DeliveryEvent]:
        fields = {name: values[0] for name, values in webhooks.form(request).items() if values}
        kind = _STATUSES.get(fields.get("MessageStatus", ""))
        if kind is None:
            return ()
        code = fields.get("ErrorCode", "")
        # With a messaging service, a STOP shows only after Twilio has accepted the text.
        if code == _OPTED_OUT:
            kind = DeliveryKind.UNSUBSCRIBED
        return [
            DeliveryEvent(
                kind=kind,
                message_id=webhooks.query(request).get("m", [""])[0],
                gateway_id=fields.get("MessageSid", ""),
                recipient=numbers.e164(fields.get("To", "")),
                is_permanent=code in PERMANENT_DELIVERY_CODES,
                code=code,
                raw={name: fields[name] for name in ("MessageStatus", "ErrorCode") if name in fields},
            )
        ]

    def parse_inbound(self, request: WebhookRequest) -> Sequence[InboundSms]:
        """The text as typed; where Twilio's Advanced Opt-Out understood it, its keyword: STOP, START or HELP."""
        fields = {name: values[0] for name, values in webhooks.form(request).items() if values}
        if "MessageStatus" in fields or "Body" not in fields or not fields.get("From"):
            return ()
        return [
            InboundSms(
                sender=numbers.e164(fields["From"]),
                text=fields.get("OptOutType") or fields["Body"],
                to=numbers.e164(fields.get("To", "")),
                gateway_id=fields.get("MessageSid", ""),
            )
        ]

    def close(self) -> None:
        self._transport.close()

    def _problems(self) -> list[str]:
        problems = [f"{name} is no option of TwilioGateway." for name in self.options]
        if not _ACCOUNT_SID.fullmatch(self.account_sid):
            problems.append("account_sid must be AC and 32 hexadecimal digits.")
        if bool(self.api_key_sid) != bool(self.api_key_secret):
            problems.append("api_key_sid and api_key_secret go together.")
        if not self.auth_token and not self.api_key_secret:
            problems.append("auth_token (or api_key_sid with api_key_secret) is missing.")
        if self.messaging_service_sid and not _SERVICE_SID.fullmatch(self.messaging_service_sid):
            problems.append("messaging_service_sid must be MG and 32 hexadecimal digits.")
        return problems + transport.url_problems("base_url", self.messages_url)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        user, password = (
            (self.api_key_sid, self.api_key_secret) if self.api_key_secret else (self.account_sid, self.auth_token)
        )
        request.headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return request

    def _hidden(self, sms: OutgoingSms) -> tuple[str, ...]:
        return (sms.to, sms.text, self.auth_token, self.api_key_secret)

    def _outcome(self, answer: transport.Answer, *, hide: tuple[str, ...]) -> Outcome:
        document = answer.document
        if 200 <= answer.status < 300:
            return self._outcome_of_message(document, hide=hide)
        code, words = _error_of(document)
        detail = answers.safe_detail(words, hide=hide)
        if code in ERRORS:
            wait = answers.retry_after(answer.headers)
            return Outcome(kind=ERRORS[code], code=str(code), detail=detail, retry_after=wait)
        return answers.outcome_of_status(
            answer.status,
            answer.headers,
            code=str(code or ""),
            detail=detail,
            has_error_body=code is not None,
        )

    def _outcome_of_message(self, document: Any, *, hide: tuple[str, ...]) -> Outcome:
        """The meaning of a message resource. Without an id it says nothing: the text may be on its way."""
        found = document if isinstance(document, Mapping) else {}
        sid = found.get("sid")
        if not isinstance(sid, str) or not _MESSAGE_SID.fullmatch(sid):
            return Outcome(kind=OutcomeKind.UNKNOWN, code="broken_answer", detail="Twilio's answer cannot be read.")
        code = found.get("error_code")
        kind = OutcomeKind.ACCEPTED
        if found.get("status") in ("failed", "undelivered", "canceled"):
            kind = ERRORS.get(code, OutcomeKind.REJECTED) if isinstance(code, int) else OutcomeKind.REJECTED
        # Twilio bills later, and then writes a negative number.
        price = answers.cost(found.get("price"))
        return Outcome(
            kind=kind,
            gateway_id=sid,
            code=str(code or ""),
            detail=answers.safe_detail(found.get("error_message"), hide=hide),
            segments=answers.segments(found.get("num_segments")),
            cost=price,
            cost_currency=str(found.get("price_unit") or "")[:3].upper() if price is not None else "",
        )


def signature(auth_token: str, url: str, fields: Mapping[str, Sequence[str]]) -> str:
    """base64(HMAC-SHA1(token, url + name + value ...)): names in byte order, repeated values once, sorted."""
    signed = url + "".join(name + value for name in sorted(fields) for value in sorted(set(fields[name])))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def _spellings(url: str) -> tuple[str, ...]:
    """`url` as given, without its port, and with the scheme's own port: Twilio signs one or the other."""
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    bare = re.sub(r":[0-9]*$", "", host)
    prefix = parts.netloc[: len(parts.netloc) - len(host)]
    found = [url, urlunsplit(parts._replace(netloc=prefix + bare))]
    if bare == host and parts.scheme in _DEFAULT_PORTS:
        found.append(urlunsplit(parts._replace(netloc=f"{prefix}{bare}:{_DEFAULT_PORTS[parts.scheme]}")))
    return tuple(found)


def _is_form(request: WebhookRequest) -> bool:
    kind = webhooks.header(request, "Content-Type").split(";")[0].strip().lower()
    return kind in ("application/x-www-form-urlencoded", "")


def _error_of(document: Any) -> tuple[int | None, str]:
    """(code, words) of Twilio's error, in its own form or that of RFC 9457; (None, "") of anything else."""
    if not isinstance(document, Mapping):
        return None, ""
    code = document.get("code")
    words = document.get("message") or document.get("detail") or document.get("title") or ""
    is_code = isinstance(code, int) and not isinstance(code, bool)
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= 6:
        return int(code), str(words)
    return (code if is_code else None), str(words)
