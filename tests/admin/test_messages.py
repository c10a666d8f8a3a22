"""Messages on screen: what was sent, why not, and what staff may still do."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from retarget_plugin.engine import flows
from retarget_plugin.models import Attempt, Decision, FlowRun, MessageBody

from . import rows
from .conftest import everything, page, read


@pytest.fixture
def run():
    shop = rows.shop(name="Lumen Camera")
    flow = rows.flow(shop)
    flows.publish(flow, {**rows.STEPS, "slug": flow.slug}, rows.MESSAGES, now=rows.NOW)
    return rows.run(flow, contact=rows.contact(shop, first_name="Ana", locale="fr-CA"))


def shown_messages(response):
    return [str(message) for message in response.context["messages"]]


def test_what_was_sent_is_shown_as_it_was(owner):
    found = everything("Your cart")

    text = read(owner, page("message_change", found.message.pk))
    frame = owner.get(page("message_frame", found.message.pk))

    assert "<h2>What was sent</h2>" in text
    assert "<strong>Your cart</strong>" in text
    assert frame.content.decode() == "<html><body><p>Your cart</p></body></html><body inert>"


def test_a_sent_mails_frame_can_do_nothing(owner):
    found = everything()
    MessageBody.objects.filter(message=found.message).update(
        html="<script>top.location='https://evil.example'</script>"
    )

    answer = owner.get(page("message_frame", found.message.pk))

    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none';")
    assert "allow-" not in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert '<iframe class="rt-mail-frame" sandbox src=' in read(owner, page("message_change", found.message.pk))


def test_what_will_be_sent_is_shown_in_the_readers_language(owner, run):
    message = rows.message(run, step="reminder", state="scheduled")

    text = read(owner, page("message_change", message.pk))

    assert "<h2>What would be sent, with made-up lines</h2>" in text
    assert "<strong>Votre panier</strong>" in text
    assert "Encore à vous" in read(owner, page("message_frame", message.pk))


def test_a_text_is_a_bubble_with_its_segments(owner, run):
    message = rows.message(run, step="sms", channel="sms")
    MessageBody.objects.create(message=message, text="Votre panier attend — ici <b>", language="fr")

    text = read(owner, page("message_change", message.pk))

    assert '<p class="rt-bubble">Votre panier attend — ici &lt;b&gt;</p>' in text
    assert "1 segment, 29 characters, UCS-2" in text


def test_a_message_of_a_step_that_is_gone_still_opens(owner, run):
    message = rows.message(run, step="no-such-step", state="cancelled", reason="step_gone")

    assert "There is nothing to show here." in read(owner, page("message_change", message.pk))
    assert "There is nothing to show here." in read(owner, page("message_frame", message.pk))


def test_a_parked_message_says_where_its_template_fails(owner, run):
    detail = "reminder/fr/subject: unknown filter 'euro' (line 3, column 14)"
    message = rows.message(run, step="reminder", state="parked", reason="template_error", detail=detail)

    text = read(owner, page("message_change", message.pk))

    assert "unknown filter &#x27;euro&#x27; (line 3, column 14)" in text
    assert "The message has a template error" in text


def test_an_unknown_outcome_is_told_first(owner, run):
    message = rows.message(run, step="reminder", state="unknown", reason="outcome_unknown", gateway_id="abc-123")

    text = read(owner, page("message_change", message.pk))

    assert text.index("the message may have arrived") < text.index("field-state_badge")
    assert "abc-123" in text
    assert page("message_release", message.pk) not in text


def test_attempts_and_decisions_are_told_in_words(owner, run):
    message = rows.message(run, step="reminder", state="rejected", reason="rejected")
    Attempt.objects.create(
        message=message, fence=1, gateway="smtp", outcome="rate_limited", code="421", started_at=rows.NOW
    )
    Attempt.objects.create(message=message, fence=2, gateway="smtp", started_at=rows.NOW)
    rows.decision(
        run.shop, "frequency_cap", contact=run.contact, message=message, step="reminder", facts={"zone": "Europe/Paris"}
    )

    text = read(owner, page("message_change", message.pk))

    assert "Not taken: too many at once" in text
    assert "No answer yet" in text
    assert "Enough messages for now" in text
    assert "zone: Europe/Paris" in text


def test_a_parked_message_is_released(owner, run, admin_user):
    message = rows.message(run, step="reminder", state="parked", reason="template_error", detail="line 3")

    response = owner.post(page("message_release", message.pk), follow=True)

    message.refresh_from_db()
    assert (message.state, message.reason, message.detail) == ("scheduled", "", "")
    assert shown_messages(response) == ["The message is scheduled again."]
    assert [(entry.user, entry.get_change_message()) for entry in LogEntry.objects.filter(action_flag=2)] == [
        (admin_user, "Release")
    ]


@pytest.mark.parametrize("state", ["scheduled", "parked", "quarantined"])
def test_a_waiting_message_is_cancelled(owner, run, admin_user, state):
    message = rows.message(run, step="reminder", state=state)

    response = owner.post(page("message_cancel", message.pk), follow=True)

    message.refresh_from_db()
    decision = Decision.objects.get()
    assert (message.state, message.reason) == ("cancelled", "stopped_by_staff")
    assert (decision.code, decision.facts) == ("stopped_by_staff", {"by": f"staff #{admin_user.pk}"})
    assert shown_messages(response) == ["The message is cancelled."]


@pytest.mark.parametrize(
    ("button", "state", "shown"),
    [
        ("sent", "accepted", "The message counts as sent."),
        ("unsent", "rejected", "The message counts as not sent."),
    ],
)
def test_staff_settles_an_unknown_outcome_that_was_looked_up(owner, run, admin_user, button, state, shown):
    message = rows.message(run, step="reminder", state="unknown", reason="outcome_unknown")

    response = owner.post(page(f"message_{button}", message.pk), follow=True)

    message.refresh_from_db()
    assert message.state == state
    assert Decision.objects.get().facts == {"by": f"staff #{admin_user.pk}"}
    assert shown_messages(response) == [shown]


@pytest.mark.parametrize("button", ["release", "cancel", "sent", "unsent"])
def test_what_has_left_cannot_be_called_back(owner, run, button):
    message = rows.message(run, step="reminder", state="accepted")

    response = owner.post(page(f"message_{button}", message.pk), follow=True)

    message.refresh_from_db()
    assert message.state == "accepted"
    refusals = ("too late", "not parked any more", "known by now")
    assert [text for text in shown_messages(response) if any(words in text for words in refusals)] != []
    assert not LogEntry.objects.filter(action_flag=2).exists()


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("parked", ["release", "cancel"]),
        ("scheduled", ["cancel"]),
        ("accepted", []),
        ("unknown", ["sent", "unsent"]),
        ("attempting", []),
    ],
)
def test_only_what_makes_sense_is_offered(owner, run, state, offered):
    message = rows.message(run, step="reminder", state=state)

    assert [button.slug for button, _url in owner.get(page("message_change", message.pk)).context["buttons"]] == offered


def test_a_message_of_no_flow_opens(owner, run):
    message = rows.message(run, step="campaign")
    type(message).objects.filter(pk=message.pk).update(run=None)
    FlowRun.objects.all().delete()

    read(owner, page("message_change", message.pk))
