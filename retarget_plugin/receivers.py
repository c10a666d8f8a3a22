"""Front door for the shop's events: each signal calls one use case. Connected in apps.py; errors never reach the shop."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import OperationalError
from django.dispatch import Signal
from django.utils import timezone

from retarget_plugin import signals
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.vocabulary import Stage
from retarget_plugin.engine import carts, consent, contacts, orders
from retarget_plugin.models import Shop

logger = logging.getLogger("retarget_plugin.receivers")


def cart_changed(*, host: str, reference: str, scope: str = "", **_: Any) -> None:
    carts.touch(host=host, scope=scope, reference=reference, now=timezone.now())


def cart_identified(*, host: str, reference: str, identity: Identity, scope: str = "", **_: Any) -> None:
    carts.touch(host=host, scope=scope, reference=reference, identity=identity, now=timezone.now())


def checkout_started(*, host: str, reference: str, identity: Identity | None = None, scope: str = "", **_: Any) -> None:
    carts.touch(
        host=host, scope=scope, reference=reference, identity=identity, stage=Stage.CHECKOUT, now=timezone.now()
    )


def order_changed(*, host: str, reference: str, scope: str = "", **_: Any) -> None:
    orders.touch(host=host, scope=scope, reference=reference, now=timezone.now())


def contact_changed(*, host: str, identity: Identity, scope: str = "", **_: Any) -> None:
    shop = Shop.objects.filter(host=host, scope=scope).first()
    if shop is not None:
        contacts.resolve(shop, identity, now=timezone.now())


def consent_changed(
    *,
    host: str,
    identity: Identity,
    channel: str,
    granted: bool,
    wording: str = "",
    source: str = "",
    scope: str = "",
    **_: Any,
) -> None:
    shop, now = Shop.objects.filter(host=host, scope=scope).first(), timezone.now()
    contact = contacts.resolve_for(shop, identity, channel=channel, now=now) if shop else None
    if contact is None:
        return
    if granted:
        consent.grant(contact, channel=channel, source=source, wording=wording, now=now)
    else:
        consent.unsubscribe(contact.pk, channel=channel, message_id=None, source=source, now=now)


class Patience:
    """After one lock time-out the next events of this process do not wait too: a request with ten events waits once.

    What is passed over meanwhile is found by the reconcile pass.
    """

    REST_SECONDS = 2.0

    def __init__(self) -> None:
        self.resting_until = 0.0

    def wrap(self, receiver: Any) -> Any:
        def patient(sender: Any, **arguments: Any) -> None:
            if time.monotonic() < self.resting_until:
                logger.warning("the plugin's tables are locked; an event was passed over until the reconcile pass")
                return
            try:
                receiver(**arguments)
            except OperationalError:
                self.resting_until = time.monotonic() + self.REST_SECONDS
                raise

        return patient


patience = Patience()

RECEIVERS: dict[str, tuple[Signal, Any]] = {
    "cart_changed": (signals.cart_changed, cart_changed),
    "cart_identified": (signals.cart_identified, cart_identified),
    "checkout_started": (signals.checkout_started, checkout_started),
    "order_placed": (signals.order_placed, order_changed),
    "order_changed": (signals.order_changed, order_changed),
    "contact_changed": (signals.contact_changed, contact_changed),
    "consent_changed": (signals.consent_changed, consent_changed),
}


def connect() -> None:
    """Connect every receiver once, however often this is called."""
    for name, (signal, receiver) in RECEIVERS.items():
        signal.connect(patience.wrap(receiver), weak=False, dispatch_uid=f"retarget_plugin.receivers.{name}")
