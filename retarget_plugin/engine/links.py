"""Short links: made when a message is composed, resolved when somebody follows one."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.urls import reverse

from retarget_plugin import conf
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.models import Link, Message

# No 0/O, 1/l/I: somebody will type one from a phone. 8 of 55 are 46 random bits.
ALPHABET = "23456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8

CART = "cart"
UNSUBSCRIBE = "unsubscribe"
SERVICE = "service"


def public_url(path: str) -> str:
    """`path` on this site's public origin. Raises ConfigurationError when PUBLIC_URL is not set."""
    origin = conf.settings.PUBLIC_URL
    if not origin:
        raise ConfigurationError(
            'Set RETARGET["PUBLIC_URL"] = "https://shop.example": every link in a message starts with it.'
        )
    return f"{origin.rstrip('/')}{path}"


def shorten(destination: str, *, message: Message, purpose: str, is_measured: bool = False, now: datetime) -> str:
    """The absolute short URL of `destination`. Asked again for the same message and purpose, the same one.

    A link that says no never expires; any other leads on for RECOVERY_DAYS. Who follows it is kept where `is_measured`: the
    person agreed to that.
    """
    link = Link.objects.filter(message=message, purpose=purpose).first()
    link = link or _create(destination, message=message, purpose=purpose, is_measured=is_measured, now=now)
    if link.is_measured != is_measured:
        # Written anew, and the person has changed their mind since.
        Link.objects.filter(pk=link.pk).update(is_measured=is_measured)
    path = reverse("retarget_plugin:short_link", args=[link.code])
    origin = conf.settings.SHORT_URL
    return f"{origin.rstrip('/')}{path}" if origin else public_url(path)


def find(code: str, *, now: datetime) -> Link | None:
    """The link with this code, unless it has expired."""
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    return Link.objects.select_related("message__contact", "shop").filter(alive, code=code).first()


def _create(destination: str, *, message: Message, purpose: str, is_measured: bool, now: datetime) -> Link:
    expires_at = None if purpose == UNSUBSCRIBE else now + timedelta(days=conf.settings.RECOVERY_DAYS)
    for _try in range(5):
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        try:
            with transaction.atomic():
                return Link.objects.create(
                    shop_id=message.shop_id,
                    message=message,
                    purpose=purpose,
                    code=code,
                    destination=destination,
                    is_measured=is_measured,
                    created_at=now,
                    expires_at=expires_at,
                )
        except IntegrityError:
            # The code is taken, or another worker has just composed the same message.
            if link := Link.objects.filter(message=message, purpose=purpose).first():
                return link
    raise RuntimeError("No free short code after five tries.")
