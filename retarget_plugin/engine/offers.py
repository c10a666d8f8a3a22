"""Offers: the coupon of a message that is about no cart, applied by the link that leads to the product or the shop."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from retarget_plugin import hosts
from retarget_plugin.domain import calendars
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, Coupon, Link, Shop

from . import coupons, links, tokens

logger = logging.getLogger("retarget_plugin.offers")


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What an offer link may show, and nobody's name. `code` is empty once the coupon was used or is over.

    `destination`: what the message speaks of. `contact`: whose language the page speaks.
    """

    coupon: Coupon
    shop: Shop
    contact: Contact
    code: str
    destination: str

    def told(self, locale: str) -> dict[str, Any]:
        """What the coupon is worth and until when, as the message has told it."""
        zone = calendars.zone(self.contact.time_zone or self.shop.time_zone)
        return self.coupon.told(zone=zone, locale=locale, is_applied=True)


def find(token: str, *, now: datetime) -> Offered:
    """Raises Refusal("bad_token") for whatever is wrong with the token or what it speaks of; which, nobody learns."""
    claim = tokens.read_offer(token)
    given = Coupon.objects.select_related("shop", "contact", "message").exclude(code="")
    coupon = given.filter(message=claim.message_id).first()
    if coupon is None or coupon.contact.erased_at:
        raise Refusal("bad_token")
    link = Link.objects.filter(message=coupon.message, purpose=links.OFFERED).first()
    return Offered(
        coupon=coupon,
        shop=coupon.shop,
        contact=coupon.contact,
        code=coupons.code_for(coupon.message, now=now),
        destination=link.destination if link else coupon.shop.base_url,
    )


def take(request: HttpRequest, token: str, *, now: datetime) -> str:
    """Apply the coupon behind `token` for whoever asks, and answer where to go on.

    Of the requester's cart nothing else changes: no lines, no log-in, no hand-over. Raises Refusal: "bad_token", "over"
    when the coupon is good no longer, or "unavailable" when the shop cannot do it now.
    """
    offered = find(token, now=now)
    if not offered.code:
        raise Refusal("over")
    try:
        is_applied = hosts.get_host(offered.shop.host).apply_coupon(request, offered.code)
    except Exception as error:
        logger.exception("host %s could not apply a coupon", offered.shop.host)
        raise Refusal("unavailable") from error
    if not is_applied:
        raise Refusal("over")
    return offered.destination
