"""Signed, purpose-bound tokens for links. They hold ids only; a token of one purpose is worthless for another."""

from __future__ import annotations

from dataclasses import dataclass

from django.core import signing

from retarget_plugin import conf
from retarget_plugin.exceptions import Refusal

DAY = 86_400
MAX_LENGTH = 200


@dataclass(frozen=True)
class RecoveryToken:
    cart_id: int
    contact_id: int
    message_id: int


@dataclass(frozen=True)
class UnsubscribeToken:
    contact_id: int
    channel: str
    message_id: int


def recovery(*, cart_id: int, contact_id: int, message_id: int) -> str:
    """A token that shows and rebuilds one cart for RECOVERY_DAYS, and does nothing else."""
    return _sign("recovery", cart_id, contact_id, message_id)


def read_recovery(token: str) -> RecoveryToken:
    """Raises Refusal("bad_token") for anything that `recovery` did not make, or made too long ago."""
    cart_id, contact_id, message_id = _read("recovery", token, days=conf.settings.RECOVERY_DAYS, parts=3)
    return RecoveryToken(int(cart_id), int(contact_id), int(message_id))


def unsubscribe(*, contact_id: int, channel: str, message_id: int) -> str:
    """A token that ends marketing on one channel for one contact."""
    return _sign("unsubscribe", contact_id, channel, message_id)


def read_unsubscribe(token: str, *, is_page: bool) -> UnsubscribeToken:
    """Raises Refusal("bad_token"). The page expires after UNSUBSCRIBE_PAGE_DAYS; the act itself never does."""
    days = conf.settings.UNSUBSCRIBE_PAGE_DAYS if is_page else None
    contact_id, channel, message_id = _read("unsubscribe", token, days=days, parts=3)
    return UnsubscribeToken(int(contact_id), channel, int(message_id))


def _signer(purpose: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"retarget_plugin.{purpose}.v1")


def _sign(purpose: str, *parts: object) -> str:
    return _signer(purpose).sign(".".join(map(str, parts)))


def _read(purpose: str, token: str, *, days: int | None, parts: int) -> list[str]:
    """One path for every way to be wrong: all of them end in the same Refusal."""
    if not token or len(token) > MAX_LENGTH or not token.isascii():
        raise Refusal("bad_token")
    try:
        value = _signer(purpose).unsign(token, max_age=None if days is None else days * DAY)
    except signing.BadSignature as error:
        raise Refusal("bad_token") from error
    found = value.split(".")
    if len(found) != parts:
        raise Refusal("bad_token")
    return found
