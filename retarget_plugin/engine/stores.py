"""The store a message sends somebody to, and what they show at its till."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from retarget_plugin.domain import contexts
from retarget_plugin.domain.stores import parse_hours, write_hours
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, Message, Shop, Store

from . import tokens

CODE_LIMIT = 40


@dataclass(frozen=True, kw_only=True)
class StorePage:
    """`hours`: seven texts, Monday first, "" for a day off; empty when the owner wrote none. `today`: 0 to 6.

    `is_open`: whether it is open now; None when its hours are not known. `code`: what the till takes, or "".
    `contact`: whose language the page speaks; nothing else of them is shown.
    """

    store: Store
    shop: Shop
    contact: Contact | None
    hours: tuple[str, ...]
    today: int
    is_open: bool | None
    code: str


def show(token: str, *, now: datetime) -> StorePage:
    """The page that `token` opens. Raises Refusal for a bad token, and for a store that is gone or hidden."""
    found = tokens.read_store(token)
    store = Store.objects.select_related("shop").filter(pk=found.store_id, is_open_to_public=True).first()
    if store is None:
        raise Refusal("no_store")
    message = Message.objects.select_related("contact").filter(pk=found.message_id, shop=store.shop).first()
    contact = message.contact if message and not message.contact.erased_at else None
    days = [parse_hours(text) for text in store.hours]
    local = now.astimezone(ZoneInfo(store.shop.time_zone))
    is_open = any(start <= local.time() < end for start, end in days[local.weekday()]) if any(days) else None
    return StorePage(
        store=store,
        shop=store.shop,
        contact=contact,
        hours=tuple(map(write_hours, days)) if any(days) else (),
        today=local.weekday(),
        is_open=is_open,
        code=contexts.clean_text(message.context.get("code"), CODE_LIMIT) or "" if message and contact else "",
    )
