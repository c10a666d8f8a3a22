"""What a shop's request pays for capture, and what it never has to pay for."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from retarget_plugin import signals
from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import carts, orders
from retarget_plugin.models import Cart, Order
from retarget_plugin.testing import build_shop
from tests.shop.models import Basket, Line, Product

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.delivery]


@pytest.fixture
def shop():
    return build_shop()


def plugin_statements(context):
    """Statements on the plugin's tables; BEGIN and COMMIT are the shop's."""
    return [entry["sql"] for entry in context.captured_queries if "retarget_plugin_" in entry["sql"]]


def test_a_cart_change_costs_one_statement(shop):
    basket, product = Basket.objects.create(), Product.objects.create(name="Lens", price=10)

    with CaptureQueriesContext(connection) as context:
        Line.objects.create(basket=basket, product=product)

    assert len(plugin_statements(context)) == 1
    assert Cart.objects.get(reference=str(basket.pk)).state == "active"


def test_ten_line_changes_in_one_transaction_cost_one_statement(shop):
    basket, product = Basket.objects.create(), Product.objects.create(name="Lens", price=10)

    with CaptureQueriesContext(connection) as context, transaction.atomic():
        for _line in range(10):
            Line.objects.create(basket=basket, product=product)

    assert len(plugin_statements(context)) == 1


def test_an_identity_costs_one_statement_more(shop):
    with CaptureQueriesContext(connection) as context, transaction.atomic():
        signals.emit(signals.cart_changed, host="default", scope="", reference="5")
        signals.emit(
            signals.checkout_started, host="default", scope="", reference="5", identity=Identity(email="A@x.example")
        )

    assert len(plugin_statements(context)) == 2
    cart = Cart.objects.get(reference="5")
    assert (cart.email, cart.stage) == ("A@x.example", "checkout")


def test_nothing_is_told_about_what_was_rolled_back(shop):
    product = Product.objects.create(name="Lens", price=10)
    before = Cart.objects.count()

    with pytest.raises(RuntimeError), transaction.atomic():
        Line.objects.create(basket=Basket.objects.create(), product=product)
        raise RuntimeError

    assert Cart.objects.count() == before


def test_an_event_after_a_rolled_back_one_is_told(shop):
    basket, product = Basket.objects.create(), Product.objects.create(name="Lens", price=10)
    Cart.objects.all().delete()

    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            Line.objects.create(basket=basket, product=product)
            raise RuntimeError
        Line.objects.create(basket=basket, product=product)

    assert Cart.objects.get().reference == str(basket.pk)


def test_a_shop_that_is_not_set_up_writes_nothing():
    assert carts.touch(host="elsewhere", reference="1", now=build_shop().created_at) == 0


def test_an_ordered_cart_stays_ordered(shop):
    carts.touch(host="default", reference="1", now=shop.created_at)
    Cart.objects.update(state="ordered")

    carts.touch(host="default", reference="1", now=shop.created_at + timedelta(hours=1))

    assert Cart.objects.get().state == "ordered"


def test_what_is_known_of_a_cart_is_not_blanked_and_its_stage_never_falls(shop):
    carts.touch(
        host="default", reference="1", stage="checkout", identity=Identity(email="a@x.example"), now=shop.created_at
    )

    carts.touch(host="default", reference="1", now=shop.created_at)

    cart = Cart.objects.get()
    assert (cart.email, cart.stage) == ("a@x.example", "checkout")


def test_an_order_costs_one_statement(shop):
    with CaptureQueriesContext(connection) as context:
        orders.touch(host="default", reference="1001", now=shop.created_at)

    assert len(plugin_statements(context)) == 1
    assert Order.objects.get().read_at is None


def test_a_raising_receiver_does_not_reach_the_shop(shop, caplog):
    def broken(**_):
        raise ValueError("broken on purpose")

    signals.cart_changed.connect(broken, weak=False)
    try:
        Line.objects.create(basket=Basket.objects.create(), product=Product.objects.create(name="Lens", price=10))
    finally:
        signals.cart_changed.disconnect(broken)

    assert Line.objects.count() == 1
    assert Cart.objects.count() == 1
    assert "broken on purpose" in caplog.text


def test_the_missing_table_does_not_reach_the_shop(shop, caplog):
    call_command("migrate", "retarget_plugin", "zero", verbosity=0)
    try:
        Line.objects.create(basket=Basket.objects.create(), product=Product.objects.create(name="Lens", price=10))
    finally:
        call_command("migrate", "retarget_plugin", verbosity=0)

    assert Line.objects.count() == 1
    assert "failed on a shop event" in caplog.text
