"""The stop button, and what shows that a database is a restored backup or a copy."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from retarget_plugin import channels
from retarget_plugin.checks import check_rehearsal
from retarget_plugin.engine import installation
from retarget_plugin.models import Installation

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _new_process():
    """Every test begins as a worker that has seen nothing yet."""
    installation._seen.clear()


def restart():
    """Another worker, which has seen nothing yet."""
    installation._seen.clear()


def the_row():
    return Installation.objects.get()


def hours(number):
    return NOW + timedelta(hours=number)


# -- signs of life ----------------------------------------------------------------------------------------------------


def test_the_first_beat_takes_the_database_as_it_is():
    installation.beat(now=NOW)

    row = the_row()
    assert (row.heartbeat_at, row.halted_because) == (NOW, "")
    assert row.fingerprint == installation.fingerprint()
    own = {"sqlite": {"file"}, "postgresql": {"cluster", "database", "table"}}[connection.vendor]
    assert set(row.fingerprint) == own | {"public_url"}


def test_a_sign_of_life_is_written_once_a_minute():
    for second in (0, 30, 59, 60, 61):
        installation.beat(now=NOW + timedelta(seconds=second))

    assert the_row().heartbeat_at == NOW + timedelta(seconds=60)


def test_a_beat_costs_one_query(django_assert_num_queries):
    installation.beat(now=NOW)

    with django_assert_num_queries(1):
        installation.beat(now=NOW + timedelta(seconds=30))


def test_six_hours_of_silence_are_an_outage_and_no_restore():
    installation.beat(now=NOW)
    restart()

    installation.beat(now=hours(6))

    assert installation.is_halted() == ""
    assert the_row().heartbeat_at == hours(6)


# -- another life -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["database", "table", "cluster", "file", "public_url"])
def test_a_database_made_anew_halts(name, monkeypatch):
    original = {"database": "1", "table": "2", "cluster": "3", "file": "4", "public_url": "https://shop.example"}
    monkeypatch.setattr(installation, "fingerprint", lambda: original)
    installation.beat(now=NOW)
    restart()
    monkeypatch.setattr(installation, "fingerprint", lambda: original | {name: "other"})

    installation.beat(now=hours(6))

    row = the_row()
    assert installation.is_halted() == "restored"
    assert (row.halted_at, row.lost_from, row.lost_until) == (hours(6), NOW, None)
    assert row.halted_by == f"its fingerprint differs in: {name}"


def test_what_cannot_be_found_out_any_more_says_nothing(monkeypatch):
    monkeypatch.setattr(installation, "fingerprint", lambda: {"database": "1", "cluster": "3"})
    installation.beat(now=NOW)
    restart()
    monkeypatch.setattr(installation, "fingerprint", lambda: {"database": "1", "public_url": "https://shop.example"})

    installation.beat(now=hours(1))

    assert installation.is_halted() == ""


def test_the_site_moving_to_another_address_halts(settings):
    installation.beat(now=NOW)
    restart()
    settings.RETARGET = settings.RETARGET | {"PUBLIC_URL": "https://staging.example.com"}

    installation.beat(now=hours(1))

    assert installation.is_halted() == "restored"


def test_a_running_worker_notices_that_the_database_went_back_in_time():
    installation.beat(now=NOW)
    installation.beat(now=hours(6))
    Installation.objects.update(heartbeat_at=NOW)

    installation.beat(now=hours(6) + timedelta(seconds=5))

    assert installation.is_halted() == "restored"
    assert the_row().lost_from == NOW


def test_the_heartbeat_file_remembers_what_the_database_forgot(settings, tmp_path):
    path = tmp_path / "heartbeat.json"
    settings.RETARGET = settings.RETARGET | {"HEARTBEAT_FILE": str(path)}
    installation.beat(now=NOW)
    installation.beat(now=hours(6))
    told = json.loads(path.read_text())
    Installation.objects.update(heartbeat_at=NOW)
    restart()

    installation.beat(now=hours(7))

    assert told == {"installation": str(the_row().uuid), "heartbeat_at": hours(6).isoformat()}
    assert installation.is_halted() == "restored"
    assert (the_row().lost_from, list(tmp_path.iterdir())) == (NOW, [path])


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"installation": "another", "heartbeat_at": "2099-01-01T00:00:00Z"}']
)
def test_a_file_that_is_broken_or_of_another_installation_says_nothing(settings, tmp_path, content):
    path = tmp_path / "heartbeat.json"
    path.write_text(content)
    settings.RETARGET = settings.RETARGET | {"HEARTBEAT_FILE": str(path)}
    installation.beat(now=NOW)
    restart()
    path.write_text(content)

    installation.beat(now=hours(1))

    assert installation.is_halted() == ""


def test_a_file_that_cannot_be_written_stops_nobody(settings, tmp_path):
    settings.RETARGET = settings.RETARGET | {"HEARTBEAT_FILE": str(tmp_path / "no" / "folder")}

    installation.beat(now=NOW)

    assert the_row().heartbeat_at == NOW


def test_two_workers_that_notice_at_once_halt_once(monkeypatch):
    installation.beat(now=NOW)
    stale = the_row()
    restart()
    Installation.objects.update(fingerprint={"public_url": "https://elsewhere.example"})
    installation.beat(now=hours(6))

    installation._halt_restored(stale, "the slower worker's", now=hours(7))

    row = the_row()
    assert (row.halted_at, row.lost_from, row.halted_by) == (hours(6), NOW, "its fingerprint differs in: public_url")


# -- stop and resume --------------------------------------------------------------------------------------------------


def test_the_stop_button_stops_and_resume_starts_again():
    installation.stop(by="staff #1", now=NOW)
    stopped = the_row()
    installation.resume(by="staff #2", now=hours(1))

    assert (stopped.halted_because, stopped.halted_by, stopped.halted_at) == ("stop_button", "staff #1", NOW)
    assert installation.standing() == installation.Standing()


def test_a_stop_that_stands_keeps_its_reason():
    installation.stop(by="staff #1", now=NOW)

    installation.stop(by="staff #2", now=hours(1))

    assert (the_row().halted_by, the_row().halted_at) == ("staff #1", NOW)


def test_nothing_of_before_is_in_doubt_after_the_stop_button():
    installation.stop(by="staff #1", now=NOW)
    installation.resume(by="staff #1", now=hours(1))

    assert installation.may_have_sent(NOW) is False


@pytest.fixture
def restored():
    """A backup of nine o'clock that was noticed at three in the afternoon."""
    installation.beat(now=NOW)
    Installation.objects.update(fingerprint={"public_url": "https://elsewhere.example"})
    restart()
    installation.beat(now=hours(6))


