"""Short links: made when a message is composed, resolved when somebody follows one."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from django.db.models import Q
from django.urls import reverse

from retarget_plugin import conf
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.models import Link, Message

# No 0/O, 1/l/I: somebody will type one from a phone. 8 of 55 are 46 random bits.
ALPHABET = "23456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8

UNSUBSCRIBE = "unsubscribe"
SERVICE = "service"
#: Where somebody is led once a coupon is applied.
OFFERED = "offered"


def public_url(path: str) -> str:
    """`path` on this site's public origin. Raises ConfigurationError when PUBLIC_URL is not set."""
    origin = conf.settings.PUBLIC_URL
    if not origin:
        raise ConfigurationError(
            'Set RETARGET["PUBLIC_URL"] = "https://shop.example": every link in a message starts with it.'
        )
    return f"{origin.rstrip('/')}{path}"


def shorten(destination: str, *, message: Message, purpose: str, is_measured: bool = False, now: datetime) -> str:
    """`shorten_all` for one."""
    return shorten_all({purpose: destination}, message=message, is_measured=is_measured, now=now)[purpose]


def shorten_all(
    destinations: Mapping[str, str],
    *,
    message: Message,
    topics: Mapping[str, str] = MappingProxyType({}),
    is_measured: bool = False,
    now: datetime,
) -> dict[str, str]:
    """Purpose -> the absolute short URL of its destination, in a fixed number of queries. Asked again, the same ones.

    `topics`: purpose -> what is behind it, as interests are called.

    A link that says no never expires; any other leads on for RECOVERY_DAYS. Who follows it is kept where `is_measured`: the
    person agreed to that.
    """
    links = _of(message, destinations)
    _change(links.values(), destinations, topics, is_measured=is_measured)
    for _try in range(5):
        missing = {purpose: url for purpose, url in destinations.items() if purpose not in links}
        if not missing:
            return {purpose: _short_url(links[purpose]) for purpose in destinations}
        # A code that is taken, or a message that another worker has just composed too, makes no row.
        rows = _rows(missing, topics, message=message, is_measured=is_measured, now=now)
        Link.objects.bulk_create(rows, ignore_conflicts=True)
        links = _of(message, destinations)
    raise RuntimeError("No free short code after five tries.")


def find(code: str, *, now: datetime) -> Link | None:
    """The link with this code, unless it has expired."""
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    return Link.objects.select_related("message__contact", "shop").filter(alive, code=code).first()


def _of(message: Message, purposes: Iterable[str]) -> dict[str, Link]:
    return {link.purpose: link for link in Link.objects.filter(message=message, purpose__in=list(purposes))}


def _change(
    links: Iterable[Link], destinations: Mapping[str, str], topics: Mapping[str, str], *, is_measured: bool
) -> None:
    """The message is written anew, and leads elsewhere, or the person has changed their mind since."""
    changed = []
    for link in links:
        wanted = (destinations[link.purpose], topics.get(link.purpose, ""), is_measured)
        if (link.destination, link.topic, link.is_measured) != wanted:
            link.destination, link.topic, link.is_measured = wanted
            changed.append(link)
    Link.objects.bulk_update(changed, ["destination", "topic", "is_measured"])


def _rows(
    destinations: Mapping[str, str], topics: Mapping[str, str], *, message: Message, is_measured: bool, now: datetime
) -> list[Link]:
    until = now + timedelta(days=conf.settings.RECOVERY_DAYS)
    return [
        Link(
            shop_id=message.shop_id,
            message=message,
            purpose=purpose,
            code="".join(secrets.choice(ALPHABET) for _ in range(LENGTH)),
            destination=destination,
            topic=topics.get(purpose, ""),
            is_measured=is_measured,
            created_at=now,
            expires_at=None if purpose == UNSUBSCRIBE else until,
        )
        for purpose, destination in destinations.items()
    ]


def _short_url(link: Link) -> str:
    path = reverse("retarget_plugin:short_link", args=[link.code])
    origin = conf.settings.SHORT_URL
    return f"{origin.rstrip('/')}{path}" if origin else public_url(path)
