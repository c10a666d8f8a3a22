"""What is handed to a channel and what comes back. Values only; a channel never sees a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from .vocabulary import DeliveryKind, OutcomeKind


@dataclass(frozen=True, kw_only=True)
class OutgoingEmail:
    """One e-mail to exactly one address. Header-bound values hold no control characters (the channel refuses them)."""

    message_id: str
    idempotency_key: str
    to: str
    subject: str
    html: str
    text: str
    from_email: str
    from_name: str = ""
    reply_to: str = ""
    unsubscribe_url: str = ""
    unsubscribe_mailbox: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    track_opens: bool = False
    track_clicks: bool = False


@dataclass(frozen=True, kw_only=True)
class OutgoingSms:
    """One text to one E.164 number. `receipt_url` is where the provider may report delivery, or empty.

    `is_marketing`: people can say no to it, which some providers have to be told.
    """

    message_id: str
    idempotency_key: str
    to: str
    text: str
    sender: str = ""
    receipt_url: str = ""
    is_marketing: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one attempt ended. `retry_after` in seconds; `cost` in `cost_currency` major units, or in the
    provider's own credits where that is empty; `code` is the provider's own.

    `unknown` means the request may have been acted upon: nothing may be sent again on the strength of it. `knows_key`: the
    provider has seen this key and does not say what became of it, so that asking once more under it brings nothing.
    """

    kind: OutcomeKind
    gateway_id: str = ""
    code: str = ""
    detail: str = ""
    retry_after: float | None = None
    segments: int | None = None
    cost: Decimal | None = None
    cost_currency: str = ""
    knows_key: bool = False

    @property
    def is_accepted(self) -> bool:
        return self.kind is OutcomeKind.ACCEPTED

    @property
    def is_about_gateway(self) -> bool:
        """True when the trouble is the provider's or the way to it, not this one recipient's (SMTP: 450, 451, 452)."""
        if self.knows_key:
            return False
        if self.kind is OutcomeKind.TRANSIENT:
            return self.code not in ("450", "451", "452")
        return self.kind in (
            OutcomeKind.UNKNOWN,
            OutcomeKind.RATE_LIMITED,
            OutcomeKind.NO_CREDIT,
            OutcomeKind.MISCONFIGURED,
        )

    @property
    def is_retryable(self) -> bool:
        """True only where the provider certainly did not take the message."""
        return self.kind in (
            OutcomeKind.TRANSIENT,
            OutcomeKind.RATE_LIMITED,
            OutcomeKind.NO_CREDIT,
            OutcomeKind.MISCONFIGURED,
        )


@dataclass(frozen=True, kw_only=True)
class DeliveryEvent:
    """What a provider reported about a message it took. Matched by `message_id` (ours) first, `gateway_id` second.

    `seal` came with `message_id` and shows that it is ours, where the provider's call alone does not.
    """

    kind: DeliveryKind
    at: datetime | None = None
    message_id: str = ""
    seal: str = ""
    gateway_id: str = ""
    recipient: str = ""
    is_permanent: bool = False
    is_machine: bool = False
    code: str = ""
    detail: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InboundSms:
    """A text somebody sent to the shop's number."""

    sender: str
    text: str
    to: str = ""
    gateway_id: str = ""


@dataclass(frozen=True, kw_only=True)
class InboundEmail:
    """A mail somebody sent to the shop, without its text. `sender` is "" unless it names exactly one."""

    sender: str
    recipients: tuple[str, ...]
    subject: str = ""
    is_automatic: bool = False
