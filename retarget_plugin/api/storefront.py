"""What a storefront may ask with the token of a recovery link. No answer names a person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urljoin

from django.utils import timezone

from retarget_plugin import conf
from retarget_plugin.domain.carts import Item
from retarget_plugin.engine import carts
from retarget_plugin.exceptions import Refusal

from . import errors, inputs, types


def cart(root: Any, info: Any, *, token: str) -> types.RetargetCart:
    """The cart behind `token`, as the shop has it now or as it was last seen."""
    try:
        recovery = carts.recoverable(token)
    except Refusal as refusal:
        raise errors.refused(refusal) from refusal
    # A cart that was never read has no currency yet.
    currency = recovery.cart.currency or recovery.cart.shop.currency
    total = sum((item.unit_price * item.quantity for item in recovery.items), Decimal())
    return types.RetargetCart(
        lines=[_line(item, currency) for item in recovery.items],
        quantity=sum(item.quantity for item in recovery.items),
        total=types.money(total, currency),
        currency=currency,
    )


def restore_cart(root: Any, info: Any, *, input: inputs.RetargetRestoreCartInput) -> types.RetargetRestoreCart:
    """Put the cart behind the token into the cart of whoever asks; adds only, and logs nobody in."""
    try:
        url = carts.restore(info.context, input.token, now=timezone.now())
    except Refusal as refusal:
        return types.RetargetRestoreCart(url=None, errors=[types.told(refusal, field="token")])
    # A storefront on another origin needs the whole address, and the request's Host header is anybody's word.
    return types.RetargetRestoreCart(url=urljoin(conf.settings.PUBLIC_URL, url), errors=[])


def _line(item: Item, currency: str) -> types.RetargetCartLine:
    return types.RetargetCartLine(
        product_id=item.product_id,
        variant_id=item.variant_id or None,
        sku=item.sku or None,
        title=item.title,
        quantity=item.quantity,
        unit_price=types.money(item.unit_price, currency),
        total=types.money(item.unit_price * item.quantity, currency),
        url=item.url or None,
        image_url=item.image_url or None,
        is_available=item.is_available,
    )
