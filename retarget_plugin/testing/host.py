"""FakeHost: a shop in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from retarget_plugin.domain.carts import Cart, CouponSpec, Item, Order
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.domain.subjects import Post
from retarget_plugin.hosts import Host, codes


class FakeHost(Host):
    """A shop in memory. Put snapshots into `carts` and `orders`; what was restored lands in `restored`.

    `OPTIONS` may say in which `currency` it sells; without, in any. `applied`: the coupon that each followed link came with.
    `coupons`: those made, by key; `withdrawn`: the codes that were to be removed. `posts`: what the shop has written, newest
    first. `products`: by id, as they are now. `payment_urls`: order reference -> where it can be paid. `past`: carts of
    the past, None where this shop keeps none.
    """

    def __init__(self, alias: str = "default", **options: Any) -> None:
        super().__init__(alias, **options)
        self.carts: dict[str, Cart] = {}
        self.orders: dict[str, Order] = {}
        self.restored: list[Sequence[Item]] = []
        self.applied: list[str] = []
        self.coupons: dict[str, CouponSpec] = {}
        self.withdrawn: list[str] = []
        self.posts: list[Post] = []
        self.products: dict[str, Item] = {}
        self.payment_urls: dict[str, str] = {}
        self.past: list[PastCart] | None = None

    def get_cart(self, reference: str) -> Cart | None:
        return self.carts.get(reference)

    def get_order(self, reference: str) -> Order | None:
        return self.orders.get(reference)

    def restore_cart(self, request: HttpRequest, items: Sequence[Item], coupon: str = "") -> str:
        self.restored.append(items)
        self.applied.append(coupon)
        return "/basket/"

    def apply_coupon(self, request: HttpRequest, code: str) -> bool:
        self.applied.append(code)
        return True

    def coupon_problems(self, spec: CouponSpec) -> list[str]:
        return codes.problems(spec, currency=self.options.get("currency") or spec.currency)

    def create_coupon(self, spec: CouponSpec) -> str | None:
        if self.coupon_problems(spec):
            return None
        self.coupons.setdefault(spec.idempotency_key, spec)
        return f"CODE-{list(self.coupons).index(spec.idempotency_key) + 1}"

    def withdraw_coupons(self, codes: Sequence[str]) -> None:
        self.withdrawn += codes

    def past_carts(self, since: datetime, until: datetime) -> Sequence[PastCart] | None:
        if self.past is None:
            return None
        told = [past for past in self.past if since <= past.touched_at[0] < until]
        return sorted(told, key=lambda past: (not past.owner, past.owner, past.touched_at[0]))

    def get_products(self, product_ids: Sequence[str]) -> Sequence[Item]:
        return [self.products[key] for key in product_ids if key in self.products]

    def latest_posts(self, limit: int, language: str) -> Sequence[Post]:
        return self.posts[:limit]

    def payment_url(self, reference: str) -> str:
        return self.payment_urls.get(reference, "")
