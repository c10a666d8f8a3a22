"""Seals: keyed marks by which a provider's report, or a mail that comes back, shows which message of ours it is about."""

from __future__ import annotations

import base64
import re
from datetime import UTC

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from retarget_plugin import conf
from retarget_plugin.models import Message

#: What a seal is good for: one of a purpose is worthless for another.
REPORT, STOP = "report", "stop"

# Mail programs may write the part before the @ in lower case, so a seal has no other letters.
_MAILBOX = re.compile(r"[^@]*\+(\d{1,18})-([a-z2-7]{26})@[^@]+")


def of(message: Message, purpose: str) -> str:
    """26 letters and digits, by today's key."""
    return _seal(message, purpose, settings.SECRET_KEY)


def holds(message: Message, seal: str, purpose: str) -> bool:
    """Whether `of` made this seal of this very row, under today's key or one in SECRET_KEY_FALLBACKS."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(seal, _seal(message, purpose, secret)) for secret in secrets)


def mailbox(message: Message) -> str:
    """The address whose mail unsubscribes whom `message` went to; "" without UNSUBSCRIBE_MAILBOX."""
    local, _at, domain = conf.settings.UNSUBSCRIBE_MAILBOX.rpartition("@")
    return f"{local}+{message.pk}-{of(message, STOP)}@{domain}" if local else ""


def read_mailbox(address: str) -> tuple[int, str] | None:
    """(message id, seal) of an address that `mailbox` may have made; None for any other."""
    found = _MAILBOX.fullmatch(address.lower()) if address.isascii() and len(address) <= 254 else None
    return (int(found[1]), found[2]) if found else None


def _seal(message: Message, purpose: str, secret: str | bytes) -> str:
    # The time too: a copy of the database on another machine gives the next numbers to other messages.
    value = f"{message.pk}.{message.created_at.astimezone(UTC).isoformat()}"
    mac = salted_hmac(f"retarget_plugin.seal.{purpose}.v1", value, secret=secret, algorithm="sha256")
    return base64.b32encode(mac.digest()[:16]).decode().rstrip("=").lower()
