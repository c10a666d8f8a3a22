"""F5: somebody asks for something with their address, and proves that it is theirs."""

from __future__ import annotations

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import FlowRun, Preference
from tests.lead_forms import make_form, make_magnet

from .shelf import CAMERA, MACRO_90, SHELF, TRIPOD

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "first_name": "Ana"}


@pytest.fixture
def form(retarget):
    retarget.only("welcome")
    retarget.sells(*SHELF)
    magnet = make_magnet(retarget.shop, now=retarget.now, files=(("soups.pdf", b"%PDF"),))
    return make_form(retarget.shop, magnet=magnet, now=retarget.now)


@pytest.fixture
def ana(retarget, form):
    return retarget.shopper(channels=[], **ANA)


@pytest.fixture
def question(retarget):
    return Preference.objects.create(
        shop=retarget.shop,
        slug="subject",
        labels={"en": "What do you like to take pictures of?"},
        options=[
            {"value": "insects", "labels": {"en": "Small animals"}},
            {"value": "towns", "labels": {"en": "Towns"}},
        ],
    )


def confirm(retarget, ana, form):
    """The form is sent, and answered from the mailbox."""
    ana.fills_in(form)
    retarget.advance(minutes=1)
    ana.confirms(retarget.outbox.pop())
    retarget.advance(minutes=1)


def others_buy(retarget, *items):
    """What sells is what there is to recommend."""
    ben = retarget.shopper(email="ben@example.com", channels=[])
    ben.orders(*items)
    retarget.advance()


def test_what_was_promised_comes_at_once_and_only_once(retarget, ana, form):
    confirm(retarget, ana, form)

    retarget.advance(days=1)

    (mail,) = retarget.outbox
    assert "Twelve winter soups" in mail.text
    assert "/assets/" in mail.text


def test_after_two_days_comes_a_word_about_the_shop_with_one_question(retarget, ana, form, question):
    confirm(retarget, ana, form)

    retarget.advance(days=2)

    _magnet, mail = retarget.outbox
    assert mail.subject == "Nice to meet you"
    assert "Hello Ana," in mail.text
    assert "may we ask you one thing?\n\nWhat do you like to take pictures of?" in mail.text
    assert "insects" in ana.clicks(mail, "Small animals")
    assert "/preferences/" in ana.clicks(mail, "Towns")


def test_a_shop_without_questions_asks_none(retarget, ana, form):
    confirm(retarget, ana, form)

    retarget.advance(days=2)

    mail = retarget.outbox[1]
    assert "one thing" not in mail.text
    assert ana.clicks(mail, "Look around the shop") == "https://shop.example.com"


def test_after_four_days_comes_a_choice_by_the_answer(retarget, ana, form, question):
    others_buy(retarget, CAMERA, TRIPOD)
    confirm(retarget, ana, form)
    retarget.advance(days=3)
    ana.answers(subject="insects")

    retarget.advance(days=1)

    assert [mail.subject for mail in retarget.outbox[1:]] == ["Nice to meet you", "Chosen from what you told us"]
    assert "Mirrorless camera X2" in retarget.outbox[2].html


def test_without_an_answer_comes_a_first_selection(retarget, ana, form, question):
    others_buy(retarget, CAMERA, TRIPOD)
    confirm(retarget, ana, form)

    retarget.advance(days=4)

    assert [mail.subject for mail in retarget.outbox[1:]] == ["Nice to meet you", "A few things to start with"]
    assert "Travel tripod" in retarget.outbox[2].html


def test_with_nothing_to_show_nothing_is_sent(retarget, ana, form):
    confirm(retarget, ana, form)

    retarget.advance(days=7)

    assert [mail.subject for mail in retarget.outbox[1:]] == ["Nice to meet you"]


def test_an_order_ends_it(retarget, ana, form):
    confirm(retarget, ana, form)
    retarget.advance(days=1)
    ana.orders(MACRO_90)

    retarget.advance(days=7)

    assert len(retarget.outbox) == 1
    assert FlowRun.objects.get().reason == Reason.ORDERED


def test_who_wants_the_magnet_and_no_messages_gets_just_that(retarget, ana, form):
    ana.fills_in(form, ticks=False)
    retarget.advance(minutes=1)
    ana.confirms(retarget.outbox.pop())

    retarget.advance(days=7)

    (mail,) = retarget.outbox
    assert "/assets/" in mail.text


def test_the_same_magnet_welcomes_nobody_twice_and_another_does(retarget, ana, form):
    confirm(retarget, ana, form)
    retarget.advance(days=30)
    confirm(retarget, ana, form)
    retarget.advance(days=30)
    assert [mail.subject for mail in retarget.outbox].count("Nice to meet you") == 1

    magnet = make_magnet(retarget.shop, slug="light", name="Light", topic="light", now=retarget.now)
    confirm(retarget, ana, make_form(retarget.shop, slug="light", magnet=magnet, now=retarget.now))
    retarget.advance(days=3)

    assert [mail.subject for mail in retarget.outbox].count("Nice to meet you") == 2


def test_who_is_held_out_gets_what_was_promised_and_no_more(retarget, ana, form):
    retarget.arm = "holdout"
    confirm(retarget, ana, form)

    retarget.advance(days=7)

    (mail,) = retarget.outbox
    assert "/assets/" in mail.text
