"""Carts: touched by the shop's events, rebuilt from a link, reconciled against lost events."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest

from retarget_plugin import conf, hosts
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.carts import Identity, Item
from retarget_plugin.domain.vocabulary import CartState
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, Message, Order, Shop

from . import coupons, orders, products, tokens, visitors

logger = logging.getLogger("retarget_plugin.carts")


@dataclass(frozen=True)
class Recovery:
    """What a recovery link may show and rebuild: lines and a sum, and nobody's name."""

    cart: Cart
    message: Message | None
    items: Sequence[Item]


def touch(
    *,
    host: str,
    reference: str,
    scope: str = "",
    stage: str = "",
    identity: Identity | None = None,
    snapshot: CartSnapshot | None = None,
    told_at: datetime | None = None,
    now: datetime,
) -> int:
    """Note that a cart moved: one statement, for the shop's own request. Answers 0 when no shop has this host and scope.

    A host whose carts vanish hands over the cart with the event: `snapshot`, as it was at `told_at` by the host's own
    clock (without one: now). Then 0 also means that something later is known.
    """
    identity = identity or (snapshot.identity if snapshot else None)
    who = identity or Identity()
    return Cart.objects.touch(
        host=host,
        scope=scope,
        reference=reference,
        now=now,
        stage=stage,
        email=who.email.strip()[:254],
        phone=who.phone.strip()[:32],
        external_id=who.external_id[:120],
        snapshot=snapshot,
        told_at=told_at or (now if snapshot else None),
    )


def recoverable(token: str) -> Recovery:
    """The cart behind a recovery token, as the shop has it now or as we last saw it.

    Raises Refusal("bad_token") for whatever is wrong with the token or what it speaks of; which, nobody learns.
    """
    claim = tokens.read_recovery(token)
    cart = Cart.objects.select_related("shop", "contact").filter(pk=claim.cart_id).first()
    if cart is None or cart.contact is None or cart.contact_id != claim.contact_id or cart.contact.erased_at:
        raise Refusal("bad_token")
    message = Message.objects.filter(pk=claim.message_id, contact=cart.contact).first()
    return Recovery(cart=cart, message=message, items=_items(cart))


def restore(request: HttpRequest, token: str, *, now: datetime) -> str:
    """Rebuild the cart behind `token` for whoever asks, and answer the URL of their cart.

    It only adds to the requester's own cart: no log-in, no hand-over. Raises Refusal: "bad_token", or "unavailable"
    when the shop cannot do it now.
    """
    recovery = recoverable(token)
    cart = recovery.cart
    host = hosts.get_host(cart.shop.host)
    try:
        url = host.recover_cart(
            request,
            list(recovery.items),
            reference=cart.reference,
            scope=cart.shop.scope,
            is_own=_is_own(request, cart),
            coupon=coupons.code_for(recovery.message, now=now),
        )
        rebuilt = host.current_cart(request)
    except Exception as error:
        logger.exception("host %s could not rebuild a cart", cart.shop.host)
        raise Refusal("unavailable") from error
    if rebuilt and recovery.message:
        touch(host=cart.shop.host, scope=cart.shop.scope, reference=rebuilt, now=now)
        Cart.objects.filter(shop=cart.shop, reference=rebuilt).update(restored_by=recovery.message)
    return url


def reconcile(*, now: datetime) -> Counter[str]:
    """Find what lost events would have told, by asking every host what moved lately; answers how much was noted.

    A net that tears is counted under "failed" and holds up no other.
    """
    tally: Counter[str] = Counter()
    nets = {"orders": _lost_orders, "carts": _lost_carts, "products": products.catch_up}
    for shop in Shop.objects.all():
        for name, net in nets.items():
            try:
                tally[name] += net(shop, now=now)
            except Exception:
                logger.exception("the %s of host %s could not be reconciled; it is asked again later", name, shop.host)
                tally["failed"] += 1
    return tally


def _lost_orders(shop: Shop, *, now: datetime) -> int:
    """Orders we never heard of, and what moved within the last two passes: whether it did so after it was read the host
    cannot say, and to read a few again is cheap."""
    host = hosts.get_host(shop.host)
    lost = _unknown(Order, shop, host.orders_since(now - timedelta(days=conf.settings.RECONCILE_DAYS)))
    lately = host.orders_since(now - 2 * timedelta(seconds=conf.settings.RECONCILE_SECONDS))
    lost += _among(Order.objects.filter(shop=shop, read_at__isnull=False), lately)
    return _tell(lost, lambda reference: orders.touch(host=shop.host, scope=shop.scope, reference=reference, now=now))


def _lost_carts(shop: Shop, *, now: datetime) -> int:
    """Carts we never heard of, once they are idle, and those that came back to life unheard.

    A cart is found to be left, emptied or gone only after it was idle for the shop's time, so one that moved within
    that time did so since. An unknown cart is dated back, so that the next sweep reads it; the host's own time then rules.
    """
    host, idle = hosts.get_host(shop.host), now - shop.abandoned_after
    unknown = _unknown(Cart, shop, host.stale_carts(now - timedelta(days=conf.settings.RECONCILE_DAYS), idle))
    lost = [reference for reference in unknown if host.scope_of(reference) == shop.scope]
    ended = Cart.objects.filter(shop=shop, state__in=(CartState.ABANDONED, CartState.CLOSED))
    revived = _among(ended, host.stale_carts(idle, now))

    def touch_at(at: datetime, references: list[str]) -> int:
        return _tell(references, lambda reference: touch(host=shop.host, scope=shop.scope, reference=reference, now=at))

    return touch_at(idle, lost) + touch_at(now, revived)


def _unknown(model: type[Cart] | type[Order], shop: Shop, references: Iterable[str]) -> list[str]:
    asked = list(dict.fromkeys(references))
    known = set(_among(model._default_manager.filter(shop=shop), asked))
    return [reference for reference in asked if reference not in known]


def _among(rows: QuerySet[Any], references: Iterable[str]) -> list[str]:
    """Those of `references` that `rows` hold. Asked in parts: a statement takes only so many values."""
    # PostgreSQL refuses to be asked about a text with a zero byte, which no row holds.
    asked, size = [reference for reference in references if "\0" not in reference], conf.settings.BATCH_SIZE
    found: list[str] = []
    for start in range(0, len(asked), size):
        found += rows.filter(reference__in=asked[start : start + size]).values_list("reference", flat=True)
    return found


def _tell(references: Iterable[str], touch_one: Callable[[str], int]) -> int:
    """Touch each; answers how many. One that no row can hold does not hold up those behind it."""
    count = 0
    for reference in references:
        try:
            count += touch_one(reference)
        except (DataError, ValueError):
            logger.exception("a host told of %r, which cannot be noted", reference)
    return count


def _is_own(request: HttpRequest, cart: Cart) -> bool:
    """Whether this browser has been proven to be that of the cart's owner. Holding the link proves nothing."""
    visitor = visitors.find(request.COOKIES.get(conf.settings.VISITOR_COOKIE, ""))
    return visitor is not None and visitor.contact_id is not None and visitor.contact_id == cart.contact_id


def _items(cart: Cart) -> list[Item]:
    """The lines as the shop has them this moment; when it cannot say or has lost them, as we last read them."""
    if cart.state != CartState.ORDERED:
        try:
            snapshot = hosts.get_host(cart.shop.host).get_cart(cart.reference)
        except Exception:
            logger.exception("host %s could not tell about a cart; the last reading is used", cart.shop.host)
            snapshot = None
        if snapshot and snapshot.items and not snapshot.is_frozen:
            return list(snapshot.items)
    return [Item.from_data(data) for data in cart.items]
