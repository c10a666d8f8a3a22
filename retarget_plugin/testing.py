"""For a shop's own tests: a host, a gateway and a clock that do as they are told, and builders for rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.http import HttpRequest

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.carts import Cart, CouponSpec, Identity, Item, Order
from retarget_plugin.domain.vocabulary import Purpose
from retarget_plugin.engine import consent, contacts
from retarget_plugin.hosts import Host
from retarget_plugin.models import Contact, Shop

__all__ = ["Clock", "FakeHost", "MemoryGateway", "build_cart", "build_contact", "build_item", "build_shop"]

_numbers = count(1)


class Clock:
    """An instant that moves when told to: `clock.advance(hours=2)`, then pass `clock.now`."""

    def __init__(self, now: datetime = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)) -> None:
        self.now = now

    def advance(self, **delta: float) -> datetime:
        """Move on by a timedelta's arguments and answer the new instant."""
        self.now += timedelta(**delta)
        return self.now


class FakeHost(Host):
    """A shop in memory. Put snapshots into `carts` and `orders`; what was restored lands in `restored`."""

    def __init__(self, alias: str = "default", **options: Any) -> None:
        super().__init__(alias, **options)
        self.carts: dict[str, Cart] = {}
        self.orders: dict[str, Order] = {}
        self.restored: list[Sequence[Item]] = []
        self.coupons: dict[str, CouponSpec] = {}

    def get_cart(self, reference: str) -> Cart | None:
        return self.carts.get(reference)

    def get_order(self, reference: str) -> Order | None:
        return self.orders.get(reference)

    def restore_cart(self, request: HttpRequest, items: Sequence[Item], coupon: str = "") -> str:
        self.restored.append(items)
        return "/basket/"

    def create_coupon(self, spec: CouponSpec) -> str | None:
        self.coupons.setdefault(spec.idempotency_key, spec)
        return f"CODE-{list(self.coupons).index(spec.idempotency_key) + 1}"


def build_shop(**changes: Any) -> Shop:
    """A shop that is ready to send. Without `host`, the one that `migrate` made for the default host."""
    facts = {
        "name": "Lumen Camera",
        "base_url": "https://shop.example.com",
        "time_zone": "Europe/Paris",
        "postal_address": "1 rue de la Paix, 75002 Paris",
        "sender_email": "hello@shop.example.com",
        "support_email": "help@shop.example.com",
        **changes,
    }
    shop, _is_new = Shop.objects.update_or_create(
        host=facts.pop("host", "default"), scope=facts.pop("scope", ""), defaults=facts
    )
    return shop


def build_contact(shop: Shop, *, now: datetime, channels: Sequence[str] = ("email",), **identity: Any) -> Contact:
    """A contact that granted marketing on `channels`, confirmed, and to be measured. `identity`: fields of
    `domain.carts.Identity`."""
    who = Identity(**(identity or {"email": f"person{next(_numbers)}@example.com"}))
    contact = contacts.resolve(shop, who, now=now)
    if contact is None:
        raise ValueError(f"No contact can be made of {who}.")
    for channel in channels:
        consent.grant(contact, channel=channel, source="test", wording="Yes, write to me.", is_confirmed=True, now=now)
    if channels:
        consent.grant(contact, channel="", purpose=Purpose.MEASUREMENT, source="test", now=now)
    return contact


def build_item(**changes: Any) -> Item:
    """One line of a cart."""
    item = Item(product_id="1", title="Macro lens 90 mm", quantity=1, unit_price=Decimal("499.00"))
    return replace(item, **changes)


def build_cart(reference: str = "17", **changes: Any) -> Cart:
    """A cart with one line, owned by nobody until `identity` is given."""
    return replace(Cart(reference=reference, currency="EUR", items=(build_item(),)), **changes)
