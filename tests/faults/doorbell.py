"""Celery's beat and workers beside a rig, on a Valkey of their own that may crash, forget everything or repeat itself."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import Any, Self

import redis

from tests import services

from .nursery import Worker
from .rig import Rig

QUEUE = "celery"
PATIENCE_SECONDS = 60
#: The crew's connections to PostgreSQL.
AT_WORK = "SELECT pid FROM pg_stat_activity WHERE application_name = 'doorbell'"


class Doorbell:
    """Beat and `workers` Celery workers while the context lasts; entered once every worker listens at the broker."""

    def __init__(self, rig: Rig, *, workers: int = 2, concurrency: int = 2) -> None:
        self._rig, self._workers, self._concurrency = rig, workers, concurrency

    def __enter__(self) -> Self:
        self.url = services.start_valkey()
        self.valkey = redis.Redis.from_url(self.url, decode_responses=True)
        self.crew = [
            self._start("worker", f"--concurrency={self._concurrency}", "-n", f"worker{number}@%h")
            for number in range(self._workers)
        ]
        self.crew.append(self._start("beat", "--schedule", str(self._rig.folder / "beat.db")))
        self._wait_until_heard()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.crew:
            process.kill()
        self.valkey.close()
        services.stop(self.url)

    @property
    def has_survived(self) -> bool:
        """Whether beat and every worker are still the processes they were."""
        return all(process.returncode is None for process in self.crew)

    def crash(self) -> None:
        services.crash(self.url)

    def wait_until_silent(self, *, seconds: float) -> None:
        """Until no ring has been at work for so many seconds; those heard before a crash go on for a while."""
        began = silent_since = time.monotonic()
        while (now := time.monotonic()) - silent_since < seconds:
            if now - began > PATIENCE_SECONDS:
                raise RuntimeError(f"rings go on {PATIENCE_SECONDS} s later:\n{self._rig.output()[-4000:]}")
            time.sleep(0.05)
            # A task gives its connections back when it ends.
            if self._rig.rows(AT_WORK):
                silent_since = time.monotonic()

    def restart(self) -> None:
        services.restart(self.url)

    def wipe(self) -> None:
        """All the broker knows is gone: queues, bindings, what was not acknowledged."""
        self.valkey.flushall()

    def _start(self, *arguments: str) -> Worker:
        settings = ("-A", "tests.faults.celery_app", *arguments, "--loglevel=WARNING")
        return self._rig.spawn("celery", *settings, RETARGET_FAULTS_BROKER_URL=self.url, PGAPPNAME="doorbell")

    def _wait_until_heard(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while len(self.valkey.client_list(_type="pubsub")) < self._workers:
            if time.monotonic() > until or not self.has_survived:
                raise RuntimeError(f"the workers do not listen:\n{self._rig.output()[-4000:]}")
            time.sleep(0.1)


class Echo:
    """While the context lasts, every message of the broker comes 1 to `most` times, shuffled and up to `latest` seconds late.

    What comes again no longer expires, as if its hour had not passed. `heard` and `repeated` are counts of messages.
    """

    def __init__(self, doorbell: Doorbell, *, most: int, latest: float, seed: int) -> None:
        self.heard = self.repeated = 0
        self._doorbell, self._most, self._latest, self._dice = doorbell, most, latest, random.Random(seed)
        self._waiting: list[tuple[float, str]] = []
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join(PATIENCE_SECONDS)

    def _listen(self) -> None:
        with self._doorbell.valkey.monitor() as monitor:
            # Beat and the workers talk to the broker every second at the least, which keeps this loop going.
            while not self._leaving.is_set():
                _push, is_push, message = monitor.next_command()["command"].partition(f"LPUSH {QUEUE} ")
                if is_push and "echoed" not in message:
                    self._keep(json.loads(message))
                self._repeat(time.monotonic())

    def _keep(self, message: dict[str, Any]) -> None:
        self.heard += 1
        message["headers"] |= {"expires": None, "echoed": True}
        for _time in range(self._dice.randrange(self._most)):
            self._waiting.append((time.monotonic() + self._dice.uniform(0, self._latest), json.dumps(message)))

    def _repeat(self, now: float) -> None:
        for due_at, message in [waiting for waiting in self._waiting if waiting[0] <= now]:
            self._waiting.remove((due_at, message))
            self._doorbell.valkey.lpush(QUEUE, message)
            self.repeated += 1
