"""What flows told other systems: what has become of each call, and nothing that would let somebody else make one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.models import WebhookCall

from . import rows
from .conftest import page, read

KEY = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4"


@pytest.fixture
def call():
    """call(...) is one call more, of a run of its own."""
    flow = rows.flow(rows.shop(time_zone="UTC"), name="Welcome")

    def make(**changes):
        run = rows.run(flow)
        facts = {"step": "crm", "url": f"https://crm.example/hooks/{KEY}/?secret=1", "created_at": rows.NOW, **changes}
        return WebhookCall.objects.create(shop=run.shop, contact=run.contact, run=run, **facts)

    return make


@pytest.fixture
def calls(call):
    """One in each state."""
    return {
        "waiting": call(due_at=rows.NOW),
        "put_off": call(due_at=rows.NOW + timedelta(hours=2), attempts_made=3, detail="503"),
        "answered": call(answered_at=rows.NOW, attempts_made=2, detail="204"),
        "given_up": call(given_up_at=rows.NOW, attempts_made=8, detail="timeout"),
    }


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("waiting", ["Waiting", "–", "11/24/2026 9 a.m."]),
        ("put_off", ["Failed, tried again", "503", "11/24/2026 11 a.m."]),
        ("answered", ["Answered", "–", "–"]),
        ("given_up", ["Given up", "timeout", "–"]),
    ],
)
def test_a_list_says_state_last_error_and_next_try(owner, calls, state, said):
    response = owner.get(page("webhookcall_changelist"), {"state": state})

    listed = response.context["cl"]
    screen = listed.model_admin
    (row,) = listed.result_list
    assert row == calls[state]
    assert [label(screen.state_badge(row)), screen.error(row), screen.next(row)] == said


def label(badge):
    return badge.split(">")[1].split("<")[0]


def test_a_call_is_found_by_the_id_the_other_system_was_told(owner, calls):
    wanted = calls["answered"]

    found, nothing = (
        owner.get(page("webhookcall_changelist"), {"q": typed}).context["cl"].queryset
        for typed in (f" {wanted.key} ", "12")
    )

    assert list(found) == [wanted]
    assert list(nothing) == []


def test_the_keys_in_an_address_are_shown_to_nobody(owner, calls):
    listed = read(owner, page("webhookcall_changelist"))
    shown = read(owner, page("webhookcall_change", calls["waiting"].pk))

    assert KEY not in listed + shown
    assert "secret" not in listed + shown
    assert "crm.example/hooks/…/?…" in listed
    assert "crm.example/hooks/…/?…" in shown


def test_it_stands_in_the_menu_of_whoever_may_look(staff):
    menu, other = read(staff("view_webhookcall"), "/admin/"), read(staff("view_link"), "/admin/")

    assert page("webhookcall_changelist") in menu
    assert page("webhookcall_changelist") not in other
