"""What people answer to a text: STOP counts at once and everywhere, START re-opens only what STOP closed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin import signals
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.keywords import STOP_WORDS
from retarget_plugin.domain.messages import InboundSms
from retarget_plugin.engine import consent, delivery, flows, inbound, receipts
from retarget_plugin.models import Attempt, ConsentRecord, FlowRun, Message, Suppression
from retarget_plugin.testing import build_contact, build_shop

from .handed_over import event, hand_over

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

PHONE = "+33612345678"


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, channels=("email", "sms"), email="ana@example.com", phone=PHONE)


@pytest.fixture
def texted(ana, shop, clock):
    return hand_over(shop, contact=ana, channel="sms", now=clock.now)


def hear(clock, *texts, sender=PHONE, gateway="default", **facts):
    heard = [InboundSms(sender=sender, text=text, **facts) for text in texts]
    return dict(inbound.hear(heard, gateway=gateway, now=clock.now))


def standing(contact):
    """(state of SMS, state of e-mail, why the number is suppressed)."""
    reasons = list(Suppression.objects.filter(shop=contact.shop).values_list("reason", flat=True))
    return consent.state_of(contact, channel="sms"), consent.state_of(contact, channel="email"), reasons


def test_stop_is_recorded_once_and_leaves_e_mail_alone(ana, texted, clock, django_capture_on_commit_callbacks):
    told = []
    signals.contact_unsubscribed.connect(lambda **facts: told.append(facts["channel"]), weak=False, dispatch_uid="t")

    try:
        with django_capture_on_commit_callbacks(execute=True):
            answer = hear(clock, "Stop", "STOP please")
    finally:
        signals.contact_unsubscribed.disconnect(dispatch_uid="t")

    assert answer == {"stop": 2}
    assert standing(ana) == ("withdrawn", "granted", ["stopped"])
    assert ConsentRecord.objects.filter(state="withdrawn").values_list("source", flat=True).get() == "STOP by SMS"
    assert told == ["sms"]


def test_a_number_that_was_never_texted_through_the_gateway_changes_nothing(ana, clock):
    assert hear(clock, "STOP") == {"unmatched": 1}

    hand_over(ana.shop, contact=ana, channel="sms", now=clock.now, gateway="another")

    assert hear(clock, "STOP", "START") == {"unmatched": 2}
    assert standing(ana) == ("granted", "granted", [])


def test_help_and_small_talk_change_nothing(ana, texted, clock):
    assert hear(clock, "HELP", "Do you ship to Spain?") == {"help": 1, "other": 1}
    assert standing(ana) == ("granted", "granted", [])


def test_help_is_answered_at_once_and_once_a_day(ana, texted, clock):
    hear(clock, "Help", "INFO", "aide svp")
    delivery.dispatch(now=clock.now)

    [answer] = MemoryGateway.outbox
    assert answer.to == PHONE
    assert answer.text.startswith(
        "Lumen Camera: texts about your cart and offers, frequency varies. Msg & data rates may apply."
    )
    assert "Help: help@shop.example.com." in answer.text
    assert answer.text.endswith(" STOP to end.")
    clock.advance(hours=25)
    hear(clock, "HELP")
    delivery.dispatch(now=clock.now)
    assert len(MemoryGateway.outbox) == 2


def test_help_is_left_to_a_gateway_that_gives_it_itself(ana, texted, clock, settings):
    entry = {**settings.RETARGET["SMS"]["default"], "HELP": False}
    settings.RETARGET = {**settings.RETARGET, "SMS": {"default": entry}}

    assert hear(clock, "HELP") == {"help": 1}

    assert Message.objects.filter(template="help").count() == 0


def test_help_after_a_stop_and_from_a_stranger_stays_unanswered(ana, texted, clock):
    hear(clock, "STOP", "HELP")
    assert hear(clock, "HELP", sender="+33698765432") == {"unmatched": 1}

    assert Message.objects.filter(template="help").count() == 0


def test_of_shops_that_share_a_number_the_one_that_wrote_last_gives_help(ana, texted, clock):
    sister = build_shop(scope="outlet", name="Lumen Outlet")
    other = build_contact(sister, now=clock.now, channels=("sms",), phone=PHONE)
    hand_over(sister, contact=other, channel="sms", now=clock.now)

    hear(clock, "HELP")

    assert Message.objects.get(template="help").shop == sister


def test_a_start_that_comes_twice_opens_once_and_every_stop_counts(ana, texted, clock):
    heard = [hear(clock, word, gateway_id="SM1") for word in ("STOP", "START", "STOP", "START", "STOP")]

    assert heard == [{"stop": 1}, {"start": 1}, {"stop": 1}, {"repeated": 1}, {"stop": 1}]
    assert standing(ana) == ("withdrawn", "granted", ["stopped"])


def test_start_opens_again_what_stop_closed_in_the_words_of_the_yes_before(ana, texted, clock):
    hear(clock, "STOP")

    hear(clock, "START")

    assert standing(ana) == ("granted", "granted", [])
    record = ConsentRecord.objects.filter(channel="sms").latest("pk")
    assert (record.source, record.wording, record.is_confirmed) == ("START by SMS", "Yes, write to me.", True)


def test_start_also_undoes_a_stop_that_the_provider_told_first(ana, texted, clock):
    receipts.apply([event(texted, "unsubscribed")], gateway="default", now=clock.now)
    assert standing(ana) == ("withdrawn", "granted", ["stopped"])

    hear(clock, "START")

    assert standing(ana) == ("granted", "granted", [])


@pytest.mark.parametrize(
    "sender",
    ["33612345678", "0612345678", "+33 6 12 34 56 78", "＋３３６１２３４５６７８", "36111", "+336123456780", "", "Ana"],
)
def test_no_other_writing_of_a_number_is_taken_for_it(ana, texted, clock, sender):
    assert hear(clock, "STOP", sender=sender) == {"unmatched": 1}
    assert standing(ana) == ("granted", "granted", [])


@pytest.mark.parametrize("reason", ["complained", "erased"])
def test_start_opens_nothing_that_a_complaint_or_an_erasure_closed(ana, texted, clock, reason):
    hear(clock, "STOP")
    consent.suppress(ana.shop, channel="sms", address=PHONE, reason=reason, now=clock.now)

    hear(clock, "START")

    assert consent.state_of(ana, channel="sms") == "withdrawn"
    assert Suppression.objects.count() == 1


def test_start_does_not_undo_a_no_that_was_said_elsewhere(ana, texted, clock):
    consent.unsubscribe(ana.pk, channel="sms", message_id=None, source="link", now=clock.now)
    hear(clock, "STOP")

    hear(clock, "START")

    assert standing(ana) == ("withdrawn", "granted", ["stopped"])


def test_start_gives_no_consent_that_there_never_was(shop, clock):
    contact = build_contact(shop, now=clock.now, channels=("email",), phone=PHONE, email="bo@example.com")
    hand_over(shop, contact=contact, channel="sms", now=clock.now)

    hear(clock, "START")
    assert standing(contact) == (None, "granted", [])
    hear(clock, "STOP")
    hear(clock, "START")

    assert standing(contact) == ("withdrawn", "granted", ["stopped"])


def test_start_confirms_what_was_asked_at_that_number(shop, clock):
    contact = build_contact(shop, now=clock.now, channels=(), phone=PHONE)
    hand_over(shop, contact=contact, channel="sms", now=clock.now)
    consent.pend(contact, channel="sms", source="/guide/", wording="Text me.", now=clock.now)

    hear(clock, "YES")

    record = ConsentRecord.objects.latest("pk")
    assert (record.state, record.wording, record.is_confirmed) == ("granted", "Text me.", True)


@pytest.mark.promise
def test_no_text_follows_a_stop_from_any_sender_of_the_site(shop, clock, promise):
    sister = build_shop(scope="outlet", name="Lumen Outlet", sms_sender="OUTLET")
    for flow in flows.install(sister, now=clock.now):
        flows.turn_on(flow, now=clock.now)
    words = [*sorted(STOP_WORDS), "opt out", "stop texting me", "Arrêtez !", "ya no me envíen mensajes"]
    after = 0
    for n, word in enumerate(words):
        number = f"+3361234{n:04d}"
        for one in (shop, sister):
            contact = build_contact(one, now=clock.now, channels=("sms",), phone=number)
            hand_over(one, contact=contact, channel="sms", now=clock.now - timedelta(days=8))
            queue_text(one, contact, clock)

        hear(clock, word, sender=number, to="+33700000000")
    MemoryGateway.reset()
    for _round in range(3):
        delivery.dispatch(now=clock.now)

    after = len(MemoryGateway.outbox)
    assert not Message.objects.filter(state="scheduled").exists()
    assert set(Message.objects.filter(state="cancelled").values_list("reason", flat=True)) == {"suppressed"}
    assert Attempt.objects.filter(outcome="accepted").count() == 0
    promise(
        "P24",
        run=f"{len(words)} ways to say stop in 5 languages, 2 shops with a sender each, a text waiting in both",
        figure=f"{after} marketing SMS after STOP",
        bar="0 marketing SMS after STOP",
        holds=after == 0,
    )


def queue_text(shop, contact, clock):
    flow = shop.flows.get(slug="abandoned-cart")
    run = FlowRun.objects.create(
        shop=shop, flow=flow, version=flow.version, contact=contact, subject=f"s{contact.pk}", anchored_at=clock.now,
        entered_at=clock.now,
    )  # fmt: skip
    later = clock.now + timedelta(hours=1)
    return delivery.queue(run, step="sms", channel="sms", due_at=clock.now, not_after=later, now=clock.now)
