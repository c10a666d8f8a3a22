"""The tiny shop with its net, shoppers in it, hours that pass, and events that get lost on the way."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from retarget_plugin import signals
from retarget_plugin.engine import carts, flows, tick
from retarget_plugin.models import Cart, Decision, Flow, FlowRun, Message, Order
from retarget_plugin.testing import build_contact, build_shop
from tests.shop.models import Basket, Line, Product, Purchase

TUESDAY_TEN_IN_PARIS = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
#: What brings carts back; the other flows have stories of their own.
CART_FLOWS = ("abandoned-cart", "abandoned-checkout")


class Street:
    """Shoppers act at `now`; `pass_by` is a round of the runner, `reconcile` the pass that looks for lost events."""

    def __init__(self, shop, clock, product):
        self.shop, self.clock, self.product = shop, clock, product

    @property
    def now(self):
        return timezone.now()

    def agree(self, email):
        return build_contact(self.shop, now=self.now, email=email)

    def fill(self, email="", basket=None):
        basket = basket or Basket.objects.create(email=email)
        Line.objects.create(basket=basket, product=self.product)
        return basket

    def buy(self, basket, *, email=""):
        basket.open = False
        basket.save()
        return Purchase.objects.create(basket=basket, email=email or basket.email, total=499)

    def wait(self, **delta):
        self.clock.shift(timedelta(**delta))

    def pass_by(self):
        for _round in range(50):
            done = tick.once(now=self.now)
            assert not done["failed"], done
            if not done:
                return

    def reconcile(self):
        assert not carts.reconcile(now=self.now)["failed"]

    def live(self, *, every=5, **delta):
        """Time passes; each `every` minutes there is a reconcile pass and a round of the runner."""
        until = self.now + timedelta(**delta)
        while self.now < until:
            self.wait(minutes=every)
            self.reconcile()
            self.pass_by()

    @contextmanager
    def losing(self, share, chance):
        """Each event of the shop is lost with this probability."""
        emit, lost = signals.emit, []

        def forgetful(signal, **arguments):
            if arguments.get("host") and chance.random() < share:
                lost.append(arguments)
            else:
                emit(signal, **arguments)

        signals.emit = forgetful
        try:
            yield lost
        finally:
            signals.emit = emit

    def mails_to(self, email):
        return sum(email in sent.to for sent in mail.outbox)

    def forget_everything(self):
        for model in (Message, Decision, FlowRun, Order, Cart):
            model.objects.all().delete()

    @property
    def orders(self):
        """What the plugin holds of every order: buyer, total and whether it was canceled."""
        rows = Order.objects.exclude(read_at=None).values_list("reference", "email", "total", "cancelled_at")
        return {reference: (email, float(total), bool(at)) for reference, email, total, at in rows}

    @property
    def purchases(self):
        """The same, as the shop has it."""
        rows = Purchase.objects.values_list("pk", "email", "total", "is_cancelled")
        return {str(key): (email, float(total), is_cancelled) for key, email, total, is_cancelled in rows}

    @property
    def left(self):
        """What the plugin holds of every cart that was left: its owner and what is in it."""
        rows = Cart.objects.filter(state="abandoned").values_list("reference", "contact__email", "total", "items")
        return {reference: (email, float(total), len(items)) for reference, email, total, items in rows}


@pytest.fixture(name="street")
def open_street(transactional_db, settings):
    settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": {"BACKEND": "tests.shop.net.ShopWithNet"}}}
    with time_machine.travel(TUESDAY_TEN_IN_PARIS, tick=False) as clock:
        shop = build_shop()
        for flow in Flow.objects.filter(shop=shop, slug__in=CART_FLOWS):
            flows.turn_on(flow, now=timezone.now())
        yield Street(shop, clock, Product.objects.create(name="Macro lens", price=499))
