"""EXTENSION POINT: what a gateway must do to carry texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from retarget_plugin.domain.messages import DeliveryEvent, InboundSms, Outcome, OutgoingSms

from . import receipt_secrets


@dataclass(frozen=True, kw_only=True)
class WebhookRequest:
    """A provider's call, as received. `url` is the public URL incl. query, from configuration and never from the Host header.

    `at` is when it arrived: where a signature holds a time, a call without `at` is refused.
    """

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    at: datetime | None = None


class Proof(StrEnum):
    """What vouches for a provider's calls: nothing, so that none is taken; a secret in their URL; or a signature."""

    NONE = "none"
    PATH = "secret path"
    SIGNED = "signed"


class Cost(StrEnum):
    """What a provider says a text costs: nothing, money, or its own credits, which no currency stands behind."""

    NONE = "none"
    MONEY = "money"
    CREDITS = "credits"


class Gateway:
    """One SMS provider account. A subclass is named in `RETARGET["SMS"][alias]["BACKEND"]`; `OPTIONS` become keyword arguments.

    Must be implemented: `send`. May be: `check`, `check_webhooks`, `verify`, `parse_events`, `parse_inbound`, `look_up`,
    `close`. Must not: retry by itself after the request has left, follow redirects, log addresses, numbers, texts or secrets.

    The attributes below are facts of the provider; the cases in `tests/contracts/gateways.py` hold them to the truth.
    """

    #: What vouches for its delivery reports and received texts; with NONE it makes no calls.
    reports = Proof.NONE
    #: True when texts that people send arrive by its calls.
    has_inbound = False
    #: True when its answer, or its later look-up, says how many segments were sent.
    says_segments = False
    #: What its answer, or its later look-up, says of the price; credits come without a currency.
    says_cost = Cost.NONE
    #: True when the provider promises that a repeated `idempotency_key` sends once.
    has_idempotency_keys = False
    #: Seconds for which a repeated key is honoured.
    idempotency_key_life = 0.0
    #: What it likes to read in the answer to its call: content type and body.
    acknowledgement = ("text/plain; charset=utf-8", "")

    def __init__(self, alias: str = "default", **options: Any) -> None:
        self.alias = alias
        self.options = options

    def check(self) -> list[str]:
        """Problems of the configuration in plain words, each naming the option to set. Never touches the network."""
        return []

    def check_webhooks(self) -> list[str]:
        """What is missing before its calls can be told from anybody's, each with the setting to add. Nothing: it makes none,
        or they can."""
        return receipt_secrets.problems(self.alias) if self.reports is Proof.PATH else []

    def send(self, sms: OutgoingSms) -> Outcome:
        """Hand one text over. Every answer of the provider or the network is an Outcome; see its kinds.

        A failure before the request left is `transient`; silence after it left is `unknown`.
        May raise GatewayError, which dispatch records as the outcome it names.
        """
        raise NotImplementedError

    def verify(self, request: WebhookRequest) -> None:
        """Raise SignatureError unless the call is the provider's. The default refuses everything."""
        raise NotImplementedError

    def parse_events(self, request: WebhookRequest) -> Sequence[DeliveryEvent]:
        """Delivery reports in a verified call. Unknown types are skipped."""
        return ()

    def parse_inbound(self, request: WebhookRequest) -> Sequence[InboundSms]:
        """Texts people sent, in a verified call."""
        return ()

    def look_up(self, gateway_id: str) -> Outcome | None:
        """Ask the provider what became of a message, or None where it cannot say."""
        return None

    def close(self) -> None:
        """Give back connections. Called when a worker ends."""
