"""Coupons as Oscar's vouchers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test import factories

from retarget_plugin.domain.carts import CouponSpec, Item
from tests.contracts.coupons import CouponContract

Voucher = get_model("voucher", "Voucher")
ConditionalOffer = get_model("offer", "ConditionalOffer")
EXPIRES = timezone.now() + timezone.timedelta(days=3)

pytestmark = pytest.mark.django_db


def spec(**changes: Any) -> CouponSpec:
    return CouponSpec(
        **{
            "kind": "percent",
            "value": Decimal(10),
            "expires_at": EXPIRES,
            "currency": "EUR",
            "idempotency_key": "run:1",
        }
        | changes
    )


class TestOscar(CouponContract):
    is_concurrent = False

    @pytest.fixture
    def host(self, host: Any) -> Any:
        return host

    def codes(self, host: Any) -> list[str]:
        return list(Voucher.objects.values_list("code", flat=True))

    def use(self, host: Any, code: str) -> None:
        Voucher.objects.get(code=code).record_usage(factories.create_order(number="1"), AnonymousUser())


def test_a_code_that_is_withdrawn_leaves_the_basket_it_is_in(browser: Any, product: Any, host: Any) -> None:
    code = host.create_coupon(spec())
    browser.restore([Item(product_id=str(product.pk), title="Lens", quantity=1, unit_price=Decimal(100))], coupon=code)

    host.withdraw_coupons([code.lower()])

    assert browser.basket() == {"Lens": 1}
    assert not Voucher.objects.exists()


def test_a_code_works_once(browser: Any, other_browser: Any, product: Any, france: Any, host: Any) -> None:
    code = host.create_coupon(spec(label="Welcome back"))
    item = Item(product_id=str(product.pk), title="Lens", quantity=1, unit_price=Decimal(100))
    browser.restore([item], coupon=code)
    browser.enter_checkout("guest@example.com")
    browser.give_address()
    browser.place_order()

    order = get_model("order", "Order").objects.get()
    assert order.total_incl_tax == Decimal("90.00")
    assert host.get_order(order.number).coupon_codes == (code,)
    assert host.get_order(order.number).discounts == {code: Decimal("10.00")}

    other_browser.restore([item], coupon=code)
    assert host.get_cart(str(get_model("basket", "Basket").objects.latest("pk").pk)).amount == Decimal("100.00")
    page = other_browser.post(reverse("basket:vouchers-add"), {"code": code}, follow=True)
    assert "already been used" in page.content.decode()


def test_the_voucher_looks_like_oscars_own(host: Any) -> None:
    code = host.create_coupon(spec(label="Welcome back " * 20))

    voucher = Voucher.objects.get()
    assert re.fullmatch(r"[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}", code)
    assert (voucher.code, voucher.usage, voucher.end_datetime) == (code, Voucher.SINGLE_USE, EXPIRES)
    assert voucher.name.startswith("Welcome back ") and voucher.name.endswith(code)
    assert len(voucher.name) <= 128
    assert voucher.is_active()


def test_the_same_key_answers_the_same_code(host: Any) -> None:
    first = host.create_coupon(spec())

    assert host.create_coupon(spec(label="Another label")) == first
    assert host.create_coupon(spec(idempotency_key="run:2")) != first
    assert Voucher.objects.count() == 2


def test_without_a_key_every_call_is_a_new_code(host: Any) -> None:
    assert host.create_coupon(spec(idempotency_key="")) != host.create_coupon(spec(idempotency_key=""))


def test_one_offer_for_each_discount_and_minimum(host: Any) -> None:
    host.create_coupon(spec(idempotency_key="1"))
    host.create_coupon(spec(idempotency_key="2", value=Decimal("10.00")))
    host.create_coupon(spec(idempotency_key="3", minimum_total=Decimal(50)))
    host.create_coupon(spec(idempotency_key="4", kind="amount"))

    assert sorted(ConditionalOffer.objects.values_list("name", flat=True)) == [
        "Retarget: 10.00 % off",
        "Retarget: 10.00 % off from 50.00",
        "Retarget: 10.00 EUR off",
    ]
    assert get_model("offer", "Range").objects.count() == 1
    assert Voucher.objects.count() == 4


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        ({"kind": "amount", "value": Decimal("15")}, "85.00"),
        ({"kind": "amount", "value": Decimal("150")}, "0.00"),
        ({"value": Decimal("12.5")}, "87.50"),
        ({"minimum_total": Decimal("100")}, "90.00"),
        ({"minimum_total": Decimal("100.01")}, "100.00"),
    ],
)
def test_what_it_takes_off(changes: dict[str, Any], total: str, host: Any, product: Any, make_basket: Any) -> None:
    basket = make_basket((product, 1))
    basket.vouchers.add(Voucher.objects.get(code=host.create_coupon(spec(**changes))))

    assert host.get_cart(str(basket.pk)).amount == Decimal(total)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "free shipping"},
        {"value": Decimal(0)},
        {"value": Decimal(101)},
        {"kind": "amount", "currency": "USD"},
        {"minimum_total": Decimal(10), "currency": "USD"},
    ],
)
def test_what_oscar_cannot_do_is_refused(changes: dict[str, Any], host: Any) -> None:
    assert host.create_coupon(spec(**changes)) is None
    assert not Voucher.objects.exists()
