"""Putting a cart back together in somebody's basket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test import factories

from retarget_plugin.domain.carts import CouponSpec, Item
from retarget_plugin.exceptions import ConfigurationError

Basket = get_model("basket", "Basket")


def item(product: Any, quantity: int = 1, **fields: Any) -> Item:
    return Item(
        product_id=str(product.pk), title=product.title, quantity=quantity, unit_price=Decimal("100.00"), **fields
    )


def coupon(host: Any, **changes: Any) -> str:
    expires_at = timezone.now() + timezone.timedelta(days=1)
    return host.create_coupon(
        CouponSpec(**{"kind": "percent", "value": Decimal(10), "expires_at": expires_at} | changes)
    )


def test_a_fresh_browser_gets_a_basket_of_its_own(
    browser: Any, other_browser: Any, make_product: Any, host: Any
) -> None:
    browser.add(make_product("Lens"), 2)
    browser.add(make_product("Bag"))
    old = Basket.objects.get()

    answer = other_browser.restore(host.get_cart(str(old.pk)).items)

    assert answer.redirect_chain[-1][0] == reverse("basket:summary")
    assert other_browser.basket() == {"Lens": 2, "Bag": 1}
    assert Basket.objects.count() == 2
    assert (
        other_browser.cookies[settings.OSCAR_BASKET_COOKIE_OPEN].value
        != browser.cookies[settings.OSCAR_BASKET_COOKIE_OPEN].value
    )
    # Two people, two baskets: what one does next the other does not see.
    other_browser.change(Basket.objects.latest("pk").lines.get(product__title="Lens"), quantity=5)
    assert browser.basket() == {"Lens": 2, "Bag": 1}


def test_a_second_click_changes_nothing(browser: Any, product: Any, host: Any) -> None:
    code = coupon(host)
    for _ in range(2):
        browser.restore([item(product, 3)], coupon=code)

    assert browser.basket() == {"Lens": 3}
    assert Basket.objects.get().vouchers.count() == 1


def test_in_the_same_browser_nothing_doubles(browser: Any, product: Any, host: Any) -> None:
    browser.add(product, 2)

    browser.restore(host.get_cart(str(Basket.objects.get().pk)).items)

    assert Basket.objects.count() == 1
    assert browser.basket() == {"Lens": 2}


def test_nothing_is_lowered_or_removed(browser: Any, make_product: Any) -> None:
    lens, bag = make_product("Lens"), make_product("Bag")
    browser.add(lens, 4)
    browser.add(bag)

    browser.restore([item(lens, 2)])

    assert browser.basket() == {"Lens": 4, "Bag": 1}


def test_stock_clamps_and_what_is_gone_is_skipped(browser: Any, make_product: Any) -> None:
    scarce, sold_out, hidden, unpriced, fine = (
        make_product("Scarce", stock=3),
        make_product("Sold out", stock=0),
        make_product("Hidden", is_public=False),
        make_product("Unpriced"),
        make_product("Fine"),
    )
    unpriced.stockrecords.update(price=None)
    gone = make_product("Gone")
    items = [item(product, 50) for product in (scarce, sold_out, hidden, unpriced, gone)]
    gone.delete()
    nonsense = Item(product_id="no number", title="?", quantity=1, unit_price=Decimal())

    browser.restore([*items, nonsense, item(fine, 2)])

    assert browser.basket() == {"Scarce": 3, "Fine": 2}
    browser.restore([item(scarce, 50)])
    assert browser.basket() == {"Scarce": 3, "Fine": 2}


def test_the_shops_limit_on_a_basket_holds(browser: Any, make_product: Any, settings: Any) -> None:
    settings.OSCAR_MAX_BASKET_QUANTITY_THRESHOLD = 5
    lens, bag = make_product("Lens"), make_product("Bag")

    browser.restore([item(lens, 4), item(bag, 4)])

    assert browser.basket() == {"Lens": 4, "Bag": 1}


def test_another_currency_is_skipped_and_the_rest_restored(browser: Any, make_product: Any) -> None:
    lens, imported, bag = make_product("Lens"), make_product("Imported"), make_product("Bag")
    imported.stockrecords.update(price_currency="USD")

    browser.restore([item(lens), item(imported), item(bag)])

    assert browser.basket() == {"Lens": 1, "Bag": 1}


def test_options_come_back_and_do_not_double(browser: Any, product: Any, make_basket: Any, host: Any) -> None:
    engraving = factories.OptionFactory(code="engraving", name="Engraving", type="text")
    product.product_options.add(engraving)
    old = make_basket()
    for text, quantity in (("Ana", 1), ("Luc", 2)):
        old.add_product(product, quantity, options=[{"option": engraving, "value": text}])
    items = host.get_cart(str(old.pk)).items

    for _ in range(2):
        browser.restore(items)

    new = Basket.objects.latest("pk")
    found = {line.attributes.get().value: line.quantity for line in new.lines.all()}
    assert found == {"Ana": 1, "Luc": 2}
    engraving.delete()
    other = type(browser)()
    other.restore(items)
    assert other.basket() == {}


def test_a_customer_gets_it_in_the_own_basket(browser: Any, product: Any, user: Any) -> None:
    browser.force_login(user)

    browser.restore([item(product, 2)])

    assert Basket.open.get(owner=user).lines.get().quantity == 2


def test_nobody_is_logged_in_by_a_link(browser: Any, product: Any, user: Any, make_basket: Any, host: Any) -> None:
    theirs = make_basket((product, 1), owner=user)

    browser.restore(host.get_cart(str(theirs.pk)).items)

    assert SESSION_KEY not in browser.session
    mine = Basket.open.exclude(pk=theirs.pk).get()
    assert mine.owner is None
    theirs.refresh_from_db()
    assert (theirs.status, theirs.lines.get().quantity) == (Basket.OPEN, 1)


def test_a_basket_in_payment_stays_as_it_is(product: Any, make_basket: Any, host: Any) -> None:
    """Frozen by another request after this one had read it as open."""
    basket = make_basket((product, 1))
    request = RequestFactory().get("/")
    request.basket, request.strategy = basket, basket.strategy
    Basket.objects.filter(pk=basket.pk).update(status=Basket.FROZEN)

    assert host.restore_cart(request, [item(product, 5)]) == reverse("basket:summary")

    assert basket.lines.get().quantity == 1


def test_the_coupon_comes_with_the_basket(browser: Any, product: Any, host: Any) -> None:
    code = coupon(host)

    answer = browser.restore([item(product, 2)], coupon=code.lower())

    assert answer.context["basket"].total_incl_tax == Decimal("180.00")
    cart = host.get_cart(str(Basket.objects.get().pk))
    assert (cart.coupon, cart.amount) == (code, Decimal("180.00"))


@pytest.mark.parametrize("kind", ["unknown", "expired", "used"])
def test_a_coupon_that_is_no_good_is_left_out(kind: str, browser: Any, product: Any, host: Any, user: Any) -> None:
    voucher = get_model("voucher", "Voucher").objects.get(code=coupon(host))
    if kind == "expired":
        voucher.end_datetime = timezone.now() - timezone.timedelta(minutes=1)
        voucher.save()
    elif kind == "used":
        voucher.record_usage(factories.create_order(number="1"), user)

    browser.restore([item(product)], coupon="NO-SUCH-CODE" if kind == "unknown" else voucher.code)

    assert browser.basket() == {"Lens": 1}
    assert Basket.objects.latest("pk").vouchers.count() == 0


def test_without_oscars_middleware_the_message_says_what_to_add(host: Any) -> None:
    with pytest.raises(ConfigurationError, match="BasketMiddleware"):
        host.restore_cart(RequestFactory().get("/"), [])
