"""Products the shop has shown us in carts: remembered for reports and messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from retarget_plugin.domain.carts import Item
from retarget_plugin.models import Product, Shop


def remember(shop: Shop, items: Sequence[Item], *, currency: str, now: datetime) -> None:
    """Keep what is known of these products up to date, in one statement."""
    rows = {
        item.product_id: Product(
            shop=shop,
            reference=item.product_id[:120],
            title=item.title[:250],
            url=item.url[:500],
            image_url=item.image_url[:500],
            category=item.category[:200],
            price=item.unit_price,
            currency=currency,
            is_available=item.is_available,
            updated_at=now,
        )
        for item in items
    }
    changing = ["title", "url", "image_url", "category", "price", "currency", "is_available", "updated_at"]
    Product.objects.bulk_create(
        rows.values(), update_conflicts=True, unique_fields=["shop", "reference"], update_fields=changing
    )
