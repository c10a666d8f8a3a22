"""F11: a product is back in stock, or costs less."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from retarget_plugin import hosts, signals
from retarget_plugin.domain.vocabulary import LegalBasis, Purpose, Reason
from retarget_plugin.engine import consent, preferences, products, subscriptions
from retarget_plugin.models import Attempt, Consent, FlowRun, Message, ProductSubscription

from .baskets import leave
from .shelf import CAMERA, MACRO_90, SHELF

pytestmark = pytest.mark.delivery
BACK, DROP = "Macro lens 90 mm is back", "Now €399.00: Macro lens 90 mm"


@pytest.fixture(autouse=True)
def shelf(retarget):
    retarget.only("back-in-stock", "price-drop")
    retarget.sells(*SHELF)


def said(retarget):
    return [(sent.to, sent.subject) for sent in retarget.outbox]


def shows(item):
    """What the shop says of it from now on."""
    hosts.get_host("default").products[item.product_id] = item


def runs_out(retarget):
    retarget.clock.advance(minutes=1)
    retarget.sells_out(MACRO_90)


def comes_back(retarget):
    retarget.advance(minutes=1)
    shows(MACRO_90)
    products.change(retarget.shop, MACRO_90.product_id, is_available=True, at=retarget.now)
    retarget.advance()


def costs(retarget, price):
    retarget.advance(minutes=1)
    shows(replace(MACRO_90, unit_price=Decimal(price)))
    products.change(retarget.shop, MACRO_90.product_id, price=Decimal(price), currency="EUR", at=retarget.now)
    retarget.advance()


def asks(retarget, contact, kind="back_in_stock"):
    subscriptions.subscribe(
        retarget.shop, MACRO_90.product_id, kind=kind, contact=contact, source="product page", now=retarget.now
    )


def person(retarget, name, **facts):
    return retarget.shopper(email=f"{name}@example.com", **facts)


# -- back in stock ----------------------------------------------------------------------------------------------------


def test_whoever_asked_carted_or_looked_is_told_at_once_that_it_is_back(retarget):
    ana, ben, eva = (person(retarget, name) for name in ("ana", "ben", "eva"))
    ben.looks_at(MACRO_90)
    ben.puts_into_cart(MACRO_90)
    eva.looks_at(MACRO_90)
    person(retarget, "kim").looks_at(CAMERA)
    runs_out(retarget)
    asks(retarget, ana.contact)

    comes_back(retarget)

    assert sorted(said(retarget)) == [(f"{name}@example.com", BACK) for name in ("ana", "ben", "eva")]
    assert "In stock again at Lumen Camera." in retarget.outbox[0].html
    assert ana.clicks(retarget.outbox[0], "See the product") == MACRO_90.url


def people_who_want_it(retarget):
    """Tom looked at it last, Kim before him and Eva before her; Ben has it in his cart, and Ana asked for it."""
    for name in ("ana", "ben", "eva", "kim", "tom"):
        shopper = person(retarget, name)
        shopper.looks_at(MACRO_90)
        if name == "ben":
            shopper.puts_into_cart(MACRO_90)
        retarget.clock.advance(minutes=1)
        if name == "ana":
            asks(retarget, shopper.contact)
    runs_out(retarget)


def delivers(retarget, pieces):
    """The shop itself tells that there are so many of it again."""
    shows(MACRO_90)
    signals.emit(signals.product_changed, host="default", scope="", product_id=MACRO_90.product_id, stock=pieces)
    retarget.advance()


def told(retarget):
    return [sent.to.partition("@")[0] for sent in retarget.outbox]


def test_of_one_piece_three_hear_first_and_the_others_when_it_is_still_there_an_hour_later(retarget):
    people_who_want_it(retarget)

    delivers(retarget, 1)
    assert sorted(told(retarget)) == ["ana", "ben", "tom"]

    retarget.advance(minutes=59)
    assert len(told(retarget)) == 3
    retarget.advance(minutes=1)
    assert sorted(told(retarget)[3:]) == ["eva", "kim"]


def test_what_is_sold_meanwhile_is_not_offered_to_the_others(retarget):
    people_who_want_it(retarget)
    delivers(retarget, 1)

    shows(replace(MACRO_90, is_available=False))
    retarget.advance(hours=3)

    assert sorted(told(retarget)) == ["ana", "ben", "tom"]


def test_news_is_told_once(retarget):
    ana = person(retarget, "ana")
    runs_out(retarget)
    asks(retarget, ana.contact)
    comes_back(retarget)
    assert ProductSubscription.objects.get().notified_at is not None

    runs_out(retarget)
    retarget.advance(days=2)
    comes_back(retarget)

    assert said(retarget) == [("ana@example.com", BACK)]


def test_whoever_asks_again_is_told_again(retarget):
    ana = person(retarget, "ana")
    runs_out(retarget)
    asks(retarget, ana.contact)
    comes_back(retarget)
    runs_out(retarget)
    retarget.advance(days=2)

    asks(retarget, ana.contact)
    comes_back(retarget)

    assert said(retarget) == [("ana@example.com", BACK)] * 2


def test_what_is_gone_again_before_the_mail_leaves_is_not_advertised(retarget):
    ana = person(retarget, "ana")
    runs_out(retarget)
    asks(retarget, ana.contact)
    retarget.advance(minutes=1)
    retarget.shop.is_paused = True
    retarget.shop.save()
    comes_back(retarget)

    runs_out(retarget)
    retarget.shop.is_paused = False
    retarget.shop.save()
    retarget.advance(hours=1)

    assert retarget.outbox == []
    assert Message.objects.get().reason == Reason.SUBJECT_GONE
    assert ProductSubscription.objects.get().notified_at is None


def test_who_has_bought_it_elsewhere_in_the_shop_is_left_alone(retarget):
    ana = person(retarget, "ana")
    ana.looks_at(MACRO_90)
    retarget.advance(minutes=1)
    ana.orders(MACRO_90)
    runs_out(retarget)

    comes_back(retarget)

    assert retarget.outbox == []


# -- asked for --------------------------------------------------------------------------------------------------------


def test_whoever_asked_needs_no_yes_to_advertising_and_gets_no_other(retarget):
    ana = person(retarget, "ana", channels=())
    runs_out(retarget)
    asks(retarget, ana.contact)

    comes_back(retarget)

    assert said(retarget) == [("ana@example.com", BACK)]
    assert "Macro lens 60 mm" not in retarget.outbox[0].html
    attempt = Attempt.objects.get()
    assert attempt.basis == LegalBasis.CONSENT
    assert attempt.consent == Consent.objects.get(purpose=Purpose.ALERTS).record


def test_what_somebody_asked_for_is_held_back_from_nobody(retarget):
    retarget.arm = "holdout"
    ana, eva = person(retarget, "ana"), person(retarget, "eva")
    eva.looks_at(MACRO_90)
    runs_out(retarget)
    asks(retarget, ana.contact)

    comes_back(retarget)

    assert said(retarget) == [("ana@example.com", BACK)]
    assert Message.objects.get(contact=eva.contact).reason == Reason.HOLDOUT
    assert FlowRun.objects.get(contact=ana.contact).experiment is None


def test_who_only_looked_is_not_told_without_a_yes_to_advertising(retarget):
    ana = person(retarget, "ana", channels=())
    ana.looks_at(MACRO_90)
    runs_out(retarget)

    comes_back(retarget)

    assert retarget.outbox == []
    assert Message.objects.get().reason == Reason.NO_CONSENT


def test_of_an_unsubscription_and_a_wish_the_last_word_counts(retarget):
    ana, ben = person(retarget, "ana"), person(retarget, "ben")
    runs_out(retarget)
    asks(retarget, ana.contact)
    retarget.advance(minutes=1)
    for shopper in (ana, ben):
        consent.unsubscribe(shopper.contact.pk, channel="email", message_id=None, source="test", now=retarget.now)
    retarget.advance(minutes=1)
    asks(retarget, ben.contact)

    comes_back(retarget)

    assert said(retarget) == [("ben@example.com", BACK)]


def test_an_end_to_everything_ends_the_waiting_too(retarget):
    ana = person(retarget, "ana")
    runs_out(retarget)
    asks(retarget, ana.contact)

    preferences.stop(ana.contact, source="test", now=retarget.now)
    comes_back(retarget)

    assert retarget.outbox == []


# -- costs less -------------------------------------------------------------------------------------------------------


def test_a_tenth_less_than_somebody_saw_is_news(retarget):
    ana, ben = person(retarget, "ana"), person(retarget, "ben")
    asks(retarget, ana.contact, kind="price_drop")
    person(retarget, "eva").looks_at(CAMERA)
    retarget.advance(minutes=1)

    costs(retarget, "449.11")
    assert retarget.outbox == []

    costs(retarget, "399.00")
    assert said(retarget) == [("ana@example.com", DROP)]
    assert "It now costs €399.00; when you looked at it, it was €499.00." in retarget.outbox[0].text
    assert not FlowRun.objects.filter(contact=ben.contact).exists()


def test_a_cart_remembers_the_price_that_was_in_it(retarget, host):
    leave(host, retarget, person(retarget, "ana"), MACRO_90)
    leave(host, retarget, person(retarget, "ben"), replace(MACRO_90, unit_price=Decimal("430")), reference="18")
    retarget.advance(hours=2)

    costs(retarget, "399.00")

    assert said(retarget) == [("ana@example.com", DROP)]


def test_a_price_that_goes_up_is_no_news(retarget):
    asks(retarget, person(retarget, "ana").contact, kind="price_drop")

    costs(retarget, "599.00")

    assert retarget.outbox == []


@pytest.mark.parametrize(
    ("locale", "back", "drop"),
    [
        ("fr", "De retour : Macro lens 90 mm", "399,00 € : Macro lens 90 mm"),
        ("es", "Vuelve Macro lens 90 mm", "Ahora 399,00 €: Macro lens 90 mm"),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, locale, back, drop):
    ana, ben = person(retarget, "ana", locale=locale), person(retarget, "ben", locale=locale)
    asks(retarget, ana.contact, kind="price_drop")
    runs_out(retarget)
    asks(retarget, ben.contact)

    comes_back(retarget)
    costs(retarget, "399.00")

    assert said(retarget) == [("ben@example.com", back), ("ana@example.com", drop)]
