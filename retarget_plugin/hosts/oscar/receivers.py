"""The shop's events, passed on. A receiver reads what is in memory, emits on commit and never raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.signing import BadSignature, Signer
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty
from oscar.apps.catalogue.signals import product_viewed
from oscar.apps.checkout.signals import start_checkout
from oscar.apps.customer.signals import user_registered
from oscar.apps.order.signals import order_placed, order_status_changed
from oscar.core.loading import get_model

from retarget_plugin import signals
from retarget_plugin.domain.carts import Identity

from . import identities

logger = logging.getLogger("retarget_plugin.hosts.oscar")


def guarded(receiver: Callable[..., None]) -> Callable[..., None]:
    """Oscar sends most signals with `send`: what a receiver raises there breaks the checkout after the order is in."""

    @wraps(receiver)
    def call(self: Receivers, **arguments: Any) -> None:
        try:
            receiver(self, **arguments)
        except Exception:
            logger.exception("%s: the event was lost; the reconcile pass will find it", receiver.__name__)

    return call


@dataclass(frozen=True)
class Receivers:
    """Everything Oscar tells about one shop. `alias` is the host's; the language field is the option of that name."""

    alias: str
    user_language_field: str = ""

    def connect(self) -> None:
        basket, line = get_model("basket", "Basket"), get_model("basket", "Line")
        shipment, stock = get_model("order", "ShippingEvent"), get_model("partner", "StockRecord")
        wires: list[tuple[Signal, type | None, Callable[..., None]]] = [
            # Quantity changes, removals, merges and writes by code send none of Oscar's own signals.
            (post_save, line, self.line_changed),
            (post_delete, line, self.line_changed),
            (post_save, basket, self.basket_changed),
            (start_checkout, None, self.checkout_started),
            (order_placed, None, self.order_placed),
            (order_status_changed, None, self.order_changed),
            (post_save, shipment, self.shipped),
            (user_logged_in, None, self.logged_in),
            (user_registered, None, self.registered),
            (product_viewed, None, self.product_viewed),
            (post_save, stock, self.stock_changed),
        ]
        for number, (signal, sender, receiver) in enumerate(wires):
            signal.connect(
                receiver, sender=sender, weak=False, dispatch_uid=f"retarget_plugin.oscar.{self.alias}.{number}"
            )

    @guarded
    def line_changed(self, *, instance: Any, using: str, raw: bool = False, **_: Any) -> None:
        if not raw:
            self._emit(signals.cart_changed, using=using, reference=str(instance.basket_id))

    @guarded
    def basket_changed(self, *, instance: Any, using: str, raw: bool = False, created: bool = False, **_: Any) -> None:
        # A new basket is empty, and every visit of a customer who is logged in makes one: its first line will tell.
        if not raw and not created:
            self._emit(signals.cart_changed, using=using, reference=str(instance.pk))

    @guarded
    def checkout_started(self, *, request: HttpRequest, email: str = "", **_: Any) -> None:
        """A guest's e-mail comes as an argument; a customer's does not, and is on the user."""
        basket: Any = request.basket  # type: ignore[attr-defined]
        identity = Identity(email=email, locale=identities.current_language()) if email else self._customer(request)
        if basket.pk:
            self._emit(signals.checkout_started, using=database_of(basket), reference=str(basket.pk), identity=identity)

    @guarded
    def order_placed(self, *, order: Any, **_: Any) -> None:
        # The number is an int here: the order comes from memory, not from its CharField.
        self._emit(signals.order_placed, using=database_of(order), reference=str(order.number))

    @guarded
    def order_changed(self, *, order: Any, **_: Any) -> None:
        self._emit(signals.order_changed, using=database_of(order), reference=str(order.number))

    @guarded
    def shipped(self, *, instance: Any, using: str, raw: bool = False, **_: Any) -> None:
        # Its lines are saved after it: they are read once all of it is committed.
        if not raw:
            self._emit(signals.order_changed, using=using, reference=str(instance.order.number))

    @guarded
    def registered(self, *, user: Any, **_: Any) -> None:
        self._emit(signals.contact_changed, using=database_of(user), identity=self._identity(user))

    @guarded
    def logged_in(self, *, user: Any, request: HttpRequest | None = None, **_: Any) -> None:
        # Whoever logs in to run the shop is no customer by that; a basket of theirs still names its owner.
        if getattr(user, "is_staff", False):
            return
        identity = self._identity(user)
        self._emit(signals.contact_changed, using=database_of(user), identity=identity)
        reference = anonymous_basket(request) if request is not None else ""
        if reference:
            self._emit(signals.cart_identified, using=database_of(user), reference=reference, identity=identity)

    @guarded
    def product_viewed(self, *, product: Any, request: HttpRequest, **_: Any) -> None:
        # Adding to the basket leads back to the product page; that is not a second view.
        if not came_from_same_page(request):
            identity = self._customer(request)
            self._emit(
                signals.product_viewed, using=database_of(product), product_id=str(product.pk), identity=identity
            )

    @guarded
    def stock_changed(self, *, instance: Any, raw: bool = False, **_: Any) -> None:
        """Its price, or how much of it there is. Oscar sends this by itself too, when it puts pieces aside for an order."""
        left = instance.net_stock_level if isinstance(instance.num_in_stock, int) else None
        if not raw:
            product = str(instance.product_id)
            self._emit(signals.product_changed, using=database_of(instance), product_id=product, stock=left)

    def _emit(self, signal: Signal, *, using: str, **arguments: Any) -> None:
        signals.emit(signal, using=using, host=self.alias, scope="", **arguments)

    def _customer(self, request: HttpRequest) -> Identity | None:
        return self._identity(request.user) if request.user.is_authenticated else None

    def _identity(self, user: Any) -> Identity:
        return identities.of_user(user, language_field=self.user_language_field, language=identities.current_language())


def database_of(instance: Any) -> str:
    return instance._state.db or DEFAULT_DB_ALIAS


def came_from_same_page(request: HttpRequest) -> bool:
    """True when the browser was sent back to the page it posted from: it keeps the Referer through a redirect."""
    referrer = request.META.get("HTTP_REFERER", "").partition("#")[0].partition("?")[0]
    return unquote(referrer).endswith(request.path)


def anonymous_basket(request: HttpRequest) -> str:
    """The reference of the basket a visitor had before logging in, without a query; empty when there is none.

    Oscar merges it at the next request. Until then it is in memory if this request used it, and in the cookie.
    """
    basket: Any = getattr(request, "basket", None)
    if isinstance(basket, SimpleLazyObject) and basket._wrapped is not empty:
        return str(basket.pk or "")
    cookie: str = settings.OSCAR_BASKET_COOKIE_OPEN  # type: ignore[misc]
    try:
        return str(Signer().unsign(request.COOKIES[cookie]))
    except (KeyError, BadSignature):
        return ""
