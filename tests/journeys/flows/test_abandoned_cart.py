"""F2: somebody fills a cart, and leaves before the checkout."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import Coupon, Decision, FlowRun, Message

from .baskets import buy, leave, touch
from .shelf import MACRO_90, TRIPOD
from .switches import enable

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "phone": "+33612345678", "first_name": "Ana"}
REMINDER, QUESTION = "You left something at Lumen Camera", "A question about Macro lens 90 mm?"
SHIPPING, COUPON = "How Lumen Camera delivers", "5% off your cart at Lumen Camera"


@pytest.fixture
def ana(retarget):
    retarget.only("abandoned-cart", "abandoned-checkout")
    return retarget.shopper(**ANA)


def said(retarget):
    return [sent.subject or sent.channel for sent in retarget.outbox]


def states_shipping(retarget):
    retarget.shop.free_shipping_from, retarget.shop.delivery_days = 50, 2
    retarget.shop.save()


def test_each_message_leaves_at_its_time_and_then_it_is_over(retarget, host, ana):
    states_shipping(retarget)
    leave(host, retarget, ana, MACRO_90)
    times = {"sms": {"minutes": 105}, REMINDER: {"hours": 4}, QUESTION: {"hours": 24}, SHIPPING: {"hours": 72}}
    began = retarget.now

    for number, (message, after) in enumerate(times.items()):
        due = began + timedelta(**after)
        retarget.advance(seconds=(due - retarget.now).total_seconds() - 60)
        assert said(retarget) == list(times)[:number]
        retarget.advance(minutes=1)
        assert said(retarget) == list(times)[: number + 1], message

    retarget.advance(days=10)
    assert said(retarget) == list(times)
    assert FlowRun.objects.get().state == "finished"


def test_text_and_mails_lead_back_to_the_cart(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, TRIPOD)

    retarget.advance(hours=24)

    text, reminder, question = retarget.outbox
    assert text.text.startswith("Lumen Camera: you left Macro lens 90 mm (+1) in your cart. See it here: ")
    assert Message.objects.get(channel="sms").segments == 1
    assert "Macro lens 90 mm and one more item." in reminder.html
    assert "€628.00" in reminder.html
    assert "just reply to this e-mail" in question.text
    for sent, words in ((text, ""), (reminder, "See my cart"), (question, "See my cart")):
        assert "/recover/" in ana.clicks(sent, words)


def test_with_the_discount_on_it_takes_the_place_of_the_shipping_facts(retarget, host, ana):
    states_shipping(retarget)
    enable(retarget, "abandoned-cart", "coupon")
    leave(host, retarget, ana, MACRO_90)

    retarget.advance(days=4)

    assert said(retarget) == ["sms", REMINDER, QUESTION, COUPON]
    assert Coupon.objects.get().code in retarget.outbox[-1].html


def test_going_on_to_the_checkout_is_the_other_flows_affair(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90)
    retarget.advance(hours=2)
    assert said(retarget) == ["sms"]

    touch(retarget, checkout=True)
    retarget.advance(hours=24)

    assert said(retarget)[-1] == "Can we help you with your order?"
    assert REMINDER not in said(retarget)
    states = dict(FlowRun.objects.values_list("flow__slug", "reason"))
    assert states == {"abandoned-cart": Reason.HIGHER_INTENT, "abandoned-checkout": ""}


def test_an_order_ends_it(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90)
    retarget.advance(hours=5)

    buy(host, ana, MACRO_90)
    retarget.advance(days=4)

    assert said(retarget) == ["sms", REMINDER]
    assert FlowRun.objects.get().reason == Reason.ORDERED


def test_one_entry_a_week_however_many_carts(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90)
    retarget.advance(days=6)
    before = said(retarget)

    leave(host, retarget, ana, TRIPOD, reference="18")
    retarget.advance(hours=23)
    assert said(retarget) == before
    assert Decision.objects.filter(code=Reason.RECENTLY_ENTERED).count() == 1

    retarget.advance(hours=2)
    leave(host, retarget, ana, TRIPOD, reference="19")
    retarget.advance(hours=4)
    assert said(retarget) == [*before, "sms", REMINDER]


def test_who_is_held_out_hears_nothing(retarget, host, ana):
    retarget.arm = "holdout"
    leave(host, retarget, ana, MACRO_90)

    retarget.advance(days=4)

    assert retarget.outbox == []
    assert Decision.objects.filter(code=Reason.HOLDOUT).count() == 3


@pytest.mark.parametrize(
    ("locale", "subjects"),
    [
        (
            "fr",
            [
                "Vous avez oublié quelque chose chez Lumen Camera",
                "Une question sur Macro lens 90 mm ?",
                "La livraison chez Lumen Camera",
            ],
        ),
        (
            "es",
            [
                "Te has dejado algo en Lumen Camera",
                "¿Alguna duda sobre Macro lens 90 mm?",
                "Así enviamos en Lumen Camera",
            ],
        ),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, host, locale, subjects):
    states_shipping(retarget)
    retarget.only("abandoned-cart")
    leave(host, retarget, retarget.shopper(**ANA, locale=locale), MACRO_90)

    retarget.advance(days=3)

    assert said(retarget) == ["sms", *subjects]
    assert Message.objects.get(channel="sms").segments == 1
