"""F8: a customer has not ordered for two months, or for much longer than usual."""

from __future__ import annotations

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import Coupon, Decision, FlowRun, Message

from .quiet import later
from .shelf import CAMERA, MACRO_90, SHELF, TRIPOD, item
from .switches import enable

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "phone": "+33612345678", "first_name": "Ana"}
BAG = item("bag", "Shoulder bag", "79.00", "Bags")
NEWS, IDEAS, OFFER = (
    "New at Lumen Camera since your last order",
    "A few ideas for you from Lumen Camera",
    "5% off your next order",
)


@pytest.fixture
def ana(retarget):
    retarget.only("win-back")
    retarget.sells(*SHELF)
    return customer(retarget, **ANA)


def customer(retarget, **identity):
    """Somebody who has just bought a camera, as others did who bought a macro lens with it."""
    other = retarget.shopper(channels=(), email="ben@example.com")
    other.orders(CAMERA, MACRO_90)
    shopper = retarget.shopper(**identity)
    shopper.orders(CAMERA)
    retarget.advance()
    return shopper


def silence(retarget, days=60):
    """Time passes, and near its end something new comes into the shop."""
    later(retarget, days=days - 3)
    retarget.sells(BAG)
    later(retarget, days=3)


def said(retarget):
    return [sent.subject or sent.channel for sent in retarget.outbox]


def test_what_is_new_then_ideas_then_a_small_discount(retarget, ana):
    later(retarget, days=57)
    retarget.sells(BAG)
    later(retarget, days=2, hours=23, minutes=59)
    assert retarget.outbox == []

    later(retarget, minutes=1)
    assert said(retarget) == [NEWS]
    assert "Shoulder bag" in retarget.outbox[0].html

    retarget.advance(days=6, hours=23, minutes=59)
    assert said(retarget) == [NEWS]
    retarget.advance(minutes=1)
    assert said(retarget) == [NEWS, IDEAS]
    assert "Macro lens 90 mm" in retarget.outbox[1].html
    assert "Mirrorless camera" not in retarget.outbox[1].html

    retarget.advance(days=6, hours=23, minutes=59)
    assert said(retarget) == [NEWS, IDEAS]
    retarget.advance(minutes=1)
    assert said(retarget) == [NEWS, IDEAS, OFFER]
    assert Coupon.objects.get().code in retarget.outbox[2].html

    retarget.advance(days=5)
    assert FlowRun.objects.get(contact=ana.contact).state == "finished"


def test_who_usually_orders_every_hundred_days_is_missed_after_a_hundred_and_fifty(retarget, ana):
    later(retarget, days=100)
    sent = said(retarget)
    ana.orders(TRIPOD)
    retarget.advance()

    silence(retarget, days=149)
    assert said(retarget) == sent
    later(retarget, days=1)

    assert said(retarget) == [*sent, NEWS]


@pytest.mark.parametrize("days", [3, 10])
def test_an_order_ends_it(retarget, ana, days):
    silence(retarget)
    retarget.advance(days=days)
    before = said(retarget)

    ana.orders(TRIPOD)
    retarget.advance(days=20)

    assert said(retarget) == before
    assert FlowRun.objects.get(contact=ana.contact).reason == Reason.ORDERED


def test_without_anything_new_nothing_new_is_announced(retarget, host):
    retarget.only("win-back")
    retarget.sells(*SHELF)
    later(retarget, days=120)
    customer(retarget, **ANA)

    later(retarget, days=60)
    retarget.advance(days=8)

    assert said(retarget) == [IDEAS]
    assert Message.objects.get(step="news", contact__email=ANA["email"]).reason == Reason.NOT_RECOMMENDED


def test_nobody_is_won_back_twice_in_half_a_year(retarget, ana):
    silence(retarget)
    retarget.advance(days=15)
    assert len(retarget.outbox) == 3
    ana.orders(TRIPOD)
    retarget.advance()

    # Of 75 days between two orders, half as many again.
    later(retarget, days=112, hours=12)

    assert len(retarget.outbox) == 3
    assert Decision.objects.filter(code=Reason.RECENTLY_ENTERED).exists()


def test_whoever_is_being_told_that_they_were_not_seen_is_not_won_back_as_well(retarget):
    retarget.only("win-back", "not-seen")
    retarget.sells(*SHELF)
    ana = customer(retarget, **ANA)
    silence(retarget, days=60)

    later(retarget, days=30)

    assert set(FlowRun.objects.filter(contact=ana.contact).values_list("flow__slug", flat=True)) == {"win-back"}


def test_with_the_text_on_there_is_still_only_one_discount(retarget, ana):
    enable(retarget, "win-back", "sms")
    silence(retarget)

    retarget.advance(days=16)

    assert said(retarget) == [NEWS, IDEAS, "sms"]
    assert Coupon.objects.get().code in retarget.outbox[2].text
    assert Message.objects.get(channel="sms", contact__email=ANA["email"]).segments == 1
    assert Message.objects.get(step="offer", contact__email=ANA["email"]).reason == Reason.NO_COUPON


def test_who_is_drawn_to_go_without_a_discount_gets_the_rest(retarget, ana):
    retarget.arm = "plain"
    silence(retarget)

    retarget.advance(days=16)

    assert said(retarget) == [NEWS, IDEAS]
    assert not Coupon.objects.exists()


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("fr", ["Du nouveau chez Lumen Camera", "Quelques idées pour vous", "5 % sur votre prochaine commande"]),
        ("es", ["Novedades en Lumen Camera", "Unas cuantas ideas para ti", "5 % en tu próximo pedido"]),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, locale, expected):
    retarget.only("win-back")
    retarget.sells(*SHELF)
    customer(retarget, **ANA, locale=locale)
    silence(retarget)

    retarget.advance(days=15)

    assert said(retarget) == expected
