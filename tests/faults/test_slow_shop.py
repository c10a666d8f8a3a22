"""A shop that takes its time over every cart, or a machine that does."""

from __future__ import annotations

import pytest

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import tick
from retarget_plugin.models.clock import Stopwatch
from retarget_plugin.testing import build_contact
from tests.engine.conftest import Shopping, clock, host, shop  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

SECONDS_A_CART = 1.5


def test_a_slow_shop_gets_a_message_out_in_every_turn(shop, host, clock, monkeypatch):  # noqa: F811
    shopping, slowness = Shopping(shop, host, clock), [0.0]
    for number in range(10):
        phone = f"+336123456{number:02}"
        build_contact(shop, now=clock.now, channels=("sms",), phone=phone)
        shopping.leave_cart(str(number), identity=Identity(phone=phone))
    shopping.wait(hours=1, minutes=1)
    clock.advance(minutes=45)
    monkeypatch.setattr(Stopwatch, "steady", staticmethod(lambda: slowness[0]))
    read = host.get_cart

    def read_slowly(reference):
        slowness[0] += SECONDS_A_CART
        return read(reference)

    monkeypatch.setattr(host, "get_cart", read_slowly)

    for _turn in range(4):
        tick.once(now=clock.now)

    assert len(MemoryGateway.outbox) >= 3
