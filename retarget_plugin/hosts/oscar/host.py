"""The door of this room: OscarHost answers by asking the module that knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest

from retarget_plugin.domain.carts import Cart, CouponSpec, Identity, Item, Order
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.hosts.base import Host

from . import carts, history, identities, orders, products, restore, vouchers
from .addresses import absolute, origin
from .options import Options
from .receivers import Receivers


class OscarHost(Host):
    """A django-oscar shop. References are basket ids and order numbers; `Options` lists what may be configured.

    URLs and titles come in the customer's stored language, else in the active one: a caller that writes to a contact
    activates that contact's language before it reads. Raises ConfigurationError for an unknown option.
    """

    def __init__(self, alias: str = "default", **options: Any) -> None:
        super().__init__(alias=alias, **options)
        self.settings = Options.parse(alias, options)

    def connect(self) -> None:
        Receivers(self.alias, self.settings.user_language_field).connect()

    def get_cart(self, reference: str) -> Cart | None:
        return carts.read(reference, options=self.settings)

    def get_order(self, reference: str) -> Order | None:
        return orders.read(reference, options=self.settings)

    def restore_cart(self, request: HttpRequest, items: Sequence[Item], coupon: str = "") -> str:
        return restore.restore(request, items, coupon)

    def apply_coupon(self, request: HttpRequest, code: str) -> bool:
        return restore.apply_voucher(request, code)

    def current_cart(self, request: HttpRequest) -> str:
        basket = getattr(request, "basket", None)
        return str(basket.pk) if basket is not None and basket.pk else ""

    def create_coupon(self, spec: CouponSpec) -> str | None:
        return vouchers.mint(spec, priority=self.settings.coupon_priority)

    def coupon_problems(self, spec: CouponSpec) -> list[str]:
        return vouchers.problems(spec)

    def withdraw_coupons(self, codes: Sequence[str]) -> None:
        vouchers.withdraw(codes)

    def stale_carts(self, since: datetime, until: datetime) -> Iterable[str]:
        return carts.changed_between(since, until)

    def orders_since(self, since: datetime) -> Iterable[str]:
        return orders.changed_since(since)

    def past_carts(self, since: datetime, until: datetime) -> Iterable[PastCart]:
        return history.past_carts(since, until, options=self.settings)

    def account_of(self, user: Any) -> Identity | None:
        if getattr(user, "is_staff", False):
            return None
        return identities.of_user(user, language_field=self.settings.user_language_field)

    def payment_url(self, reference: str) -> str:
        path = self.settings.payment_path.format(number=quote(reference, safe=""))
        return absolute(path, base=origin(self.settings.base_url)) if path else ""

    def get_products(self, product_ids: Sequence[str]) -> Sequence[Item]:
        return products.read(product_ids, base=origin(self.settings.base_url))

    def products_since(self, since: datetime | None) -> Iterable[tuple[datetime, Item]]:
        return products.changed_since(since, base=origin(self.settings.base_url))

    def new_products(self, since: datetime, limit: int) -> Sequence[Item]:
        return products.created_since(since, limit=limit, base=origin(self.settings.base_url))
