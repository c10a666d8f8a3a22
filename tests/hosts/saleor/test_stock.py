"""Product events: what they say of which product, and nothing where they say nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retarget_plugin.hosts.saleor.stock import Change, read

PRODUCT = {"id": "UHJvZHVjdDoxNTI=", "name": "Apple Juice", "slug": "apple-juice"}
VARIANT = {"id": "UHJvZHVjdFZhcmlhbnQ6Mzg0", "sku": None, "product": PRODUCT}
PRICED = {
    "__typename": "ProductVariantDiscountedPriceUpdated",
    "variant": VARIANT,
    "channel": {"slug": "france"},
    "previousPrice": {"amount": Decimal("2.50"), "currency": "EUR"},
    "newPrice": {"amount": Decimal("1.99"), "currency": "EUR"},
}


def test_back_in_stock_holds_for_every_channel():
    event = {"__typename": "ProductVariantBackInStock", "productVariant": VARIANT, "warehouse": {"id": "1"}}

    assert read(event) == Change(product_id=PRODUCT["id"], is_available=True)


def test_a_price_holds_for_its_channel():
    assert read(PRICED) == Change(product_id=PRODUCT["id"], channel="france", price=Decimal("1.99"), currency="EUR")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"__typename": "ProductVariantOutOfStock", "productVariant": {"id": "1"}},
        {"__typename": "ProductUpdated", "product": PRODUCT},
        {"__typename": "CheckoutUpdated", "checkout": {"id": "1"}},
        {"__typename": "ProductVariantBackInStock", "productVariant": "1"},
        {"__typename": "ProductVariantBackInStock", "productVariant": {"product": {"id": 7}}},
        {**PRICED, "newPrice": None},
        {**PRICED, "newPrice": {"amount": True}},
        {**PRICED, "newPrice": {"amount": "1.99"}},
        {**PRICED, "newPrice": {"amount": Decimal("-1")}},
        {**PRICED, "channel": None},
    ],
    ids=range(11),
)
def test_whatever_else_it_is_it_is_no_change(event):
    assert read(event) is None
