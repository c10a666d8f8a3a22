"""One cart, told of by many: whatever the order of events, it is left once, belongs to one person and ends with its order."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection, connections, transaction
from django.test import Client

from retarget_plugin import hosts, signals
from retarget_plugin.engine import attribution, orders, tokens
from retarget_plugin.models import Cart, Click, FlowRun, Link, Message, Order
from tests.promises import length
from tests.shop.models import Basket, Purchase

from .street import open_street  # noqa: F401 - the fixture called street

pytestmark = [pytest.mark.delivery, pytest.mark.timeout(600)]

EMAIL = "ana@example.com"
RESTORE = "mutation Restore($token: String!) { retargetRestoreCart(input: {token: $token}) { url } }"


@pytest.fixture
def chance():
    seed = int(os.environ.get("RETARGET_TEST_SEED") or random.randrange(2**32))
    print(f"RETARGET_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def heard():
    """What the plugin tells the shop: (signal, cart) in order."""
    told = []

    def abandoned(cart, **_):
        told.append(("abandoned", cart))

    def recovered(order, **_):
        told.append(("recovered", order))

    signals.cart_abandoned.connect(abandoned)
    signals.cart_recovered.connect(recovered)
    yield told
    signals.cart_abandoned.disconnect(abandoned)
    signals.cart_recovered.disconnect(recovered)


# -- C6 ---------------------------------------------------------------------------------------------------------------


def sources(street, basket, token):
    """Four ways by which the plugin hears that this cart moved."""
    browser = Client()
    session = browser.session
    session["basket"] = basket.pk
    session.save()
    body = json.dumps({"query": RESTORE, "variables": {"token": token}})
    return {
        "signal": lambda: signals.emit(signals.cart_changed, host="default", scope="", reference=str(basket.pk)),
        "watch": lambda: basket.lines.first().save(),
        "graphql": lambda: browser.post("/retarget/graphql/", body, content_type="application/json"),
        "reconcile": street.reconcile,
    }


@pytest.mark.promise
def test_one_fact_from_four_sources_in_any_order_is_one_cart_and_one_abandonment(street, chance, heard, promise):
    trials, wrong = length(5, 150), []
    for trial in range(trials):
        email = f"person{trial}@example.com"
        street.agree(email)
        basket = street.fill(email)
        street.live(hours=1, minutes=10, every=70)
        cart = Cart.objects.get(reference=str(basket.pk))
        told = sources(street, basket, tokens.recovery(cart_id=cart.pk, contact_id=cart.contact_id, message_id=0))
        order = chance.sample([*told, *told, *chance.choices(list(told), k=4)], k=len(told) * 3)

        for name in order:
            told[name]()
        street.live(hours=1, minutes=10, every=70)
        for name in ("reconcile", "reconcile"):
            told[name]()
        street.pass_by()

        carts = Cart.objects.filter(reference=str(basket.pk)).values_list("state", flat=True)
        found = (
            list(carts),
            heard.count(("abandoned", cart.pk)),
            FlowRun.objects.filter(contact__email=email).count(),
        )
        # Left before the facts, and left once more after all of them.
        if found != (["abandoned"], 2, 1):
            wrong.append((order, found))

    promise(
        "C6",
        run=f"{trials} orders of 12 events from signal, watch, GraphQL and reconcile, each at least twice",
        figure=f"{len(wrong)} wrong {wrong[:1] or ''}".strip(),
        bar="one cart, one abandonment, one run",
        holds=not wrong,
    )


# -- C7 ---------------------------------------------------------------------------------------------------------------


def same_cart(street, basket):
    return street.buy(basket)


def another_device(street, basket):
    return street.buy(street.fill(), email=basket.email)


def before(street, basket, place, monkeypatch):
    place(street, basket)
    street.wait(hours=1)


def during(street, basket, place, monkeypatch):
    """Between the moment the sweep has read the cart and the moment it writes what it found."""
    host, placed = hosts.get_host("default"), []
    read = host.get_cart

    def slow(reference):
        snapshot = read(reference)
        if reference == str(basket.pk) and not placed:
            placed.append(place(street, basket))
        return snapshot

    street.wait(hours=1)
    monkeypatch.setattr(host, "get_cart", slow)
    street.pass_by()
    monkeypatch.undo()
    assert placed


def after(street, basket, place, monkeypatch):
    street.wait(hours=1)
    street.pass_by()
    street.wait(hours=2)
    place(street, basket)


def unheard_for_a_day(street, basket, place, monkeypatch):
    street.wait(hours=1)
    street.pass_by()
    with street.losing(1.0, random.Random(0)):
        place(street, basket)
    street.live(hours=24, every=60)
    mail.outbox.clear()


@pytest.mark.promise
@pytest.mark.parametrize("place", [same_cart, another_device])
@pytest.mark.parametrize("moment", [before, during, after, unheard_for_a_day])
def test_nobody_is_written_to_after_their_order_is_known(street, moment, place, monkeypatch, promise):
    trials, mails, runs = length(1, 25), 0, 0
    for trial in range(trials):
        email = f"person{trial}@example.com"
        street.agree(email)
        basket = street.fill(email)
        moment(street, basket, place, monkeypatch)
        street.pass_by()
        street.wait(hours=4)
        street.live(hours=72, every=240)
        mails += street.mails_to(email)
        runs += FlowRun.objects.filter(contact__email=email, state="active").count()

    promise(
        "C7",
        run=f"{moment.__name__}, {place.__name__}: {trials} orders",
        figure=f"mails {mails}, open runs {runs}",
        bar="0, 0",
        holds=mails == runs == 0,
    )


@pytest.mark.promise
def test_nobody_is_written_to_while_the_order_waits_behind_a_queue_of_others(street, promise):
    street.agree(EMAIL)
    street.fill(EMAIL)
    street.live(hours=3, minutes=55)
    waiting = 650
    Purchase.objects.bulk_create(
        Purchase(basket=Basket.objects.create(open=False), email=f"other{number}@example.com", total=1)
        for number in range(waiting)
    )
    for key in Purchase.objects.values_list("pk", flat=True):
        orders.touch(host="default", reference=str(key), now=street.now)
    street.wait(seconds=1)
    another_device(street, Basket(email=EMAIL))

    street.wait(minutes=6)
    street.pass_by()

    promise(
        "C7",
        run=f"the order was told behind {waiting} others that are not read yet",
        figure=f"mails {street.mails_to(EMAIL)}",
        bar="0",
        holds=street.mails_to(EMAIL) == 0,
    )


def clicked(street):
    """Somebody followed the link in the mail about their cart."""
    street.agree(EMAIL)
    basket = street.fill(EMAIL)
    street.live(hours=4, minutes=10)
    assert street.mails_to(EMAIL) == 1
    link = Link.objects.filter(message__isnull=False, purpose="cart").first()
    Click.objects.create(link=link, at=street.now, is_human=True)
    street.wait(minutes=5)
    return basket


@pytest.mark.promise
def test_an_order_told_many_times_is_credited_once(street, heard, promise):
    purchase = street.buy(clicked(street))
    told = length(10, 100)

    for _time in range(told):
        signals.emit(signals.order_changed, host="default", scope="", reference=str(purchase.pk))
        street.pass_by()
        street.reconcile()
        street.wait(minutes=1)

    credits = [what for what, _key in heard if what == "recovered"]
    promise(
        "C7",
        run=f"the order is told {told} times and reconciled in between",
        figure=f"credited {len(credits)} times, to {Message.objects.filter(credited_orders__isnull=False).count()} message",
        bar="once",
        holds=len(credits) == 1 and Order.objects.get().credited_message is not None,
    )


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time")
@pytest.mark.promise
def test_two_workers_that_settle_the_same_order_credit_it_once(street, heard, promise):
    street.buy(clicked(street))
    orders.read_new(now=street.now)
    now = street.now

    def work():
        try:
            attribution.settle_new(now=now)
        finally:
            connections["default"].close()

    workers = [threading.Thread(target=work) for _worker in range(2)]
    with transaction.atomic():
        # Both find it unsettled, and neither can write before the other has found it so.
        Order.objects.select_for_update().get()
        for worker in workers:
            worker.start()
        time.sleep(1)
    for worker in workers:
        worker.join()

    credits = [what for what, _key in heard if what == "recovered"]
    promise(
        "C7",
        run="two workers settle one order",
        figure=f"credited {len(credits)} times",
        bar="once",
        holds=len(credits) == 1,
    )


def test_a_cart_whose_order_came_first_is_never_left(street):
    basket = street.fill(EMAIL)
    Cart.objects.all().delete()
    street.buy(basket)
    Cart.objects.all().delete()
    street.pass_by()

    signals.emit(signals.cart_changed, host="default", scope="", reference=str(basket.pk))
    street.live(hours=2, every=30)

    assert Cart.objects.get().state in ("ordered", "closed")
    assert FlowRun.objects.count() == 0
    assert Order.objects.get().placed_at <= street.now - timedelta(hours=2)