def test_what_was_due_until_resume_may_have_been_sent(restored):
    installation.resume(by="staff #1", now=hours(7))

    due = {-1: True, 0: True, 3: True, 7: True, 8: False}
    assert {hour: installation.may_have_sent(hours(hour)) for hour in due} == due
    assert installation.standing() == installation.Standing("", lost_from=NOW, lost_until=hours(7))


def test_a_later_stop_does_not_put_more_in_doubt(restored):
    installation.resume(by="staff #1", now=hours(7))
    installation.stop(by="staff #1", now=hours(20))
    installation.resume(by="staff #1", now=hours(21))

    assert installation.may_have_sent(hours(8)) is False


def test_an_original_that_only_moved_has_lost_nothing(restored):
    installation.resume(by="staff #1", now=hours(7), is_original=True)

    assert installation.standing() == installation.Standing()


def test_a_restore_is_noticed_before_it_is_resumed_over(monkeypatch):
    installation.beat(now=NOW)
    Installation.objects.update(fingerprint={"public_url": "https://elsewhere.example"})
    restart()

    installation.resume(by="staff #1", now=hours(6))

    assert installation.may_have_sent(hours(3)) is True


def test_the_backup_of_a_stopped_installation_is_a_backup_first():
    installation.stop(by="staff #1", now=NOW)
    Installation.objects.update(fingerprint={"public_url": "https://elsewhere.example"})
    restart()

    installation.beat(now=hours(6))

    assert installation.is_halted() == "restored"


def test_resumed_where_nothing_stood_still_changes_nothing():
    installation.beat(now=NOW)

    installation.resume(by="staff #1", now=hours(1))

    assert installation.standing() == installation.Standing()


def test_the_commands_stop_and_resume(capsys):
    call_command("retarget_stop")
    stopped = installation.is_halted()
    call_command("retarget_resume")

    assert (stopped, installation.is_halted()) == ("stop_button", "")
    assert capsys.readouterr().out.splitlines() == [
        "All sending is stopped. Start it again with retarget_resume.",
        "Messages are sent again.",
    ]


def test_resuming_a_backup_says_what_is_left_for_staff(restored, capsys):
    call_command("retarget_resume")

    first, second = capsys.readouterr().out.splitlines()
    assert first == "Messages are sent again."
    assert second.endswith("it is not sent again, and stands in the admin as unknown.")


# -- a developer's copy -----------------------------------------------------------------------------------------------

REAL = {
    "default": {"BACKEND": "retarget_plugin.channels.sms.http.HttpGateway", "OPTIONS": {"url": "http://127.0.0.1:9"}}
}
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.mark.parametrize(
    ("debug", "send_in_debug", "is_barred"), [(False, False, False), (True, True, False), (True, False, True)]
)
def test_real_gateways_are_barred_while_debug_is_on(settings, debug, send_in_debug, is_barred):
    settings.DEBUG = debug
    settings.RETARGET = settings.RETARGET | {"SMS": REAL, "SEND_IN_DEBUG": send_in_debug}
    settings.MAILERS = {"default": {"BACKEND": SMTP}}
    settings.EMAIL_BACKEND = SMTP

    assert (channels.is_barred("sms", "default"), channels.is_barred("email", "")) == (is_barred, is_barred)
    assert [problem.id for problem in check_rehearsal()] == ["retarget_plugin.W005"] * is_barred


def test_what_stays_on_this_machine_is_never_barred(settings):
    settings.DEBUG = True

    assert (channels.is_barred("sms", "default"), channels.is_barred("email", "")) == (False, False)
    assert check_rehearsal() == []


def test_the_check_names_what_is_barred(settings):
    settings.DEBUG = True
    settings.RETARGET = settings.RETARGET | {"SMS": REAL | {"spare": REAL["default"]}}

    assert [problem.msg for problem in check_rehearsal()] == [
        "While DEBUG is on, no message leaves by: sms default, sms spare."
    ]
