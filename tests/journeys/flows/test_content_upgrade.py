"""F6: somebody reads about a subject and downloads the guide to it."""

from __future__ import annotations

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import FlowRun, Topic
from tests.lead_forms import make_lead, make_magnet

from .shelf import CAMERA, MACRO_60, MACRO_90, SHELF, TRIPOD

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "first_name": "Ana"}
GUIDE = {"en": {"title": "Small things, big pictures", "text": "Twenty pages."}}


@pytest.fixture
def guide(retarget):
    retarget.only("content-upgrade")
    retarget.sells(*SHELF)
    Topic.objects.create(shop=retarget.shop, slug="macro-lenses", labels={"en": "macro lenses"})
    return make_magnet(
        retarget.shop, slug="macro", topic="macro-lenses", texts=GUIDE, now=retarget.now, files=(("m.pdf", b"%PDF"),)
    )


@pytest.fixture
def ana(retarget, guide):
    ana = retarget.shopper(**ANA)
    make_lead(retarget.shop, email=ANA["email"], magnet=guide, now=retarget.now)
    return ana


def subjects(retarget):
    return [mail.subject for mail in retarget.outbox]


def test_two_days_after_the_guide_comes_help_with_the_first_choice(retarget, ana, guide):
    ana.downloads(guide)
    retarget.advance(days=1, hours=23)
    assert retarget.outbox == []

    retarget.advance(hours=1)

    (mail,) = retarget.outbox
    assert mail.subject == "Which one is right for you?"
    assert "you downloaded “Small things, big pictures”" in mail.text
    assert "most often about macro lenses is" in mail.text
    assert "/assets/" in ana.clicks(mail, "Open the guide")


def test_after_five_days_three_of_the_subject_stand_side_by_side(retarget, ana, guide):
    ana.downloads(guide)

    retarget.advance(days=5)

    mail = retarget.outbox[1]
    assert mail.subject == "Side by side, to help you compare"
    assert "3 that we would put side by side" in mail.text
    assert sum(f"Macro lens {length} mm" in mail.html for length in (60, 90, 105, 180)) >= 3
    assert "Travel tripod" not in mail.html


def test_after_nine_days_comes_a_last_hand_without_an_offer(retarget, host, ana, guide):
    ana.downloads(guide)

    retarget.advance(days=12)

    assert subjects(retarget)[2:] == ["Still choosing? Let us help"]
    assert host.coupons == {}


def test_who_has_read_a_lot_about_it_gets_a_small_offer_with_that(retarget, host, ana, guide):
    ana.reads("macro-lenses", "macro-lenses", "macro-lenses")
    ana.downloads(guide)
    retarget.advance(days=6)
    ana.reads("macro-lenses", "macro-lenses", "macro-lenses")

    retarget.advance(days=6)

    assert subjects(retarget)[2:] == ["5% off, and a hand with the choice"]
    (spec,) = host.coupons.values()
    assert (spec.kind, spec.value) == ("percent", 5)
    assert "Your code: CODE-1\n" in retarget.outbox[2].text


def test_what_somebody_reads_about_something_else_is_no_reason_for_an_offer(retarget, host, ana, guide):
    ana.reads(*["tripods"] * 12)
    ana.downloads(guide)

    retarget.advance(days=12)

    assert subjects(retarget)[2:] == ["Still choosing? Let us help"]
    assert host.coupons == {}


def test_an_order_in_the_subject_ends_it(retarget, ana, guide):
    ana.downloads(guide)
    retarget.advance(days=3)
    ana.orders(MACRO_60)

    retarget.advance(days=12)

    assert subjects(retarget) == ["Which one is right for you?"]
    assert FlowRun.objects.get().reason == Reason.ORDERED


def test_an_order_of_something_else_does_not(retarget, ana, guide):
    ana.downloads(guide)
    retarget.advance(days=3)
    ana.orders(TRIPOD)

    retarget.advance(days=12)

    assert len(retarget.outbox) == 3


def test_what_somebody_owns_is_not_compared(retarget, ana, guide):
    ana.orders(MACRO_90, CAMERA)
    retarget.advance(days=1)
    ana.downloads(guide)

    retarget.advance(days=5)

    assert "Macro lens 90 mm" not in retarget.outbox[1].html
    assert "Macro lens 60 mm" in retarget.outbox[1].html


def test_who_confirmed_and_never_opened_the_guide_is_not_asked_about_it(retarget, ana):
    retarget.advance(days=12)

    assert retarget.outbox == []


def test_who_downloads_it_twice_is_written_to_once(retarget, ana, guide):
    ana.downloads(guide)
    retarget.advance(days=1)
    ana.downloads(guide)

    retarget.advance(days=12)

    assert len(retarget.outbox) == 3


def test_the_one_discount_of_a_quarter_is_given_once(retarget, host, ana, guide):
    ana.reads(*["macro-lenses"] * 12)
    ana.downloads(guide)
    retarget.advance(days=12)
    other = make_magnet(
        retarget.shop, slug="macro-2", topic="macro-lenses", texts=GUIDE, now=retarget.now, files=(("n.pdf", b"%PDF"),)
    )
    make_lead(retarget.shop, email=ANA["email"], magnet=other, now=retarget.now)
    ana.reads(*["macro-lenses"] * 12)
    ana.downloads(other)

    retarget.advance(days=12)

    assert len(host.coupons) == 1
    assert subjects(retarget).count("5% off, and a hand with the choice") == 1
