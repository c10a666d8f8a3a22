"""A shop whose host is in memory, with both flows turned on, at ten o'clock on a Tuesday in Paris."""

from __future__ import annotations

import copy

import pytest
from django.conf import settings as django_settings

from retarget_plugin import hosts
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import carts, flows, tick
from retarget_plugin.models import Message
from retarget_plugin.models.clock import Stopwatch
from retarget_plugin.testing import Clock, build_cart, build_contact, build_shop
from retarget_plugin.testing.plugin import retarget  # noqa: F401 - a fixture

EMAIL, PHONE = "ana@example.com", "+33612345678"


@pytest.fixture
def clock(monkeypatch):
    """An instant that only the test moves: no time passes while a message is handed over."""
    monkeypatch.setattr(Stopwatch, "steady", staticmethod(lambda: 0.0))
    return Clock()


@pytest.fixture
def host(settings):
    changed = copy.deepcopy(django_settings.RETARGET)
    changed["HOSTS"] = {"default": {"BACKEND": "retarget_plugin.testing.FakeHost"}}
    settings.RETARGET = changed
    return hosts.get_host("default")


@pytest.fixture
def shop(db, host, clock):
    MemoryGateway.reset()
    shop = build_shop()
    for flow in flows.install(shop, now=clock.now):
        flows.turn_on(flow, now=clock.now)
    return shop


class Shopping:
    """Plays a shopper and the passing of time; `sent` are (step, state) of every message so far."""

    def __init__(self, shop, host, clock):
        self.shop, self.host, self.clock = shop, host, clock

    def leave_cart(self, reference="17", *, stage="", **changes):
        changes.setdefault("identity", Identity(email=EMAIL))
        self.host.carts[reference] = build_cart(reference, **changes)
        carts.touch(host="default", reference=reference, stage=stage, now=self.clock.now)

    def consent(self, *channels, **identity):
        return build_contact(
            self.shop, now=self.clock.now, channels=channels, **(identity or {"email": EMAIL, "phone": PHONE})
        )

    def wait(self, **delta):
        """Time passes and the tick does what became due."""
        self.clock.advance(**delta)
        for _round in range(5):
            if not tick.once(now=self.clock.now):
                return

    @property
    def sent(self):
        return [(m.step, m.state) for m in Message.objects.order_by("due_at", "pk")]


@pytest.fixture
def shopping(shop, host, clock):
    return Shopping(shop, host, clock)
