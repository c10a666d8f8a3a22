"""What an order teaches: which products go together, what its buyer likes, how often they come back.

Each order counts once, however often it is settled: what was counted of it stands in `Order.counted`, and is taken off
before anything else of it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from retarget_plugin.domain import interests as tastes
from retarget_plugin.domain import recommend
from retarget_plugin.domain.carts import Item
from retarget_plugin.models import Order, Product, ProductPair, tallies

from . import customers, interests

#: Of an order with more products the dearest count: what a school buys for a year says little of what goes together, and
#: pairs grow with the square.
MOST_PRODUCTS = 20
#: Products that are remembered as bought with one.
MOST_PAIRS = 50
#: What a row of a product can hold.
ID_LIMIT, LARGEST = 120, Decimal(10) ** 12
#: What rounding may leave of a sum that was taken away again, as a part of what was taken.
CRUMB = 1e-6


def settle(order: Order, *, now: datetime) -> None:
    """Count `order` as it is now, in the transaction in which it is settled. A cancelled one counts no more."""
    if order.counted_at and not order.counted:
        # Erased or old: it counts as it did, and of what nobody knows any more.
        return
    items = _items(order)
    had, has = order.counted, _worth_counting(order, items)
    if had != has:
        for data, lines, is_undone in ((had, (), True), (has, items, False)):
            if data:
                _count(order.shop_id, data, lines, currency=order.currency, is_undone=is_undone, now=now)
        Order.objects.filter(pk=order.pk).update(counted=has, counted_at=now if has else None)
    buyers = {order.contact_id, had.get("contact")} - {None}
    customers.touch(order.shop_id, [key for key in buyers if key], now=now)


def _items(order: Order) -> list[Item]:
    """One line of each product, the dearest first. What no row of a product can hold counts nowhere: a shop may tell
    anything, and no order may stop the orders behind it."""
    told = map(Item.from_data, order.items)
    lines = {
        item.product_id: item for item in told if 0 < len(item.product_id) <= ID_LIMIT and _is_price(item.unit_price)
    }
    dearest = sorted(lines.values(), key=lambda item: (-item.unit_price * item.quantity, item.product_id))
    return dearest[:MOST_PRODUCTS]


def _is_price(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount < LARGEST


def _worth_counting(order: Order, items: Sequence[Item]) -> dict[str, Any]:
    if order.cancelled_at or not items:
        return {}
    topics = dict.fromkeys(tastes.topic_of(item.category) for item in items if item.category)
    return {
        "contact": order.contact_id,
        "at": order.placed_at.isoformat(),
        "products": sorted(item.product_id for item in items),
        "topics": list(topics),
    }


def _count(
    shop_id: int, data: Mapping[str, Any], items: Sequence[Item], *, currency: str, is_undone: bool, now: datetime
) -> None:
    """Add what `data` says to every sum it belongs to, or take it off."""
    placed_at, products = datetime.fromisoformat(data["at"]), data["products"]
    weight = recommend.weight(placed_at)
    if is_undone:
        sold = Product.objects.select_for_update(no_key=True).filter(shop=shop_id, reference__in=products)
        for product in sold.order_by("reference"):
            product.bought = max(product.bought - weight, 0.0)
            product.save(update_fields=["bought"])
    else:
        rows = [_product(shop_id, item, currency=currency, weight=weight, now=now) for item in items]
        tallies.add(Product, rows, unique=("shop", "reference"), column="bought")
    pairs = {(one, other): -weight if is_undone else weight for one in products for other in products if one != other}
    ProductPair.objects.add(shop_id, pairs)
    ProductPair.objects.prune(shop_id, products, keep=MOST_PAIRS, least=weight * CRUMB)
    if data["contact"]:
        acts = [tastes.Act(tastes.BOUGHT, topic, placed_at, is_undone=is_undone) for topic in data["topics"]]
        interests.add(data["contact"], acts, now=now)


def _product(shop_id: int, item: Item, *, currency: str, weight: float, now: datetime) -> dict[str, Any]:
    """The row of a product that is met in an order first. Where it is known already only the weight is added: what was
    paid then is not what it costs now."""
    return {
        "shop": shop_id,
        "reference": item.product_id,
        "title": item.title[:250],
        "url": item.url[:500],
        "image_url": item.image_url[:500],
        "category": item.category[:200],
        "topic": tastes.topic_of(item.category),
        "price": item.unit_price,
        "currency": currency,
        "is_available": item.is_available,
        "bought": weight,
        "first_seen_at": now,
        "updated_at": now,
    }
