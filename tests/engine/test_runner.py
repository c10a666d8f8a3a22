"""The runner, with a thread for each way out, and the command around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.engine import runner, tick
from retarget_plugin.models import Message

from .test_delivery import due_text  # noqa: F401

pytestmark = [pytest.mark.delivery, pytest.mark.django_db(transaction=True)]


def make_runner(clock, **arguments):
    return runner.Runner(clock=lambda: clock.now, pause=0.02, **arguments)


def test_it_drains_what_is_due_and_ends(shopping, due_text):  # noqa: F811
    told = []
    make_runner(shopping.clock, report=told.append).drain(seconds=20)

    assert Message.objects.get().state == "accepted"
    assert sum((done["messages.accepted"] for done in told), 0) == 1
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("retarget-")] == []


def test_a_way_that_hangs_holds_up_no_other(shopping, due_text, monkeypatch):  # noqa: F811
    """The text's gateway hangs; meanwhile a round comes to its end, and so does the next."""
    hangs = threading.Event()
    monkeypatch.setattr(MemoryGateway, "send", lambda self, sms: hangs.wait(20))
    rounds = []
    worker = make_runner(shopping.clock)

    def heartbeat():
        rounds.append(Message.objects.get().state)
        if rounds[-1] == "attempting" and rounds.count("attempting") >= 3:
            hangs.set()
            worker.stop()

    worker.run(heartbeat=heartbeat)

    assert rounds.count("attempting") >= 3


def test_a_database_that_is_away_ends_no_worker(shopping, monkeypatch):
    worker = make_runner(shopping.clock)
    rounds = []

    def once(**_):
        rounds.append(1)
        if len(rounds) == 3:
            worker.stop()
        raise DatabaseError("server closed the connection unexpectedly")

    monkeypatch.setattr(tick, "once", once)

    worker.run()

    assert len(rounds) == 3


def test_a_thread_that_does_not_come_round_is_noticed(shopping, due_text, monkeypatch):  # noqa: F811
    hangs = threading.Event()
    monkeypatch.setattr(MemoryGateway, "send", lambda self, sms: hangs.wait(20))
    worker = make_runner(shopping.clock)
    alive = []

    def heartbeat():
        alive.append(worker.is_alive(within=0.3))
        if not alive[-1] or len(alive) > 500:
            hangs.set()
            worker.stop()

    worker.run(heartbeat=heartbeat)

    assert (alive[0], alive[-1]) == (True, False)


@pytest.mark.parametrize("arguments", [{"workers": 2}, {"workers": 0, "loop": 1.0}, {"loop": 0.0}])
def test_the_command_refuses_what_makes_no_sense(arguments):
    with pytest.raises(CommandError, match="needs a number"):
        call_command("retarget_tick", **arguments)


@pytest.mark.django_db(transaction=False)
def test_a_crew_replaces_a_worker_that_is_lost_and_ends_together(tmp_path, db):
    """On a database of its own: the crew's workers are real processes."""
    environment = {**os.environ, "RETARGET_TEST_DATABASE_URL": f"sqlite:///{tmp_path}/crew.sqlite3"}
    django = [sys.executable, "-m", "django"]
    settings = ["--settings", "tests.settings"]
    subprocess.run([*django, "migrate", "-v0", *settings], env=environment, check=True, timeout=60)
    command = [*django, "retarget_tick", "--loop", "0.2", "--workers", "2", *settings]
    crew = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        first = children(crew.pid, count=2)
        os.kill(first[0], signal.SIGKILL)
        second = children(crew.pid, count=2, apart_from=first[0])
    finally:
        crew.terminate()
        _, said = crew.communicate(timeout=60)

    assert crew.returncode == 0
    assert f"Worker {first[0]} ended with status -9; another takes its place." in said
    assert not any(os.path.exists(f"/proc/{worker}") for worker in {*first, *second})


def children(parent, *, count, apart_from=0):
    """Ids of the processes that `parent` has started, once there are `count`."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with open(f"/proc/{parent}/task/{parent}/children") as file:
            found = [int(pid) for pid in file.read().split() if int(pid) != apart_from]
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{parent} has no {count} workers after a minute")


def test_what_was_done_is_told_as_json(shopping, due_text, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr("retarget_plugin.management.commands.retarget_tick.database_now", lambda: shopping.clock.now)

    call_command("retarget_tick", until_idle=True, json=True)

    assert json.loads(capsys.readouterr().out)["messages.accepted"] == 1
