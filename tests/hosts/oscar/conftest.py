"""Products, a browser that walks through Oscar's checkout, and an ear for what the host tells the plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.dispatch import Signal
from django.test import Client
from django.urls import reverse
from django.utils import translation

from retarget_plugin import signals
from retarget_plugin.domain.carts import Item
from retarget_plugin.hosts import get_host

HAS_OSCAR = "oscar.config.Shop" in settings.INSTALLED_APPS
collect_ignore_glob = [] if HAS_OSCAR else ["test_*.py"]

EARS = (
    "cart_changed",
    "cart_identified",
    "checkout_started",
    "order_placed",
    "order_changed",
    "contact_changed",
    "product_viewed",
)


class Events:
    """What the host has emitted. Tests run in a transaction, so `take` is the shop's commit."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def listen(self, name: str) -> None:
        def hear(sender: object, signal: Signal, **arguments: Any) -> None:
            assert arguments.pop("host") == "default"
            assert arguments.pop("scope") == ""
            self.heard.append((name, arguments))

        getattr(signals, name).connect(hear, weak=False, dispatch_uid=f"tests.oscar.{name}")

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """Commit, and return what was emitted since the last call."""
        waiting, connection.run_on_commit = connection.run_on_commit, []
        for _savepoints, function, _robust in waiting:
            function()
        heard, self.heard = self.heard, []
        return heard

    def references(self, name: str) -> list[str]:
        """Commit; the references (or products) of the events with this name, without repetitions."""
        found = [arguments for heard, arguments in self.take() if heard == name]
        return list(dict.fromkeys(arguments.get("reference") or arguments["product_id"] for arguments in found))


@pytest.fixture
def events(db: None) -> Iterator[Events]:
    ear = Events()
    for name in EARS:
        ear.listen(name)
    yield ear
    for name in EARS:
        getattr(signals, name).disconnect(dispatch_uid=f"tests.oscar.{name}")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A request leaves its language active in the thread: the next test would reverse its URLs in it."""
    with translation.override("en"):
        yield


@pytest.fixture
def host() -> Any:
    return get_host()


@pytest.fixture
def make_product(db: None) -> Any:
    """A product with stock, such as `make_product("Lens", price="549.00", stock=6)`."""

    def make(title: str = "Lens", *, price: str = "100.00", stock: int = 10, **fields: Any) -> Any:
        from oscar.test.factories import create_product

        return create_product(
            title=title,
            product_class="Photo",
            partner_name="Warehouse",
            partner_sku=f"SKU-{title}",
            price=Decimal(price),
            num_in_stock=stock,
            **fields,
        )

    return make


@pytest.fixture
def product(make_product: Any) -> Any:
    return make_product("Lens")


@pytest.fixture
def make_basket(db: None) -> Any:
    """A basket written by code, such as `make_basket((product, 2), owner=user)`."""

    def make(*lines: tuple[Any, int], owner: Any = None) -> Any:
        from oscar.core.loading import get_class, get_model

        basket = get_model("basket", "Basket").objects.create(owner=owner)
        basket.strategy = get_class("partner.strategy", "Selector")().strategy()
        for product, quantity in lines:
            basket.add_product(product, quantity)
        return basket

    return make


@pytest.fixture
def user(db: None) -> Any:
    return get_user_model()._default_manager.create_user(
        "ana", "ana@example.com", "pw", first_name="Ana", last_name="Martin"
    )


@pytest.fixture
def france(db: None) -> Any:
    return apps.get_model("address", "Country").objects.create(
        iso_3166_1_a2="FR", printable_name="France", name="France", is_shipping_country=True
    )


class Browser(Client):
    """Django's test client with the steps of a shopper. Every step is one of Oscar's own pages."""

    def view(self, product: Any, *, referrer: str = "") -> Any:
        return self.ok(self.get(product.get_absolute_url(), headers={"referer": referrer} if referrer else None))

    def add(self, product: Any, quantity: int = 1) -> Any:
        page = f"http://testserver{product.get_absolute_url()}"
        answer = self.post(
            reverse("basket:add", args=[product.pk]), {"quantity": quantity}, headers={"referer": page}, follow=True
        )
        return self.ok(answer)

    def change(self, line: Any, quantity: int = 1, **more: str) -> Any:
        """On the basket page; `more` may be DELETE or save_for_later."""
        form = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-MIN_NUM_FORMS": 0, "form-MAX_NUM_FORMS": 1000}
        form |= {"form-0-id": line.pk, "form-0-quantity": quantity}
        form |= {f"form-0-{name}": value for name, value in more.items()}
        return self.ok(self.post(reverse("basket:summary"), form, follow=True))

    def enter_checkout(self, email: str) -> Any:
        return self.ok(self.post(reverse("checkout:index"), {"username": email, "options": "anonymous"}, follow=True))

    def give_address(self, **more: str) -> Any:
        form = {"first_name": "Ana", "last_name": "Martin", "line1": "4 rue du Port", "line4": "Lyon"}
        form |= {"postcode": "69002", **more}
        return self.ok(self.post(reverse("checkout:shipping-address"), form, follow=True))

    def place_order(self) -> Any:
        return self.post(reverse("checkout:preview"), {"action": "place_order"}, follow=True)

    def restore(self, items: list[Item], coupon: str = "") -> Any:
        data = json.dumps([item.to_data() for item in items])
        return self.ok(self.get("/restore/", {"items": data, "coupon": coupon}, follow=True))

    def basket(self) -> dict[str, int]:
        """Title -> quantity, as the basket page shows it."""
        basket = self.ok(self.get(reverse("basket:summary"))).context["basket"]
        return {line.product.title: line.quantity for line in basket.all_lines()}

    @staticmethod
    def ok(answer: Any) -> Any:
        assert answer.status_code == 200, (answer.status_code, answer.redirect_chain)
        return answer


@pytest.fixture
def browser(db: None) -> Browser:
    return Browser()


@pytest.fixture
def other_browser(db: None) -> Browser:
    return Browser()
