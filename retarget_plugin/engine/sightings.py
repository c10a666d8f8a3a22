"""Where something happens that a flow may wait for, this says what to look at. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from retarget_plugin.domain.events import EventName
from retarget_plugin.domain.machines import Behavior
from retarget_plugin.domain.occasions import PAUSE
from retarget_plugin.domain.vocabulary import Trigger
from retarget_plugin.models import Event, Lead, Order, Shop, Visitor

from . import watches
from .watches import Sighting

OF_ORDERS = (Trigger.ORDER_PLACED, Trigger.ORDER_PAID, Trigger.ORDER_FULFILLED, Trigger.ORDER_UNPAID)
OF_PRODUCTS = (Trigger.BACK_IN_STOCK, Trigger.PRICE_DROP)


def browsed(shop: Shop, rows: Sequence[Event], *, visitor: int | None, contact: int | None, now: datetime) -> int:
    """A person, and no machine, did this in the storefront. `contact` is None for whoever is not known yet."""
    names = {row.name for row in rows}
    found = []
    if visitor and names & set(Behavior.PAGES):
        # Every page puts it off: who is still about has not left.
        found.append(_of(Trigger.SITE_LEFT, f"visitor:{visitor}", contact, at=now + PAUSE))
    if contact and EventName.VIEW_ITEM in names:
        found.append(_of(Trigger.PRODUCT_VIEWED, f"contact:{contact}", contact, at=now))
    for row in rows:
        if contact and row.name not in list(EventName):
            told = {"name": row.name, "at": row.at.isoformat(), "product": row.product, "topic": row.topic}
            data = {key: value for key, value in told.items() if value}
            found.append(_of(Trigger.CUSTOM_EVENT, f"contact:{contact}:{row.name}", contact, at=now, data=data))
    return watches.note(shop, found, now=now)


def known(visitor: Visitor, *, now: datetime) -> int:
    """The visitor has turned out to be a contact: what it did while it was nobody's is looked at as the contact's."""
    contact = visitor.contact_id
    found = [
        _of(Trigger.SITE_LEFT, f"visitor:{visitor.pk}", contact, at=now),
        _of(Trigger.PRODUCT_VIEWED, f"contact:{contact}", contact, at=now),
        _of(Trigger.NO_VISIT, f"contact:{contact}", contact, at=now),
    ]
    return watches.note(visitor.shop, found, now=now) if contact else 0


def clicked(shop: Shop, contact: int, *, now: datetime) -> int:
    """A person, and no machine, has followed a link in a message."""
    return watches.note(shop, [_of(Trigger.INTEREST_SHOWN, f"contact:{contact}", contact, at=now)], now=now)


def ordered(order: Order, *, now: datetime) -> int:
    """An order was read, for the first time or anew."""
    contact = order.contact_id
    found = [_of(trigger, f"order:{order.pk}", contact, at=now) for trigger in OF_ORDERS]
    found.append(_of(Trigger.NO_ORDER, f"contact:{contact}", contact, at=now))
    return watches.note(order.shop, found, now=now) if contact else 0


def asked(lead: Lead, *, now: datetime) -> int:
    """An address that was typed into a form is proven."""
    return watches.note(lead.shop, [_of(Trigger.FORM_CONFIRMED, f"lead:{lead.pk}", lead.contact_id, at=now)], now=now)


def taken(lead: Lead, *, now: datetime) -> int:
    """A person, and no machine, has taken what was given for a form."""
    found = [_of(Trigger.MAGNET_DOWNLOADED, f"lead:{lead.pk}", lead.contact_id, at=now)]
    return watches.note(lead.shop, found, now=now)


def product(
    host: str, reference: str, *, scope: str, news: Collection[str] | None, stock: int | None, now: datetime
) -> int:
    """A product has changed: as the `news` say, or, where they are None, as is read later. For the shop's own request: two
    statements at most. `stock`: how many pieces there are to sell, where the shop says."""
    data: dict[str, Any] = {} if stock is None else {"stock": stock}
    if news is None:
        data["is_unread"] = True
    triggers = [trigger for trigger in OF_PRODUCTS if news is None or trigger in news]
    found = [_of(trigger, f"product:{reference}", at=now, data=data) for trigger in triggers]
    return watches.note_of(host, scope, found, now=now)


def _of(
    trigger: Trigger, subject: str, contact: int | None = None, *, at: datetime, data: Mapping[str, Any] | None = None
) -> Sighting:
    return Sighting(trigger=trigger, subject=subject, contact=contact, due_at=at, data=data or {})
