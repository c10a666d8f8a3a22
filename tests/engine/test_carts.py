"""Links that rebuild carts, and the net under lost events."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import RequestFactory

from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import carts, gates, orders, tick, tokens
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, Click, FlowRun, Link, Message, Order
from retarget_plugin.testing import build_cart

from .conftest import EMAIL
from .test_story import place_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def texted(shopping):
    """A cart about which a text went out; answers (cart, message, token)."""
    shopping.consent("sms", "email")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=45)
    cart, message = Cart.objects.get(), Message.objects.get()
    return cart, message, tokens.recovery(cart_id=cart.pk, contact_id=cart.contact_id, message_id=message.pk)


def request():
    asked = RequestFactory().post("/")
    asked.session = SessionStore()
    return asked


def test_a_link_rebuilds_the_cart_as_it_is_now(shopping, texted):
    _cart, _message, token = texted

    url = carts.restore(request(), token, now=shopping.clock.now)

    assert url == "/basket/"
    assert [item.title for item in shopping.host.restored[0]] == ["Macro lens 90 mm"]


def test_a_cart_the_shop_has_lost_is_rebuilt_from_what_we_last_read(shopping, texted):
    shopping.host.carts.clear()

    carts.restore(request(), texted[2], now=shopping.clock.now)

    assert [item.quantity for item in shopping.host.restored[0]] == [1]


def test_the_cart_that_was_rebuilt_remembers_its_message(shopping, texted, monkeypatch):
    monkeypatch.setattr(shopping.host, "current_cart", lambda request: "99")

    carts.restore(request(), texted[2], now=shopping.clock.now)

    assert Cart.objects.get(reference="99").restored_by == texted[1]


def test_an_order_of_a_rebuilt_cart_by_another_address_is_credited(shopping, texted, monkeypatch):
    monkeypatch.setattr(shopping.host, "current_cart", lambda request: "99")
    link = Link.objects.get(message=texted[1])
    Click.objects.create(link=link, at=shopping.clock.now, is_human=True)
    carts.restore(request(), texted[2], now=shopping.clock.now)
    shopping.clock.advance(minutes=5)

    place_order(shopping, cart="99", email="partner@example.com")
    tick.once(now=shopping.clock.now)

    assert Order.objects.get().credited_message == texted[1]
    assert FlowRun.objects.get().reason == "ordered"


def test_an_order_of_a_rebuilt_cart_is_seen_by_the_gate_itself(shopping, texted, monkeypatch):
    monkeypatch.setattr(shopping.host, "current_cart", lambda request: "99")
    carts.restore(request(), texted[2], now=shopping.clock.now)
    place_order(shopping, cart="99", email="partner@example.com")
    orders.read_new(now=shopping.clock.now)

    verdict = gates.verdict(texted[1], now=shopping.clock.now)

    assert verdict.reason == "ordered"


def test_an_order_long_after_the_click_is_not_credited(shopping, texted):
    Click.objects.create(link=Link.objects.get(message=texted[1]), at=shopping.clock.now, is_human=True)
    shopping.clock.advance(days=5, seconds=1)

    place_order(shopping, cart="")
    tick.once(now=shopping.clock.now)

    assert Order.objects.get().credited_message is None


def test_a_machines_click_earns_nothing(shopping, texted):
    Click.objects.create(link=Link.objects.get(message=texted[1]), at=shopping.clock.now, is_human=False)
    shopping.clock.advance(minutes=5)

    place_order(shopping, cart="")
    tick.once(now=shopping.clock.now)

    assert Order.objects.get().credited_message is None


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t + "x", lambda t: t[:-1], lambda t: "", lambda t: t.upper(), lambda t: "1" + t, lambda t: "é" + t],
)
def test_a_spoiled_token_is_refused(shopping, texted, spoil):
    with pytest.raises(Refusal, match="bad_token"):
        carts.recoverable(spoil(texted[2]))


def test_a_token_of_another_purpose_or_another_persons_cart_is_refused(shopping, texted):
    cart, message, _token = texted
    other_purpose = tokens.unsubscribe(contact_id=cart.contact_id, channel="email", message_id=message.pk)
    other_person = tokens.recovery(cart_id=cart.pk, contact_id=cart.contact_id + 1, message_id=message.pk)

    for token in (other_purpose, other_person):
        with pytest.raises(Refusal, match="bad_token"):
            carts.recoverable(token)


def test_a_recovery_token_dies_after_a_month_and_an_unsubscribe_never(shopping, texted):
    cart, message, token = texted
    stop = tokens.unsubscribe(contact_id=cart.contact_id, channel="email", message_id=message.pk)

    with time_machine.travel(timedelta(days=31), tick=False), pytest.raises(Refusal, match="bad_token"):
        tokens.read_recovery(token)
    with time_machine.travel(timedelta(days=3650), tick=False):
        assert tokens.read_unsubscribe(stop, is_page=False).channel == "email"
        with pytest.raises(Refusal, match="bad_token"):
            tokens.read_unsubscribe(stop, is_page=True)


def test_tokens_hold_ids_only(shopping, texted):
    assert EMAIL not in texted[2]
    assert texted[2].count(":") == 2


def test_lost_events_are_found_again(shopping, monkeypatch):
    shopping.consent("email")
    shopping.host.carts["55"] = build_cart("55", identity=Identity(email=EMAIL))
    monkeypatch.setattr(shopping.host, "stale_carts", lambda since, until: ["55"])
    monkeypatch.setattr(shopping.host, "orders_since", lambda since: ["1001"])

    first = carts.reconcile(now=shopping.clock.now)
    again = carts.reconcile(now=shopping.clock.now)
    tick.once(now=shopping.clock.now)

    assert (first["carts"], first["orders"]) == (1, 1)
    assert (again["carts"], again["orders"]) == (0, 0)
    assert Cart.objects.get(reference="55").state == "abandoned"


def test_a_host_that_cannot_be_reconciled_is_counted_and_not_fatal(shopping, monkeypatch, caplog):
    monkeypatch.setattr(shopping.host, "orders_since", lambda since: 1 / 0)

    assert carts.reconcile(now=shopping.clock.now)["failed"] == 1
