"""What surprises whoever integrates with Oscar: eleven facts, each shown on the real thing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone
from oscar.apps.order.signals import order_placed
from oscar.core.loading import get_class, get_model
from oscar.test import factories

from retarget_plugin import signals
from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.hosts.oscar import products as oscar_products

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["the plugin", "the host"])
def test_pitfall_01_a_raising_receiver_leaves_the_checkout_whole(
    where: str, browser: Any, make_product: Any, france: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oscar sends order_placed with `send`, after the order is committed: an error there loses the confirmation."""
    calls: list[dict[str, Any]] = []

    def explode(*_: Any, **arguments: Any) -> None:
        calls.append(arguments)
        raise RuntimeError("the plugin is broken")

    if where == "the plugin":
        signals.order_placed.connect(explode, dispatch_uid="tests.explode")
    else:
        monkeypatch.setattr(signals, "emit", explode)
    browser.add(make_product("Lens"))
    browser.enter_checkout("guest@example.com")
    browser.give_address()

    answer = browser.place_order()
    signals.order_placed.disconnect(dispatch_uid="tests.explode")

    assert calls
    assert answer.status_code == 200
    assert answer.redirect_chain[-1][0] == reverse("checkout:thank-you")
    assert [(order.guest_email, order.basket.status) for order in Order.objects.all()] == [
        ("guest@example.com", Basket.SUBMITTED)
    ]


def test_pitfall_02_at_order_placed_the_number_is_an_int_and_the_basket_still_frozen(
    browser: Any, product: Any, france: Any, events: Any, host: Any
) -> None:
    seen: dict[str, Any] = {}

    def look(order: Any, **_: Any) -> None:
        seen.update(number=order.number, cart=host.get_cart(str(order.basket_id)))

    order_placed.connect(look)
    browser.add(product, 2)
    browser.enter_checkout("guest@example.com")
    browser.give_address(phone_number="+33612345678")
    browser.place_order()
    order_placed.disconnect(look)

    assert isinstance(seen["number"], int)
    assert seen["cart"].is_frozen
    reference = str(seen["number"])
    assert events.references("order_placed") == [reference]
    order = host.get_order(reference)
    assert (order.number, order.total, order.currency) == (reference, Decimal("200.00"), "EUR")
    assert (order.identity.email, order.identity.phone, order.identity.country) == (
        "guest@example.com",
        "+33612345678",
        "FR",
    )
    assert host.get_cart(order.cart_reference) is None


def test_pitfall_03_changes_without_an_oscar_signal_are_heard(
    browser: Any, product: Any, user: Any, events: Any, make_basket: Any
) -> None:
    # Quantity on the basket page.
    browser.add(product)
    basket = Basket.objects.get()
    reference = str(basket.pk)
    assert events.references("cart_changed") == [reference]
    browser.change(basket.lines.get(), quantity=3)
    assert basket.lines.get().quantity == 3
    assert events.references("cart_changed") == [reference]

    # Merged at log-in: Oscar does it at the next request.
    browser.force_login(user)
    browser.get(reverse("basket:summary"))
    own = Basket.open.get(owner=user)
    assert Basket.objects.get(pk=reference).status == Basket.MERGED
    assert set(events.references("cart_changed")) == {reference, str(own.pk)}

    # Saved for later: the line moves to another basket.
    browser.change(own.lines.get(), save_for_later="on")
    saved = Basket.saved.get(owner=user)
    assert events.references("cart_changed") == [str(saved.pk)]

    # Line removed on the basket page.
    browser.add(product)
    events.take()
    browser.change(own.lines.get(), DELETE="on")
    assert not own.lines.exists()
    assert events.references("cart_changed") == [str(own.pk)]


def test_pitfall_03_what_no_signal_tells_the_reconcile_pass_finds(host: Any, product: Any, make_basket: Any) -> None:
    stale, fresh, empty = make_basket((product, 1)), make_basket((product, 1)), make_basket()
    now = timezone.now()
    hour = timezone.timedelta(hours=1)
    # QuerySet.update() sends no signal, and nothing at all when it leaves date_updated out.
    Basket.objects.filter(pk=stale.pk).update(date_created=now - 3 * hour)
    stale.lines.update(quantity=4, date_updated=now - 2 * hour)

    # Made long ago, touched just now.
    Basket.objects.filter(pk=fresh.pk).update(date_created=now - 2 * hour)

    assert list(host.stale_carts(now - 3 * hour, now - hour)) == [str(stale.pk)]
    assert list(host.stale_carts(now - hour, now + hour)) == [str(fresh.pk)]
    assert list(host.stale_carts(now - 5 * hour, now + hour)) == [str(stale.pk), str(fresh.pk)]
    assert empty.pk
    stale.submit()
    assert list(host.stale_carts(now - 3 * hour, now - hour)) == []


def test_pitfall_04_an_anonymous_cart_is_known_without_a_session(browser: Any, product: Any, events: Any) -> None:
    browser.add(product)

    assert settings.SESSION_COOKIE_NAME not in browser.cookies
    assert events.references("cart_changed") == [str(Basket.objects.get().pk)]


