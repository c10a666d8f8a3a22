"""A shop window for tests: products with everything that is shown, orders of them, and a host that tells of both."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from retarget_plugin.domain.carts import Identity, Item, Order
from retarget_plugin.domain.interests import topic_of
from retarget_plugin.engine import attribution, orders
from retarget_plugin.models import Order as OrderRow
from retarget_plugin.models import Product
from retarget_plugin.testing import FakeHost


class LiveHost(FakeHost):
    """A shop that tells what it sells now: `products`, by id."""

    def __init__(self, alias="default", **options):
        super().__init__(alias, **options)
        self.products = {}

    def get_products(self, product_ids):
        return [self.products[key] for key in product_ids if key in self.products]


def item(reference, *, category="", price="10.00", quantity=1, contents=(), **changes):
    facts = {
        "title": f"Product {reference}",
        "url": f"https://shop.example.com/{reference}/",
        "image_url": f"https://shop.example.com/{reference}.jpg",
        **changes,
    }
    return Item(
        product_id=reference,
        quantity=quantity,
        unit_price=Decimal(price),
        category=category,
        contents=tuple(contents),
        **facts,
    )


def stock(shop, *references, category="", now, **changes):
    """Products as they are known from before."""
    return Product.objects.bulk_create(
        Product(
            shop=shop, reference=reference, title=f"Product {reference}", category=category, topic=topic_of(category),
            url=f"https://shop.example.com/{reference}/", image_url=f"https://shop.example.com/{reference}.jpg",
            updated_at=now, **{"price": Decimal("10.00"), "currency": "EUR", **changes},
        )
        for reference in references
    )  # fmt: skip


class Till:
    """Where orders are placed, changed and cancelled, each settled at once."""

    def __init__(self, host, clock):
        self.host, self.clock = host, clock

    def sell(self, *items, number="1", email="ana@example.com", days_ago=0, **changes):
        lines = tuple(one if isinstance(one, Item) else item(one) for one in items)
        total = sum((one.unit_price * one.quantity for one in lines), Decimal())
        facts = {"currency": "EUR", "total": total, "placed_at": self.clock.now - timedelta(days=days_ago), **changes}
        identity = Identity(email=email) if email else None
        self.host.orders[number] = Order(reference=number, identity=identity, items=lines, **facts)
        return self.tell(number)

    def tell(self, number="1"):
        """The shop says that something about the order has changed."""
        self.clock.advance(seconds=1)
        orders.touch(host="default", reference=number, now=self.clock.now)
        orders.read_new(now=self.clock.now)
        attribution.settle_new(now=self.clock.now)
        return OrderRow.objects.get(reference=number)
