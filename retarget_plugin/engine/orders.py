"""Orders: noted in the shop's request, read from the host afterwards."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from retarget_plugin import hosts
from retarget_plugin.domain import contacts as rules
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.domain.vocabulary import CartState
from retarget_plugin.models import Cart, Contact, Order

from . import contacts

logger = logging.getLogger("retarget_plugin.orders")

AT_ONCE = 200


def touch(*, host: str, reference: str, scope: str = "", now: datetime) -> int:
    """Note that an order was placed or changed: one statement, for the shop's own request."""
    return Order.objects.touch(host=host, scope=scope, reference=reference, now=now)


def read_new(*, now: datetime) -> int:
    """Read all orders that moved since they were last read; answers how many were read.

    Called before anything is sent, so that no message goes to somebody whose order is known to the shop.
    An order its host cannot tell now stays unread and is tried again at the next call.
    """
    done = seen = 0
    while batch := list(Order.objects.unread().filter(pk__gt=seen).select_related("shop").order_by("pk")[:AT_ONCE]):
        for order in batch:
            done += _read(order, now=now)
        seen = batch[-1].pk
    return done


def _read(order: Order, *, now: datetime) -> int:
    try:
        snapshot = hosts.get_host(order.shop.host).get_order(order.reference)
    except Exception:
        logger.exception("host %s could not tell about an order; it is read again later", order.shop.host)
        return 0
    return _store(order, snapshot, now=now)


def _store(order: Order, snapshot: OrderSnapshot | None, *, now: datetime) -> int:
    if snapshot is None:
        # Rolled back or deleted in the shop: it stands for nothing.
        return Order.objects.filter(pk=order.pk, touched_at=order.touched_at).update(read_at=now, cancelled_at=now)
    with transaction.atomic():
        # Whoever comes second waits for the first, and finds the work done.
        unread = Order.objects.select_for_update(no_key=True).filter(
            pk=order.pk, touched_at=order.touched_at, read_at=None
        )
        if not unread.exists():
            return 0
        identity = snapshot.identity
        contact = contacts.resolve(order.shop, identity, now=now) if identity else None
        if identity and contact is None and contacts.is_erased(order.shop, identity):
            identity = None
        cart = (
            Cart.objects.filter(shop=order.shop, reference=snapshot.cart_reference).first()
            if snapshot.cart_reference
            else None
        )
        contact = contact or (cart.contact if cart else None)
        placed_at = snapshot.placed_at or order.placed_at
        written = Order.objects.filter(pk=order.pk, touched_at=order.touched_at).update(
            number=snapshot.number or order.reference,
            contact=contact,
            cart=cart,
            email=rules.normalize_email(identity.email) if identity else "",
            phone=rules.normalize_phone(identity.phone, order.shop.country) if identity else "",
            currency=snapshot.currency,
            total=snapshot.total,
            items=[item.to_data() for item in snapshot.items],
            coupon_codes=list(snapshot.coupon_codes),
            is_paid=snapshot.is_paid,
            placed_at=placed_at,
            cancelled_at=(order.cancelled_at or now) if snapshot.is_cancelled else None,
            read_at=now,
            settled_at=None,
        )
        if written and snapshot.is_cancelled and cart:
            # The order took the cart with it, also where it was cancelled before anybody read it.
            Cart.objects.filter(pk=cart.pk, state=CartState.ABANDONED).update(state=CartState.CLOSED)
        if written and not snapshot.is_cancelled:
            if cart:
                Cart.objects.filter(pk=cart.pk).update(state=CartState.ORDERED, ordered_at=placed_at)
            if contact:
                Contact.objects.filter(pk=contact.pk).update(last_order_at=placed_at)
    return written
