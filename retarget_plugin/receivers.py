"""Front door for the shop's events: each signal calls one use case. Connected in apps.py; errors never reach the shop."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import InterfaceError, InternalError, OperationalError
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import timezone

from retarget_plugin import conf, failpoints, hosts, signals
from retarget_plugin.domain.carts import Cart, Identity, Order
from retarget_plugin.domain.vocabulary import Stage
from retarget_plugin.engine import carts, contacts, optin, orders, sightings, visitors
from retarget_plugin.models import Shop
from retarget_plugin.models.locks import brief_transaction


def cart_changed(
    *,
    host: str,
    reference: str,
    snapshot: Cart | None = None,
    told_at: datetime | None = None,
    scope: str = "",
    now: datetime,
    **_: Any,
) -> None:
    carts.touch(host=host, scope=scope, reference=reference, snapshot=snapshot, told_at=told_at, now=now)


def cart_identified(*, host: str, reference: str, identity: Identity, scope: str = "", now: datetime, **_: Any) -> None:
    carts.touch(host=host, scope=scope, reference=reference, identity=identity, now=now)


def checkout_started(
    *, host: str, reference: str, identity: Identity | None = None, scope: str = "", now: datetime, **_: Any
) -> None:
    carts.touch(host=host, scope=scope, reference=reference, identity=identity, stage=Stage.CHECKOUT, now=now)


def order_changed(
    *,
    host: str,
    reference: str,
    snapshot: Order | None = None,
    told_at: datetime | None = None,
    scope: str = "",
    now: datetime,
    **_: Any,
) -> None:
    orders.touch(host=host, scope=scope, reference=reference, snapshot=snapshot, told_at=told_at, now=now)


def contact_changed(*, host: str, identity: Identity, scope: str = "", now: datetime, **_: Any) -> None:
    with brief_transaction():
        shop = Shop.objects.filter(host=host, scope=scope).first()
        if shop is not None:
            contacts.resolve(shop, identity, now=now)


def product_changed(
    *,
    host: str,
    product_id: str,
    scope: str = "",
    stock: int | None = None,
    news: tuple[str, ...] | None = None,
    now: datetime,
    **_: Any,
) -> None:
    sightings.product(host, product_id, scope=scope, news=news, stock=stock, now=now)


def consent_changed(
    *,
    host: str,
    identity: Identity,
    channel: str,
    granted: bool,
    wording: str = "",
    wording_version: str = "",
    source: str = "",
    is_confirmed: bool = False,
    scope: str = "",
    now: datetime,
    **_: Any,
) -> None:
    with brief_transaction():
        shop = Shop.objects.filter(host=host, scope=scope).first()
        contact = contacts.resolve_for(shop, identity, channel=channel, now=now) if shop else None
        if contact is not None:
            optin.take(
                contact,
                channel=channel,
                granted=granted,
                wording=wording,
                wording_version=wording_version,
                source=source,
                is_confirmed=is_confirmed,
                now=now,
            )


def signed_in(*, host: str, visitor: str, identity: Identity, now: datetime, **_: Any) -> None:
    with brief_transaction():
        known = visitors.find(visitor)
        if known is not None and known.shop.host == host:
            visitors.sign_in(known, identity, now=now)


def signed_out(*, host: str, visitor: str, now: datetime, **_: Any) -> None:
    with brief_transaction():
        known = visitors.find(visitor)
        if known is not None and known.shop.host == host:
            visitors.leave(known, now=now)


def logged_in(sender: Any, *, user: Any, request: HttpRequest | None = None, **_: Any) -> None:
    """Django's own signal: every host says whom the account stands for, and our cookie says in which browser."""
    for alias, key in _browsers(request):
        with signals.shielded("host %s could not say whose account it is", alias):
            identity = hosts.get_host(alias).account_of(user)
            if identity is not None:
                signals.emit(signals.signed_in, sender=sender, host=alias, visitor=key, identity=identity)


def logged_out(sender: Any, *, request: HttpRequest | None = None, **_: Any) -> None:
    for alias, key in _browsers(request):
        signals.emit(signals.signed_out, sender=sender, host=alias, visitor=key)


