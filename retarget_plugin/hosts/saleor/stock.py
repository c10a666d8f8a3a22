"""What Saleor tells of a product: it is back in stock, or its price has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Change:
    """One product, as it is now. `channel`: the only one it holds for; empty for all. None: nothing is said of it."""

    product_id: str
    channel: str = ""
    is_available: bool | None = None
    price: Decimal | None = None
    currency: str = ""


def read(event: Mapping[str, Any]) -> Change | None:
    """The change that a product event tells of; None for every other event, and for one that is none of Saleor's form.

    Saleor does not say of which product a variant that ran out is, nor how many of its sisters are left: that shows when
    the cart is read again.
    """
    variant = event.get("productVariant") or event.get("variant")
    product = variant.get("product") if isinstance(variant, Mapping) else None
    product_id = product.get("id") if isinstance(product, Mapping) else None
    if not isinstance(product_id, str) or not product_id:
        return None
    match event.get("__typename"):
        case "ProductVariantBackInStock":
            return Change(product_id=product_id, is_available=True)
        case "ProductVariantDiscountedPriceUpdated":
            return _repriced(product_id, event)
    return None


def _repriced(product_id: str, event: Mapping[str, Any]) -> Change | None:
    price, channel = event.get("newPrice"), event.get("channel")
    amount = price.get("amount") if isinstance(price, Mapping) else None
    slug = channel.get("slug") if isinstance(channel, Mapping) else None
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal) or amount < 0 or not isinstance(slug, str):
        return None
    return Change(
        product_id=product_id,
        channel=slug,
        price=Decimal(amount),
        currency=str(price.get("currency") or "")[:3] if isinstance(price, Mapping) else "",
    )
