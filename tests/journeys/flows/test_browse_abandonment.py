"""F3: somebody comes back to a product, or compares several of one kind, and leaves."""

from __future__ import annotations

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import Decision, FlowRun

from .shelf import CAMERA, MACRO_60, MACRO_90, MACRO_105, SHELF, TRIPOD

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "first_name": "Ana"}


@pytest.fixture
def ana(retarget):
    retarget.only("browse-abandonment")
    retarget.sells(*SHELF)
    return retarget.shopper(**ANA)


def come_back_to(retarget, ana, item):
    ana.looks_at(item)
    retarget.advance(days=1)
    ana.looks_at(item)


def test_who_comes_back_to_a_product_is_shown_it_with_three_like_it(retarget, ana):
    come_back_to(retarget, ana, MACRO_90)
    retarget.advance(hours=3, minutes=59)
    assert retarget.outbox == []

    retarget.advance(minutes=1)

    (mail,) = retarget.outbox
    assert mail.subject == "Another look at Macro lens 90 mm?"
    assert "Hello Ana," in mail.text
    assert ana.clicks(mail, "See it again") == MACRO_90.url
    for title in ("Macro lens 90 mm", "Macro lens 60 mm", "Macro lens 105 mm", "Macro lens 180 mm"):
        assert title in mail.html
    assert "Travel tripod" not in mail.html


def test_after_two_days_questions_are_answered_and_others_shown(retarget, ana):
    come_back_to(retarget, ana, MACRO_90)

    retarget.advance(days=5)

    assert [mail.subject for mail in retarget.outbox] == [
        "Another look at Macro lens 90 mm?",
        "Can we help you choose?",
    ]
    assert "just reply to this e-mail" in retarget.outbox[1].text
    assert "Macro lens 60 mm" in retarget.outbox[1].html


def test_who_compares_three_of_a_kind_in_one_visit_is_shown_the_last_of_them(retarget, ana):
    ana.looks_at(MACRO_60, MACRO_105, MACRO_90)

    retarget.advance(hours=4)

    assert [mail.subject for mail in retarget.outbox] == ["Another look at Macro lens 90 mm?"]


@pytest.mark.parametrize("seen", [(MACRO_60,), (MACRO_60, MACRO_90), (CAMERA, MACRO_60, TRIPOD)])
def test_a_glance_is_no_reason_to_write(retarget, ana, seen):
    ana.looks_at(*seen)

    retarget.advance(days=5)

    assert retarget.outbox == []
    assert not FlowRun.objects.exists()


def test_two_looks_with_more_than_a_week_between_are_two_glances(retarget, ana):
    ana.looks_at(MACRO_90)
    retarget.advance(days=7, minutes=1)
    ana.looks_at(MACRO_90)

    retarget.advance(days=3)

    assert retarget.outbox == []


def test_what_is_put_into_the_cart_is_left_to_the_cart(retarget, ana):
    come_back_to(retarget, ana, MACRO_90)
    retarget.advance(hours=1)
    ana.puts_into_cart(MACRO_90)

    retarget.advance(days=3)

    assert retarget.outbox == []
    assert FlowRun.objects.get().reason == Reason.EXITED_ON


def test_an_order_ends_it(retarget, ana):
    come_back_to(retarget, ana, MACRO_90)
    retarget.advance(hours=5)
    ana.orders(MACRO_90)

    retarget.advance(days=3)

    assert len(retarget.outbox) == 1
    assert FlowRun.objects.get().reason == Reason.ORDERED


def test_who_ordered_in_the_last_ten_days_is_left_alone(retarget, ana):
    ana.orders(TRIPOD)
    retarget.advance(days=8, hours=23)
    come_back_to(retarget, ana, MACRO_90)

    retarget.advance(days=3)

    assert retarget.outbox == []
    assert Decision.objects.filter(code=Reason.COOLDOWN).exists()


def test_nobody_enters_again_within_a_fortnight(retarget, ana):
    come_back_to(retarget, ana, MACRO_90)
    retarget.advance(days=5)
    come_back_to(retarget, ana, CAMERA)
    retarget.advance(days=4)
    assert len(retarget.outbox) == 2

    retarget.advance(days=5)
    come_back_to(retarget, ana, CAMERA)
    retarget.advance(hours=4)

    assert retarget.outbox[-1].subject == "Another look at Mirrorless camera X2?"


def test_a_product_that_is_gone_is_not_written_about(retarget, ana):
    come_back_to(retarget, ana, MACRO_90)
    retarget.sells_out(MACRO_90)

    retarget.advance(days=3)

    assert retarget.outbox == []


@pytest.mark.parametrize(
    ("locale", "subjects"),
    [
        ("fr", ["À revoir : Macro lens 90 mm", "Pouvons-nous vous aider à choisir ?"]),
        ("es", ["Otra mirada a Macro lens 90 mm", "¿Te ayudamos a elegir?"]),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, locale, subjects):
    retarget.only("browse-abandonment")
    retarget.sells(*SHELF)
    come_back_to(retarget, retarget.shopper(**ANA, locale=locale), MACRO_90)

    retarget.advance(days=3)

    assert [mail.subject for mail in retarget.outbox] == subjects


def test_who_is_held_out_hears_nothing_and_is_counted(retarget, ana):
    retarget.arm = "holdout"
    come_back_to(retarget, ana, MACRO_90)

    retarget.advance(days=3)

    assert retarget.outbox == []
    assert Decision.objects.filter(code=Reason.HOLDOUT).count() == 2
