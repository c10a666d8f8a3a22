"""Orders: what one says now, and which ones are new or changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q
from oscar.core.loading import get_model

from retarget_plugin.domain.carts import Item, Order

from . import fulfillment, identities, products
from .addresses import origin
from .options import Options


def read(number: str, *, options: Options) -> Order | None:
    """The order with this number, or None. Items keep what was paid; pictures and pages are those of today."""
    model = get_model("order", "Order")
    order = (
        model.objects.select_related("user", "shipping_address")
        .prefetch_related("lines__product", "discounts")
        .filter(number=number)
        .first()
    )
    if order is None:
        return None

    buyer = identities.of_order(order, language_field=options.user_language_field)
    lines = list(order.lines.all())
    with identities.speaking_to(buyer):
        products.load_details([line for line in lines if line.product is not None], prefix="product__")
        base = origin(options.base_url)
        items = tuple(_item(line, base=base) for line in lines)
    discounts = _discounts(order)
    is_fulfilled, fulfilled_at = fulfillment.is_fulfilled(order, options=options)
    return Order(
        reference=str(order.number),
        number=str(order.number),
        currency=order.currency,
        total=order.total_incl_tax,
        identity=buyer,
        cart_reference=str(order.basket_id or ""),
        items=items,
        is_paid=order.status not in options.unpaid_statuses,
        is_cancelled=order.status in options.cancelled_statuses,
        coupon_codes=tuple(discounts),
        discounts=discounts,
        placed_at=order.date_placed,
        is_fulfilled=is_fulfilled,
        fulfilled_at=fulfilled_at,
    )


def _discounts(order: Any) -> dict[str, Decimal]:
    """Voucher code -> what it took off; a voucher of several offers is one sum."""
    found: dict[str, Decimal] = {}
    for row in order.discounts.all():
        if row.voucher_code:
            found[row.voucher_code] = found.get(row.voucher_code, Decimal()) + row.amount
    return found


def changed_since(since: datetime) -> Iterator[str]:
    """Numbers of orders placed, shipped, or moved to another status by `Order.set_status`, at or after `since`."""
    moved = Q(status_changes__date_created__gte=since) | Q(shipping_events__date_created__gte=since)
    orders = get_model("order", "Order").objects.filter(Q(date_placed__gte=since) | moved)
    yield from (str(number) for number in orders.order_by("pk").values_list("number", flat=True).distinct().iterator())


def _item(line: Any, *, base: str) -> Item:
    paid = line.line_price_before_discounts_incl_tax / line.quantity if line.quantity else Decimal()
    price = products.in_cents(line.unit_price_incl_tax if line.unit_price_incl_tax is not None else paid)
    if line.product is None:
        # Deleted since: the order keeps only its title.
        return Item(
            product_id="",
            title=line.title,
            quantity=line.quantity,
            unit_price=price,
            sku=line.partner_sku,
            is_available=False,
        )
    return products.describe(
        line.product,
        base=base,
        quantity=line.quantity,
        price=price,
        is_available=products.is_sold(line.product),
        sku=line.partner_sku,
    )
