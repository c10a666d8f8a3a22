"""A coupon without a cart, applied to the basket of whoever presses the button."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from oscar.core.loading import get_model

from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.domain.vocabulary import Channel, MessageState
from retarget_plugin.engine import links, tokens
from retarget_plugin.exceptions import ConfigurationError, Refusal
from retarget_plugin.models import Contact, Coupon, Flow, Message, Shop
from tests.contracts.offers import OfferContract

Basket = get_model("basket", "Basket")
Voucher = get_model("voucher", "Voucher")
PRODUCT_PAGE = "https://shop.example.com/catalogue/lens/"

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


def mint(host: Any) -> str:
    expires_at = timezone.now() + timezone.timedelta(days=3)
    spec = CouponSpec(kind="percent", value=Decimal(10), expires_at=expires_at, idempotency_key="message:1")
    return str(host.create_coupon(spec))


def offer_url(code: str) -> str:
    """The link of a message that gives `code` and speaks of the lens."""
    now = timezone.now()
    shop = Shop.objects.update_or_create(host="default", defaults={"base_url": "https://shop.example.com"})[0]
    contact = Contact.objects.create(shop=shop, email="ana@mail.example", created_at=now)
    message = Message.objects.create(
        shop=shop,
        contact=contact,
        step="offer",
        channel=Channel.EMAIL,
        state=MessageState.ACCEPTED,
        due_at=now,
        not_after=now,
        created_at=now,
        key=uuid4(),
    )
    Coupon.objects.create(
        shop=shop,
        contact=contact,
        message=message,
        flow=Flow.objects.get_or_create(shop=shop, slug="offers")[0],
        code=code,
        key=message.key,
        kind="percent",
        value=10,
        currency="EUR",
        state="sent",
        created_at=now,
        expires_at=now + timezone.timedelta(days=3),
    )
    links.shorten(PRODUCT_PAGE, message=message, purpose=links.OFFERED, now=now)
    return reverse("retarget_plugin:offer", args=[tokens.offer(message_id=message.pk)])


class TestOscar(OfferContract):
    @pytest.fixture
    def host(self, host: Any) -> Any:
        return host

    @pytest.fixture
    def browser(self, browser: Any, product: Any) -> Any:
        browser.product = product
        return browser

    def code(self, host: Any) -> str:
        return mint(host)

    def end(self, code: str) -> None:
        Voucher.objects.filter(code=code).update(end_datetime=timezone.now() - timezone.timedelta(minutes=1))

    def apply(self, host: Any, browser: Any, code: str) -> bool:
        return bool(browser.post("/apply/", {"code": code}).json())

    def fill(self, browser: Any) -> None:
        browser.add(browser.product)

    def lines(self, browser: Any) -> dict[str, int]:
        return dict(browser.basket())

    def codes(self, browser: Any) -> list[str]:
        basket = browser.get(reverse("basket:summary")).context["basket"]
        return [voucher.code for voucher in basket.vouchers.all()] if basket.pk else []


def test_the_link_leads_to_the_product_and_what_is_bought_then_costs_less(
    browser: Any, product: Any, host: Any
) -> None:
    code = mint(host)

    shown, pressed = browser.get(url := offer_url(code)), browser.post(url)
    browser.add(product)

    assert (shown.status_code, pressed.status_code, pressed.headers["Location"]) == (200, 303, PRODUCT_PAGE)
    assert browser.get(reverse("basket:summary")).context["basket"].total_incl_tax == Decimal("90.00")
    assert code not in f"{url}{pressed.headers}{pressed.cookies}"


def test_looking_makes_no_basket(browser: Any, host: Any) -> None:
    url = offer_url(mint(host))

    browser.get(url)
    browser.head(url)

    assert Basket.objects.count() == 0
    assert Voucher.objects.get().num_basket_additions == 0


def test_a_forwarded_link_puts_the_code_beside_what_a_friend_has(
    browser: Any, other_browser: Any, product: Any, make_product: Any, user: Any, host: Any
) -> None:
    code = mint(host)
    url, friend = offer_url(code), other_browser
    browser.add(product, 2)
    friend.force_login(user)
    friend.add(make_product("Bag"))

    friend.post(url)

    assert (browser.basket(), friend.basket()) == ({"Lens": 2}, {"Bag": 1})
    assert friend.session[SESSION_KEY] == str(user.pk)
    assert SESSION_KEY not in browser.session
    assert [basket.owner for basket in Basket.objects.filter(vouchers__code=code)] == [user]


def test_who_logs_in_afterwards_keeps_it(browser: Any, product: Any, user: Any, host: Any) -> None:
    browser.post(offer_url(mint(host)))

    browser.force_login(user)
    browser.add(product)

    assert browser.get(reverse("basket:summary")).context["basket"].total_incl_tax == Decimal("90.00")


def test_a_code_that_a_friend_has_used_is_said_to_be_used(
    browser: Any, other_browser: Any, product: Any, france: Any, host: Any
) -> None:
    url = offer_url(mint(host))
    browser.post(url)
    browser.add(product)
    browser.enter_checkout("friend@example.com")
    browser.give_address()
    browser.place_order()

    answer = other_browser.post(url)

    assert answer.status_code == 200
    assert "This code is no longer valid" in answer.content.decode()
    assert not Basket.open.filter(vouchers__isnull=False).exists()


def test_oscar_counts_it_as_it_counts_what_a_shopper_enters(browser: Any, product: Any, host: Any) -> None:
    url = offer_url(mint(host))

    browser.post(url)
    browser.post(url)

    assert Voucher.objects.get().num_basket_additions == 1


def test_a_basket_in_payment_stays_as_it_is(product: Any, make_basket: Any, user: Any, host: Any) -> None:
    basket = make_basket((product, 1))
    request = RequestFactory().post("/")
    request.basket, request.user = basket, user
    Basket.objects.filter(pk=basket.pk).update(status=Basket.FROZEN)

    with pytest.raises(Refusal):
        host.apply_coupon(request, mint(host))

    assert basket.vouchers.count() == 0


def test_without_oscars_middleware_the_message_says_what_to_add(host: Any) -> None:
    with pytest.raises(ConfigurationError, match="BasketMiddleware"):
        host.apply_coupon(RequestFactory().post("/"), "CODE")
