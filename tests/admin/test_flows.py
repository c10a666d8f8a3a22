"""Flows on screen: the line of time, the figures, the switches and the previews."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from retarget_plugin.admin.flows import duration
from retarget_plugin.engine import flows
from retarget_plugin.models import Contact, Message

from . import rows
from .conftest import page, read

MARK = "<script>alert(1)</script>"


@pytest.fixture
def shop():
    return rows.shop(
        name="Lumen Camera",
        postal_address="1 rue de la Paix, Paris",
        currency="EUR",
        support_email="help@lumen.example",
    )


@pytest.fixture
def flow(shop):
    """A published flow that is ready to be turned on."""
    row = rows.flow(shop, name="Checkout")
    definition = {**rows.STEPS, "slug": row.slug}
    flows.publish(row, definition, rows.MESSAGES, now=rows.NOW)
    row.refresh_from_db()
    return row


def shown_messages(response):
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(), "at once"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=1, minutes=45), "1 h 45 min"),
        (timedelta(hours=24), "1 d"),
        (timedelta(hours=60), "2 d 12 h"),
    ],
)
def test_waits_are_written_as_people_say_them(delta, words):
    assert duration(delta) == words


def test_the_line_of_time_shows_every_step(owner, flow):
    response = owner.get(page("flow_change", flow.pk))

    steps = response.context["steps"]
    assert [(step.at, step.deadline, step.channel_label, step.key, step.is_enabled) for step in steps] == [
        ("1 h 45 min", "2 h", "SMS", "sms", True),
        ("4 h", "12 h", "E-mail", "reminder", True),
        ("2 d", "2 d 12 h", "E-mail", "shipping", False),
    ]
    assert [(language, subject) for language, subject, _url in steps[1].subjects] == [
        ("en", "You left something"),
        ("fr", "Votre panier"),
    ]
    assert steps[2].notes == (
        "Only when the shipping facts are filled in.",
        "Outside the allowed hours it waits for the next allowed time.",
    )
    assert "A checkout is abandoned" in response.content.decode()


def test_the_list_shows_the_figures_of_thirty_days(owner, flow):
    now = timezone.now()
    inside, before = now - timedelta(days=29), now - timedelta(days=31)
    sent = rows.message(rows.run(flow, cart=rows.cart(flow.shop), entered_at=inside))
    rows.run(flow, cart=rows.cart(flow.shop), entered_at=before)
    rows.order(flow.shop, total=120, placed_at=inside, credited_message=sent)
    rows.order(flow.shop, total=500, placed_at=before, credited_message=sent)

    text = read(owner, page("flow_changelist"))

    figures = {"entered": "1", "sent": "1", "recovered": "1", "revenue": "€120.00"}
    assert "".join(f'<td class="field-{name}">{figure}</td>' for name, figure in figures.items()) in text


def test_a_ready_flow_is_turned_on(owner, flow, admin_user):
    asked = read(owner, page("flow_turn-on", flow.pk))
    response = owner.post(page("flow_turn-on", flow.pk), follow=True)

    flow.refresh_from_db()
    entry = LogEntry.objects.get()
    assert "carts that are abandoned enter this flow" in asked
    assert (flow.state, shown_messages(response)) == ("on", ["The flow is on."])
    assert (entry.user, entry.get_change_message()) == (admin_user, "Turn on")


def test_a_flow_that_is_not_ready_says_what_is_missing_and_stays_off(owner, flow):
    flow.shop.postal_address = ""
    flow.shop.save()
    problem = "Fill in the shop&#x27;s postal address: marketing e-mail must carry it."

    on_its_page, asked = read(owner, page("flow_change", flow.pk)), read(owner, page("flow_turn-on", flow.pk))
    response = owner.post(page("flow_turn-on", flow.pk), follow=True)

    flow.refresh_from_db()
    assert problem in on_its_page
    assert problem in asked
    assert "csrfmiddlewaretoken" not in asked[asked.index("rt-confirm") :]
    assert (flow.state, len(shown_messages(response))) == ("off", 1)
    assert not LogEntry.objects.exists()


def test_a_flow_is_paused_and_turned_off(owner, flow):
    owner.post(page("flow_turn-on", flow.pk))
    run = rows.run(flow, cart=rows.cart(flow.shop))
    waiting = rows.message(run, state="scheduled")

    owner.post(page("flow_pause", flow.pk))
    flow.refresh_from_db()
    paused = flow.state
    owner.post(page("flow_turn-off", flow.pk))

    flow.refresh_from_db()
    run.refresh_from_db()
    waiting.refresh_from_db()
    assert (paused, flow.state, run.state, waiting.state) == ("paused", "off", "exited", "cancelled")


@pytest.mark.parametrize(
    ("state", "offered"), [("off", ["turn-on"]), ("on", ["pause", "turn-off"]), ("paused", ["turn-on", "turn-off"])]
)
def test_only_what_makes_sense_is_offered(owner, flow, state, offered):
    flow.state = state
    flow.save()

    assert [button.slug for button, _url in owner.get(page("flow_change", flow.pk)).context["buttons"]] == offered


def test_versions_are_listed_and_stay_readable(owner, flow):
    text = read(owner, page("flow_change", flow.pk))

    assert page("flow_version", flow.pk, 1) in text
    assert page("flow_version", flow.pk, 2) in text
    assert "A published version never changes" in read(owner, page("flow_version", flow.pk, 1))
    assert owner.get(page("flow_version", flow.pk, 3)).status_code == 404


def test_a_flow_without_a_version_opens(owner, shop):
    bare = rows.flow(shop)
    type(bare).objects.filter(pk=bare.pk).update(version=None)

    assert "This flow has no published version." in read(owner, page("flow_change", bare.pk))


# -- previews ---------------------------------------------------------------------------------------------------------


def test_a_mail_is_previewed_in_each_language(owner, flow):
    text = read(owner, page("flow_preview", flow.pk, 2, "reminder", "fr"))
    frame = owner.get(page("flow_frame", flow.pk, 2, "reminder", "fr"))

    assert "<strong>Votre panier</strong>" in text
    assert f'<iframe class="rt-mail-frame" sandbox src="{page("flow_frame", flow.pk, 2, "reminder", "fr")}"' in text
    assert "Encore à vous" in frame.content.decode()


def test_a_text_is_previewed_as_it_arrives_with_its_segments(owner, flow):
    text = read(owner, page("flow_preview", flow.pk, 2, "sms", "en"))

    assert '<p class="rt-bubble">Your cart waits: https://shop.example.com/retarget/r/Preview1</p>' in text
    assert "1 segment, 61 characters, GSM-7" in text
    assert "<iframe" not in text


def test_a_preview_writes_nothing(owner, flow):
    read(owner, page("flow_preview", flow.pk, 2, "reminder", "en"))
    read(owner, page("flow_frame", flow.pk, 2, "reminder", "en"))

    assert (Message.objects.count(), Contact.objects.count(), LogEntry.objects.count()) == (0, 0, 0)


def test_a_preview_frame_can_do_nothing(owner, flow):
    answer = owner.get(page("flow_frame", flow.pk, 2, "reminder", "en"))

    assert answer["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'"
    )
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-store" in answer["Cache-Control"]
    assert answer.content.decode().endswith("<body inert>")


@pytest.mark.parametrize("address", [("reminder", "xx"), ("nothing", "en")])
def test_a_message_that_does_not_exist_is_not_found(owner, flow, address):
    assert owner.get(page("flow_preview", flow.pk, 2, *address)).status_code == 404
    assert owner.get(page("flow_frame", flow.pk, 2, *address)).status_code == 404


def test_a_preview_that_cannot_be_written_says_where(owner, flow):
    broken = {**rows.MESSAGES, "sms": {"channel": "sms", "en": {"text": "Hello {{ contact.no_such_thing }}"}}}
    flows.publish(flow, {**rows.STEPS, "slug": flow.slug}, broken, now=rows.NOW)

    text = read(owner, page("flow_preview", flow.pk, 3, "sms", "en"))

    assert "sms/en/text" in text
    assert "rt-notice-warn" in text


def test_a_preview_needs_the_permission(flow, staff):
    nobody = staff("view_message")

    addresses = [page(name, flow.pk, 2, "reminder", "en") for name in ("flow_preview", "flow_frame")]

    assert [nobody.get(address).status_code for address in addresses] == [403, 403]


def test_a_shops_name_is_escaped_in_the_preview_page(owner, flow):
    flow.shop.name = MARK
    flow.shop.save()

    assert MARK not in read(owner, page("flow_preview", flow.pk, 2, "sms", "en"))
    assert MARK not in read(owner, page("flow_frame", flow.pk, 2, "reminder", "en"))
