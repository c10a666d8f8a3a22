"""The tiny shop with real far ends: an SMTP server, a Twilio account, and a clock that everything in the process reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from retarget_plugin import channels
from retarget_plugin.engine import consent, contacts, flows, tick
from retarget_plugin.hosts import Identity
from retarget_plugin.models import Flow
from retarget_plugin.testing import build_shop
from tests.channels.mailers import over_smtp
from tests.fakes.smtp import SmtpServer
from tests.fakes.twilio import TwilioServer
from tests.shop.models import Product

TUESDAY_TEN_IN_PARIS = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CART_FLOWS = ("abandoned-cart", "abandoned-checkout")
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


@pytest.fixture
def mailbox():
    with SmtpServer() as server:
        yield server


@pytest.fixture
def twilio():
    with TwilioServer() as server:
        yield server


@pytest.fixture
def town(transactional_db, settings, mailbox, twilio):
    """The shop is open, what brings carts back is on, and time is in our hands."""
    over_smtp(settings, mailbox, timeout=3)
    options = {
        "account_sid": twilio.account_sid,
        "auth_token": twilio.auth_token,
        "sender": "+15005550006",
        "base_url": twilio.url,
        "read_seconds": 1,
    }
    gateway = {"BACKEND": "retarget_plugin.channels.sms.twilio.TwilioGateway", "OPTIONS": options}
    settings.RETARGET = {**settings.RETARGET, "SMS": {"default": gateway}}
    with time_machine.travel(TUESDAY_TEN_IN_PARIS, tick=False) as clock:
        shop = build_shop(sms_sender="")
        Product.objects.create(name="Macro lens", price=499)
        for flow in Flow.objects.filter(shop=shop, slug__in=CART_FLOWS):
            flows.turn_on(flow, now=timezone.now())
        yield Town(shop, clock, mailbox, twilio)
        channels.get_email().close()


class Town:
    """What a story needs: browsers, consent, and hours that pass."""

    def __init__(self, shop, clock, mailbox, twilio):
        self.shop, self.clock, self.mailbox, self.twilio = shop, clock, mailbox, twilio

    def browser(self):
        return Client(headers={"user-agent": BROWSER})

    def agree(self, **identity):
        contact = contacts.resolve(self.shop, Identity(**identity), now=timezone.now())
        for channel in ("email", "sms"):
            consent.grant(contact, channel=channel, source="counter", now=timezone.now())
        return contact

    def wait(self, **delta):
        self.clock.shift(timedelta(**delta))
        for _round in range(10):
            done = tick.once(now=timezone.now())
            assert not done["failed"], done
            if not done:
                return
