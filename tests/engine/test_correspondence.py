"""Addresses that wear out, and what a report costs. The rest is told through anymail's views: tests/web/test_mail.py."""

from __future__ import annotations

from datetime import timedelta

import pytest
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from django.db import connection

from retarget_plugin.channels import reports
from retarget_plugin.domain.messages import DeliveryEvent
from retarget_plugin.domain.vocabulary import DeliveryKind
from retarget_plugin.engine import correspondence, seals
from retarget_plugin.models import Message, Suppression
from retarget_plugin.testing import build_contact
from tests.channels.mailers import over_postmark
from tests.fakes.postmark import PostmarkServer

from .handed_over import hand_over

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.delivery,
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailInsecureWebhookWarning"),
]

ANA = "ana@example.com"


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, channels=("email",), email=ANA)


def report(message, kind, *, now, **facts):
    seal = seals.of(message, seals.REPORT)
    event = DeliveryEvent(kind=DeliveryKind(kind), message_id=str(message.pk), seal=seal, at=now, **facts)
    return correspondence.report(event, now=now)


def mail(contact, clock, *, days):
    """One e-mail, `days` after the clock's beginning."""
    return hand_over(contact.shop, contact=contact, now=clock.now + timedelta(days=days), gateway="email")


def suppressed():
    return list(Suppression.objects.values_list("reason", flat=True))


def test_an_address_is_given_up_after_five_bounces_in_a_row_over_a_week(ana, clock):
    for days in (0, 2, 4, 6):
        report(mail(ana, clock, days=days), "bounced", now=clock.now + timedelta(days=days))
    assert suppressed() == []

    last = mail(ana, clock, days=7)
    report(last, "bounced", now=clock.now + timedelta(days=7))

    assert suppressed() == ["bounced"]


def test_five_bounces_within_a_week_are_one_trouble(ana, clock):
    for days in (0, 1, 2, 3, 6):
        report(mail(ana, clock, days=days), "bounced", now=clock.now + timedelta(days=days))

    assert suppressed() == []


def test_an_e_mail_that_arrived_begins_the_count_anew(ana, clock):
    for days in (0, 2, 4, 6, 8, 10):
        kind = "delivered" if days == 6 else "bounced"
        report(mail(ana, clock, days=days), kind, now=clock.now + timedelta(days=days))

    assert suppressed() == []


def test_copies_of_one_bounce_are_one_bounce(ana, clock):
    message = mail(ana, clock, days=0)
    for copy in range(50):
        report(message, "bounced", now=clock.now + timedelta(days=copy))

    assert suppressed() == []


def test_bounces_of_the_address_of_yesterday_do_not_give_up_todays(ana, clock):
    for days in (0, 2, 4, 6, 8):
        report(
            mail(ana, clock, days=days), "bounced", now=clock.now + timedelta(days=days), recipient="old@example.com"
        )

    assert suppressed() == []


def test_the_bounces_of_a_merged_person_give_up_the_address_of_who_it_is_now(shop, ana, clock):
    messages = [mail(ana, clock, days=days) for days in (0, 2, 4, 6, 8)]
    ana.merged_into = build_contact(shop, now=clock.now, email="ana@work.example")
    ana.save()

    for message in messages:
        report(message, "bounced", now=clock.now + timedelta(days=9))

    assert suppressed() == ["bounced"]


def test_an_id_of_the_provider_that_two_messages_have_names_neither(ana, clock):
    for days in (0, 1):
        message = mail(ana, clock, days=days)
        Message.objects.filter(pk=message.pk).update(gateway_id="g-1")

    event = DeliveryEvent(kind=DeliveryKind.COMPLAINED, gateway_id="g-1")

    assert correspondence.report(event, now=clock.now) == "unmatched"


def test_an_event_that_cannot_be_applied_is_set_aside(ana, clock):
    message = mail(ana, clock, days=0)
    seal = seals.of(message, seals.REPORT)
    # A time without its zone.
    at = clock.now.replace(tzinfo=None)
    event = DeliveryEvent(kind=DeliveryKind.DELIVERED, message_id=str(message.pk), seal=seal, at=at)

    assert correspondence.report(event, now=clock.now) == "quarantined"


def test_an_e_mail_carries_what_its_report_brings_back(shopping, settings):
    shopping.consent("email")
    with PostmarkServer() as server:
        over_postmark(settings, server)
        shopping.leave_cart()
        for _day in range(2):
            shopping.wait(hours=24)
    [sent] = server.sent
    said = {"RecordType": "Delivery", "MessageID": "another", "Recipient": ANA, "Metadata": sent["Metadata"]}
    event = reports.event_of(PostmarkTrackingWebhookView().esp_to_anymail_event(said), provider="Postmark")

    assert correspondence.report(event, now=shopping.clock.now) == "applied"

    message = Message.objects.get(channel="email", state="accepted")
    assert (message.gateway_id, message.delivered_at) == (sent["MessageID"], shopping.clock.now)


@pytest.mark.parametrize(("kind", "most"), [("delivered", 6), ("opened", 7), ("bounced", 8)])
def test_a_report_costs_a_fixed_number_of_queries(ana, clock, django_assert_max_num_queries, kind, most):
    for days in range(3):
        mail(ana, clock, days=days)
    message = mail(ana, clock, days=3)

    with django_assert_max_num_queries(most, connection=connection):
        report(message, kind, now=clock.now + timedelta(days=4))
