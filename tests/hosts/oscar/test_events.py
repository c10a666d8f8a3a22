"""What the host tells the plugin, when, and at what cost to the shop's request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from oscar.core.loading import get_model
from oscar.test import factories

from retarget_plugin import signals
from retarget_plugin.domain.carts import Identity
from retarget_plugin.hosts.oscar.receivers import Receivers

Basket = get_model("basket", "Basket")


def test_a_guest_is_known_from_the_first_page_of_the_checkout(browser: Any, product: Any, events: Any) -> None:
    browser.add(product)
    events.take()

    browser.enter_checkout("Guest@Example.com")

    reference = str(Basket.objects.get().pk)
    identity = Identity(email="Guest@example.com", locale="en")
    assert events.take() == [("checkout_started", {"reference": reference, "identity": identity})]


def test_the_language_of_the_pages_goes_with_the_identity(browser: Any, product: Any, events: Any) -> None:
    browser.post(reverse("set_language"), {"language": "fr"})
    browser.add(product)
    events.take()

    browser.post("/fr/checkout/", {"username": "luc@example.com", "options": "anonymous"})

    (event,) = [arguments for name, arguments in events.take() if name == "checkout_started"]
    assert event["identity"] == Identity(email="luc@example.com", locale="fr")


def test_logging_in_names_the_visitors_basket_which_oscar_then_merges(
    browser: Any, product: Any, user: Any, events: Any, host: Any
) -> None:
    browser.add(product, 2)
    before = str(Basket.objects.get().pk)
    events.take()

    browser.post(
        reverse("customer:login"),
        {"login-username": "ana@example.com", "login-password": "pw", "login_submit": "Log In"},
        follow=True,
    )

    heard = events.take()
    identity = Identity(
        external_id=str(user.pk), email="ana@example.com", first_name="Ana", last_name="Martin", locale="en"
    )
    assert ("contact_changed", {"identity": identity}) in heard
    assert ("cart_identified", {"reference": before, "identity": identity}) in heard
    own = Basket.open.get(owner=user)
    assert host.get_cart(before) is None
    cart = host.get_cart(str(own.pk))
    assert [item.quantity for item in cart.items] == [2]
    assert cart.identity.email == "ana@example.com"


def test_registering_makes_a_contact(browser: Any, events: Any) -> None:
    form = {"email": "new@example.com", "password1": "s3cret-enough", "password2": "s3cret-enough"}
    form = {f"registration-{name}": value for name, value in form.items()} | {"registration_submit": "Register"}

    browser.post(reverse("customer:login"), form)

    emails = {arguments["identity"].email for name, arguments in events.take() if name == "contact_changed"}
    assert emails == {"new@example.com"}


def test_staff_who_log_in_are_no_contacts(browser: Any, events: Any) -> None:
    staff = get_user_model()._default_manager.create_user("owner", "owner@example.com", "pw", is_staff=True)

    browser.force_login(staff)

    assert events.take() == []


def test_a_cancelled_order_says_so(browser: Any, product: Any, france: Any, events: Any, host: Any) -> None:
    browser.add(product)
    browser.enter_checkout("guest@example.com")
    browser.give_address()
    browser.place_order()
    order = get_model("order", "Order").objects.get()
    events.take()
    assert not host.get_order(order.number).is_cancelled

    order.set_status("Cancelled")

    assert events.references("order_changed") == [order.number]
    assert host.get_order(order.number).is_cancelled


def test_ten_changes_in_one_transaction_are_one_event(product: Any, make_basket: Any, events: Any) -> None:
    basket = make_basket((product, 1))
    line = basket.lines.get()
    for quantity in range(2, 11):
        line.quantity = quantity
        line.save()

    assert events.take() == [("cart_changed", {"reference": str(basket.pk)})]


def test_a_customer_who_only_looks_around_makes_no_cart(browser: Any, user: Any, events: Any) -> None:
    """Oscar creates an empty basket for every customer who is logged in."""
    browser.force_login(user)
    events.take()

    browser.get(reverse("basket:summary"))

    assert Basket.open.filter(owner=user).exists()
    assert events.take() == []


def test_a_shipment_changes_its_order(product: Any, make_basket: Any, events: Any) -> None:
    order = factories.create_order(number="100009", basket=make_basket((product, 1)))
    kind = get_model("order", "ShippingEventType").objects.create(name="Shipped")
    events.take()

    order.shipping_events.create(event_type=kind)

    assert events.take() == [("order_changed", {"reference": "100009"})]


def test_a_product_has_changed_when_its_stock_or_price_has(make_product: Any, events: Any) -> None:
    product = make_product("Lens", stock=3)
    record = product.stockrecords.get()
    events.take()
    events.listen("product_changed")

    record.allocate(2)
    allocated = events.take()
    record.num_in_stock = None
    record.save()

    unlimited = events.take()
    signals.product_changed.disconnect(dispatch_uid="tests.oscar.product_changed")

    told = {"product_id": str(product.pk)}
    assert allocated == [("product_changed", told | {"stock": 1})]
    assert unlimited == [("product_changed", told | {"stock": None})]


def test_receivers_ask_the_database_nothing(
    product: Any, user: Any, make_basket: Any, events: Any, django_assert_num_queries: Any
) -> None:
    receivers = Receivers("default")
    basket = make_basket((product, 1), owner=user)
    line, order = basket.lines.get(), factories.create_order(number="100001", user=user)
    request = RequestFactory().get("/")
    request.basket, request.user, record = basket, user, product.stockrecords.get()

    with django_assert_num_queries(0):
        receivers.line_changed(instance=line, using="default")
        receivers.basket_changed(instance=basket, using="default")
        receivers.order_placed(order=order)
        receivers.order_changed(order=order)
        receivers.checkout_started(request=request)
        receivers.logged_in(request=request, user=user)
        receivers.registered(request=request, user=user)
        receivers.product_viewed(request=request, product=product)
        receivers.stock_changed(instance=record)
        request.user = AnonymousUser()
        receivers.checkout_started(request=request, email="guest@example.com")


@pytest.mark.parametrize(
    "arguments",
    [{"request": None}, {"request": object()}, {}],
    ids=["no request", "a request of another kind", "nothing at all"],
)
def test_a_signal_unlike_oscars_own_is_survived(arguments: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    receivers = Receivers("default")

    for receiver in (receivers.checkout_started, receivers.product_viewed, receivers.order_placed):
        receiver(**arguments)

    assert len([record for record in caplog.records if "reconcile" in record.message]) == 3


def test_fixtures_loaded_raw_are_no_events(product: Any, make_basket: Any, events: Any) -> None:
    basket = make_basket((product, 1))
    events.take()

    Receivers("default").line_changed(instance=basket.lines.get(), using="default", raw=True)
    Receivers("default").basket_changed(instance=basket, using="default", raw=True)

    assert events.take() == []


@pytest.mark.django_db(transaction=True)
def test_a_cart_change_costs_the_shops_request_one_query_of_ours(browser: Any, make_product: Any, user: Any) -> None:
    """Oscar's own view, without ATOMIC_REQUESTS: every event leaves at once, and none twice."""
    product = make_product("Lens")
    browser.add(product)
    line = Basket.objects.get().lines.get()

    def ours(step: Callable[[], Any]) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            step()
        return [query["sql"] for query in queries.captured_queries if "retarget_plugin_" in query["sql"]]

    assert len(ours(lambda: browser.add(product))) == 1
    assert len(ours(lambda: browser.change(line, quantity=3))) == 1
    assert len(ours(lambda: browser.change(line, DELETE="on"))) == 1
    browser.add(product)
    assert len(ours(lambda: browser.enter_checkout("guest@example.com"))) <= 2