def _browsers(request: HttpRequest | None) -> list[tuple[str, str]]:
    """(host, cookie) pairs: which visitor somebody was in each of our hosts."""
    key = request.COOKIES.get(conf.settings.VISITOR_COOKIE, "") if request is not None else ""
    return [(alias, key) for alias in conf.settings.HOSTS] if key else []


@dataclass(frozen=True)
class _Event:
    """What the shop told, and when: told again later, it still happened then."""

    receiver: Callable[..., None]
    arguments: Mapping[str, Any]
    at: datetime

    @property
    def is_told_once(self) -> bool:
        """Whether it is what somebody said or did: no reconcile pass would find it, and nobody says it again."""
        return self.receiver in (contact_changed, consent_changed, signed_in, signed_out)


#: Trouble of the database's and not of the event: no answer, a lock, a full disk, a server that is read-only for now.
PASSING = (OperationalError, InterfaceError, InternalError)


class Patience:
    """After one lock time-out the next events of this process do not wait too: a request with ten events waits once.

    What is passed over is kept with its time, and told a little at a time, oldest first, once the tables answer again: a
    no that was said after a yes stays the last word. Each event tells four at least, so that the rest shrinks however slow
    the database is. What the shop still has, a cart or an order, is kept for KEPT_FOR and while there is room; what was
    dropped, or went with a process, the reconcile pass finds. What somebody said or did is kept for ONCE_KEPT_FOR, so that
    one event that never can be told does not hold up the others for ever.
    """

    REST_SECONDS = 2.0
    #: Thirty events a second for five minutes: a few megabytes.
    KEPT = 10_000
    KEPT_FOR = timedelta(minutes=15)
    ONCE_KEPT_FOR = timedelta(days=1)
    CATCH_UP_SECONDS = 0.05
    CATCH_UP_LEAST = 4

    def __init__(self) -> None:
        self.resting_until = 0.0
        self.passed_over: deque[_Event] = deque()

    def wrap(self, receiver: Callable[..., None]) -> Callable[..., None]:
        def patient(sender: Any, **arguments: Any) -> None:
            failpoints.reach("after_host_commit")
            event = _Event(receiver, arguments, at=timezone.now())
            if time.monotonic() < self.resting_until:
                self._keep(event)
            elif self.passed_over:
                self._keep(event)
                self._catch_up()
            else:
                self._tell(event)
            failpoints.reach("before_doorbell")

        return patient

    def _keep(self, event: _Event) -> None:
        if event.is_told_once or len(self.passed_over) < self.KEPT:
            self.passed_over.append(event)

    def _catch_up(self) -> None:
        until, now = time.monotonic() + self.CATCH_UP_SECONDS, timezone.now()
        for told in itertools.count():
            if told >= self.CATCH_UP_LEAST and time.monotonic() >= until:
                return
            try:
                event = self.passed_over.popleft()
            except IndexError:
                return
            if now - event.at <= (self.ONCE_KEPT_FOR if event.is_told_once else self.KEPT_FOR):
                self._tell(event)

    def _tell(self, event: _Event) -> None:
        try:
            event.receiver(**event.arguments, now=event.at)
        except PASSING:
            self.resting_until = time.monotonic() + self.REST_SECONDS
            self.passed_over.appendleft(event)
            raise


patience = Patience()

RECEIVERS: dict[str, tuple[Signal, Any]] = {
    "cart_changed": (signals.cart_changed, cart_changed),
    "cart_identified": (signals.cart_identified, cart_identified),
    "checkout_started": (signals.checkout_started, checkout_started),
    "order_placed": (signals.order_placed, order_changed),
    "order_changed": (signals.order_changed, order_changed),
    "contact_changed": (signals.contact_changed, contact_changed),
    "product_changed": (signals.product_changed, product_changed),
    "consent_changed": (signals.consent_changed, consent_changed),
    "signed_in": (signals.signed_in, signed_in),
    "signed_out": (signals.signed_out, signed_out),
}


def connect() -> None:
    """Connect every receiver once, however often this is called."""
    for name, (signal, receiver) in RECEIVERS.items():
        signal.connect(patience.wrap(receiver), weak=False, dispatch_uid=f"retarget_plugin.receivers.{name}")
    user_logged_in.connect(logged_in, dispatch_uid="retarget_plugin.receivers.logged_in")
    user_logged_out.connect(logged_out, dispatch_uid="retarget_plugin.receivers.logged_out")
