"""A shop that runs on Celery, whose broker is gone: nobody in the shop notices, and nothing is lost."""

from __future__ import annotations

import pytest
from celery import current_app
from kombu import Connection

from retarget_plugin import tasks
from retarget_plugin.models import Cart, Message, Order
from tests.shop.models import Product

from .test_tiny_shop import EMAIL

pytestmark = pytest.mark.delivery


@pytest.fixture
def calls(settings, monkeypatch):
    """Every attempt to reach the broker, at whose address nobody answers."""
    settings.RETARGET = {**settings.RETARGET, "RUNNER": "celery"}
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    made = []
    monkeypatch.setattr(Connection, "connect", lambda self: made.append(self.as_uri()))
    monkeypatch.setattr(Connection, "ensure_connection", lambda self, *_, **__: made.append(self.as_uri()))
    return made


def test_the_checkout_never_asks_the_broker_and_the_next_tick_does_the_work(calls, town):
    town.agree(email=EMAIL)
    shopper = town.browser()

    shopper.get(f"/add/{Product.objects.get().pk}/")
    shopper.post("/checkout/", {"email": EMAIL})
    shopper.post("/checkout/", {"buy": "1"})

    assert Cart.objects.count() == 1
    assert Order.objects.get().read_at is None
    town.wait(minutes=1)
    assert Order.objects.get().email == EMAIL
    assert Message.objects.count() == 0
    assert calls == []


def test_the_schedule_names_the_tasks_that_exist():
    entries = tasks.beat_schedule()

    assert {entry["task"] for entry in entries.values()} == {tasks.ring_tick.name, tasks.ring_reconcile.name}
    assert all(entry["options"]["expires"] == entry["schedule"] for entry in entries.values())
