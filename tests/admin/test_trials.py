"""A test of a message, sent from its preview by staff who may change flows."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.test import Client

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.engine import flows
from retarget_plugin.models import Message
from retarget_plugin.testing import build_contact

from . import rows
from .conftest import page, read


@pytest.fixture
def flow():
    MemoryGateway.reset()
    return rows.flow(rows.shop(country="FR", sender_email="shop@example.com"))


@pytest.fixture
def preview(flow):
    """URL of the preview of a message that calls its reader by the first name, or of another."""
    hello = {"channel": "email", "en": {"subject": "Hi", "body": ["Hello {{ contact.first_name }},"]}}
    flows.publish(flow, {**rows.STEPS, "slug": flow.slug}, {**rows.MESSAGES, "reminder": hello}, now=rows.NOW)
    return lambda key="reminder": page("flow_preview", flow.pk, 2, key, "en")


def sent():
    return [*mail.outbox, *MemoryGateway.outbox]


def test_the_form_holds_the_address_of_ones_account(owner, admin_user, preview):
    text = read(owner, preview())

    assert f'name="to" value="{admin_user.email}"' in text
    assert 'type="email"' in text
    assert sent() == []


def test_a_mail_is_sent_to_the_address_that_was_typed(owner, flow, preview):
    answer = owner.post(preview() + "?phone=1", {"to": " Owner@Example.com "}, follow=True)

    assert [(one.to, one.subject) for one in sent()] == [(["owner@example.com"], "[Test] Hi")]
    assert answer.redirect_chain == [(preview() + "?phone=1", 302)]
    assert "The test is on its way to owner@example.com." in answer.content.decode()
    assert LogEntry.objects.get().change_message == "Test of reminder sent."
    assert not Message.objects.exists()


def test_a_text_is_sent_to_a_number_as_people_write_it_at_home(owner, preview):
    owner.post(preview("sms"), {"to": "06 12 34 56 78"})

    assert [one.to for one in sent()] == ["+33612345678"]


@pytest.mark.parametrize(
    ("key", "typed", "told"),
    [
        ("reminder", "", "This field is required."),
        ("reminder", "owner@example.com, ana@example.com", "This is no address that can be written to."),
        ("reminder", "owner@example.com\r\nBcc: ana@example.com", "This is no address that can be written to."),
        ("sms", "08 99 70 00 00", "This is no mobile number that can get texts."),
        ("sms", "112", "This is no mobile number that can get texts."),
    ],
)
def test_what_is_no_way_to_reach_one_person_is_told_and_nothing_is_sent(owner, preview, key, typed, told):
    answer = owner.post(preview(key), {"to": typed})

    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert sent() == []


def test_looking_sends_nothing(owner, preview):
    read(owner, preview() + "?to=owner@example.com")

    assert sent() == []


def test_a_refusal_is_told(owner, preview, settings):
    settings.DEBUG = True
    settings.RETARGET = {**settings.RETARGET, "MAILER": "django.core.mail.backends.smtp.EmailBackend"}

    answer = owner.post(preview(), {"to": "owner@example.com"})

    assert "This copy runs with DEBUG on, so nothing leaves it." in answer.content.decode()
    assert sent() == []


def test_who_may_only_look_sends_nothing(staff, preview):
    viewer = staff("view_flow")

    assert "Send a test" not in read(viewer, preview())
    assert viewer.post(preview(), {"to": "owner@example.com"}).status_code == 403
    assert sent() == []


def test_a_test_as_a_contact_is_for_who_may_see_personal_data(owner, staff, flow, preview):
    ana = build_contact(flow.shop, now=rows.NOW, email="ana@example.com", first_name="Ana")

    for client in (owner, staff("view_flow", "change_flow")):
        client.post(f"{preview()}?contact={ana.pk}", {"to": "owner@example.com"})

    assert [("Hello Ana," in one.body, "Hello Camille," in one.body) for one in sent()] == [
        (True, False),
        (False, True),
    ]
    assert LogEntry.objects.filter(action_flag=4, object_id=ana.pk).exists()


def test_a_form_of_another_site_sends_nothing(admin_user, preview):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert client.post(preview(), {"to": "owner@example.com"}).status_code == 403
    assert sent() == []
