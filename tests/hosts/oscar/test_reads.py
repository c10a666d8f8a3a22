"""Carts, orders, contacts and products as the host reads them outside a request."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override
from oscar.apps.catalogue.categories import create_from_breadcrumbs
from oscar.core.loading import get_model
from oscar.test import factories

from retarget_plugin.domain.carts import Cart, Identity, Item
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.hosts.oscar import OscarHost, products

Basket = get_model("basket", "Basket")


def test_a_cart_is_read_whole(host: Any, make_product: Any, make_basket: Any, user: Any) -> None:
    lens = make_product("Lens", price="549.00")
    lens.categories.add(create_from_breadcrumbs("Optics"))
    get_model("catalogue", "ProductImage").objects.create(product=lens, original=ContentFile(b"x", name="lens.jpg"))
    basket = make_basket((lens, 2), owner=user)

    cart = host.get_cart(str(basket.pk))

    assert cart == Cart(
        reference=str(basket.pk),
        currency="EUR",
        total=Decimal("1098.00"),
        updated_at=basket.lines.get().date_updated,
        identity=Identity(external_id=str(user.pk), email="ana@example.com", first_name="Ana", last_name="Martin"),
        items=(
            Item(
                product_id=str(lens.pk),
                title="Lens",
                quantity=2,
                unit_price=Decimal("549.00"),
                sku="SKU-Lens",
                url=f"https://example.com/catalogue/lens_{lens.pk}/",
                image_url=f"https://example.com{lens.primary_image().original.url}",
                category="Optics",
            ),
        ),
    )


def test_prices_are_those_of_now(host: Any, product: Any, make_basket: Any) -> None:
    basket = make_basket((product, 1))
    product.stockrecords.update(price=Decimal("79.90"))

    cart = host.get_cart(str(basket.pk))

    assert basket.lines.get().price_incl_tax == Decimal("100.00")
    assert (cart.items[0].unit_price, cart.amount) == (Decimal("79.90"), Decimal("79.90"))


def test_what_can_no_longer_be_bought_is_marked_and_not_counted(host: Any, make_product: Any, make_basket: Any) -> None:
    sold_out, unpriced, hidden, fine = (make_product(name) for name in ("Sold out", "Unpriced", "Hidden", "Fine"))
    basket = make_basket((sold_out, 1), (unpriced, 1), (hidden, 1), (fine, 1))
    sold_out.stockrecords.update(num_in_stock=0)
    unpriced.stockrecords.update(price=None)
    hidden.is_public = False
    hidden.save()

    cart = host.get_cart(str(basket.pk))

    assert {item.title: item.is_available for item in cart.items} == {
        "Sold out": False,
        "Unpriced": False,
        "Hidden": False,
        "Fine": True,
    }
    assert [item.unit_price for item in cart.items] == [Decimal("100.00")] * 4
    assert cart.amount == Decimal("300.00")


def test_a_variant_has_its_parents_title_picture_and_category(host: Any, make_product: Any, make_basket: Any) -> None:
    parent = make_product("Strap", structure="parent")
    parent.stockrecords.all().delete()
    parent.categories.add(create_from_breadcrumbs("Straps"))
    get_model("catalogue", "ProductImage").objects.create(product=parent, original=ContentFile(b"x", name="strap.jpg"))
    child = make_product("", parent=parent, price="39.00")

    (item,) = host.get_cart(str(make_basket((child, 1)).pk)).items

    assert (item.product_id, item.title, item.category) == (str(child.pk), "Strap", "Straps")
    assert item.image_url.endswith(parent.primary_image().original.url)
    (listed,) = host.get_products([str(parent.pk)])
    assert (listed.unit_price, listed.is_available) == (Decimal("39.00"), True)


@pytest.mark.parametrize("status", ["Merged", "Saved", "Submitted"])
def test_a_basket_that_cannot_be_bought_any_more_is_no_cart(
    status: str, host: Any, product: Any, make_basket: Any
) -> None:
    basket = make_basket((product, 1))
    Basket.objects.filter(pk=basket.pk).update(status=status)

    assert host.get_cart(str(basket.pk)) is None


def test_a_frozen_basket_is_marked(host: Any, product: Any, make_basket: Any) -> None:
    basket = make_basket((product, 1))
    basket.freeze()

    assert host.get_cart(str(basket.pk)).is_frozen


@pytest.mark.django_db
@pytest.mark.parametrize("reference", ["", "999999", "no number", "1; drop table"])
def test_unknown_references_are_nothing(reference: str, host: Any) -> None:
    assert host.get_cart(reference) is None
    assert host.get_order(reference) is None
    assert list(host.get_products([reference])) == []


def test_an_empty_basket_is_an_empty_cart(host: Any, make_basket: Any) -> None:
    basket = make_basket()

    cart = host.get_cart(str(basket.pk))

    assert (cart.is_empty, cart.amount, cart.currency) == (True, Decimal(), "EUR")
    assert cart.updated_at == basket.date_created


@pytest.mark.parametrize("kind", ["plain", "variants", "with options"])
def test_twenty_lines_cost_as_many_queries_as_one(
    kind: str, host: Any, make_product: Any, make_basket: Any, user: Any
) -> None:
    engraving = factories.OptionFactory(code="engraving", name="Engraving")
    chosen = [{"option": engraving, "value": "Ana"}] if kind == "with options" else []
    counts = []
    for number in (1, 20):
        basket = make_basket(owner=user)
        for index in range(number):
            product = make_product(f"{number}-{index}", structure="parent" if kind == "variants" else "standalone")
            if kind == "variants":
                product.stockrecords.all().delete()
                product = make_product(f"Child {number}-{index}", parent=product)
            basket.add_product(product, options=chosen)
        host.get_cart(str(basket.pk))
        with CaptureQueriesContext(connection) as queries:
            assert len(host.get_cart(str(basket.pk)).items) == number
        counts.append(len(queries))
        basket.delete()

    assert counts[0] == counts[1] <= 14, [query["sql"] for query in queries.captured_queries]


def test_addresses_follow_the_active_language_and_the_option(product: Any, make_basket: Any) -> None:
    host = OscarHost(base_url="https://shop.example")
    basket = make_basket((product, 1))

    assert host.get_cart(str(basket.pk)).items[0].url == f"https://shop.example/catalogue/lens_{product.pk}/"
    with override("fr"):
        assert host.get_cart(str(basket.pk)).items[0].url == f"https://shop.example/fr/catalogue/lens_{product.pk}/"


def test_a_stored_language_wins_over_the_active_one(product: Any, make_basket: Any, user: Any) -> None:
    # Any attribute of a project's own user model; the name stands in for one here.
    user.last_name = "fr"
    user.save()
    host = OscarHost(user_language_field="last_name")

    cart = host.get_cart(str(make_basket((product, 1), owner=user).pk))

    assert cart.identity.locale == "fr"
    assert "/fr/catalogue/" in cart.items[0].url


def test_an_unknown_option_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r'"default".*has no colour; known are base_url, cancelled_statuses'):
        OscarHost(colour="red")


def test_an_order_is_read_whole(host: Any, make_product: Any, make_basket: Any, user: Any, france: Any) -> None:
    lens = make_product("Lens", price="549.00")
    basket = make_basket((lens, 2), owner=user)
    address = factories.ShippingAddressFactory(country=france, phone_number="+33612345678")
    order = factories.create_order(number="100007", basket=basket, user=user, shipping_address=address)

    read = host.get_order("100007")

    assert (read.reference, read.number, read.currency, read.total) == ("100007", "100007", "EUR", Decimal("1098.00"))
    assert (read.cart_reference, read.placed_at) == (str(basket.pk), order.date_placed)
    assert (read.is_paid, read.is_cancelled, read.coupon_codes) == (True, False, ())
    assert read.identity == Identity(
        external_id=str(user.pk),
        email="ana@example.com",
        phone="+33612345678",
        first_name="Ana",
        last_name="Martin",
        country="FR",
    )
    assert [(item.product_id, item.quantity, item.unit_price) for item in read.items] == [
        (str(lens.pk), 2, Decimal("549.00"))
    ]


def test_an_order_outlives_its_product_and_its_basket(host: Any, make_product: Any, make_basket: Any) -> None:
    basket = make_basket((make_product("Lens"), 1))
    factories.create_order(number="100008", basket=basket)
    basket.delete()
    get_model("catalogue", "Product").objects.all().delete()

    order = host.get_order("100008")

    assert order.cart_reference == ""
    assert [(item.title, item.product_id, item.is_available) for item in order.items] == [("Lens", "", False)]


def test_statuses_mean_what_the_options_say(product: Any, make_basket: Any) -> None:
    host = OscarHost(cancelled_statuses=["Void"], unpaid_statuses=["Pending"])
    void = factories.create_order(number="1", basket=make_basket((product, 1)), status="Void")
    waiting = factories.create_order(number="2", basket=make_basket((product, 1)), status="Pending")

    first, second = host.get_order(void.number), host.get_order(waiting.number)

    assert (first.is_cancelled, first.is_paid) == (True, True)
    assert (second.is_cancelled, second.is_paid) == (False, False)


def test_an_order_with_a_status_that_says_so_is_fulfilled_since_it_has_it(
    host: Any, product: Any, make_basket: Any
) -> None:
    order = factories.create_order(number="1", basket=make_basket((product, 1)), status="Being processed")
    assert not host.get_order("1").is_fulfilled

    order.set_status("Complete")

    read = host.get_order("1")
    assert (read.is_fulfilled, read.fulfilled_at) == (True, order.status_changes.get().date_created)


def test_an_order_is_fulfilled_when_all_of_every_line_was_shipped(
    host: Any, make_product: Any, make_basket: Any
) -> None:
    basket = make_basket((make_product("Lens"), 2), (make_product("Bag"), 1))
    order = factories.create_order(number="1", basket=basket)
    lens, bag = order.lines.order_by("pk")
    types = get_model("order", "ShippingEventType").objects
    shipped, returned = types.create(name="Shipped"), types.create(name="Returned")

    def move(kind: Any, *parts: tuple[Any, int]) -> Any:
        event = order.shipping_events.create(event_type=kind)
        for line, quantity in parts:
            event.line_quantities.create(line=line, quantity=quantity)
        return event

    found = []
    for kind, parts in ((shipped, [(lens, 1)]), (returned, [(lens, 1)]), (shipped, [(lens, 1), (bag, 1)])):
        last = move(kind, *parts)
        found.append((host.get_order("1").is_fulfilled, host.get_order("1").fulfilled_at))

    assert found == [(False, None), (False, None), (True, last.date_created)]


def test_orders_since_finds_new_and_changed_ones(host: Any, product: Any, make_basket: Any) -> None:
    now = timezone.now()
    week = timezone.timedelta(weeks=1)
    _, changed, _ = (
        factories.create_order(number=name, basket=make_basket((product, 1)), status="Pending")
        for name in ("old", "changed", "new")
    )
    type(changed).objects.filter(number__in=["old", "changed"]).update(date_placed=now - week)
    changed.refresh_from_db()
    changed.set_status("Cancelled")

    assert list(host.orders_since(now - week / 2)) == ["changed", "new"]


def test_products_come_in_the_order_asked_for(host: Any, make_product: Any) -> None:
    first, second = make_product("First"), make_product("Second", price="5.00", stock=0)

    found = host.get_products([str(second.pk), "999999", str(first.pk)])

    assert [(item.title, item.quantity, item.unit_price, item.is_available) for item in found] == [
        ("Second", 1, Decimal("5.00"), False),
        ("First", 1, Decimal("100.00"), True),
    ]


def test_a_whole_catalogue_is_read_the_longest_unchanged_first(
    host: Any, make_product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "BATCH", 2)
    catalogue, began = get_model("catalogue", "Product").objects, timezone.now()
    made = [make_product(title) for title in "ABCDE"]
    for product, hours in zip(made, (3, 1, 2, 2, 2), strict=True):
        catalogue.filter(pk=product.pk).update(date_updated=began - timedelta(hours=hours))
    catalogue.filter(pk=made[1].pk).update(is_public=False)

    whole = list(host.products_since(None))
    lately = list(host.products_since(began - timedelta(hours=2)))

    assert [(item.title, item.is_available) for _at, item in whole] == [
        ("A", True),
        ("C", True),
        ("D", True),
        ("E", True),
        ("B", False),
    ]
    assert whole[0][0] == began - timedelta(hours=3)
    assert lately == whole[1:]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/orders/{number}/pay/", "https://shop.example/orders/100%2F1/pay/"),
        ("https://pay.example/?order={number}", "https://pay.example/?order=100%2F1"),
        ("", ""),
    ],
)
def test_an_order_is_paid_where_the_owner_says(path: str, expected: str) -> None:
    host = OscarHost(base_url="https://shop.example", payment_path=path)

    assert host.payment_url("100/1") == expected


def test_the_newest_products_are_those_with_a_page_that_came_since(host: Any, make_product: Any) -> None:
    now = timezone.now()
    made = {title: make_product(title) for title in ("old", "new", "newer", "hidden")}
    for title, days in (("old", 40), ("new", 20), ("newer", 1), ("hidden", 0)):
        made[title].date_created = now - timedelta(days=days)
        type(made[title]).objects.filter(pk=made[title].pk).update(date_created=made[title].date_created)
    type(made["hidden"]).objects.filter(pk=made["hidden"].pk).update(is_public=False)

    found = host.new_products(now - timedelta(days=30), 5)
    newest = host.new_products(now - timedelta(days=30), 1)

    assert [item.title for item in found] == ["newer", "new"]
    assert [item.title for item in newest] == ["newer"]
    assert found[0].unit_price == Decimal("100.00")
