"""Vonage: the SMS API of rest.nexmo.com. Accounts set to its other one, the Messages API, cannot be used."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import requests

from retarget_plugin.domain.messages import DeliveryEvent, InboundSms, Outcome, OutgoingSms
from retarget_plugin.domain.sms import Encoding, measure
from retarget_plugin.domain.vocabulary import DeliveryKind, OutcomeKind
from retarget_plugin.exceptions import SignatureError

from .. import answers, receipt_secrets
from ..base import Cost, Gateway, Proof, WebhookRequest
from . import numbers, references, transport, webhooks

REAL_API = "https://rest.nexmo.com"
#: What an account signs with: a plain MD5 of text and secret, which is the default there, or an HMAC.
METHODS = ("md5hash", "md5", "sha1", "sha256", "sha512")
#: Seconds between the time in a signed call and its arrival, either way, beyond which it may be a recording.
TOLERANCE = 300
#: Seconds to wait where Vonage says "slow down" and no more: its limits count texts a second.
THROTTLED_SECONDS = 1.0
LONGEST_CALLBACK = 100

_K = OutcomeKind
#: Status of a part that was not taken -> what it means for the text (developer.vonage.com/en/api-errors/sms).
ERRORS = {
    "1": _K.RATE_LIMITED,  # throttled
    "2": _K.REJECTED,  # a parameter is missing
    "3": _K.REJECTED,  # a parameter is invalid
    "4": _K.MISCONFIGURED,  # wrong credentials
    "5": _K.TRANSIENT,  # internal error; not taken
    "6": _K.REJECTED,  # cannot be processed, such as an unknown prefix
    "7": _K.REJECTED,  # the number is barred
    "8": _K.MISCONFIGURED,  # the account is barred
    "9": _K.NO_CREDIT,
    "10": _K.TRANSIENT,  # too many connections
    "11": _K.MISCONFIGURED,  # the account may not use this API
    "12": _K.REJECTED,  # too long
    "14": _K.MISCONFIGURED,  # wrong signature
    "15": _K.MISCONFIGURED,  # the sender is not allowed
    "22": _K.MISCONFIGURED,  # invalid network code
    "23": _K.MISCONFIGURED,  # invalid callback URL
    "29": _K.REJECTED,  # a trial account may text the numbers on its list only
    "32": _K.MISCONFIGURED,  # both a signature and a secret
    "33": _K.REJECTED,  # the number is no longer in use
}

_STATUSES = {
    "accepted": DeliveryKind.SENT,
    "buffered": DeliveryKind.DEFERRED,
    "delivered": DeliveryKind.DELIVERED,
    "expired": DeliveryKind.FAILED,
    "failed": DeliveryKind.FAILED,
    "rejected": DeliveryKind.FAILED,
}
#: Reports' err-codes after which the number will not work later either: not in use, barred, ported, no route, age, carrier.
PERMANENT_DELIVERY_CODES = frozenset({"3", "4", "5", "11", "13", "14"})
#: The person told Vonage STOP; it takes texts to them all the same, and only the report says so.
_OPTED_OUT = "9"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class VonageGateway(Gateway):
    """One Vonage account.

    Options: `api_key`, `api_secret`; `sender` where a text has none; `signature_secret` with `signature_method` (one of
    METHODS, as the account has it) once Vonage's support has switched on signed webhooks, until when the secret in the
    receipts URL vouches for them; `currency` of the account, which Vonage does not name; `base_url`; `connect_seconds`,
    `read_seconds`.

    A text is paid and answered part by part. As soon as one part is taken the text counts as sent. A receipt URL longer
    than Vonage's 100 characters is left out: the reports then go where the account says.
    """

    reports = Proof.SIGNED
    has_inbound = True
    says_segments = True
    says_cost = Cost.MONEY

    def __init__(
        self,
        alias: str = "default",
        *,
        api_key: str = "",
        api_secret: str = "",
        sender: str = "",
        signature_secret: str = "",
        signature_method: str = "md5hash",
        currency: str = "EUR",
        base_url: str = REAL_API,
        connect_seconds: float = transport.CONNECT_SECONDS,
        read_seconds: float = transport.READ_SECONDS,
        **unknown: Any,
    ) -> None:
        super().__init__(alias, **unknown)
        self.api_key, self.api_secret, self.sender = api_key, api_secret, sender
        self.signature_secret, self.signature_method = signature_secret, signature_method
        self.currency = currency
        self.reports = Proof.SIGNED if signature_secret else Proof.PATH
        self.send_url = f"{base_url.rstrip('/')}/sms/json"
        self._transport = transport.Transport(connect_seconds=connect_seconds, read_seconds=read_seconds)

    def check(self) -> list[str]:
        return [f'RETARGET["SMS"]["{self.alias}"]["OPTIONS"]: {problem}' for problem in self._problems()]

    def send(self, sms: OutgoingSms) -> Outcome:
        refusal = numbers.refusal(sms)
        if refusal is not None:
            return refusal
        problems = self._problems()
        if problems:
            return Outcome(kind=_K.MISCONFIGURED, code="configuration", detail=problems[0])
        form = {
            "from": numbers.digits(sms.sender or self.sender),
            "to": numbers.digits(sms.to),
            "text": sms.text,
            # As "text", whatever is not GSM-7 would arrive as question marks.
            "type": "text" if measure(sms.text).encoding is Encoding.GSM7 else "unicode",
            "client-ref": references.write(sms.message_id),
        }
        if 0 < len(sms.receipt_url) <= LONGEST_CALLBACK:
            form["callback"] = sms.receipt_url
        answer = self._transport.call("POST", self.send_url, authorize=self._authorize, form=form)
        return answer if isinstance(answer, Outcome) else self._outcome(answer, hide=self._hidden(sms))

    def verify(self, request: WebhookRequest) -> None:
        """Each proof that is set up has to hold, and one has to be: the secret in the path; Vonage's `sig` over all other
        fields, sent within TOLERANCE.

        The call's nonce is not remembered: Vonage repeats what was not thanked for, and what comes twice changes nothing.
        """
        if not self.signature_secret or receipt_secrets.of(self.alias):
            webhooks.check_path_secret(request, self.alias)
        if self.signature_secret:
            self._check_signature(request)

    def parse_events(self, request: WebhookRequest) -> Sequence[DeliveryEvent]:
        fields = _fields(request)
        kind = _STATUSES.get(fields.get("status", ""))
        if kind is None or "messageId" not in fields:
            return ()
        code = fields.get("err-code", "0")
        if kind is DeliveryKind.FAILED and code == _OPTED_OUT:
            kind = DeliveryKind.UNSUBSCRIBED
        return [
            DeliveryEvent(
                kind=kind,
                message_id=references.read(fields.get("client-ref")),
                gateway_id=fields["messageId"],
                recipient=numbers.e164(fields.get("msisdn", "")),
                is_permanent=kind is DeliveryKind.FAILED and code in PERMANENT_DELIVERY_CODES,
                code="" if code == "0" else code,
                raw={name: fields[name] for name in ("status", "err-code") if name in fields},
            )
        ]

    def parse_inbound(self, request: WebhookRequest) -> Sequence[InboundSms]:
        """The text as typed. A long one comes in several calls, each with its part."""
        fields = _fields(request)
        if "status" in fields or "text" not in fields or not fields.get("msisdn"):
            return ()
        return [
            InboundSms(
                sender=numbers.e164(fields["msisdn"]),
                text=fields["text"],
                to=numbers.e164(fields.get("to", "")),
                gateway_id=fields.get("messageId", ""),
            )
        ]

    def close(self) -> None:
        self._transport.close()

    def _problems(self) -> list[str]:
        problems = [f"{name} is no option of VonageGateway." for name in self.options]
        if not self.api_key or not self.api_secret:
            problems.append("api_key and api_secret are needed; both stand in Vonage's API settings.")
        if self.signature_method not in METHODS:
            problems.append(f"signature_method must be one of {', '.join(METHODS)}.")
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            problems.append("currency must be an ISO 4217 code such as EUR.")
        problems += transport.url_problems("base_url", self.send_url)
        return problems

    def _check_signature(self, request: WebhookRequest) -> None:
        fields = _fields(request)
        if not all(map(_NAME.fullmatch, fields)):
            raise SignatureError("A name could hide other fields in the signed text.", gateway=self.alias)
        expected = signature(self.signature_secret, fields, method=self.signature_method)
        if not hmac.compare_digest(fields.get("sig", "").lower().encode(), expected.encode()):
            raise SignatureError("The signature is missing or wrong.", gateway=self.alias)
        sent_at = fields.get("timestamp", "")
        if not re.fullmatch(r"[0-9]{1,12}", sent_at) or request.at is None:
            raise SignatureError("The signed call does not say when it was sent.", gateway=self.alias)
        if abs(request.at.timestamp() - int(sent_at)) > TOLERANCE:
            raise SignatureError("The signed call is too old, or a clock is wrong.", gateway=self.alias)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        pair = f"{self.api_key}:{self.api_secret}".encode()
        request.headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        return request

    def _hidden(self, sms: OutgoingSms) -> tuple[str, ...]:
        return (sms.to, sms.text, self.api_secret)

    def _outcome(self, answer: transport.Answer, *, hide: tuple[str, ...]) -> Outcome:
        if not 200 <= answer.status < 300:
            return answers.outcome_of_status(answer.status, answer.headers)
        parts = _parts(answer.document)
        taken = [part for part in parts if part["status"] == "0"]
        refused = [part for part in parts if part["status"] != "0"]
        code = str(refused[0]["status"]) if refused else ""
        detail = answers.safe_detail(refused[0].get("error-text"), hide=hide) if refused else ""
        if taken and isinstance(taken[0].get("message-id"), str):
            missing = f"{len(refused)} of {len(parts)} parts were not taken. {detail}".strip()
            cost = _total(taken)
            return Outcome(
                kind=_K.ACCEPTED,
                gateway_id=taken[0]["message-id"],
                code=code,
                detail=missing if refused else "",
                segments=len(taken),
                cost=cost,
                cost_currency=self.currency if cost is not None else "",
            )
        if taken or not parts:
            return Outcome(kind=_K.UNKNOWN, code="broken_answer", detail="Vonage's answer cannot be read.")
        kind = ERRORS.get(code, _K.REJECTED)
        wait = answers.retry_after(answer.headers)
        if wait is None and kind is _K.RATE_LIMITED:
            wait = THROTTLED_SECONDS
        return Outcome(kind=kind, code=code, detail=detail, retry_after=wait)


def signature(secret: str, fields: Mapping[str, str], *, method: str) -> str:
    """Hex digest of `&name=value` in order of names, `sig` left out; `&` and `=` in values count as `_`.

    "md5hash" is MD5 over that text and the secret; the other METHODS are HMACs (vonage-python-sdk, `auth.py`).
    """
    signed = "".join(f"&{name}={re.sub('[&=]', '_', value)}" for name, value in sorted(fields.items()) if name != "sig")
    if method == "md5hash":
        return hashlib.md5((signed + secret).encode(), usedforsecurity=False).hexdigest()
    return hmac.new(secret.encode(), signed.encode(), method).hexdigest()


def _fields(request: WebhookRequest) -> dict[str, str]:
    """The call's fields, in whichever of three ways the account has them sent: as query, form or JSON.

    One place only, so that nothing is read that was not signed; nothing at all where a name comes twice, or half a
    character, which cannot be signed.
    """
    document = webhooks.document(request) if webhooks.is_json(request) else None
    body = {name: [_text(value)] for name, value in document.items()} if isinstance(document, Mapping) else {}
    given = [webhooks.query(request), body or webhooks.form(request)]
    pairs = [(name, value) for part in given for name, values in part.items() for value in values]
    fields = dict(pairs)
    try:
        "".join(map("".join, pairs)).encode()
    except UnicodeEncodeError:
        return {}
    return fields if len(fields) == len(pairs) else {}


def _text(value: Any) -> str:
    """A JSON value as Vonage signs it: texts and numbers as they are, `true` as "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parts(document: Any) -> list[Mapping[str, Any]]:
    """What became of each part of the text; empty unless every one is accounted for."""
    parts = document.get("messages") if isinstance(document, Mapping) else None
    if not isinstance(parts, list) or str(document.get("message-count")) != str(len(parts)):
        return []
    return parts if all(isinstance(part, Mapping) and isinstance(part.get("status"), str) for part in parts) else []


def _total(parts: Sequence[Mapping[str, Any]]) -> Decimal | None:
    prices = [answers.cost(part.get("message-price")) for part in parts]
    known = [price for price in prices if price is not None]
    return sum(known, Decimal(0)) if len(known) == len(prices) else None
