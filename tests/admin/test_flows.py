"""Flows on screen: the line of time, the figures, the switches and the previews."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from retarget_plugin.admin.steps import duration
from retarget_plugin.engine import flows
from retarget_plugin.models import Contact, FlowVersion, Message
from retarget_plugin.testing import build_contact

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


def test_the_page_of_a_flow_shows_what_became_of_each_step(owner, flow):
    now = timezone.now()
    run = rows.run(flow, cart=rows.cart(flow.shop), entered_at=now - timedelta(days=29))
    paid = {"cost": Decimal("0.07"), "cost_currency": "EUR"}
    text = rows.message(run, step="sms", channel="sms", delivered_at=now, clicked_at=now, **paid)
    rows.message(run, step="reminder", state="cancelled")
    rows.order(flow.shop, total=120, placed_at=now - timedelta(days=1), credited_message=text)

    shown = read(owner, page("flow_change", flow.pk))

    lines = {"sms": ("SMS", 1, 1, 1, 0, 1, "€120.00", "€0.07"), "reminder": ("E-mail", 0, 0, 0, 1, 0, "€0.00", "–")}
    for key, (channel, *figures) in lines.items():
        cells = "".join(f'<td class="rt-number">{figure}</td>' for figure in figures)
        assert f"<tr><td>{key}</td><td>{channel}</td>{cells}</tr>" in shown


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
    # Published before it was looked at.
    content = flow.version.content
    content["sms"]["languages"]["en"]["text"] = "Hello {{ contact }}"
    FlowVersion.objects.filter(pk=flow.version_id).update(content=content)

    text = read(owner, page("flow_preview", flow.pk, 2, "sms", "en"))

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


def test_a_mail_is_previewed_on_a_phone_in_the_dark(owner, flow):
    address = ("reminder", "en")

    text = read(owner, page("flow_preview", flow.pk, 2, *address) + "?phone=1&dark=1")
    light, dark = (
        owner.get(page("flow_frame", flow.pk, 2, *address) + query).content.decode() for query in ("", "?dark=1")
    )

    assert 'class="rt-mail-frame rt-mail-narrow"' in text
    assert f'src="{page("flow_frame", flow.pk, 2, *address)}?phone=1&amp;dark=1"' in text
    assert "@media all" in dark
    assert dark.replace("@media all", "@media (prefers-color-scheme: dark)") == light


@pytest.fixture
def greeting(flow):
    """The frame of a mail that calls its reader by the first name."""
    hello = {"channel": "email", "en": {"subject": "Hi", "body": ["Hello {{ contact.first_name }},"]}}
    flows.publish(flow, {**rows.STEPS, "slug": flow.slug}, {**rows.MESSAGES, "reminder": hello}, now=rows.NOW)
    return page("flow_frame", flow.pk, 3, "reminder", "en")


def test_a_mail_is_previewed_as_a_contact_gets_it_and_that_is_on_record(owner, flow, greeting):
    ana = build_contact(flow.shop, now=rows.NOW, email="ana@example.com", first_name="Ana")

    frame = owner.get(f"{greeting}?contact={ana.pk}").content.decode()

    assert "Hello Ana," in frame
    assert LogEntry.objects.filter(action_flag=4, object_id=ana.pk).exists()


def test_who_may_not_see_personal_data_previews_with_a_made_up_person(flow, staff, greeting):
    ana = build_contact(flow.shop, now=rows.NOW, email="ana@example.com", first_name="Ana")
    viewer = staff("view_flow")

    frame = viewer.get(f"{greeting}?contact={ana.pk}").content.decode()

    assert "Hello Camille," in frame
    assert not LogEntry.objects.filter(object_id=ana.pk).exists()


@pytest.mark.parametrize("number", ["0", "x", "9" * 40, "1;drop"])
def test_a_contact_that_is_none_is_a_made_up_person(owner, greeting, number):
    frame = owner.get(f"{greeting}?contact={number}").content.decode()

    assert "Hello Camille," in frame


def test_a_preview_says_what_to_mend(owner, flow):
    loud = {"channel": "email", "en": {"subject": "Now!! Now!!", "body": ["See https://shady.example/"]}}
    flows.publish(flow, {**rows.STEPS, "slug": flow.slug}, {**rows.MESSAGES, "reminder": loud}, now=rows.NOW)

    text = read(owner, page("flow_preview", flow.pk, 3, "reminder", "en"))

    assert "<li>The subject has more than one exclamation mark.</li>" in text
    assert "<li>A link leads to shady.example, which is not the shop&#x27;s own.</li>" in text


def test_a_text_says_what_it_costs_once_that_is_known(owner, flow):
    before = read(owner, page("flow_preview", flow.pk, 2, "sms", "en"))
    for cost in ("0.05", "0.07"):
        Message.objects.create(
            shop=flow.shop,
            contact=build_contact(flow.shop, now=timezone.now()),
            channel="sms",
            key=uuid.uuid4(),
            segments=1,
            cost=Decimal(cost),
            cost_currency="EUR",
            due_at=timezone.now(),
            not_after=timezone.now(),
            created_at=timezone.now(),
        )

    after = read(owner, page("flow_preview", flow.pk, 2, "sms", "en"))

    assert "each" not in before
    assert "about €0.06 each" in after


EVERY_VERB = [
    {"key": "wait", "wait": {"for": "36h"}},
    {"key": "hour", "wait": {"until": "10:00", "weekday": ["mon", "thu"]}},
    {"key": "clicks", "wait": {"event": "click", "topic": "macro", "times": 2, "for": "10d", "else": "stop"}},
    {
        "key": "branch",
        "branch": {
            "if": {"fact": "tag", "is": "vip"},
            "then": [{"key": "tag", "tag": {"add": ["a"], "remove": ["b"]}}],
        },
    },
    {
        "key": "split",
        "split": {"paths": {"a": {"weight": 3}, "b": {"weight": 1, "steps": [{"key": "jump", "goto": "end"}]}}},
    },
    {"key": "crm", "webhook": {"url": "https://crm.example/hook?key=1"}},
    {"key": "call", "notify": {"subject": {"en": "Call them"}, "text": {"en": "Now."}}},
    {"key": "quiet", "suppress": {"channel": "email"}},
    {"key": "end", "stop": True},
]


def test_steps_that_send_nothing_are_told_in_words(owner, shop):
    row = rows.flow(shop, slug="verbs")
    flows.publish(row, {**rows.STEPS, "slug": "verbs", "steps": EVERY_VERB}, {}, now=rows.NOW)

    steps = owner.get(page("flow_change", row.pk)).context["steps"]

    assert [(step.key, *step.notes) for step in steps] == [
        ("wait", "Waits 1 d 12 h."),
        ("hour", "Waits until 10 a.m. (Mon, Thu)."),
        ("clicks", "Waits for “click macro” (2 ×), 10 d at most; else it goes on with the end."),
        ("branch", "If tag (is vip): on with “tag”; else with “split”."),
        ("tag", "Tags: +a, −b."),
        ("split", "Draws one way for each person: a 75% → “crm”, b 25% → “jump”."),
        ("jump", "Goes on with “end”."),
        ("crm", "Tells another system: crm.example."),
        ("call", "Writes to customer service: Call them"),
        ("quiet", "From here on nothing more is sent by E-mail."),
        ("end", "The end."),
    ]


def text_of(client, flow):
    return client.get(page("flow_publish", flow.pk)).context["form"]["text"].value()


@pytest.mark.parametrize(
    ("inside", "version", "state"), [("finish", 2, "active"), ("move", 3, "active"), ("exit", 2, "exited")]
)
def test_a_flow_is_published_anew_and_people_inside_go_where_the_owner_says(owner, flow, inside, version, state):
    run = rows.run(flow)
    opened = read(owner, page("flow_publish", flow.pk))
    text = text_of(owner, flow).replace("after: 4h", "after: 5h")

    answer = owner.post(page("flow_publish", flow.pk), {"text": text, "inside": inside}, follow=True)

    flow.refresh_from_db()
    run.refresh_from_db()
    assert "1 person is inside" in opened
    assert shown_messages(answer) == ["Published: step reminder changed."]
    assert (flow.version.number, flow.version.definition["steps"][1]["after"]) == (3, "5h")
    assert flow.version.published_by is not None
    assert (run.version.number, run.state) == (version, state)
    assert LogEntry.objects.get().change_message == "step reminder changed"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("after: 4h", "after: soon"), "Step &#x27;reminder&#x27;: after: &#x27;soon&#x27; is no duration"),
        (("Still yours", "'{{ cart.'"), "reminder/en/heading"),
        (("slug:", "slug: other #"), "Write this flow alone, under its key"),
        (("steps:", "steps: ["), "Line "),
        (("", ""), "This is what the flow does already."),
    ],
)
def test_what_is_wrong_with_a_new_version_is_told_and_nothing_changes(owner, flow, change, problem):
    text = text_of(owner, flow).replace(*change)

    answer = owner.post(page("flow_publish", flow.pk), {"text": text, "inside": "finish"})

    assert answer.status_code == 200
    assert problem in answer.content.decode()
    assert flow.versions.order_by("number").last() == flow.version


def test_who_may_only_look_publishes_nothing(staff, flow):
    viewer = staff("view_flow")

    assert "Publish anew" not in read(viewer, page("flow_change", flow.pk))
    assert viewer.get(page("flow_publish", flow.pk)).status_code == 403
    assert viewer.post(page("flow_publish", flow.pk), {"text": "x", "inside": "finish"}).status_code == 403
