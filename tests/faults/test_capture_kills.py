"""Real processes of the shop that are killed on the way of an event: what the shop has committed becomes known."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from retarget_plugin import failpoints
from retarget_plugin.engine import carts, orders
from retarget_plugin.models import Cart, Order
from retarget_plugin.testing import build_shop
from tests.promises import length
from tests.shop.models import Basket, Line, Product, Purchase

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.delivery,
    pytest.mark.timeout(600),
]

KILLS = length(15, 1_000)


@pytest.fixture
def shop(settings):
    settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": {"BACKEND": "tests.shop.net.ShopWithNet"}}}
    return build_shop()


def browse(product):
    """Over several requests, each of which commits by itself."""
    browser = Client()
    browser.post(f"/add/{product}/")
    browser.post("/checkout/", {"email": "ana@example.com"})
    browser.post("/checkout/", {"buy": "1"})


def buy_at_once(product):
    """In one transaction, as an import or a shop with ATOMIC_REQUESTS does."""
    with transaction.atomic():
        basket = Basket.objects.create(email="ana@example.com")
        Line.objects.create(basket=basket, product_id=product)
        basket.open = False
        basket.save()
        Purchase.objects.create(basket=basket, email=basket.email, total=10)


def change_their_mind(product):
    """The shop rolls an order back, and takes another one."""
    try:
        with transaction.atomic():
            buy_at_once(product)
            raise RuntimeError
    except RuntimeError:
        buy_at_once(product)


def trade(behave, product, stop, countdown):
    """What a process of the shop does; it kills itself the `countdown`-th time it comes to `stop`."""
    passed = 0

    def hook(name):
        nonlocal passed
        passed += name == stop
        if name == stop and passed == countdown:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.arm(hook)
    behave(product)
    connection.close()
    os._exit(0)


@pytest.mark.promise
def test_what_the_shop_committed_is_known_after_one_reconcile_pass_and_nothing_else(shop, promise):
    seed = int(os.environ.get("RETARGET_TEST_SEED") or random.randrange(2**32))
    print(f"RETARGET_TEST_SEED={seed}")
    chance, kills, product = random.Random(seed), 0, Product.objects.create(name="Lens", price=10).pk
    context = multiprocessing.get_context("fork")

    while kills < KILLS:
        stop = failpoints.CAPTURE[kills % len(failpoints.CAPTURE)]
        behave = chance.choice((browse, buy_at_once, change_their_mind))
        connection.close()
        process = context.Process(target=trade, args=(behave, product, stop, chance.randint(1, 4)))
        process.start()
        process.join(30)
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode == -signal.SIGKILL

    def known():
        placed, told = (
            set(Purchase.objects.values_list("pk", flat=True)),
            Order.objects.values_list("reference", flat=True),
        )
        open_baskets = set(Basket.objects.filter(open=True).values_list("pk", flat=True))
        seen = set(map(int, Cart.objects.values_list("reference", flat=True)))
        lost = len(placed - set(map(int, told))) + len(open_baskets - seen)
        ghosts = len(set(map(int, told)) - placed) + len(seen - set(Basket.objects.values_list("pk", flat=True)))
        return lost, ghosts

    missing, _ghosts = known()
    now = timezone.now() + shop.abandoned_after + timedelta(seconds=1)
    carts.reconcile(now=now)
    orders.read_new(now=now)
    lost, ghosts = known()
    unread = Order.objects.filter(email="").count()

    promise(
        "C2",
        run=f"{kills} kills at 3 stops, {Purchase.objects.count()} orders committed ({connection.vendor})",
        figure=f"{missing} events died with their process; after one pass lost {lost}, unread {unread}, ghosts {ghosts}",
        bar="lost 0, ghosts 0; the kills met something",
        holds=lost == unread == ghosts == 0 and missing > 0,
    )
