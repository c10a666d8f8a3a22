"""A product is back, or costs less: who wants to hear of it, those who want it most first."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import Any

from retarget_plugin import hosts
from retarget_plugin.domain import occasions
from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.events import EventName
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.occasions import Occasion
from retarget_plugin.domain.vocabulary import CartState, ProductNews, Trigger
from retarget_plugin.models import Cart, Event, Flow, FlowRun, Order, Product, ProductSubscription, Watch

from . import watches
from .watches import Finding

logger = logging.getLogger("retarget_plugin.triggers")

#: How far back somebody has looked at a product, or left it in a cart, who wants to hear of it.
LATELY = timedelta(days=60)
#: People told at once of a product that is back: so many for each piece there is, or so many where the shop does not say.
#: The others wait, and hear of it if it is still there then.
FOR_EACH_PIECE, AT_ONCE, WAVE_EVERY = 3, 50, timedelta(hours=1)
#: Carts that are looked through for one product, newest first.
MOST_CARTS = 2_000
UNREADABLE = timedelta(minutes=5)


class Wish(IntEnum):
    """How much somebody wants a product, by what they did about it."""

    VIEWED = 1
    CARTED = 2
    SUBSCRIBED = 3


@dataclass(frozen=True, kw_only=True)
class _Wisher:
    """`price` is what they saw it for, None where that is not known."""

    contact: int
    wish: Wish
    at: datetime
    price: Decimal | None = None


def news(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """BACK_IN_STOCK and PRICE_DROP. What a host only said to have changed is read from it first, where it can be asked."""
    asked = {watch.subject.removeprefix("product:"): watch for watch in due if watch.subject.startswith("product:")}
    known = {row.reference: row for row in Product.objects.filter(shop=flow.shop_id, reference__in=asked)}
    unread = [reference for reference in known if asked[reference].data.get("is_unread")]
    try:
        host = hosts.get_host(flow.shop.host)
        items = host.products_in(flow.shop.scope, unread) if unread and host.tells_of_products else ()
        fresh = {item.product_id: item for item in items}
    except Exception:
        logger.exception("host %s could not tell about its products; it is asked again later", flow.shop.host)
        return [Finding(watch=watch, again=now + UNREADABLE) for watch in asked.values()]
    findings = []
    for reference, product in known.items():
        watch = asked[reference]
        if reference in unread and not host.tells_of_products:
            # It has changed, and nobody can say how.
            continue
        if _is_news(definition.trigger, product, fresh.get(reference), watch):
            findings.append(_tell(flow, definition, product, watch, is_asked=host.tells_of_products, now=now))
    return findings


def _is_news(trigger: Trigger, product: Product, fresh: Item | None, watch: Watch) -> bool:
    """Whether it is there again, or costs less than before; what was read is known from now on."""
    if not watch.data.get("is_unread"):
        return product.is_available
    if fresh is None or not fresh.is_available:
        if trigger is Trigger.BACK_IN_STOCK:
            Product.objects.filter(pk=product.pk).update(is_available=False)
        return False
    rows = Product.objects.filter(pk=product.pk)
    if trigger is Trigger.BACK_IN_STOCK:
        was_out = rows.filter(is_available=False).update(is_available=True)
        # Whoever waits for it in so many words saw it sold out, whatever we knew.
        return bool(was_out) or bool(watch.data.get("is_back")) or _subscribed(product, trigger).exists()
    before, product.price = product.price, fresh.unit_price
    rows.update(price=fresh.unit_price)
    return before is not None and fresh.unit_price < before


def _tell(
    flow: Flow, definition: Definition, product: Product, watch: Watch, *, is_asked: bool, now: datetime
) -> Finding:
    """The next wave of those who want it. What is back is told in waves, as far as it lasts; a price holds for all.

    `is_asked`: whether the shop can say before the next wave what is left; else what it told last holds.
    """
    reference = product.reference
    waiting = _wishers(flow, definition, product, now=now)
    wave = len(waiting)
    if definition.trigger is Trigger.BACK_IN_STOCK:
        stock = watch.data.get("stock")
        wave = AT_ONCE if stock is None else FOR_EACH_PIECE * int(stock)
    who = watches.people(one.contact for one in waiting[:wave])
    entries = []
    for one in waiting[:wave]:
        if contact := who.get(one.contact):
            seen = {"old_price": str(one.price)} if definition.trigger is Trigger.PRICE_DROP else {}
            asked = {"is_asked_for": True} if one.wish is Wish.SUBSCRIBED else {}
            data = {"product": reference, **seen, **asked}
            occasion = Occasion(at=now, subject=f"product:{reference}", data=data, is_single=False)
            entries.append((contact, occasion))
    if len(waiting) <= wave:
        return Finding(watch=watch, entries=entries)
    watch.data = {"is_back": True, "is_unread": is_asked}
    return Finding(watch=watch, entries=entries, again=now + WAVE_EVERY)


def _wishers(flow: Flow, definition: Definition, product: Product, *, now: datetime) -> list[_Wisher]:
    """Who wants to hear of it, once each, those who want it most first, then whoever did last."""
    best: dict[int, _Wisher] = {}
    for one in (*_viewed(product, now=now), *_carted(product, now=now), *_asked(product, definition.trigger)):
        other = best.get(one.contact)
        if other is None or (one.wish, one.at) > (other.wish, other.at):
            best[one.contact] = one
    if definition.trigger is Trigger.PRICE_DROP:
        percent, price = definition.start.values["percent"], product.price or Decimal()
        best = {pk: one for pk, one in best.items() if occasions.is_cheaper(price, one.price, percent=percent)}
    told = _told(flow, product, best)
    bought = _bought(product, best, now=now)
    left = [
        one
        for pk, one in best.items()
        if bought.get(pk, one.at) <= one.at and (pk not in told or (one.wish is Wish.SUBSCRIBED and told[pk] < one.at))
    ]
    return sorted(left, key=lambda one: (-one.wish, -one.at.timestamp(), one.contact))


def _subscribed(product: Product, trigger: Trigger) -> Any:
    kind = ProductNews(trigger.value)
    return ProductSubscription.objects.live().filter(shop=product.shop_id, product=product.reference, kind=kind)


def _asked(product: Product, trigger: Trigger) -> Iterable[_Wisher]:
    rows = _subscribed(product, trigger).filter(contact__isnull=False)
    for contact, at, price in rows.values_list("contact", "at", "price"):
        if contact:
            yield _Wisher(contact=contact, wish=Wish.SUBSCRIBED, at=at, price=price)


def _viewed(product: Product, *, now: datetime) -> Iterable[_Wisher]:
    """The price is that of the page, as it said."""
    wishes = {EventName.VIEW_ITEM.value: Wish.VIEWED, EventName.ADD_TO_CART.value: Wish.CARTED}
    rows = Event.objects.filter(
        shop=product.shop_id, product=product.reference, at__gt=now - LATELY, contact__isnull=False
    ).filter(is_bot=False, name__in=wishes)
    for contact, name, at, data in rows.values_list("contact", "name", "at", "data"):
        if contact:
            yield _Wisher(contact=contact, wish=wishes[name], at=at, price=_price(data))


def _carted(product: Product, *, now: datetime) -> Iterable[_Wisher]:
    """Carts that were left, for whoever may not be followed through the shop."""
    rows = Cart.objects.filter(
        shop=product.shop_id, state=CartState.ABANDONED, abandoned_at__gt=now - LATELY, contact__isnull=False
    ).order_by("-abandoned_at")
    for contact, at, items in rows.values_list("contact", "abandoned_at", "items")[:MOST_CARTS]:
        lines = [item for item in items if item["product_id"] == product.reference]
        if lines and contact and at:
            yield _Wisher(contact=contact, wish=Wish.CARTED, at=at, price=Decimal(lines[0]["unit_price"]))


def _told(flow: Flow, product: Product, people: Iterable[int]) -> dict[int, datetime]:
    """Contact -> when they last entered because of this product."""
    runs = FlowRun.objects.filter(flow=flow, contact__in=list(people), subject=f"product:{product.reference}")
    return dict(runs.order_by("entered_at").values_list("contact", "entered_at"))


def _bought(product: Product, people: Iterable[int], *, now: datetime) -> dict[int, datetime]:
    """Contact -> when they last bought it."""
    orders = Order.objects.filter(contact__in=list(people), placed_at__gt=now - LATELY, cancelled_at=None)
    found = {}
    for contact, at, items in orders.order_by("placed_at").values_list("contact", "placed_at", "items"):
        if contact and any(item["product_id"] == product.reference for item in items):
            found[contact] = at
    return found


def _price(data: Mapping[str, Any]) -> Decimal | None:
    items = data.get("items") or [{}]
    try:
        return Decimal(items[0]["price"])
    except (KeyError, InvalidOperation):
        return None
