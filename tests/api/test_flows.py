"""Staff see the flows of a shop, publish one anew and hold one where it is, each by permission."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain import flow_files
from retarget_plugin.engine import flows
from retarget_plugin.models import Flow
from tests.api.conftest import make_run, make_user

FLOWS = """{ retargetFlows { flow { id slug name } state trigger stage version publishedAt inside } }"""
PUBLISH = """mutation Publish($input: RetargetPublishFlowInput!) {
  retargetPublishFlow(input: $input) { isNew differences inside errors { field message code } }
}"""
PAUSE = """mutation Pause($input: RetargetPauseFlowInput!) {
  retargetPauseFlow(input: $input) { state errors { field message code } }
}"""


@pytest.fixture
def cart_flow(shop):
    """A shipped flow, ready to be turned on."""
    shop.postal_address, shop.support_email = "1 rue Mercière, Lyon", "help@shop.example.com"
    shop.save()
    return Flow.objects.select_related("shop", "version").get(shop=shop, slug="abandoned-cart")


@pytest.fixture
def publish(ask_staff, superuser):
    def publish_as(definition, user=superuser, **more):
        reply = ask_staff(user, PUBLISH, {"input": {"definition": definition, **more}})
        return reply["data"]["retargetPublishFlow"]

    return publish_as


@pytest.fixture
def pause(ask_staff, superuser):
    def pause_as(flow, is_paused, user=superuser):
        reply = ask_staff(user, PAUSE, {"input": {"flow": str(flow.pk), "isPaused": is_paused}})
        return reply["data"]["retargetPauseFlow"]

    return pause_as


def text_of(flow):
    return flow_files.write(flows.dump(flow))


def state_of(flow):
    return Flow.objects.get(pk=flow.pk).state


def test_where_each_flow_stands(ask_staff, superuser, cart_flow, contact):
    make_run(cart_flow, contact)
    make_run(cart_flow, contact, state="finished")

    found = ask_staff(superuser, FLOWS)["data"]["retargetFlows"]

    assert [one["flow"]["slug"] for one in found] == sorted(Flow.objects.values_list("slug", flat=True))
    one = next(one for one in found if one["flow"]["slug"] == "abandoned-cart")
    assert (one["state"], one["trigger"], one["stage"], one["version"], one["inside"]) == (
        ("OFF", "cart_abandoned", "cart", 1, 1)
    )


def test_a_list_of_flows_costs_two_queries_however_many_people_are_inside(ask_staff, superuser, cart_flow, contact):
    for number in range(20):
        make_run(cart_flow, contact, subject=f"cart:{number}")

    with CaptureQueriesContext(connection) as ran:
        ask_staff(superuser, FLOWS)

    assert len([query for query in ran.captured_queries if "retarget_plugin" in query["sql"]]) == 2


def test_a_flow_is_published_anew_after_a_look_at_what_would_change(publish, superuser, cart_flow):
    changed = text_of(cart_flow).replace("after: 4h", "after: 5h")
    told = {"isNew": False, "differences": ["step reminder changed"], "inside": 0, "errors": []}

    looked = publish(changed, isDryRun=True)
    number = Flow.objects.get(pk=cart_flow.pk).version.number
    published = publish(changed, inside="MOVE")

    version = Flow.objects.get(pk=cart_flow.pk).version
    assert (looked, published) == (told, told)
    assert (number, version.number, version.published_by) == (1, 2, superuser)
    assert publish(changed)["differences"] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ("after: 4h", "after: soon"),
            "Step 'reminder': after: 'soon' is no duration; write it like 1h45m, 24h or 3d.",
        ),
        (
            ("deadline: 12h", "deadline: 3h"),
            "Step 'reminder': its deadline comes before it is due, so it could never be",
        ),
        (("trigger: cart_abandoned", "trigger: moon"), "trigger: 'moon' is none of"),
        (("steps:", "steps: ["), "Line "),
        (("slug: abandoned-cart", "slug: a\n---\nslug: b"), "Write one flow at a time."),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changes(publish, cart_flow, change, problem):
    told = publish(text_of(cart_flow).replace(*change))

    assert told["errors"][0]["message"].startswith(problem)
    assert {(one["field"], one["code"]) for one in told["errors"]} == {("definition", "INVALID")}
    assert Flow.objects.get(pk=cart_flow.pk).version == cart_flow.version


def test_a_flow_is_held_and_goes_on(pause, cart_flow, superuser):
    off = pause(cart_flow, is_paused=False)
    Flow.objects.filter(pk=cart_flow.pk).update(state="on")

    held = pause(cart_flow, is_paused=True)
    is_held = state_of(cart_flow)
    goes_on = pause(cart_flow, is_paused=False)

    assert [one["message"] for one in off["errors"]] == ["This flow is off."]
    assert (held, is_held) == ({"state": "PAUSED", "errors": []}, "paused")
    assert (goes_on, state_of(cart_flow)) == ({"state": "ON", "errors": []}, "on")
    history = LogEntry.objects.filter(object_id=str(cart_flow.pk)).order_by("pk")
    assert [(entry.user.get_username(), entry.get_change_message()) for entry in history] == [
        (superuser.get_username(), "Pause"),
        (superuser.get_username(), "Turn on"),
    ]


def test_what_stands_in_the_way_is_told(pause, cart_flow):
    Flow.objects.filter(pk=cart_flow.pk).update(state="paused")
    cart_flow.shop.postal_address = ""
    cart_flow.shop.save()

    told = pause(cart_flow, is_paused=False)

    assert told["state"] is None
    assert "postal address" in told["errors"][0]["message"]
    assert state_of(cart_flow) == "paused"


@pytest.mark.parametrize("permissions", [(), ("view_flow",)])
def test_who_may_only_look_changes_nothing(ask_staff, cart_flow, permissions):
    Flow.objects.filter(pk=cart_flow.pk).update(state="on")
    clerk = make_user("clerk", is_staff=True, permissions=permissions)

    changed = text_of(cart_flow).replace("after: 4h", "after: 5h")
    replies = [
        ask_staff(clerk, PUBLISH, {"input": {"definition": changed}}),
        ask_staff(clerk, PAUSE, {"input": {"flow": str(cart_flow.pk), "isPaused": True}}),
    ]

    assert [reply["errors"][0]["extensions"]["code"] for reply in replies] == ["PERMISSION_DENIED"] * 2
    row = Flow.objects.get(pk=cart_flow.pk)
    assert (row.state, row.version) == ("on", cart_flow.version)
