"""The runner: does what is due and goes on. Each way out has a thread of its own, so that one that hangs holds up no other."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from retarget_plugin import conf

from . import delivery, gateways, installation, reconcile, tick

logger = logging.getLogger("retarget_plugin.runner")

Report = Callable[[Counter[str]], None]


class Runner:
    """Works until `stop()`, or until nothing is left to do. `clock` asks the database for the time; `pause` in seconds.

    `report` is told what each round has done, from any thread.
    """

    def __init__(self, *, clock: Callable[[], datetime], pause: float, report: Report = lambda done: None) -> None:
        self._clock, self._pause, self._report = clock, pause, report
        self._is_asked_to_stop = False
        self._stopping = threading.Event()
        self._lanes: dict[str, _Lane] = {}
        self._reconciled = float("-inf")
        self._trouble = _Trouble()

    def stop(self) -> None:
        """Begin nothing new. What is being handed over is finished. A signal's handler may call this at any moment, so it
        takes no lock."""
        self._is_asked_to_stop = True

    @property
    def is_stopping(self) -> bool:
        if self._is_asked_to_stop:
            self._stopping.set()
        return self._is_asked_to_stop

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.is_stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(0.2, left))

    def is_alive(self, *, within: float) -> bool:
        """True when every thread has come round within so many seconds."""
        return all(time.monotonic() - lane.seen < within for lane in self._lanes.values())

    def run(self, *, heartbeat: Callable[[], None] = lambda: None) -> None:
        """Until `stop()`. `heartbeat` is called every round, also while a way hangs or the database is away."""
        while not self.is_stopping:
            heartbeat()
            if not self._round():
                self._rest(self._pause)
        self._end()

    def drain(self, *, seconds: float) -> None:
        """Until nothing is due any more, or for so many seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.is_stopping:
            did = self._round()
            if not did and all(lane.is_idle for lane in self._lanes.values()):
                break
            if not did:
                self._rest(self._pause if self._trouble.lasts else 0.05)
        self.stop()
        self._end()

    def _round(self) -> bool:
        """What is due but for the messages, which have their lanes; True when anything was."""
        try:
            now = self._clock()
            installation.beat(now=now)
            done = self._reconcile(now) + tick.once(now=now, with_messages=False)
            self._open_lanes()
        except (DatabaseError, InterfaceError):
            self._trouble.tell("the database does not answer; it is asked again")
            done = Counter({"failed": 1})
        else:
            self._trouble.is_over()
        if done["failed"]:
            close_old_connections()
        if done:
            self._report(done)
            for lane in self._lanes.values():
                lane.wake()
        return bool(done) and not done["failed"]

    def _reconcile(self, now: datetime) -> Counter[str]:
        if time.monotonic() - self._reconciled < conf.settings.RECONCILE_SECONDS:
            return Counter()
        self._reconciled = time.monotonic()
        return Counter({f"reconciled.{name}": count for name, count in reconcile.run(now=now).items()})

    def _open_lanes(self) -> None:
        for way in gateways.ways():
            if way.name not in self._lanes:
                lane = _Lane(way.name, self._clock, self._pause, self._stopping, self._report)
                self._lanes[way.name] = lane
                lane.start()

    def _end(self) -> None:
        self._stopping.set()
        for lane in self._lanes.values():
            lane.wake()
        for lane in self._lanes.values():
            lane.join()


class _Trouble:
    """Something that fails again and again is told of once, with its traceback, and once more when it is over."""

    def __init__(self) -> None:
        self.lasts = False

    def tell(self, words: str) -> None:
        if not self.lasts:
            logger.exception(words)
        self.lasts = True

    def is_over(self) -> None:
        if self.lasts:
            logger.warning("it works again")
        self.lasts = False


class _Lane(threading.Thread):
    """Hands over by one way, again and again. `seen`: when it last came round; `is_idle`: its last round found nothing."""

    def __init__(
        self, name: str, clock: Callable[[], datetime], pause: float, stopping: threading.Event, report: Report
    ) -> None:
        super().__init__(name=f"retarget-{name}", daemon=True)
        self._way, self._clock, self._pause = name, clock, pause
        self._stopping, self._report = stopping, report
        self._bell = threading.Event()
        self._trouble = _Trouble()
        self.seen = time.monotonic()
        self.is_idle = False

    def wake(self) -> None:
        """Something may be due: look at once."""
        self.is_idle = False
        self._bell.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            self.seen = time.monotonic()
            self._bell.clear()
            done = self._round()
            if not done or done["failed"]:
                self.is_idle = not self._bell.is_set()
                close_old_connections()
                self._bell.wait(self._pause)
        connections.close_all()

    def _round(self) -> Counter[str]:
        try:
            done = delivery.dispatch(now=self._clock(), way=self._way, should_stop=self._stopping.is_set)
        except Exception:
            self._trouble.tell(f"{self._way} failed in this round; the next one repeats it")
            return Counter({"failed": 1})
        self._trouble.is_over()
        if done:
            self._report(Counter({f"messages.{state}": count for state, count in done.items()}))
        return done
