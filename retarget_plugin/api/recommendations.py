"""What a storefront may recommend to whoever is on its page, or holds a link of ours. No answer names a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from retarget_plugin import conf
from retarget_plugin.domain.subjects import LISTED, Product
from retarget_plugin.engine import allowances, preferences
from retarget_plugin.engine import recommendations as picks
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, Shop
from retarget_plugin.web import clients

from . import browsers, errors, types

MINUTE = timedelta(minutes=1)
#: Products in one answer.
MOST = 12


def recommendations(
    root: Any, info: Any, *, product: str = "", token: str = "", first: int = LISTED
) -> list[types.RetargetProduct]:
    """For the holder of `token`, else for who the cookie says it is, else for anybody."""
    request, now = info.context, timezone.now()
    try:
        network, most = clients.address(request), conf.settings.EVENTS_PER_ADDRESS
        if not allowances.take("recommendations", network, most=most, within=MINUTE, now=now):
            raise Refusal("limited")
        shop, contact = _whose(request, token)
    except Refusal as refusal:
        raise errors.refused(refusal) from refusal
    limit = max(1, min(first, MOST))
    locale = contact.locale if contact else ""
    found = picks.for_contact(shop, contact, product=product[:120], limit=limit, locale=locale, now=now)
    return [_shown(one, shop) for one in found]


def _whose(request: Any, token: str) -> tuple[Shop, Contact | None]:
    """Raises Refusal: "bad_token", "no_shop"."""
    if token:
        contact = preferences.contact_of(token)
        return contact.shop, contact
    visitor = browsers.visitor_of(request)
    known = visitor.contact if visitor else None
    return clients.shop_of(request), known and (known.merged_into or known)


def _shown(product: Product, shop: Shop) -> types.RetargetProduct:
    return types.RetargetProduct(
        product_id=product.reference,
        title=product.title,
        url=product.url,
        image_url=product.image_url,
        price=types.money(product.price, product.currency or shop.currency) if product.price is not None else None,
    )
