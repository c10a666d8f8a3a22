"""F1: somebody begins the checkout, and leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.engine import consent
from retarget_plugin.models import Coupon, Decision, FlowRun, Message

from .baskets import buy, leave, touch
from .quiet import later
from .shelf import MACRO_90, TRIPOD
from .switches import enable

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "phone": "+33612345678", "first_name": "Ana"}
REMINDER, QUESTION = "Your order at Lumen Camera is waiting for you", "Can we help you with your order?"
SHIPPING, COUPON = "How your order from Lumen Camera gets to you", "5% off your cart at Lumen Camera"


@pytest.fixture
def ana(retarget):
    retarget.only("abandoned-cart", "abandoned-checkout")
    return retarget.shopper(**ANA)


def said(retarget):
    return [sent.subject or sent.channel for sent in retarget.outbox]


def states_shipping(retarget):
    retarget.shop.free_shipping_from, retarget.shop.delivery_days = 50, 2
    retarget.shop.save()


def skipped(step):
    return list(Decision.objects.filter(code=Reason.STEP_SKIPPED, step=step).values_list("facts__because", flat=True))


def test_each_message_leaves_at_its_time_and_then_it_is_over(retarget, host, ana):
    states_shipping(retarget)
    leave(host, retarget, ana, MACRO_90, checkout=True)
    times = {"sms": {"minutes": 105}, REMINDER: {"hours": 4}, QUESTION: {"hours": 24}, SHIPPING: {"hours": 48}}
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


def test_the_text_leads_to_the_cart_and_says_how_to_stop(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, TRIPOD, checkout=True)

    retarget.advance(hours=2)

    (text,) = retarget.outbox
    assert text.text.startswith("Lumen Camera: Macro lens 90 mm (+1) is still in your cart. Finish your order: ")
    assert "STOP" in text.text
    assert Message.objects.get(channel="sms").segments == 1
    assert "/recover/" in ana.clicks(text)


def test_the_reminder_shows_the_cart_and_no_discount(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(hours=4)

    mail = retarget.outbox[1]
    assert "Hello Ana," in mail.text
    assert "Macro lens 90 mm" in mail.html
    assert "€499.00" in mail.html
    assert "%" not in mail.text
    assert "/recover/" in ana.clicks(mail, "Finish my order")


def test_the_question_is_one_that_a_person_answers(retarget, host, ana):
    retarget.shop.support_phone = "01 23 45 67 89"
    retarget.shop.save()
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(hours=24)

    question = retarget.outbox[2]
    assert question.subject == QUESTION
    assert "Just reply to this e-mail" in question.text
    assert "call us on 01\u00a023\u00a045\u00a067\u00a089" in question.text


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (0, "Delivery is free."),
        (50, "Your cart is above that: you pay nothing for it."),
        (600, "Delivery is free from €600.00."),
    ],
)
def test_the_shipping_facts_are_the_owners(retarget, host, ana, threshold, words):
    states_shipping(retarget)
    retarget.shop.free_shipping_from = threshold
    retarget.shop.save()
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(hours=48)

    shipping = retarget.outbox[-1]
    assert shipping.subject == SHIPPING
    assert words in shipping.text
    assert "2 days after your order" in shipping.text


def test_what_the_owner_does_not_state_is_not_promised(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(days=5)

    assert said(retarget) == ["sms", REMINDER, QUESTION]
    assert skipped("shipping") == ["shipping_facts"]
    assert skipped("coupon") == ["off"]


def test_where_hours_forbid_the_text_it_is_dropped_and_not_moved_to_the_morning(retarget, host, ana):
    retarget.advance(hours=9)  # Seven in the evening: due at a quarter to nine, when nobody may be texted.
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(days=2)

    assert said(retarget) == [REMINDER, QUESTION]
    assert Message.objects.get(channel="sms").reason == Reason.QUIET_HOURS


# -- the discount -----------------------------------------------------------------------------------------------------


@pytest.fixture
def discounting(retarget, ana):
    states_shipping(retarget)
    enable(retarget, "abandoned-checkout", "coupon")


@pytest.mark.usefixtures("discounting")
def test_the_discount_takes_the_place_of_the_shipping_facts(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(hours=72)

    assert said(retarget) == ["sms", REMINDER, QUESTION, COUPON]
    assert skipped("shipping") == ["replaced"]
    coupon, (spec,) = Coupon.objects.get(), host.coupons.values()
    assert (spec.kind, spec.value) == ("percent", 5)
    assert spec.expires_at == coupon.expires_at >= retarget.now + timedelta(hours=71, minutes=55)
    assert coupon.code in retarget.outbox[-1].html
    assert "Valid until November 30, 2026" in retarget.outbox[-1].html


@pytest.mark.usefixtures("discounting")
def test_nobody_gets_a_second_discount_in_ninety_days(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)
    retarget.advance(days=20)
    assert said(retarget).count(COUPON) == 1

    leave(host, retarget, ana, TRIPOD, checkout=True, reference="18")
    retarget.advance(days=50)
    assert said(retarget).count(COUPON) == 1
    assert Message.objects.get(run__cart__reference="18", step="coupon").reason == Reason.NO_COUPON

    retarget.advance(days=25)
    leave(host, retarget, ana, TRIPOD, checkout=True, reference="19")
    retarget.advance(days=4)
    assert said(retarget).count(COUPON) == 2


@pytest.mark.usefixtures("discounting")
def test_without_its_coupon_the_mail_does_not_leave(retarget, host, ana, monkeypatch):
    monkeypatch.setattr(host, "create_coupon", lambda spec: None)
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(hours=72)
    later(retarget, hours=11, minutes=50)
    retarget.advance(minutes=30)

    assert COUPON not in said(retarget)
    assert Message.objects.get(step="coupon").reason == Reason.NO_COUPON


@pytest.mark.usefixtures("discounting")
def test_who_is_drawn_to_go_without_gets_the_shipping_facts_instead(retarget, host, ana):
    retarget.arm = "plain"
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(days=5)

    assert said(retarget) == ["sms", REMINDER, QUESTION, SHIPPING]
    assert skipped("coupon") == ["arm"]


# -- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1, 3, 30])
def test_an_order_ends_it_at_once(retarget, host, ana, hours):
    states_shipping(retarget)
    leave(host, retarget, ana, MACRO_90, checkout=True)
    retarget.advance(hours=hours)
    before = said(retarget)

    buy(host, ana, MACRO_90)
    retarget.advance(days=5)

    assert said(retarget) == before


def test_a_cart_that_was_emptied_is_not_spoken_of(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)
    retarget.advance(hours=3)

    leave(host, retarget, ana, checkout=True)
    retarget.advance(days=5)

    assert said(retarget) == ["sms"]


def test_what_is_sold_out_is_not_advertised(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)
    retarget.advance(hours=3)

    leave_line = host.carts["17"].items[0]
    host.carts["17"] = type(host.carts["17"])(
        reference="17", currency="EUR", items=(type(leave_line)(**{**leave_line.__dict__, "is_available": False}),)
    )
    retarget.advance(days=5)

    assert said(retarget) == ["sms"]


def test_a_no_ends_it(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)
    retarget.advance(hours=5)

    consent.unsubscribe(ana.contact.pk, channel="email", message_id=None, source="test", now=retarget.now)
    retarget.advance(days=5)

    assert said(retarget) == ["sms", REMINDER]


def test_coming_back_starts_the_time_again_and_nothing_is_said_twice(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)
    retarget.advance(hours=3)

    touch(retarget, checkout=True)
    retarget.advance(hours=3, minutes=59)
    assert said(retarget) == ["sms"]

    retarget.advance(minutes=1)
    assert said(retarget) == ["sms", REMINDER]
    retarget.advance(days=5)
    assert said(retarget) == ["sms", REMINDER, QUESTION]


def test_another_cart_within_the_week_is_let_be(retarget, host, ana):
    leave(host, retarget, ana, MACRO_90, checkout=True)
    retarget.advance(days=4)
    before = said(retarget)

    leave(host, retarget, ana, TRIPOD, checkout=True, reference="18")
    retarget.advance(days=2)
    assert said(retarget) == before
    assert Decision.objects.filter(code=Reason.RECENTLY_ENTERED).count() == 1

    retarget.advance(days=2)
    leave(host, retarget, ana, TRIPOD, checkout=True, reference="19")
    retarget.advance(hours=4)
    assert said(retarget) == [*before, "sms", REMINDER]


def test_who_never_agreed_hears_nothing(retarget, host):
    retarget.only("abandoned-checkout")
    ben = retarget.shopper(channels=(), email="ben@example.com")
    leave(host, retarget, ben, MACRO_90, checkout=True)

    retarget.advance(days=5)

    assert retarget.outbox == []


def test_who_is_held_out_hears_nothing_and_every_moment_is_counted(retarget, host, ana):
    retarget.arm = "holdout"
    leave(host, retarget, ana, MACRO_90, checkout=True)

    retarget.advance(days=5)

    assert retarget.outbox == []
    assert list(Decision.objects.filter(code=Reason.HOLDOUT).values_list("step", flat=True)) == [
        "sms",
        "reminder",
        "question",
    ]


@pytest.mark.parametrize(
    ("locale", "subjects"),
    [
        (
            "fr",
            [
                "Votre commande chez Lumen Camera vous attend",
                "Pouvons-nous vous aider à commander ?",
                "5 % de remise sur votre panier Lumen Camera",
            ],
        ),
        (
            "es",
            [
                "Tu pedido en Lumen Camera te espera",
                "¿Te ayudamos con tu pedido?",
                "5 % de descuento en tu carrito de Lumen Camera",
            ],
        ),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, host, locale, subjects):
    retarget.only("abandoned-checkout")
    enable(retarget, "abandoned-checkout", "coupon")
    leave(host, retarget, retarget.shopper(**ANA, locale=locale), MACRO_90, checkout=True)

    retarget.advance(days=4)

    assert said(retarget) == ["sms", *subjects]
    assert Message.objects.get(channel="sms").segments == 1
    assert all(len(subject) <= 50 for subject in subjects)
