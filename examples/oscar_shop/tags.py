"""What the storefront script is told of products and orders, as JSON for a data attribute."""

from __future__ import annotations

import json
from typing import Any

from django import template

register = template.Library()


@register.simple_tag
def item(product: Any, session: Any) -> str:
    """`product` as one of GA4's items; its id is the one that Oscar's own events have."""
    return json.dumps(
        {
            "item_id": str(product.pk),
            "item_name": product.get_title(),
            "price": str(session.price.incl_tax) if session.price.exists else None,
            "quantity": 1,
        }
    )


@register.simple_tag
def purchase(order: Any) -> str:
    """What GA4's purchase event carries. The order's number keeps a reload from counting twice."""
    return json.dumps(
        {
            "transaction_id": order.number,
            "value": str(order.total_incl_tax),
            "currency": order.currency,
            "items": [
                {"item_id": str(line.product_id), "item_name": line.title, "quantity": line.quantity}
                for line in order.lines.all()
            ],
        }
    )
