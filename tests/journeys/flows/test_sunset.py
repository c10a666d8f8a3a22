"""F10: many messages, and no sign of life for half a year."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from retarget_plugin.domain.vocabulary import MessageState, Reason, SuppressionReason
from retarget_plugin.engine import links
from retarget_plugin.models import Contact, Decision, FlowRun, Message, Suppression
from retarget_plugin.testing import Sent, Shopper, build_contact

from .quiet import later
from .shelf import CAMERA, SITE

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "first_name": "Ana"}
ASKED, LAST = "Shall we keep writing to you?", "Our last e-mail, unless you want more"
HALF_A_YEAR = {"days": 180}


@pytest.fixture
def ana(retarget):
    """Somebody who agreed, and has got five e-mails since."""
    retarget.only("sunset")
    contact = retarget.agree(**ANA)
    deliver(contact, retarget.now, count=5)
    return contact


def deliver(contact, since, *, count):
    """E-mails that left, one a day."""
    days = [since + timedelta(days=number) for number in range(1, count + 1)]
    return [
        Message.objects.create(
            shop=contact.shop,
            contact=contact,
            step="news",
            channel="email",
            state=MessageState.ACCEPTED,
            due_at=at,
            not_after=at,
            created_at=at,
            sent_at=at,
            key=uuid4(),
        )
        for at in days
    ]


def said(retarget):
    return [sent.subject for sent in retarget.outbox]


def ended():
    return list(Suppression.objects.values_list("channel", "reason"))


def browser(retarget, contact):
    """The contact's own, which may be followed. Being met is a visit."""
    return Shopper(retarget.shop, contact, clock=retarget.clock)


def go_through(retarget):
    """Past the moments at which the last notice goes and the e-mails end, for whoever has not answered."""
    for days in (7, 5, 1):
        later(retarget, days=days)


def test_they_are_asked_once_more_told_a_week_later_and_five_days_after_that_it_ends(retarget, ana):
    later(retarget, days=179, hours=23, minutes=59)
    assert retarget.outbox == []

    retarget.advance(minutes=1)
    assert said(retarget) == [ASKED]
    later(retarget, days=6, hours=23, minutes=59)
    assert said(retarget) == [ASKED]
    retarget.advance(minutes=1)
    assert said(retarget) == [ASKED, LAST]
    later(retarget, days=4, hours=23, minutes=59)
    assert ended() == []
    retarget.advance(minutes=1)

    assert ended() == [("email", SuppressionReason.UNENGAGED)]
    assert Contact.objects.get().email == ANA["email"]
    assert Decision.objects.filter(code=Reason.CHANNEL_ENDED).count() == 1
    assert FlowRun.objects.get().state == "finished"


@pytest.mark.parametrize("number", [0, 1], ids=["at once", "after the last notice"])
def test_one_press_and_they_stay(retarget, ana, number):
    later(retarget, **HALF_A_YEAR)
    later(retarget, days=7 * number, minutes=1)
    button = ("Yes, I am staying", "I want to stay")[number]

    browser(retarget, ana).confirms(retarget.outbox[number], button)
    go_through(retarget)

    assert said(retarget) == [ASKED, LAST][: number + 1]
    assert ended() == []
    run = FlowRun.objects.get()
    assert (run.state, run.reason) == ("exited", Reason.EXITED_ON)


def test_looking_at_the_page_is_no_answer(retarget, ana, client):
    later(retarget, **HALF_A_YEAR)

    page = client.get(retarget.outbox[0].link("Yes, I am staying"))
    go_through(retarget)

    assert "Do you want to stay?" in page.content.decode()
    assert ended() == [("email", SuppressionReason.UNENGAGED)]


def click(retarget, contact):
    old = Message.objects.filter(contact=contact, step="news").first()
    address = links.shorten(f"{SITE}/", message=old, purpose="shop", is_measured=True, now=retarget.now)
    browser(retarget, contact).clicks(Sent(channel="email", to=contact.email, text=address))


SIGNS = {
    "click": click,
    "visit": lambda retarget, contact: browser(retarget, contact).opens("/"),
    "order": lambda retarget, contact: browser(retarget, contact).orders(CAMERA),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_life_ends_the_asking(retarget, ana, sign):
    later(retarget, **HALF_A_YEAR)
    assert said(retarget) == [ASKED]
    retarget.clock.advance(minutes=1)

    SIGNS[sign](retarget, ana)
    go_through(retarget)

    assert said(retarget) == [ASKED]
    assert ended() == []
    assert FlowRun.objects.get().state == "exited"


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_life_within_the_half_year_counts_from_then_on(retarget, ana, sign):
    later(retarget, days=100)
    SIGNS[sign](retarget, ana)
    deliver(ana, retarget.now, count=5)

    later(retarget, days=179)
    assert retarget.outbox == []

    later(retarget, days=1)
    assert said(retarget) == [ASKED]


def test_four_messages_are_too_few_to_judge_by(retarget):
    retarget.only("sunset")
    deliver(retarget.agree(**ANA), retarget.now, count=4)

    later(retarget, days=220)

    assert retarget.outbox == []
    assert not FlowRun.objects.exists()


def test_whoever_subscribes_again_is_written_to_again(retarget, ana):
    later(retarget, **HALF_A_YEAR)
    go_through(retarget)
    assert ended() == [("email", SuppressionReason.UNENGAGED)]

    build_contact(retarget.shop, now=retarget.now, email=ANA["email"])

    assert ended() == []
    go_through(retarget)
    assert said(retarget) == [ASKED, LAST]


def test_the_button_works_when_it_has_ended_already(retarget, ana):
    later(retarget, **HALF_A_YEAR)
    go_through(retarget)
    assert ended() == [("email", SuppressionReason.UNENGAGED)]

    browser(retarget, ana).confirms(retarget.outbox[1], "I want to stay")

    assert ended() == []


@pytest.mark.parametrize(
    ("locale", "expected", "button"),
    [
        ("fr", ["Souhaitez-vous rester ?", "Notre dernier e-mail, sauf avis contraire"], "Oui, je reste"),
        ("es", ["¿Te quedas?", "Nuestro último correo, si no dices nada"], "Sí, me quedo"),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, locale, expected, button):
    retarget.only("sunset")
    contact = retarget.agree(**ANA, locale=locale)
    deliver(contact, retarget.now, count=5)

    later(retarget, **HALF_A_YEAR)
    later(retarget, days=7)

    assert said(retarget) == expected
    assert "/keep/" in retarget.outbox[0].link(button)
