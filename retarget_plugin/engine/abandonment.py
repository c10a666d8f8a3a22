"""The sweep: carts that have gone idle are read through their host, and those that were left enter a flow."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db import transaction

from retarget_plugin import conf, hosts, signals
from retarget_plugin.domain import abandonment as rules
from retarget_plugin.domain.abandonment import Finding
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.vocabulary import CartState, Reason, RunState, Stage
from retarget_plugin.models import Cart, Contact, FlowRun, Shop

from . import batches, contacts, decisions, products, runs

logger = logging.getLogger("retarget_plugin.abandonment")


def sweep(*, now: datetime) -> Counter[str]:
    """Look at the carts nobody touched for their shop's time; answers how many were found to be what.

    Two sweeps at once do no harm: a cart changes state only if it was not touched since it was read.
    """
    tally: Counter[str] = Counter()

    def look(cart: Cart) -> None:
        tally[_look(cart, now=now)] += 1

    def hold(cart: Cart) -> None:
        logger.exception("host %s could not tell about cart %s; it is asked again later", cart.shop.host, cart.pk)
        _hold(cart, Reason.SUBJECT_UNREADABLE, now=now)
        tally["unreadable"] += 1

    batches.each(_idle(now), look, otherwise=hold)
    return tally


def _idle(now: datetime) -> Iterator[Cart]:
    for shop in Shop.objects.all():
        for cart in Cart.objects.idle(shop, now=now)[: conf.settings.BATCH_SIZE]:
            cart.shop = shop
            yield cart


def _look(cart: Cart, *, now: datetime) -> str:
    shop = cart.shop
    snapshot = hosts.get_host(shop.host).get_cart(cart.reference)
    reading = rules.read(snapshot, touched_at=cart.touched_at, now=now, idle=shop.abandoned_after)
    if reading.finding in (Finding.GONE, Finding.EMPTY):
        _write(cart, state=CartState.CLOSED, read_at=now, held_since=None)
    elif reading.finding is Finding.FROZEN:
        _hold(cart, Reason.SUBJECT_FROZEN, now=now, stage=Stage.PAYMENT)
    elif reading.finding is Finding.ACTIVE:
        _write(cart, touched_at=reading.last_activity, held_since=None)
    elif snapshot is not None:
        # All or nothing: a cart that counts as abandoned has entered its flow, or says why not.
        with transaction.atomic():
            _abandon(cart, snapshot, last_activity=reading.last_activity, now=now)
    return reading.finding.value


def _hold(cart: Cart, because: Reason, *, now: datetime, **changes: object) -> None:
    """What became of the cart cannot be told yet: it goes behind the others, and who was to be reminded of it waits."""
    since = cart.held_since or now
    if not rules.is_given_up(since, now=now):
        _write(cart, touched_at=now, held_since=since, **changes)
        return
    with transaction.atomic():
        if _write(cart, state=CartState.CLOSED, **changes):
            waiting = FlowRun.objects.filter(cart=cart, state=RunState.ACTIVE).select_related("flow")
            if not runs.leave_all(waiting, because, now=now):
                decisions.about_cart(cart, because, now=now)


def _abandon(cart: Cart, snapshot: CartSnapshot, *, last_activity: datetime, now: datetime) -> None:
    contact = _owner(cart, snapshot, now=now)
    won = _write(
        cart,
        state=CartState.ABANDONED,
        contact=contact,
        currency=snapshot.currency,
        total=snapshot.amount,
        items=[item.to_data() for item in snapshot.items],
        read_at=now,
        abandoned_at=now,
        held_since=None,
    )
    if not won:
        return
    # Somebody else gave an address in it since: it is not the first one's to be reminded of any more.
    others = FlowRun.objects.filter(cart=cart, state=RunState.ACTIVE).exclude(contact=contact)
    runs.leave_all(others.select_related("flow"), Reason.SUBJECT_REASSIGNED, now=now)
    products.remember(cart.shop, snapshot.items, currency=snapshot.currency, now=now)
    if contact is None:
        decisions.about_cart(cart, Reason.NO_IDENTITY, now=now)
        return
    signals.emit(signals.cart_abandoned, sender=Cart, cart=cart.pk, contact=contact.pk)
    contact.shop = cart.shop
    runs.enroll(
        contact,
        trigger=rules.trigger_for(cart.stage),
        subject=cart.subject,
        cart=cart,
        anchored_at=last_activity,
        now=now,
    )


def _owner(cart: Cart, snapshot: CartSnapshot, *, now: datetime) -> Contact | None:
    """Whose cart it is: what the shop says, completed by what the shopper typed, else who is already known for it.

    Nobody's, where that is somebody who was erased: it does not fall back to whose it was before.
    """
    said = snapshot.identity or Identity()
    identity = Identity(
        external_id=said.external_id or cart.external_id,
        email=said.email or cart.email,
        phone=said.phone or cart.phone,
        first_name=said.first_name,
        last_name=said.last_name,
        locale=said.locale,
        country=said.country,
        born_on=said.born_on,
    )
    found = contacts.resolve(cart.shop, identity, now=now)
    return found or (None if contacts.is_erased(cart.shop, identity) else cart.contact)


def _write(cart: Cart, **changes: object) -> bool:
    """Change the cart unless it was touched since it was read."""
    written = Cart.objects.filter(pk=cart.pk, state=CartState.ACTIVE, touched_at=cart.touched_at).update(**changes)
    if written:
        for name, value in changes.items():
            setattr(cart, name, value)
    return bool(written)
