"""The stop button in the admin: who may press it, what it asks first, and where it shows that everything stands still."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from retarget_plugin.engine import installation
from retarget_plugin.models import Installation

from . import rows
from .conftest import page, read

BUTTONS = ("stop", "resume", "resume-original")


@pytest.fixture
def running(db):
    installation._seen.clear()
    installation.beat(now=timezone.now() - timedelta(hours=6))


@pytest.fixture
def restored(running):
    """A backup whose last sign of life is six hours old."""
    Installation.objects.update(fingerprint={"public_url": "https://elsewhere.example"})
    installation._seen.clear()
    installation.beat(now=timezone.now())


def offered(client):
    text = read(client, page("installation_change", 1))
    return [slug for slug in BUTTONS if f"/{slug}/" in text]


def press(client, slug):
    return client.post(page(f"installation_{slug}", 1))


def test_the_list_of_one_row_is_its_page(owner, running):
    answer = owner.get(page("installation_changelist"))

    assert (answer.status_code, answer["Location"]) == (302, page("installation_change", 1))


def test_where_no_worker_has_come_round_yet_it_can_be_stopped_all_the_same(owner, db):
    answer = owner.get(page("installation_changelist"))

    assert answer.url == page("installation_change", Installation.objects.get().pk)


def test_the_button_asks_and_then_stops_everything(owner, running, admin_user):
    asked = read(owner, page("installation_stop", 1))
    before = installation.is_halted()
    answer = press(owner, "stop")

    row = Installation.objects.get()
    assert "No message leaves any more, for any shop" in asked
    assert before == ""
    assert (answer.status_code, row.halted_because, row.halted_by) == (302, "stop_button", f"staff #{admin_user.pk}")
    assert LogEntry.objects.get().get_change_message() == "Stop all sending"


def test_what_can_be_pressed_follows_what_is(owner, running):
    at_first = offered(owner)
    press(owner, "stop")
    stopped = offered(owner)
    press(owner, "resume")

    assert (at_first, stopped, offered(owner)) == (["stop"], ["resume"], ["stop"])
    assert installation.standing() == installation.Standing()


def test_after_a_restore_the_owner_says_whether_it_is_the_original(owner, restored):
    choices = offered(owner)
    press(owner, "resume")

    assert choices == ["resume", "resume-original"]
    assert installation.may_have_sent(timezone.now() - timedelta(hours=3)) is True


def test_an_original_that_moved_sends_what_waited(owner, restored):
    press(owner, "resume-original")

    assert installation.standing() == installation.Standing()


def test_what_waits_is_counted(owner, running):
    run = rows.run(rows.flow(rows.shop()))
    for number, due_in in enumerate((-60, -1, 60)):
        due_at = timezone.now() + timedelta(minutes=due_in)
        rows.message(run, step=f"step{number}", state="scheduled", due_at=due_at, sent_at=None)
    press(owner, "stop")

    text = read(owner, page("installation_change", 1))

    assert 'Messages that are due and wait:</label><div class="readonly">2</div>' in text


@pytest.mark.parametrize("name", ["shop_changelist", "shop_change"])
def test_shops_say_that_everything_stands_still(owner, running, name):
    shop = rows.shop()
    url = page(name, *[shop.pk] * name.endswith("change"))
    before = read(owner, url)
    installation.stop(by="staff #1", now=timezone.now())

    text = read(owner, url)

    assert "Nothing is sent since" not in before
    assert "Somebody stopped it." in text
    assert f'href="{page("installation_change", 1)}"' in text


def test_staff_who_may_not_see_it_get_no_link(staff, running):
    rows.shop()
    installation.stop(by="staff #1", now=timezone.now())

    text = read(staff("view_shop"), page("shop_changelist"))

    assert "Nothing is sent since" in text
    assert page("installation_change", 1) not in text


def test_a_view_permission_does_not_press(staff, running):
    viewer = staff("view_installation")

    answers = [press(viewer, slug).status_code for slug in BUTTONS]

    assert answers == [403, 403, 403]
    assert (offered(viewer), installation.is_halted()) == ([], "")


@pytest.mark.parametrize("url", [page("installation_change", 1), page("installation_stop", 1)])
def test_others_stay_outside(staff, running, url):
    assert staff("view_shop").get(url).status_code == 403
    assert Client().get(url).status_code == 302


@pytest.mark.parametrize(
    ("paused", "badge"),
    [
        ({}, "Open"),
        ({"is_paused": True}, "Paused"),
        ({"email_is_paused": True}, "E-mail paused"),
        ({"sms_is_paused": True}, "SMS paused"),
        ({"email_is_paused": True, "sms_is_paused": True}, "Paused"),
    ],
)
def test_the_list_of_shops_says_what_is_paused(owner, paused, badge):
    rows.shop(**paused)

    assert f">{badge}</span>" in read(owner, page("shop_changelist"))
