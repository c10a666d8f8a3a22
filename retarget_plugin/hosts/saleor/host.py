"""The door of this room: SaleorHost answers by asking Saleor's API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpRequest

from retarget_plugin.domain.carts import Cart, CouponSpec, Item, Order
from retarget_plugin.hosts.base import Host

from . import credentials, payloads, products, restore, subscriptions, vouchers
from .client import Client, Denied
from .options import Options


class SaleorHost(Host):
    """One Saleor instance; each of its channels is a shop (scope: the channel's slug). References are Saleor's global ids.

    `Options` lists what may be configured. Raises ConfigurationError for an unknown option, and without an `api_url`.
    """

    def __init__(self, alias: str = "default", **options: Any) -> None:
        super().__init__(alias=alias, **options)
        self.settings = Options.parse(alias, options)

    @property
    def client(self) -> Client:
        """The API with our app's token. Raises Denied where the app is not installed, or is switched off."""
        found = credentials.find(self.settings.api_url)
        if found is None:
            raise Denied("The app is not installed in this Saleor, or it is switched off.")
        return Client(found.api_url, found.token)

    def get_cart(self, reference: str) -> Cart | None:
        checkout = self.client.query(subscriptions.GET_CHECKOUT, {"id": reference}).get("checkout")
        return payloads.cart(checkout, self.settings) if checkout else None

    def get_order(self, reference: str) -> Order | None:
        order = self.client.query(subscriptions.GET_ORDER, {"id": reference}).get("order")
        return payloads.order(order, self.settings) if order else None

    def restore_cart(self, request: HttpRequest, items: Sequence[Item], coupon: str = "") -> str:
        return self.recover_cart(request, items, reference="", coupon=coupon)

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
        """The open checkout in the storefront, or a new one. Its id is in this address only, and in no message."""
        api_url, channel, checkout = self.settings.api_url, scope or self.settings.channel, reference
        front_page = self.settings.checkout_url(channel=channel, checkout="")
        if not self._is_open(reference, is_own=is_own):
            checkout = restore.rebuild(request, items, api_url=api_url, alias=self.alias, channel=channel)
        if not checkout:
            return front_page
        if coupon:
            restore.add_voucher(api_url, checkout, coupon)
        restore.remember(request, checkout)
        return self.settings.checkout_url(channel=channel, checkout=checkout)

    def current_cart(self, request: HttpRequest) -> str:
        return restore.remembered(request)

    def create_coupon(self, spec: CouponSpec) -> str | None:
        return vouchers.mint(self.client, self._in_channel(spec))

    def coupon_problems(self, spec: CouponSpec) -> list[str]:
        return vouchers.problems(self.client, self._in_channel(spec))

    def withdraw_coupons(self, codes: Sequence[str]) -> None:
        vouchers.withdraw(self.client, codes)

    def get_products(self, product_ids: Sequence[str]) -> Sequence[Item]:
        return self.products_in("", product_ids)

    def products_in(self, scope: str, product_ids: Sequence[str]) -> Sequence[Item]:
        channel = scope or self.settings.channel
        return list(products.read(product_ids, channel=channel, options=self.settings))

    def payment_url(self, reference: str) -> str:
        return self.settings.payment_url(reference)

    def _in_channel(self, spec: CouponSpec) -> CouponSpec:
        """As long as no event has told which channel the shop is, its coupons are good where its carts are rebuilt."""
        return spec if spec.scope else replace(spec, scope=self.settings.channel)

    def _is_open(self, reference: str, *, is_own: bool) -> bool:
        try:
            return restore.is_open(self.client, reference, is_own=is_own)
        except Denied:
            # The app was switched off or removed; links that people have in their inboxes go on working.
            return False
