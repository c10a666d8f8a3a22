"""Several real workers on one database, and some of them killed in the middle of their work."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests import services
from tests.fakes.smtp import SmtpServer

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 400 if os.environ.get("RETARGET_TEST_LONG") else 60

KILLS = 20 if os.environ.get("RETARGET_TEST_LONG") else 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


class Crew:
    """Worker processes and the database they share."""

    def __init__(self, database_url, mailbox):
        self.mailbox = mailbox
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "RETARGET_FAULTS_DATABASE_URL": database_url,
            "RETARGET_FAULTS_SMTP_PORT": str(mailbox.port),
        }

    def run(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def start(self):
        command = [sys.executable, "-m", "django", "retarget_tick", "--loop", "0.2", "--json"]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def ledger(self):
        return [tuple(row) for row in json.loads(self.run("tests.faults.rig", "ledger"))]

    def wait_until_settled(self, seconds=90):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            rows = self.ledger()
            if len(rows) == PEOPLE and {state for _email, state, _tries in rows} <= {"accepted", "unknown"}:
                return rows
            time.sleep(1)
        pytest.fail(f"after {seconds} s: {Counter(state for _email, state, _tries in self.ledger())}")

    def wait_for_mail(self, seconds=60):
        """Until the first has arrived: from then on every worker may be in the middle of one."""
        until = time.monotonic() + seconds
        while not self.mailbox.messages and time.monotonic() < until:
            time.sleep(0.02)

    def received(self):
        return Counter(received.recipients[0] for received in self.mailbox.messages)


@pytest.fixture
def crew(tmp_path):
    url = services.start_postgres()
    with SmtpServer() as mailbox:
        crew = Crew(url, mailbox)
        crew.run("tests.faults.rig", "prepare", str(PEOPLE))
        yield crew
    services.stop(url)


def end(workers):
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        worker.wait(20)


def test_four_workers_at_once_send_each_mail_once(crew):
    workers = [crew.start() for _worker in range(4)]
    try:
        rows = crew.wait_until_settled()
    finally:
        end(workers)

    assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
    assert Counter(state for _email, state, _tries in rows) == {"accepted": PEOPLE}
    assert set(crew.received().values()) == {1}
    assert len(crew.received()) == PEOPLE


def test_killed_workers_lose_nothing_and_double_nothing(crew):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    workers = [crew.start() for _worker in range(3)]
    try:
        crew.wait_for_mail()
        for _kill in range(KILLS):
            # All of them, since nobody can tell from outside which one has something in its hands.
            for worker in workers:
                worker.kill()
                worker.wait()
            workers = [crew.start() for _worker in workers]
            time.sleep(chance.uniform(1.0, 4.0))
        rows = crew.wait_until_settled()
    finally:
        end(workers)

    states = Counter(state for _email, state, _tries in rows)
    assert states["accepted"] + states["unknown"] == PEOPLE
    assert states["unknown"] <= KILLS * len(workers)
    assert max(crew.received().values()) == 1
    accepted = {email for email, state, _tries in rows if state == "accepted"}
    assert accepted <= set(crew.received())
