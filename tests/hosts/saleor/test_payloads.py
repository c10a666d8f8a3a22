"""What Saleor's own JSON means, read from requests it has really sent."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from retarget_plugin.domain.carts import Identity, Item
from retarget_plugin.exceptions import ConfigurationError, InputError
from retarget_plugin.hosts.saleor import manifest, payloads, subscriptions
from retarget_plugin.hosts.saleor.options import Options
from tests.saleor_captures import API_URL, CHECKOUT, FOLDER, ORDER, capture

OPTIONS = Options(api_url=API_URL, storefront_url="https://shop.example/")
ADDRESSES = {
    "app_url": "https://shop.example/app",
    "register_url": "https://shop.example/register/",
    "webhook_url": "https://shop.example/webhooks/",
    "home_url": "https://shop.example/",
}


def read(number):
    return payloads.read(capture(number).body, OPTIONS)


def changed(number, change):
    """The event with `change` made to its JSON."""
    data = capture(number).data
    change(data)
    return payloads.read(json.dumps(data).encode(), OPTIONS)


def accepted_texts():
    spec = importlib.util.spec_from_file_location("accepted", FOLDER / "subscriptions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- the manifest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CHECKOUT", "ORDER", "CUSTOMER", "VOUCHER", "PRODUCT", "LIFECYCLE"])
def test_the_subscriptions_are_those_that_saleor_took_to_the_letter(name):
    assert getattr(subscriptions, name) == getattr(accepted_texts(), name)


def test_the_manifest_has_the_shape_of_the_one_that_saleor_took():
    accepted = json.loads((FOLDER / "manifest.json").read_text())

    ours = manifest.build(version="1.0", **ADDRESSES)

    assert ours.keys() == accepted.keys()
    assert ours["permissions"] == accepted["permissions"]
    assert ours["extensions"][0].keys() == accepted["extensions"][0].keys()
    assert [hook.keys() for hook in ours["webhooks"]] == [accepted["webhooks"][0].keys()] * 6


def test_every_webhook_names_the_events_of_its_text():
    hooks = {hook["name"]: hook["asyncEvents"] for hook in manifest.build(version="1.0", **ADDRESSES)["webhooks"]}

    assert hooks["retarget-checkout"] == [
        "CHECKOUT_CREATED",
        "CHECKOUT_UPDATED",
        "CHECKOUT_FULLY_PAID",
        "CHECKOUT_METADATA_UPDATED",
    ]
    assert hooks["retarget-product"] == [
        "PRODUCT_VARIANT_BACK_IN_STOCK",
        "PRODUCT_VARIANT_OUT_OF_STOCK",
        "PRODUCT_VARIANT_DISCOUNTED_PRICE_UPDATED",
        "PRODUCT_UPDATED",
        "PRODUCT_DELETED",
    ]
    assert hooks["retarget-app"] == ["APP_DELETED", "APP_STATUS_CHANGED"]


# -- carts, orders, people --------------------------------------------------------------------------------------------


def test_a_checkout_is_a_cart_with_everything_in_it():
    event = read("021")

    assert (event.name, event.channel, event.currency) == ("CheckoutUpdated", "default-channel", "USD")
    assert event.issued_at == datetime(2026, 11, 22, 2, 28, 15, 649957, tzinfo=UTC)
    assert event.stage == "checkout"
    assert event.cart.reference == CHECKOUT
    assert event.cart.total == Decimal("5.37")
    assert event.cart.coupon == "RT-D6C65D99"
    assert event.cart.updated_at == datetime(2026, 11, 22, 2, 28, 15, 583611, tzinfo=UTC)
    assert event.cart.is_frozen is False
    assert event.cart.items == (
        Item(
            product_id="UHJvZHVjdDoxNTI=",
            variant_id="UHJvZHVjdFZhcmlhbnQ6Mzg0",
            title="Apple Juice",
            quantity=3,
            unit_price=Decimal("1.79"),
            url="https://shop.example/default-channel/products/apple-juice",
        ),
    )
    assert event.cart.identity == Identity(
        email="ann2@example.com",
        phone="+12125550123",
        first_name="Ann",
        last_name="Guest",
        locale="en-us",
        country="US",
    )


def test_a_checkout_that_is_paid_is_left_alone():
    event = read("022")

    assert event.name == "CheckoutFullyPaid"
    assert (event.cart.is_frozen, event.stage) == (True, "payment")


def test_what_costs_nothing_is_not_thought_to_be_paid():
    def free(data):
        data["checkout"]["totalPrice"]["gross"]["amount"] = 0

    assert changed("022", free).cart.is_frozen is False


@pytest.mark.parametrize("amount", [None, "0.6", -1, True, 10**12])
def test_an_order_whose_discount_is_no_amount_is_an_order_all_the_same(amount):
    def spoil(data):
        data["order"]["discounts"][0]["amount"] = {"amount": amount}

    order = changed("023", spoil).order

    assert (order.coupon_codes, order.discounts, order.total) == (("RT-D6C65D99",), {}, Decimal("5.37"))


def test_an_order_names_its_checkout():
    event = read("023")

    assert event.order.reference == ORDER
    assert (event.order.number, event.order.total, event.order.currency) == ("21", Decimal("5.37"), "USD")
    assert event.order.cart_reference == CHECKOUT
    assert event.order.coupon_codes == ("RT-D6C65D99",)
    assert event.order.discounts == {"RT-D6C65D99": Decimal("0.6")}
    assert (event.order.is_paid, event.order.is_cancelled) == (True, False)
    assert event.order.placed_at == datetime(2026, 11, 22, 2, 28, 24, 385600, tzinfo=UTC)
    assert [(item.title, item.quantity, item.unit_price) for item in event.order.items] == [
        ("Apple Juice", 3, Decimal("1.79"))
    ]


def test_a_canceled_order_is_cancelled():
    assert read("031").order.is_cancelled is True


@pytest.mark.parametrize(
    ("status", "is_fulfilled"), [("UNFULFILLED", False), ("PARTIALLY_FULFILLED", False), ("FULFILLED", True)]
)
def test_an_order_is_fulfilled_when_saleor_says_so_of_all_of_it(status, is_fulfilled):
    event = changed("030", lambda data: data["order"].update(status=status))

    updated = datetime.fromisoformat(event.data["order"]["updatedAt"])
    assert event.order.is_fulfilled is is_fulfilled
    assert event.order.fulfilled_at == (updated if is_fulfilled else None)


@pytest.mark.parametrize(("origin", "is_by_staff"), [("CHECKOUT", False), ("DRAFT", True), ("BULK_CREATE", True)])
def test_who_made_an_order_is_told_by_where_it_comes_from(origin, is_by_staff):
    event = changed("030", lambda data: data["order"].update(origin=origin))

    assert event.order.is_by_staff is is_by_staff


def test_an_order_is_read_back_as_it_was_kept():
    order = read("023").order

    for kept in (order, replace(order, identity=replace(order.identity, born_on=date(1990, 5, 1)))):
        assert type(order).from_data(json.loads(json.dumps(kept.to_data()))) == kept


def test_an_account_proves_nothing_about_its_address():
    event = read("028")

    assert event.customer == Identity(
        external_id="VXNlcjo0Ng==",
        email="new.customer@example.com",
        first_name="New",
        last_name="Customer",
        locale="en",
    )


def test_what_was_ticked_is_read_from_the_metadata():
    checkout, account = read("006"), read("028")

    assert (checkout.consents, checkout.account_consents) == ({"email": True}, {})
    assert (account.consents, account.account_consents) == ({}, {"sms": True})


def test_the_account_is_asked_only_about_what_the_checkout_leaves_open():
    def both(data):
        words = [{"key": "consent.email", "value": "false"}, {"key": "consent.sms", "value": "true"}]
        data["checkout"]["user"] = {"id": "VXNlcjox", "email": "ann@example.com", "metadata": words}

    event = changed("006", both)

    assert (event.consents, event.account_consents) == ({"email": True}, {"sms": True})
    assert event.customer == Identity(external_id="VXNlcjox", email="ann@example.com")


@pytest.mark.parametrize("value", ["", "yes please", "1", "null"])
def test_what_is_neither_yes_nor_no_says_nothing(value):
    def vague(data):
        data["checkout"]["metadata"] = [{"key": "consent.email", "value": value}]

    assert changed("006", vague).consents == {}


def test_whoever_is_logged_in_has_not_begun_to_check_out():
    def account(data):
        data["checkout"]["user"] = {"id": "VXNlcjox", "email": "ann@example.com"}

    assert (read("006").stage, changed("006", account).stage) == ("checkout", "cart")


def test_a_line_without_a_product_is_passed_over():
    def deleted(data):
        data["checkout"]["lines"].append({"quantity": 1, "variant": None})

    assert len(changed("006", deleted).cart.items) == 1


def test_a_zero_byte_is_never_kept():
    def dirty(data):
        data["checkout"]["lines"][0]["variant"]["product"]["name"] = "Ju\0ice"

    assert changed("006", dirty).cart.items[0].title == "Juice"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("issuedAt"),
        lambda data: data.update(issuedAt="yesterday"),
        lambda data: data.update(issuedAt="2026-11-22T02:27:28"),
        lambda data: data.pop("__typename"),
        lambda data: data["checkout"].update(id=""),
        lambda data: data["checkout"].update(id="x" * 121),
        lambda data: data["checkout"].update(channel=None),
        lambda data: data["checkout"]["totalPrice"]["gross"].update(amount=-1),
        lambda data: data["checkout"]["totalPrice"]["gross"].update(amount="1.99"),
        lambda data: data["checkout"]["lines"][0].update(quantity=-1),
        lambda data: data["checkout"]["lines"][0].update(quantity=True),
        lambda data: data["checkout"]["lines"][0]["unitPrice"]["gross"].update(amount=1e17),
    ],
)
def test_an_event_that_lacks_what_it_is_about_is_refused(change):
    with pytest.raises(InputError):
        changed("006", change)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}'])
def test_what_is_no_plain_object_is_refused(body):
    with pytest.raises(InputError):
        payloads.read(body, OPTIONS)


# -- the options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"api_url": ""},
        {"api_url": "shop.example/graphql/"},
        {"api_url": "ftp://shop.example/graphql/"},
        {"api_url": "https://user:password@shop.example/graphql/"},
        {"api_url": API_URL, "storefront_url": "shop.example"},
        {"api_url": API_URL, "api_key": "x"},
    ],
)
def test_a_host_that_cannot_work_is_refused_with_the_line_to_change(options):
    with pytest.raises(ConfigurationError, match=r'RETARGET\["HOSTS"\]\["saleor"\]\["OPTIONS"\]'):
        Options.parse("saleor", options)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"payment_path": "/orders/{order}/pay"}, "https://shop.example/orders/T3JkZXI6MQ%3D%3D/pay"),
        ({"payment_path": ""}, ""),
        ({"payment_path": "/orders/{order}/pay", "storefront_url": ""}, ""),
    ],
)
def test_an_order_is_paid_where_the_owner_says(changes, expected):
    options = Options(**{"api_url": API_URL, "storefront_url": "https://shop.example/", **changes})

    assert options.payment_url("T3JkZXI6MQ==") == expected
