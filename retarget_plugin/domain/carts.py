"""Frozen snapshots that cross the host border. Ids are strings, money is Decimal in major units, times are aware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the host says a cart or an order belongs to. Any part may be empty; nothing here is consent.

    `is_verified`: the shop has had the account prove that the address is its own, by a link it mailed there. `born_on`: for
    a shop with a minimum age, which writes to nobody whose age it does not know.
    """

    external_id: str = ""
    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    locale: str = ""
    country: str = ""
    is_verified: bool = False
    born_on: date | None = None

    @property
    def is_reachable(self) -> bool:
        """True when the identity can lead to a contact at all."""
        return bool(self.email or self.phone or self.external_id)

    def to_data(self) -> dict[str, Any]:
        """JSON-safe form; `from_data` reads it back equal."""
        return asdict(self) | {"born_on": self.born_on.isoformat() if self.born_on else None}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Identity:
        born_on = data.get("born_on")
        return cls(**{**data, "born_on": date.fromisoformat(born_on) if born_on else None})


def _told(amount: Decimal) -> str:
    """As it is kept. Raises TypeError for what is no amount: it could not be read back."""
    if not isinstance(amount, Decimal | int | float):
        raise TypeError(f"{amount!r} is no amount of money; a Decimal is needed.")
    return str(amount)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line. `unit_price` includes tax, as the shopper sees it; `url` and `image_url` are absolute or empty.

    `contents`: ids of the products inside, where it is a bundle.
    """

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
    contents: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """JSON-safe form, as kept in `Cart.snapshot`; `from_data` reads it back equal."""
        bundled = {"contents": list(self.contents)} if self.contents else {}
        return bundled | {
            "product_id": self.product_id,
            "title": self.title,
            "quantity": self.quantity,
            "unit_price": _told(self.unit_price),
            "variant_id": self.variant_id,
            "sku": self.sku,
            "url": self.url,
            "image_url": self.image_url,
            "category": self.category,
            "is_available": self.is_available,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Item:
        read = {"unit_price": Decimal(data["unit_price"]), "contents": tuple(data.get("contents", ()))}
        return cls(**{**data, **read})


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
    """An order as the host knows it. `cart_reference` ties it to the cart it came from, where the host can say.

    `discounts`: coupon code -> what it took off, where the host can say. `is_fulfilled`: all of it has left the shop,
    at `fulfilled_at` where the host can say. `is_by_staff`: the shop made it, not the customer.
    """

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
    discounts: Mapping[str, Decimal] = field(default_factory=dict)
    placed_at: datetime | None = None
    is_fulfilled: bool = False
    fulfilled_at: datetime | None = None
    is_by_staff: bool = False

    def to_data(self) -> dict[str, Any]:
        """JSON-safe form, as it is kept until it is read; `from_data` reads it back equal."""
        return asdict(self) | {
            "total": _told(self.total),
            "identity": self.identity.to_data() if self.identity else None,
            "items": [item.to_data() for item in self.items],
            "discounts": {code: _told(amount) for code, amount in self.discounts.items()},
            "placed_at": self.placed_at.isoformat() if self.placed_at else None,
            "fulfilled_at": self.fulfilled_at.isoformat() if self.fulfilled_at else None,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Order:
        read = {
            "total": Decimal(data["total"]),
            "identity": Identity.from_data(data["identity"]) if data["identity"] else None,
            "items": tuple(Item.from_data(item) for item in data["items"]),
            "coupon_codes": tuple(data["coupon_codes"]),
            "discounts": {code: Decimal(amount) for code, amount in data.get("discounts", {}).items()},
            "placed_at": datetime.fromisoformat(data["placed_at"]) if data["placed_at"] else None,
            "fulfilled_at": datetime.fromisoformat(data["fulfilled_at"]) if data.get("fulfilled_at") else None,
        }
        return cls(**{**data, **read})


@dataclass(frozen=True, kw_only=True)
class CouponSpec:
    """A coupon to mint in the host. `kind`: percent or amount; `idempotency_key` makes a repeated call answer the same code.

    `scope` says which of the host's shops it is good in.
    """

    kind: str
    value: Decimal
    expires_at: datetime
    currency: str = ""
    minimum_total: Decimal = Decimal()
    label: str = ""
    idempotency_key: str = ""
    scope: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
