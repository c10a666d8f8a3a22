"""Frozen snapshots that cross the host border. Ids are strings, money is Decimal in major units, times are aware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the host says a cart or an order belongs to. Any part may be empty; nothing here is consent.

    `is_verified`: the shop has had the account prove that the address is its own, by a link it mailed there.
    """

    external_id: str = ""
    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    locale: str = ""
    country: str = ""
    is_verified: bool = False

    @property
    def is_reachable(self) -> bool:
        """True when the identity can lead to a contact at all."""
        return bool(self.email or self.phone or self.external_id)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line. `unit_price` includes tax, as the shopper sees it; `url` and `image_url` are absolute or empty."""

    product_id: str
    title: str
    quantity: int
    unit_price: Decimal
    variant_id: str = ""
    sku: str = ""
    url: str = ""
    image_url: str = ""
    category: str = ""
    is_available: bool = True

    def to_data(self) -> dict[str, Any]:
        """JSON-safe form, as kept in `Cart.snapshot`; `from_data` reads it back equal."""
        return {
            "product_id": self.product_id,
            "title": self.title,
            "quantity": self.quantity,
            "unit_price": str(self.unit_price),
            "variant_id": self.variant_id,
            "sku": self.sku,
            "url": self.url,
            "image_url": self.image_url,
            "category": self.category,
            "is_available": self.is_available,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Item:
        return cls(**{**data, "unit_price": Decimal(data["unit_price"])})


@dataclass(frozen=True, kw_only=True)
class Cart:
    """A cart that can still be bought. A host answers None instead when it is ordered, merged or gone.

    `is_frozen`: the shop holds it in payment; we neither message about it nor restore it meanwhile.
    """

    reference: str
    currency: str
    items: tuple[Item, ...] | list[Item] = ()
    identity: Identity | None = None
    total: Decimal | None = None
    updated_at: datetime | None = None
    is_frozen: bool = False
    coupon: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.items

    @property
    def amount(self) -> Decimal:
        """The host's total where it gives one, else the sum of the lines."""
        if self.total is not None:
            return self.total
        return sum((item.unit_price * item.quantity for item in self.items), Decimal())


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order as the host knows it. `cart_reference` ties it to the cart it came from, where the host can say."""

    reference: str
    currency: str
    total: Decimal
    number: str = ""
    identity: Identity | None = None
    cart_reference: str = ""
    items: tuple[Item, ...] | list[Item] = ()
    is_paid: bool = True
    is_cancelled: bool = False
    coupon_codes: tuple[str, ...] = ()
    placed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CouponSpec:
    """A coupon to mint in the host. `kind`: percent or amount; `idempotency_key` makes a repeated call answer the same code."""

    kind: str
    value: Decimal
    expires_at: datetime
    currency: str = ""
    minimum_total: Decimal = Decimal()
    label: str = ""
    idempotency_key: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
