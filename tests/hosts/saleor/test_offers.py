"""A coupon without a cart: Saleor's storefront keeps its own checkout, and we learn of no other."""

from __future__ import annotations

from django.test import RequestFactory

from retarget_plugin.hosts.saleor.host import SaleorHost


def test_it_says_that_the_code_is_to_be_entered():
    """Nobody but the storefront knows its checkout, and Saleor takes a code nowhere else."""
    host = SaleorHost(api_url="https://saleor.example/graphql/")

    assert host.can_apply_coupons is False
    assert host.apply_coupon(RequestFactory().post("/"), "CODE") is False