@pytest.mark.parametrize(("priority", "survives"), [(1000, True), (-1, False)])
def test_pitfall_05_our_voucher_beats_an_exclusive_site_offer(
    priority: int, survives: bool, browser: Any, product: Any, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oscar drops a voucher silently when a site offer has taken every item first."""
    everything = get_model("offer", "Range").objects.create(name="All", includes_all_products=True)
    factories.ConditionalOfferFactory(
        name="Sale",
        exclusive=True,
        priority=5,
        condition=factories.ConditionFactory(range=everything, type="Count", value=1),
        benefit=factories.BenefitFactory(range=everything, type="Percentage", value=1),
    )
    monkeypatch.setattr(host, "settings", type(host.settings)(coupon_priority=priority))
    code = host.create_coupon(spec())
    browser.add(product)

    browser.post(reverse("basket:vouchers-add"), {"code": code}, follow=True)

    basket = Basket.objects.get()
    assert basket.vouchers.exists() is survives
    cart = host.get_cart(str(basket.pk))
    assert (cart.coupon, cart.amount) == ((code, Decimal("90.00")) if survives else ("", Decimal("99.00")))


def test_pitfall_06_vouchers_count_outside_a_request(host: Any, product: Any, make_basket: Any) -> None:
    """The applicator skips all vouchers unless it is given a user, also an anonymous one."""
    basket = make_basket((product, 2))
    code = host.create_coupon(spec())
    basket.vouchers.add(get_model("voucher", "Voucher").objects.get(code=code))

    get_class("offer.applicator", "Applicator")().apply(basket)
    cart = host.get_cart(str(basket.pk))

    assert basket.total_incl_tax == Decimal("200.00")
    assert (cart.coupon, cart.amount) == (code, Decimal("180.00"))
    assert cart.items[0].unit_price == Decimal("100.00")


def test_pitfall_07_a_missing_picture_is_no_picture(host: Any, make_product: Any, make_basket: Any) -> None:
    """primary_image() answers a dict for a product without picture, and a row for one with."""
    bare, drawn = make_product("Bare"), make_product("Drawn")
    get_model("catalogue", "ProductImage").objects.create(
        product=drawn, original=ContentFile(b"not looked at", name="drawn.jpg")
    )
    assert isinstance(bare.primary_image(), dict)

    first, second = host.get_cart(str(make_basket((bare, 1), (drawn, 1)).pk)).items

    assert first.image_url == ""
    assert second.image_url.startswith("https://example.com/media/images/products/")
    assert oscar_products.image_path(bare) == ""


def test_pitfall_08_a_customer_starts_checkout_without_an_email_argument(
    browser: Any, product: Any, user: Any, events: Any
) -> None:
    browser.force_login(user)
    browser.add(product)
    events.take()

    browser.get(reverse("checkout:index"))

    (event,) = [arguments for name, arguments in events.take() if name == "checkout_started"]
    assert event["reference"] == str(Basket.open.get(owner=user).pk)
    assert (event["identity"].email, event["identity"].external_id) == ("ana@example.com", str(user.pk))


def test_pitfall_09_the_way_back_from_adding_is_no_second_view(browser: Any, product: Any, events: Any) -> None:
    browser.view(product)
    assert events.references("product_viewed") == [str(product.pk)]

    answer = browser.add(product)

    assert answer.request["PATH_INFO"] == product.get_absolute_url()
    assert "product_viewed" not in [name for name, _ in events.take()]
    browser.view(product, referrer="http://testserver/catalogue/")
    assert events.references("product_viewed") == [str(product.pk)]


def test_pitfall_10_carts_and_orders_made_by_code_are_heard(product: Any, events: Any, make_basket: Any) -> None:
    """django-oscar-api and imports use the models: no basket_addition, and order_placed without post_checkout."""
    basket = make_basket((product, 1))
    assert events.references("cart_changed") == [str(basket.pk)]

    order = factories.create_order(number="API-1", basket=basket)

    assert order.basket_id == basket.pk
    assert events.references("order_placed") == ["API-1"]


def test_pitfall_11_a_stale_basket_cookie_neither_loses_nor_takes_over_a_basket(
    browser: Any, product: Any, host: Any
) -> None:
    """The middleware deletes a stale cookie after the view: what a view had set by that name would be deleted too."""
    browser.add(product, 2)
    old = Basket.objects.get()
    snapshot = host.get_cart(str(old.pk)).items
    old.freeze()
    stale_cookie = browser.cookies[settings.OSCAR_BASKET_COOKIE_OPEN].value

    browser.restore(snapshot)

    new = Basket.open.get()
    assert new.pk != old.pk
    assert browser.cookies[settings.OSCAR_BASKET_COOKIE_OPEN].value not in ("", stale_cookie)
    assert browser.basket() == {"Lens": 2}
    old.refresh_from_db()
    assert (old.status, old.lines.get().quantity) == (Basket.FROZEN, 2)


def spec(**changes: Any) -> CouponSpec:
    expires_at = timezone.now() + timezone.timedelta(days=3)
    return CouponSpec(
        **{"kind": "percent", "value": Decimal(10), "expires_at": expires_at, "currency": "EUR"} | changes
    )
