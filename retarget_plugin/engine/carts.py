"""Carts: touched by the shop's events, rebuilt from a link, reconciled against lost events."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest

from retarget_plugin import conf, hosts
from retarget_plugin.domain.carts import Identity, Item
from retarget_plugin.domain.vocabulary import CartState
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, Message, Order, Shop

from . import orders, tokens

logger = logging.getLogger("retarget_plugin.carts")


@dataclass(frozen=True)
class Recovery:
    """What a recovery link may show and rebuild: lines and a sum, and nobody's name."""

    cart: Cart
    message: Message | None
    items: Sequence[Item]


def touch(
    *, host: str, reference: str, scope: str = "", stage: str = "", identity: Identity | None = None, now: datetime
) -> int:
    """Note that a cart moved: one statement, for the shop's own request. Answers 0 when no shop has this host and scope."""
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
        url = host.restore_cart(request, list(recovery.items), "")
        rebuilt = host.current_cart(request)
    except Exception as error:
        logger.exception("host %s could not rebuild a cart", cart.shop.host)
        raise Refusal("unavailable") from error
    if rebuilt and recovery.message:
        touch(host=cart.shop.host, scope=cart.shop.scope, reference=rebuilt, now=now)
        Cart.objects.filter(shop=cart.shop, reference=rebuilt).update(restored_by=recovery.message)
    return url


def reconcile(*, now: datetime) -> Counter[str]:
    """Find the carts and orders whose events were lost, by asking every host what moved lately."""
    tally: Counter[str] = Counter()
    since = now - timedelta(days=conf.settings.RECONCILE_DAYS)
    for shop in Shop.objects.all():
        try:
            host = hosts.get_host(shop.host)
            tally["orders"] += _lost_orders(shop, list(host.orders_since(since)), now=now)
            idle = now - shop.abandoned_after
            tally["carts"] += _lost_carts(shop, list(host.stale_carts(since, idle)), now=now)
        except Exception:
            logger.exception("host %s could not be reconciled; it is asked again later", shop.host)
            tally["failed"] += 1
    return tally


def _lost_orders(shop: Shop, references: list[str], *, now: datetime) -> int:
    known = set(Order.objects.filter(shop=shop, reference__in=references).values_list("reference", flat=True))
    lost = [reference for reference in references if reference not in known]
    for reference in lost:
        orders.touch(host=shop.host, scope=shop.scope, reference=reference, now=now)
    return len(lost)


def _lost_carts(shop: Shop, references: list[str], *, now: datetime) -> int:
    """Carts we never heard of. `touched_at` is set so that the next sweep reads them; the host's own time then rules."""
    known = set(Cart.objects.filter(shop=shop, reference__in=references).values_list("reference", flat=True))
    lost = [reference for reference in references if reference not in known]
    for reference in lost:
        touch(host=shop.host, scope=shop.scope, reference=reference, now=now - shop.abandoned_after)
    return len(lost)


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
