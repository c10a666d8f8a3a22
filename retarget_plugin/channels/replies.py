"""What people write to the shop, as anymail's `inbound` signal tells it: addresses and subject, never the text."""

from __future__ import annotations

from email.utils import getaddresses
from typing import Any

from anymail.signals import AnymailInboundEvent

from retarget_plugin.domain import replies
from retarget_plugin.domain.messages import InboundEmail


def email_of(event: AnymailInboundEvent) -> InboundEmail | None:
    """The mail without its text; None for a report that a mail could not be received."""
    message = event.message
    if message is None:
        return None
    headers = {name.lower(): str(value) for name, value in message.items()}
    senders = _addresses(message, "From")
    return InboundEmail(
        sender=senders[0] if len(senders) == 1 else "",
        recipients=tuple(dict.fromkeys([*_envelope(message.envelope_recipient), *_addresses(message, "To", "Cc")])),
        subject=headers.get("subject", ""),
        is_automatic=replies.is_automatic(headers, envelope_sender=message.envelope_sender),
    )


def _envelope(recipient: str | None) -> list[str]:
    return [address for _name, address in getaddresses([recipient or ""]) if address]


def _addresses(message: Any, *names: str) -> list[str]:
    lines = [str(line) for name in names for line in message.get_all(name, [])]
    return [address for _name, address in getaddresses(lines) if address]
