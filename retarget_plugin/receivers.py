"""Front door for the shop's events: each signal calls one use case. Connected in apps.py; errors never reach the shop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import OperationalError
from django.dispatch import Signal
from django.utils import timezone

from retarget_plugin import signals
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.vocabulary import Stage
from retarget_plugin.engine import carts, consent, contacts, orders
from retarget_plugin.models import Shop


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

    What is passed over is kept and told a few at a time once the tables answer again; what a process takes with it when
    it ends is found by the reconcile pass.
    """

    REST_SECONDS = 2.0
    KEPT = 1000
    CAUGHT_UP_AT_ONCE = 10

    def __init__(self) -> None:
        self.resting_until = 0.0
        self.passed_over: deque[Callable[[], None]] = deque(maxlen=self.KEPT)

    def wrap(self, receiver: Callable[..., None]) -> Callable[..., None]:
        def patient(sender: Any, **arguments: Any) -> None:
            event = partial(receiver, **arguments)
            if time.monotonic() < self.resting_until:
                self.passed_over.append(event)
                return
            self._tell(event)
            for _event in range(min(len(self.passed_over), self.CAUGHT_UP_AT_ONCE)):
                self._tell(self.passed_over.popleft())

        return patient

    def _tell(self, event: Callable[[], None]) -> None:
        try:
            event()
        except OperationalError:
            self.resting_until = time.monotonic() + self.REST_SECONDS
            self.passed_over.append(event)
            raise


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
