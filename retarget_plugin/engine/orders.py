"""Orders: noted in the shop's request, read from the host afterwards."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from retarget_plugin import hosts
from retarget_plugin.domain import contacts as rules
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.domain.vocabulary import CartState
from retarget_plugin.models import Cart, Contact, Order

from . import batches, contacts, sightings

logger = logging.getLogger("retarget_plugin.orders")

AT_ONCE = 200
#: An order that cannot be read rests for as long as it has been there, and for so long at least and at most.
LEAST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=10)


def touch(
    *,
    host: str,
    reference: str,
    scope: str = "",
    snapshot: OrderSnapshot | None = None,
    told_at: datetime | None = None,
    now: datetime,
) -> int:
    """Note that an order was placed or changed: one statement, for the shop's own request.

    A host that hands over the order with the event (`snapshot`, as it was at `told_at`) is not asked for it again.
    """
    return Order.objects.touch(
        host=host,
        scope=scope,
        reference=reference,
        snapshot=snapshot,
        told_at=told_at or (now if snapshot else None),
        now=now,
    )


def read_new(*, now: datetime) -> int:
    """Read all orders that moved since they were last read; answers how many were read.

    Called before anything is sent, so that no message goes to somebody whose order is known to the shop.
    An order its host cannot tell now, or tells of what no order can be, is read again later and holds up no other.
    """
    done = 0

    def read(order: Order) -> None:
        nonlocal done
        done += _read(order, now=now)

    while batch := list(Order.objects.unread(now=now).select_related("shop").order_by("touched_at")[:AT_ONCE]):
        batches.each(batch, read, otherwise=lambda order: _put_off(order, now=now))
    return done


def _read(order: Order, *, now: datetime) -> int:
    if order.told:
        snapshot: OrderSnapshot | None = OrderSnapshot.from_data(order.told)
    else:
        snapshot = hosts.get_host(order.shop.host).get_order(order.reference)
    return _store(order, _unbundled(order, snapshot) if snapshot else None, now=now)


def _put_off(order: Order, *, now: datetime) -> None:
    logger.exception("host %s could not tell about order %s; it is read again later", order.shop.host, order.pk)
    rest = min(max(now - order.touched_at, LEAST_REST), LONGEST_REST)
    Order.objects.filter(pk=order.pk, touched_at=order.touched_at).update(read_again_at=now + rest)


def _unbundled(order: Order, snapshot: OrderSnapshot) -> OrderSnapshot:
    """With what is inside its bundles, where the host says it apart from the lines. An order never waits for that."""
    asked = dict.fromkeys(item.product_id for item in snapshot.items if item.product_id and not item.contents)
    if not asked:
        return snapshot
    try:
        inside = hosts.get_host(order.shop.host).bundle_contents(list(asked))
    except Exception:
        logger.exception("host %s could not tell what is in its bundles", order.shop.host)
        return snapshot
    items = (replace(item, contents=item.contents or tuple(inside.get(item.product_id, ()))) for item in snapshot.items)
    return replace(snapshot, items=tuple(items))


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
            discounts=snapshot.to_data()["discounts"],
            told={},
            **_progress(order, snapshot, placed_at=placed_at, now=now),
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
                is_later = Q(last_order_at=None) | Q(last_order_at__lt=placed_at)
                Contact.objects.filter(is_later, pk=contact.pk).update(last_order_at=placed_at)
                order.contact = contact
                sightings.ordered(order, now=now)
    return written


def _progress(order: Order, snapshot: OrderSnapshot, *, placed_at: datetime, now: datetime) -> dict[str, Any]:
    """How far the order is. What the host does not date happened when it was first told; a payment with the order itself,
    where nothing else was heard of it."""
    told_at = placed_at if order.number == "" else min(order.touched_at, now)
    paid_at = order.paid_at or told_at
    fulfilled_at = order.fulfilled_at or snapshot.fulfilled_at or min(order.touched_at, now)
    return {
        "placed_at": placed_at,
        "is_paid": snapshot.is_paid,
        "is_by_staff": snapshot.is_by_staff,
        "paid_at": paid_at if snapshot.is_paid else None,
        "fulfilled_at": fulfilled_at if snapshot.is_fulfilled else None,
        "cancelled_at": (order.cancelled_at or now) if snapshot.is_cancelled else None,
    }
