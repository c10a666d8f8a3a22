"""EXTENSION POINT: what a shop must answer so that this app can work beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from retarget_plugin.domain.carts import Cart, CouponSpec, Identity, Item, Order
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.domain.subjects import Post


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

    def recover_cart(
        self,
        request: HttpRequest,
        items: Sequence[Item],
        *,
        reference: str,
        scope: str = "",
        is_own: bool = False,
        coupon: str = "",
    ) -> str:
        """As `restore_cart`, for a host that must know which cart it was, of which of its shops, and who asks.

        `is_own`: the browser that asks is known to be the owner's. Only then may the cart itself be handed over where it
        says anything about anybody.
        """
        return self.restore_cart(request, items, coupon)

    def create_coupon(self, spec: CouponSpec) -> str | None:
        """Mint a single-use code in the shop, or None when this host cannot.

        The same `spec.idempotency_key` answers the same code, however often and by however many it is asked.
        """
        return None

    def coupon_problems(self, spec: CouponSpec) -> list[str]:
        """What keeps this shop from making such a coupon, in plain words; empty when it can. It makes none.

        Asked before a flow goes on, so that nothing is refused once people are inside.
        """
        can_mint = type(self).create_coupon is not Host.create_coupon
        return [] if can_mint else [_("The shop system makes no coupon codes: add a list of codes made there.")]

    def apply_coupon(self, request: HttpRequest, code: str) -> bool:
        """Have `code` taken off what whoever makes `request` buys, also where their cart is still empty.

        False when the shop takes it no longer. Their cart stays as it is; the code is in no address, for those are passed
        on; twice must equal once. May be left out: then messages say that it is to be entered at the checkout.
        """
        return False

    @property
    def can_apply_coupons(self) -> bool:
        """Whether a link can apply a code without bringing a cart back."""
        return type(self).apply_coupon is not Host.apply_coupon

    def withdraw_coupons(self, codes: Sequence[str]) -> None:
        """Remove codes that `create_coupon` answered: nobody was sent them, or their time is over.

        What was used, or is not known, stays as it is and is no reason to fail. May be left out: every code ends by itself.
        """

    def stale_carts(self, since: datetime, until: datetime) -> Iterable[str]:
        """References of carts last changed in [since, until): the net under lost events."""
        return ()

    def orders_since(self, since: datetime) -> Iterable[str]:
        """References of orders placed or changed at or after `since`: the net under lost events."""
        return ()

    def past_carts(self, since: datetime, until: datetime) -> Iterable[PastCart] | None:
        """Carts begun in [since, until), as they were last, and what became of them: those of one owner together, and those
        of nobody known at the end. Read as a stream, however many. None: our own records are read instead."""
        return None

    def account_of(self, user: Any) -> Identity | None:
        """Whom a user of Django's who logs in stands for, without a query; None for staff and where there are no accounts.

        Set `is_verified` only where the shop has had the account prove its address.
        """
        return None

    def get_products(self, product_ids: Sequence[str]) -> Sequence[Item]:
        """Products as they are now (quantity 1), for prices and stock at hand-off.

        Once a host answers this at all, a product that it leaves out is gone, and nobody is written to about it.
        """
        return ()

    def products_in(self, scope: str, product_ids: Sequence[str]) -> Sequence[Item]:
        """As `get_products`, for a host that is several shops: as the one called `scope` sells them."""
        return self.get_products(product_ids)

    @property
    def tells_of_products(self) -> bool:
        """Whether this host can be asked about products."""
        return type(self).get_products is not Host.get_products

    def products_since(self, since: datetime | None) -> Iterable[tuple[datetime, Item]]:
        """When each product was last changed, and how it is now, of those changed at or after `since` (None: of all), the
        longest ago first: the net under lost events, and how the catalogue is met. Read it batch by batch: whoever asks
        may stop, and go on from there another time."""
        return ()

    def bundle_contents(self, product_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Bundle -> ids of the products inside, for those of `product_ids` that are bundles. Asked when an order is read,
        unless its items say it themselves: what came in a bundle is never recommended to its owner."""
        return {}

    def new_products(self, since: datetime, limit: int) -> Sequence[Item]:
        """The `limit` newest products that came into the shop at or after `since`, as they are now, newest first."""
        return ()

    def latest_posts(self, limit: int, language: str) -> Sequence[Post]:
        """The `limit` newest articles of the shop in `language` that everybody may read, newest first."""
        return ()

    def payment_url(self, reference: str) -> str:
        """Where the customer can pay for an order that waits for it, or "" where the shop has no such page."""
        return ""

    def current_cart(self, request: HttpRequest) -> str:
        """Reference of the requester's own cart, or "": says which cart a followed link has rebuilt."""
        return ""

    def scope_of(self, reference: str) -> str:
        """Which of the host's shops a cart belongs to. Most hosts are one shop: the default scope is empty."""
        return ""
