"""F12: an order is placed, and its payment does not arrive."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.domain.flows import FlowError
from retarget_plugin.domain.vocabulary import LegalBasis, MessageKind, Reason
from retarget_plugin.engine import consent, experiments, flows
from retarget_plugin.models import Attempt, Decision, Flow, FlowRun, Message
from retarget_plugin.testing import build_contact, build_shop
from retarget_plugin.testing.clock import TUESDAY_MORNING

from .shelf import CAMERA, MACRO_90, SITE
from .switches import shipped

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "first_name": "Ana"}
PAY = f"{SITE}/orders/1001/pay/"
SUBJECTS = ["Your order 1001 is waiting for payment", "Can we help with your order 1001?"]


@pytest.fixture
def ana(retarget, host):
    retarget.only("unpaid-order")
    host.payment_urls["1001"] = PAY
    return retarget.shopper(**ANA)


def order(ana, **changes):
    return ana.orders(CAMERA, reference="1001", **{"is_paid": False, **changes})


def subjects(retarget):
    return [mail.subject for mail in retarget.outbox]


def test_after_two_hours_the_customer_gets_the_link_to_pay(retarget, ana):
    order(ana)
    retarget.advance(hours=1, minutes=59)
    assert retarget.outbox == []

    retarget.advance(minutes=1)

    (mail,) = retarget.outbox
    assert (mail.channel, mail.to, mail.subject) == ("email", ANA["email"], SUBJECTS[0])
    assert "Thank you for your order 1001 of €899.00." in mail.text
    assert ana.clicks(mail, "Pay for my order") == PAY


def test_a_day_later_somebody_offers_to_help_and_then_it_is_over(retarget, ana):
    order(ana)

    retarget.advance(hours=23, minutes=59)
    assert subjects(retarget) == SUBJECTS[:1]

    retarget.advance(minutes=1)
    assert subjects(retarget) == SUBJECTS
    assert ana.clicks(retarget.outbox[1], "Pay for my order") == PAY

    retarget.advance(days=10)
    assert subjects(retarget) == SUBJECTS
    assert FlowRun.objects.get().state == "finished"


@pytest.mark.parametrize(
    ("after", "sent"), [({"hours": 1}, 0), ({"hours": 2, "minutes": 30}, 1)], ids=["before", "between"]
)
def test_a_payment_ends_it(retarget, ana, after, sent):
    placed_at = retarget.now
    order(ana)
    retarget.advance(**after)

    order(ana, is_paid=True, placed_at=placed_at)
    retarget.advance(days=3)

    assert subjects(retarget) == SUBJECTS[:sent]


def test_a_payment_that_comes_with_the_very_minute_is_seen_at_the_gate(retarget, ana):
    placed_at = retarget.now
    order(ana)
    retarget.advance(hours=23, minutes=59)
    retarget.clock.advance(minutes=1)

    order(ana, is_paid=True, placed_at=placed_at)
    retarget.advance()

    assert subjects(retarget) == SUBJECTS[:1]


def test_a_cancelled_order_is_nobodys_to_pay(retarget, ana):
    placed_at = retarget.now
    order(ana)
    retarget.advance(hours=3)

    order(ana, is_cancelled=True, placed_at=placed_at)
    retarget.advance(days=3)

    assert subjects(retarget) == SUBJECTS[:1]
    assert FlowRun.objects.get().reason == Reason.EXITED_ON


@pytest.mark.parametrize("facts", [{"is_paid": True}, {"is_by_staff": True}], ids=["paid", "made by staff"])
def test_who_has_nothing_to_pay_by_themselves_hears_nothing(retarget, ana, facts):
    order(ana, **facts)

    retarget.advance(days=3)

    assert retarget.outbox == []
    assert not FlowRun.objects.exists()


def test_a_shop_without_a_page_to_pay_on_promises_none(retarget, ana, host):
    host.payment_urls.clear()
    order(ana)

    retarget.advance(days=3)

    assert retarget.outbox == []
    assert Decision.objects.filter(code=Reason.STEP_SKIPPED, facts__because="pay_link").count() == 2


def test_each_order_is_its_own(retarget, ana, host):
    host.payment_urls["1002"] = f"{SITE}/orders/1002/pay/"
    order(ana)
    retarget.advance(hours=1)

    ana.orders(MACRO_90, reference="1002", is_paid=False)
    retarget.advance(hours=2)

    assert subjects(retarget) == [SUBJECTS[0], "Your order 1002 is waiting for payment"]


def test_another_order_does_not_pay_for_the_first(retarget, ana):
    order(ana)
    retarget.advance(hours=1)

    ana.orders(MACRO_90, reference="1002")
    retarget.advance(hours=1)

    assert subjects(retarget) == SUBJECTS[:1]


# -- a service --------------------------------------------------------------------------------------------------------


def test_it_needs_no_yes_to_advertising_and_offers_no_way_out_of_one(retarget, host):
    retarget.only("unpaid-order")
    host.payment_urls["1001"] = PAY
    ben = retarget.shopper(channels=(), email="ben@example.com")
    consent.unsubscribe(ben.contact.pk, channel="email", message_id=None, source="test", now=retarget.now)
    order(ben)

    retarget.advance(hours=2)

    (mail,) = retarget.outbox
    assert "nsubscribe" not in mail.html + mail.text
    message = Message.objects.get()
    assert message.kind == MessageKind.SERVICE
    assert Attempt.objects.get(message=message).basis == LegalBasis.SERVICE


def test_it_does_not_wait_for_the_morning_nor_for_other_messages(retarget, ana):
    retarget.advance(hours=13)
    order(ana)

    retarget.advance(hours=2)

    assert subjects(retarget) == SUBJECTS[:1]
    assert retarget.now.hour == 0


@pytest.mark.django_db
def test_nobody_is_held_out_of_it(settings):
    settings.RETARGET = {**settings.RETARGET, "HOLDOUT": True}
    shop, now = build_shop(), TUESDAY_MORNING
    contact = build_contact(shop, now=now, channels=())

    drawn = {
        flow.slug: experiments.assign(flow, contact, now=now).experiment.weights
        for flow in flows.install(shop, now=now)
        if flow.slug in ("unpaid-order", "sunset", "back-in-stock")
    }

    assert drawn["unpaid-order"] == drawn["sunset"] == {"treated": 100.0}
    assert drawn["back-in-stock"] == {"holdout": 20.0, "treated": 80.0}


@pytest.mark.parametrize(
    "extra",
    [
        {"send": {"coupon": {"percent": 5, "valid": "72h"}}},
        {"requires": ["recommendations"]},
        {"requires": ["new_products"]},
    ],
)
def test_a_service_message_that_sells_something_is_refused_when_it_is_checked(retarget, extra):
    definition, messages = shipped("unpaid-order")
    step = definition["steps"][0]
    step["requires"] = extra.get("requires", [])
    step["send"] |= extra.get("send", {})

    with pytest.raises(FlowError, match="Step 'pay': a service message carries neither a coupon nor recommendations"):
        flows.publish(Flow.objects.get(shop=retarget.shop, slug="unpaid-order"), definition, messages, now=retarget.now)


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("fr", ["Commande 1001 : le paiement reste à faire", "Un souci avec la commande 1001 ?"]),
        ("es", ["Tu pedido 1001 está pendiente de pago", "¿Te ayudamos con el pedido 1001?"]),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, host, locale, expected):
    retarget.only("unpaid-order")
    host.payment_urls["1001"] = PAY
    order(retarget.shopper(**ANA, locale=locale))

    retarget.advance(days=1)

    assert subjects(retarget) == expected


def test_what_was_placed_before_the_flow_was_turned_on_is_past(retarget, ana):
    flow = Flow.objects.get(slug="unpaid-order")
    flows.turn_off(flow, now=retarget.now)
    order(ana)
    retarget.advance(days=2)

    flows.turn_on(flow, now=retarget.now)
    order(ana, placed_at=retarget.now - timedelta(days=2))
    retarget.advance(days=2)

    assert retarget.outbox == []
