"""Addresses and accounts that were given up for good, known by keyed hashes only: nobody can be read out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.conf import settings
from django.utils.crypto import salted_hmac

from retarget_plugin.domain.vocabulary import Channel, SuppressionReason
from retarget_plugin.models import Suppression

#: What a mark is about -> the channel it stands under. An account of the shop's is no way to reach anybody.
CHANNELS = {"email": Channel.EMAIL.value, "phone": Channel.SMS.value, "account": ""}


def keys(text: str) -> list[str]:
    """Keyed hashes of an address or an account, today's key first: useless without SECRET_KEY, so a stolen table names nobody.

    Keys in SECRET_KEY_FALLBACKS still match, so that rotating the key forgets nobody's objection.
    """
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac("retarget_plugin.suppression.v1", text.lower(), secret=secret, algorithm="sha256").hexdigest()
        for secret in secrets
    ]


def is_erased(shop_id: int, *, email: str = "", phone: str = "", account: str = "") -> bool:
    """Whether any of these belonged to somebody who was erased from the shop and has not come back since."""
    asked = [key for text in (email, phone, account) if text for key in keys(text)]
    if not asked:
        return False
    return Suppression.objects.filter(shop_id=shop_id, key__in=asked, reason=SuppressionReason.ERASED).exists()


def mark_erased(shop_id: int, marks: Mapping[str, Iterable[str]], *, now: datetime) -> None:
    """Nobody with these `marks` (kind -> keyed hashes) is written to, or taken up again on somebody else's word."""
    rows = [
        Suppression(shop_id=shop_id, channel=CHANNELS[kind], key=key, reason=SuppressionReason.ERASED, at=now)
        for kind, hashes in marks.items()
        for key in hashes
    ]
    Suppression.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["shop", "channel", "key"], update_fields=["reason", "at"]
    )


def welcome_back(shop_id: int, address: str) -> None:
    """Somebody who was erased has come back and proven `address`: it may be used again."""
    Suppression.objects.filter(shop_id=shop_id, key__in=keys(address), reason=SuppressionReason.ERASED).delete()
