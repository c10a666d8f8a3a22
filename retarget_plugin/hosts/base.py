"""EXTENSION POINT: what a shop must answer so that this app can work beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from retarget_plugin.domain.carts import Cart, CouponSpec, Identity, Item, Order


class Host:
    """One shop system. A subclass is named in `RETARGET["HOSTS"][alias]["BACKEND"]`; `OPTIONS` become keyword arguments.

    Must be implemented: `get_cart`, `get_order`, `restore_cart`. May be: everything else; the defaults are safe.
    A method may raise: the engine treats that as "cannot say now", records it and asks again later. It must not send
    messages, log anyone in, or keep state between calls. Money includes tax; ids are strings; URLs are absolute.
    """

    def __init__(self, alias: str = "default", **options: Any) -> None:
        self.alias = alias
        self.options = options

    def connect(self) -> None:
        """Called once when Django is ready. Wire the shop's signals here, with `dispatch_uid`. May be left out."""

    # -- must be implemented -------------------------------------------------------------------------------------

    def get_cart(self, reference: str) -> Cart | None:
        """The cart as it is now, or None when it is ordered, merged, deleted or unknown."""
        raise NotImplementedError

    def get_order(self, reference: str) -> Order | None:
        """The order as it is now, or None when it is unknown."""
        raise NotImplementedError

    def restore_cart(self, request: HttpRequest, items: Sequence[Item], coupon: str = "") -> str:
        """Put `items` into the cart of whoever makes `request` and return the URL of that cart.

        Rebuild, never hand over: the reader may not be the person the message was sent to. Raise the quantity to
        what `items` say, never lower or remove anything; skip what is gone, clamp to stock; twice must equal once.
        """
        raise NotImplementedError

    # -- may be implemented --------------------------------------------------------------------------------------

    def create_coupon(self, spec: CouponSpec) -> str | None:
        """Mint a single-use code in the shop, or None when this host cannot."""
        return None

    def stale_carts(self, since: datetime, until: datetime) -> Iterable[str]:
        """References of carts last changed in [since, until): the net under lost events."""
        return ()

    def orders_since(self, since: datetime) -> Iterable[str]:
        """References of orders placed or changed at or after `since`: the net under lost events."""
        return ()

    def get_contact(self, external_id: str) -> Identity | None:
        """What the shop knows of a registered customer."""
        return None

    def account_of(self, user: Any) -> Identity | None:
        """Whom a user of Django's who logs in stands for, without a query; None for staff and where there are no accounts.

        Set `is_verified` only where the shop has had the account prove its address.
        """
        return None

    def get_products(self, product_ids: Sequence[str]) -> Sequence[Item]:
        """Products as they are now (quantity 1), for prices and stock at hand-off."""
        return ()

    def current_cart(self, request: HttpRequest) -> str:
        """Reference of the requester's own cart, or "": says which cart a followed link has rebuilt."""
        return ""

    def scope_of(self, reference: str) -> str:
        """Which of the host's shops a cart belongs to. Most hosts are one shop: the default scope is empty."""
        return ""
