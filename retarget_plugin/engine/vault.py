"""Secrets of others that we must keep readable: locked away with SECRET_KEY, so that a stolen database gives none away."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.crypto import salted_hmac

from retarget_plugin.exceptions import Refusal

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


def lock(secret: str) -> str:
    """`secret` encrypted and signed, under today's SECRET_KEY."""
    return _box().encrypt(secret.encode()).decode()


def unlock(locked: str) -> str:
    """What was locked away, also under one of SECRET_KEY_FALLBACKS. Raises Refusal("locked") when no key opens it."""
    from cryptography.fernet import InvalidToken

    try:
        return _box().decrypt(locked.encode()).decode()
    except InvalidToken as error:
        raise Refusal("locked", "No SECRET_KEY opens it. Was it changed without SECRET_KEY_FALLBACKS?") from error


def _box() -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str | bytes) -> bytes:
    """A key for this purpose alone. SECRET_KEY is random already, so one round is enough."""
    derived = salted_hmac("retarget_plugin.vault.v1", b"key", secret=key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(derived)
