"""What follows from an order: everyone it concerns leaves their flows, and one message may be credited."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from retarget_plugin import signals
from retarget_plugin.domain import attribution as rules
from retarget_plugin.domain.facts import Happening
from retarget_plugin.domain.vocabulary import Exit, Reason, RunState
from retarget_plugin.models import Cart, Click, FlowRun, Order

from . import batches, coupons, exits, purchases, runs

logger = logging.getLogger("retarget_plugin.attribution")


def settle_new(*, now: datetime, limit: int = 200) -> int:
    """Settle the orders that were read since; answers how many. One that fails is tried again by the next call."""
    waiting = Order.objects.filter(settled_at=None, read_at__isnull=False).select_related(
        "shop", "cart__restored_by", "contact"
    )
    count = 0

    def settle(order: Order) -> None:
        nonlocal count
        with transaction.atomic():
            _settle(order, now=now)
        count += 1

    batches.each(
        waiting.order_by("read_at")[:limit],
        settle,
        otherwise=lambda order: logger.exception("order %s could not be settled; it is tried again", order.pk),
    )
    return count


def _settle(order: Order, *, now: datetime) -> None:
    credited = None if order.cancelled_at else _credited_message(order)
    unsettled = Order.objects.filter(pk=order.pk, settled_at=None, read_at=order.read_at)
    if not unsettled.update(credited_message=credited, settled_at=now):
        # Another worker was faster.
        return
    purchases.settle(order, now=now)
    coupons.redeem(order)
    _leave_about(order, now=now)
    if order.cancelled_at:
        return
    _leave_after(order, now=now)
    if credited and order.credited_message_id is None:
        signals.emit(signals.cart_recovered, sender=Cart, cart=order.cart_id, order=order.pk, message=credited)


def _leave_about(order: Order, *, now: datetime) -> None:
    """Runs about this very order: it was paid, or is none any more."""
    if order.contact_id is None:
        return
    about = FlowRun.objects.filter(contact=order.contact_id, subject=exits.subject_of(order), state=RunState.ACTIVE)
    for run in about.select_related("flow", "version").defer("version__content"):
        if out := exits.of_order(order, run.version.parsed.exits):
            runs.leave(run, out.reason, now=now, facts=out.facts)


def _leave_after(order: Order, *, now: datetime) -> None:
    """Runs that end because somebody has bought, or has bought what they are about."""
    concerned = FlowRun.objects.filter(_same_person_or_cart(order), shop_id=order.shop_id, state=RunState.ACTIVE)
    before = concerned.filter(anchored_at__lte=order.placed_at).select_related("flow", "version")
    ending = [run for run in before.defer("version__content") if exits.ends(run, order)]
    runs.leave_all(ending, Reason.ORDERED, now=now, facts={"order": order.number or order.reference})
    if order.contact_id:
        runs.note_all(order.contact_id, _happenings(order), now=now)


def _happenings(order: Order) -> list[Happening]:
    """What an order is to runs that wait for one."""
    paid = [Happening(Exit.PAID, order.paid_at)] if order.paid_at else []
    topics = sorted(exits.topics_of(order))
    bought = [Happening(Exit.ORDER_IN_TOPIC, order.placed_at, topic) for topic in topics]
    return [*paid, Happening(Exit.ORDER, order.placed_at), *bought]


def _same_person_or_cart(order: Order) -> Q:
    same = Q(pk=None)
    if order.contact_id:
        same |= Q(contact=order.contact_id)
    if order.cart:
        same |= Q(cart=order.cart_id)
        if order.cart.restored_by:
            # Bought through the link, on another device and perhaps by somebody else: the cart it came from is done.
            same |= Q(pk=order.cart.restored_by.run_id)
    if order.email:
        same |= Q(contact__email=order.email)
    if order.phone:
        same |= Q(contact__phone=order.phone)
    return same


def _credited_message(order: Order) -> int | None:
    """The message of the last human click within the shop's window, by the buyer or on the link that rebuilt this cart.

    Where no click is kept, since the person did not agree to that, the message whose button rebuilt the cart.
    """
    window = timedelta(days=order.shop.attribution_days)
    clicks = Click.objects.filter(
        is_human=True,
        at__gt=order.placed_at - window,
        at__lte=order.placed_at,
        link__shop=order.shop_id,
        link__message__isnull=False,
    )
    theirs = Q(pk=None)
    if order.contact_id:
        theirs |= Q(link__message__contact=order.contact_id)
    if order.email:
        theirs |= Q(link__message__contact__email=order.email)
    if order.cart and order.cart.restored_by_id:
        theirs |= Q(link__message=order.cart.restored_by_id)
    pairs = clicks.filter(theirs).values_list("link__message_id", "at")
    touches = [rules.Touch(message_id, at) for message_id, at in pairs if message_id]
    rebuilt_by = order.cart.restored_by if order.cart else None
    if not touches and rebuilt_by and rebuilt_by.sent_at:
        touches = [rules.Touch(rebuilt_by.pk, rebuilt_by.sent_at)]
    return rules.credited(touches, placed_at=order.placed_at, window=window)
