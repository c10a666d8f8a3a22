"""F4: somebody who agreed to texts looks round the shop and leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import Contact, FlowRun, Message, Store

from .edits import turn_on_step
from .shelf import CAMERA, MACRO_90, SHELF

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "phone": "+33612345678"}
PARIS, MEAUX, ORLEANS = (48.8566, 2.3522), (48.9601, 2.8884), (47.9030, 1.9093)


@pytest.fixture
def ana(retarget):
    retarget.only("visitor-sms")
    retarget.sells(*SHELF)
    return retarget.shopper(**ANA)


def open_store(retarget, *, at):
    return Store.objects.create(
        shop=retarget.shop, slug="marais", name="Lumen Marais", street="3 rue Vieille", city="Paris", country="FR",
        latitude=at[0], longitude=at[1],
    )  # fmt: skip


def live_at(contact, place):
    Contact.objects.filter(pk=contact.pk).update(latitude=place[0], longitude=place[1])


def said(sent):
    """A text without its links."""
    return sent.text.split(" https://")[0]


def test_who_read_two_pages_gets_one_text_after_three_hours(retarget, ana):
    ana.opens("/", "/about/")
    retarget.advance(hours=2, minutes=59)
    assert retarget.outbox == []

    retarget.advance(minutes=1)

    (text,) = retarget.outbox
    assert (text.channel, text.to) == ("sms", ANA["phone"])
    assert said(text) == "Lumen Camera: thank you for your visit. Pick up where you left off whenever you like:"
    assert ana.clicks(text) == "https://shop.example.com"
    assert Message.objects.get().segments == 1


def test_who_looked_at_a_product_is_led_back_to_it(retarget, ana):
    ana.looks_at(MACRO_90)

    retarget.advance(hours=3)

    (text,) = retarget.outbox
    assert said(text) == "Lumen Camera: Macro lens 90 mm is here whenever you want another look:"
    assert ana.clicks(text) == MACRO_90.url


def test_the_discount_on_the_product_takes_the_place_of_the_plain_text_once_it_is_on(retarget, host, ana):
    turn_on_step(retarget, "visitor-sms", "product-discount")
    ana.looks_at(MACRO_90)

    retarget.advance(hours=3)

    (text,) = retarget.outbox
    assert said(text) == "Lumen Camera: 5% off Macro lens 90 mm until November 27, 2026, code CODE-1:"
    assert [spec.value for spec in host.coupons.values()] == [5]


def test_so_does_the_discount_on_the_whole_shop(retarget, host, ana):
    turn_on_step(retarget, "visitor-sms", "site-discount")
    ana.opens("/", "/about/")

    retarget.advance(hours=3)

    (text,) = retarget.outbox
    assert said(text) == "Lumen Camera: 5% off your next order until November 27, 2026, code CODE-1:"
    assert len(host.coupons) == 1


def test_so_does_the_flash_sale(retarget, ana):
    turn_on_step(retarget, "visitor-sms", "sale")
    ana.opens("/", "/about/")

    retarget.advance(hours=3)

    (text,) = retarget.outbox
    assert said(text) == "Lumen Camera: our flash sale is on. Have a look before you choose:"


def test_who_lives_within_twenty_kilometers_of_a_store_is_told_of_it(retarget, ana):
    open_store(retarget, at=PARIS)
    live_at(ana.contact, (48.8049, 2.1204))
    ana.looks_at(MACRO_90)

    retarget.advance(hours=3)

    (text,) = retarget.outbox
    assert said(text) == "Lumen Camera: your nearest store, Lumen Marais, is 18 km away. Address and hours:"
    assert "/store/" in ana.clicks(text)


@pytest.mark.parametrize("home", [MEAUX, ORLEANS])
def test_who_lives_farther_away_is_not(retarget, ana, home):
    open_store(retarget, at=PARIS)
    live_at(ana.contact, home)
    ana.looks_at(MACRO_90)

    retarget.advance(hours=3)

    assert [said(text) for text in retarget.outbox] == [
        "Lumen Camera: Macro lens 90 mm is here whenever you want another look:"
    ]


def test_one_page_is_no_visit(retarget, ana):
    ana.opens("/")

    retarget.advance(days=2)

    assert retarget.outbox == []
    assert not FlowRun.objects.exists()


def test_who_agreed_to_no_texts_never_enters(retarget):
    retarget.only("visitor-sms")
    ben = retarget.shopper(email="ben@example.com", phone="+33698765432", channels=["email"])
    ben.opens("/", "/about/")

    retarget.advance(days=2)

    assert retarget.outbox == []
    assert not FlowRun.objects.exists()


def test_who_buys_hears_nothing(retarget, ana):
    ana.looks_at(MACRO_90)
    retarget.advance(hours=2)
    ana.orders(MACRO_90)

    retarget.advance(days=2)

    assert retarget.outbox == []
    assert FlowRun.objects.get().reason == Reason.ORDERED


def test_who_comes_back_by_themselves_needs_no_text(retarget, ana):
    ana.looks_at(MACRO_90)
    retarget.advance(hours=2)
    ana.opens("/")

    retarget.advance(days=2)

    assert retarget.outbox == []
    assert FlowRun.objects.get().reason == Reason.EXITED_ON


def test_what_the_night_holds_up_is_sent_in_the_morning(retarget, ana):
    retarget.advance(hours=9)
    ana.opens("/", "/about/")

    retarget.advance(hours=12, minutes=59)
    assert retarget.outbox == []
    retarget.advance(minutes=1)

    assert len(retarget.outbox) == 1


def test_what_a_sunday_holds_up_is_dropped(retarget, ana):
    retarget.advance(days=4, hours=9)
    assert retarget.now.strftime("%A") == "Saturday"
    ana.opens("/", "/about/")

    retarget.advance(days=3)

    assert retarget.outbox == []
    message = Message.objects.get()
    assert (message.state, message.reason) == ("cancelled", Reason.QUIET_HOURS)


def test_one_text_a_fortnight_is_enough(retarget, ana):
    ana.opens("/", "/about/")
    retarget.advance(days=13)
    ana.opens("/", "/about/")
    retarget.advance(days=2)
    assert len(retarget.outbox) == 1

    ana.looks_at(CAMERA)
    retarget.advance(hours=3)

    assert [said(text) for text in retarget.outbox[1:]] == [
        "Lumen Camera: Mirrorless camera X2 is here whenever you want another look:"
    ]
    assert timedelta(days=14) < retarget.now - FlowRun.objects.earliest("pk").entered_at
