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


@dataclass(frozen=True)
class ConfirmToken:
    contact_id: int
    message_id: int


@dataclass(frozen=True)
class AssetToken:
    lead_id: int


@dataclass(frozen=True)
class PreferencesToken:
    contact_id: int


@dataclass(frozen=True)
class KeepToken:
    contact_id: int


@dataclass(frozen=True)
class StoreToken:
    store_id: int
    message_id: int


@dataclass(frozen=True)
class OfferToken:
    message_id: int


@dataclass(frozen=True)
class ExportToken:
    contact_id: int
    message_id: int


def recovery(*, cart_id: int, contact_id: int, message_id: int) -> str:
    """A token that shows and rebuilds one cart for RECOVERY_DAYS, and does nothing else."""
    return _sign("recovery", cart_id, contact_id, message_id)


def read_recovery(token: str) -> RecoveryToken:
    """Raises Refusal("bad_token") for anything that `recovery` did not make, or made too long ago. So do all below."""
    return RecoveryToken(*_ids("recovery", token, days=conf.settings.RECOVERY_DAYS, parts=3))


def unsubscribe(*, contact_id: int, channel: str, message_id: int) -> str:
    """A token that ends marketing on one channel for one contact."""
    return _sign("unsubscribe", contact_id, channel, message_id)


def read_unsubscribe(token: str, *, is_page: bool) -> UnsubscribeToken:
    """The page expires after UNSUBSCRIBE_PAGE_DAYS; the act itself never does."""
    days = conf.settings.UNSUBSCRIBE_PAGE_DAYS if is_page else None
    contact_id, channel, message_id = _read("unsubscribe", token, days=days, parts=3)
    return UnsubscribeToken(int(contact_id), channel, int(message_id))


def confirm(*, contact_id: int, message_id: int) -> str:
    """A token that proves, for CONFIRM_DAYS, that its bearer reads what is sent to the address `message_id` went to."""
    return _sign("confirm", contact_id, message_id)


def read_confirm(token: str) -> ConfirmToken:
    return ConfirmToken(*_ids("confirm", token, days=conf.settings.CONFIRM_DAYS, parts=2))


def asset(*, lead_id: int) -> str:
    """A token that hands out the magnet of one lead for DOWNLOAD_DAYS."""
    return _sign("asset", lead_id)


def read_asset(token: str) -> AssetToken:
    return AssetToken(*_ids("asset", token, days=conf.settings.DOWNLOAD_DAYS, parts=1))


def preferences(*, contact_id: int) -> str:
    """A token that opens one contact's choices for PREFERENCES_DAYS."""
    return _sign("preferences", contact_id)


def read_preferences(token: str) -> PreferencesToken:
    return PreferencesToken(*_ids("preferences", token, days=conf.settings.PREFERENCES_DAYS, parts=1))


def keep(*, contact_id: int) -> str:
    """A token by which somebody stays on the list, for PREFERENCES_DAYS."""
    return _sign("keep", contact_id)


def read_keep(token: str) -> KeepToken:
    return KeepToken(*_ids("keep", token, days=conf.settings.PREFERENCES_DAYS, parts=1))


def store(*, store_id: int, message_id: int) -> str:
    """A token that shows one store, and the code of one message (0: of none), for STORE_DAYS."""
    return _sign("store", store_id, message_id)


def read_store(token: str) -> StoreToken:
    return StoreToken(*_ids("store", token, days=conf.settings.STORE_DAYS, parts=2))


def offer(*, message_id: int) -> str:
    """A token that applies the coupon of one message, for as long as that is good."""
    return _sign("offer", message_id)


def read_offer(token: str) -> OfferToken:
    """It has no end of its own: the coupon has."""
    return OfferToken(*_ids("offer", token, days=None, parts=1))


def export(*, contact_id: int, message_id: int) -> str:
    """A token that hands a person's own data out for EXPORT_DAYS, to whoever reads what `message_id` brought."""
    return _sign("export", contact_id, message_id)


def read_export(token: str) -> ExportToken:
    return ExportToken(*_ids("export", token, days=conf.settings.EXPORT_DAYS, parts=2))


def _signer(purpose: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"retarget_plugin.{purpose}.v1")


def _sign(purpose: str, *parts: object) -> str:
    return _signer(purpose).sign(".".join(map(str, parts)))


def _ids(purpose: str, token: str, *, days: int | None, parts: int) -> list[int]:
    return [int(part) for part in _read(purpose, token, days=days, parts=parts)]


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
