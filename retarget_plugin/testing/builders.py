"""Rows and snapshots that a test starts from, each ready for use and changed by keyword."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

from retarget_plugin.domain.carts import Cart, Identity, Item
from retarget_plugin.domain.vocabulary import Purpose
from retarget_plugin.engine import consent, contacts
from retarget_plugin.models import Contact, Shop

_numbers = count(1)


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
