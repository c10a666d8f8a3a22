"""Service messages: what somebody has just asked for goes out at once, first in line, and past nothing that protects them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.vocabulary import Channel, SuppressionReason
from retarget_plugin.engine import composing, consent, delivery, flows, installation, ledger, letters, notices
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Budget, Contact, Flow, FlowRun, Lead, LeadForm, Magnet, MagnetFile, Message
from retarget_plugin.testing import build_contact

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

EMAIL, PHONE = "ana@example.com", "+33612345678"


@pytest.fixture
def contact(shop, clock):
    """Somebody who has allowed nothing."""
    return Contact.objects.create(
        shop=shop, email=EMAIL, phone=PHONE, first_name="Ana", last_name="Lopez", created_at=clock.now
    )


@pytest.fixture
def send(shop, contact, clock):
    """Queue one service message and let the workers run; answers what became of it."""

    def act(*, channel="email", template="preferences_link", within=timedelta(hours=1), context=None):
        message = notices.queue(
            shop, contact, channel=channel, template=template, context=context or {}, within=within, now=clock.now
        )
        delivery.dispatch(now=clock.now)
        message.refresh_from_db()
        return message

    return act


def test_it_needs_no_grant_waits_for_no_hour_and_counts_against_no_cap(shop, contact, clock, send):
    clock.advance(hours=18)  # three o'clock at night

    sent = [send(), send(), send(), send(channel="sms"), send(channel="sms")]

    assert [message.state for message in sent] == ["accepted"] * 5
    assert (len(mail.outbox), len(MemoryGateway.outbox)) == (3, 2)


def test_a_text_that_somebody_asked_for_is_no_marketing(send):
    send(channel="sms")

    assert [text.is_marketing for text in MemoryGateway.outbox] == [False]


def test_it_holds_up_no_reminder(shopping, send, contact):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=1)
    send()

    shopping.wait(hours=4)

    assert ("reminder", "accepted") in shopping.sent


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (SuppressionReason.UNSUBSCRIBED, "accepted"),
        (SuppressionReason.BOUNCED, "cancelled"),
        (SuppressionReason.COMPLAINED, "cancelled"),
        (SuppressionReason.STOPPED, "cancelled"),
        (SuppressionReason.ERASED, "accepted"),
    ],
)
def test_only_a_no_to_advertising_and_a_life_before_do_not_stop_it(shop, clock, send, given, state):
    consent.suppress(shop, channel="email", address=EMAIL, reason=given, now=clock.now)

    message = send()

    assert (message.state, message.reason) == (state, "" if state == "accepted" else "suppressed")
    assert len(mail.outbox) == (state == "accepted")


@pytest.mark.parametrize("column", ["is_paused", "email_is_paused"])
def test_a_pause_holds_it_until_its_deadline(shop, clock, send, column):
    setattr(shop, column, True)
    shop.save()
    message = send()

    clock.advance(hours=2)
    delivery.dispatch(now=clock.now)
    waited = message.state
    message.refresh_from_db()

    assert (waited, message.state) == ("scheduled", "expired")
    assert mail.outbox == []


def test_the_stop_button_stops_it(clock, send):
    installation.stop(by="owner", now=clock.now)

    message = send()

    assert message.state == "scheduled"
    assert mail.outbox == []


def test_a_used_up_budget_stops_a_text(shop, clock, send):
    shop.sms_segments_per_month = 1
    shop.save()

    first, second = send(channel="sms"), send(channel="sms")

    assert (first.state, second.state, second.reason) == ("accepted", "cancelled", "budget")
    assert Budget.objects.get().segments == 1


def test_nobody_is_reached_who_was_erased_or_has_no_address(shop, clock):
    erased = Contact.objects.create(shop=shop, email="", erased_at=clock.now, created_at=clock.now)
    silent = Contact.objects.create(shop=shop, phone=PHONE, created_at=clock.now)
    values = {"channel": "email", "template": "export", "context": {}, "within": timedelta(hours=1), "now": clock.now}

    assert notices.queue(shop, erased, **values) is None
    assert notices.queue(shop, silent, **values) is None
    assert Message.objects.count() == 0


def test_it_goes_before_a_campaign_that_was_due_earlier(shop, contact, clock):
    reader = build_contact(shop, now=clock.now, email="reader@example.com", channels=("email",))
    campaign = [
        Message.objects.create(
            shop=shop,
            contact=reader,
            channel="email",
            step=str(number),
            due_at=clock.now - timedelta(minutes=5),
            not_after=clock.now + timedelta(hours=1),
            created_at=clock.now,
            key=f"00000000-0000-0000-0000-0000000000{number:02}",
        )
        for number in range(20)
    ]
    asked = notices.queue(
        shop, contact, channel="email", template="export", context={}, within=timedelta(hours=1), now=clock.now
    )

    window = {"after": clock.now - timedelta(minutes=15), "until": clock.now, "limit": 5, "now": clock.now}
    first = ledger.take(shop, "email", gateways=[""], **window)
    then = ledger.take(shop, "email", gateways=[""], **window)

    assert [message.pk for message in first] == [asked.pk, *(campaign[number].pk for number in range(4))]
    assert [message.step for message in then] == ["4", "5", "6", "7", "8"]


# -- what they say ----------------------------------------------------------------------------------------------------


@pytest.fixture
def lead(shop, contact, clock):
    """Somebody asked for a guide in two files."""
    texts = {
        language: {"title": title, "text": "40 pages."}
        for language, title in {"en": "The lens guide", "fr": "Le guide des objectifs", "es": "La guía"}.items()
    }
    magnet = Magnet.objects.create(
        shop=shop, slug="guide", name="Guide", kind="files", texts=texts, created_at=clock.now
    )
    for name in ("guide.pdf", "tables.pdf"):
        MagnetFile.objects.create(magnet=magnet, file=f"retarget/{name}", name=name, size=1_500_000)
    form = LeadForm.objects.create(shop=shop, slug="guide", name="Guide", magnet=magnet, created_at=clock.now)
    return Lead.objects.create(
        shop=shop, form=form, magnet=magnet, contact=contact, email=EMAIL, language="es", created_at=clock.now
    )


@pytest.fixture
def told(shop, clock):
    """Somebody has come to the step of a flow that tells the shop."""
    flow = Flow.objects.create(shop=shop, slug="told", name="VIP", trigger="")
    note = {"subject": {"en": "A good customer waits"}, "text": {"en": "Please call."}}
    definition = {"trigger": "order_placed", "stage": "site", "steps": [{"key": "n", "notify": note}]}
    version = flows.publish(flow, definition, {}, now=clock.now)
    person = build_contact(shop, now=clock.now, email="vip@example.com")
    return FlowRun.objects.create(
        shop=shop, flow=flow, version=version, contact=person, anchored_at=clock.now, entered_at=clock.now
    )


@pytest.fixture
def write(shop, contact, lead, told, clock):
    """Compose one message without sending it."""

    def act(template, channel, *, locale=""):
        contact.locale = locale
        contact.save()
        wish = consent.pend(contact, channel=channel, source="form", wording="Write to me <b>often</b>.", now=clock.now)
        context = {
            "confirm": {"records": [wish.record_id], "leads": [lead.pk], "address": "", "language": "es"},
            "magnet": {"lead": lead.pk, "language": "es"},
            "note": {"run": told.pk, "step": "n"},
        }
        message = notices.queue(
            shop,
            contact,
            channel=channel,
            template=template,
            context=context.get(template, {}),
            within=timedelta(hours=1),
            now=clock.now,
        )
        return composing.compose(message, now=clock.now)

    return act


#: What goes to the shop's own people is no text.
LETTERS = [
    (name, channel) for name in letters.TEMPLATES for channel in Channel if (name, channel) != ("note", Channel.SMS)
]


@pytest.mark.parametrize("locale", ["en", "fr", "es"])
@pytest.mark.parametrize(("template", "channel"), LETTERS)
def test_every_letter_is_whole_in_every_language(write, template, channel, locale):
    composed = write(template, channel, locale=locale)

    said = composed.html + composed.text + composed.subject
    assert composed.language == locale
    assert "Lumen Camera" in said
    assert "{{" not in said
    assert "{%" not in said
    if channel == Channel.SMS:
        assert composed.text.count("https://shop.example.com/retarget/r/") == 1
        assert composed.segments <= 2
    else:
        button = "admin/retarget_plugin/contact" if template == "note" else "retarget"
        assert composed.html.count(f'<a href="https://shop.example.com/{button}/') >= 1


def test_what_is_not_written_for_a_channel_is_told_and_breaks_nothing_else(write):
    with pytest.raises(TemplateError, match="note/sms: it is not written for this channel"):
        write("note", "sms")


def test_a_note_about_somebody_who_is_gone_is_told_and_not_sent(write, told):
    told.delete()

    with pytest.raises(TemplateError, match="note: the step it belongs to is gone"):
        write("note", "email")


def test_the_question_says_nothing_that_a_stranger_typed(write):
    composed = write("confirm", "email", locale="en")

    said = composed.html + composed.text + composed.subject
    assert [typed for typed in ("Ana", "Lopez", EMAIL, PHONE) if typed in said] == []
    assert "Write to me &lt;b&gt;often&lt;/b&gt;." in composed.html
    assert composed.subject == "One click to get “The lens guide”"
    assert "/not-me/" in composed.html
    assert "/not-me/" in composed.text


def test_there_is_nothing_to_unsubscribe_from(write):
    composed = write("confirm", "email", locale="en")

    assert composed.outgoing.unsubscribe_url == ""
    assert "unsubscribe" not in composed.html + composed.text


def test_the_gift_names_its_files(write):
    composed = write("magnet", "email", locale="fr")

    assert "Le guide des objectifs" in composed.subject
    assert "guide.pdf" in composed.html
    assert "- tables.pdf (1,5" in composed.text


def test_the_language_of_the_form_counts_while_none_is_known(write):
    composed = write("magnet", "email")

    assert composed.language == "es"
