"""The demo's clock: the whole process lives in shop time, and waits pass in a moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import time_machine

from retarget_plugin.engine import tick
from retarget_plugin.models.clock import database_now

PARIS = ZoneInfo("Europe/Paris")


class Clock(Protocol):
    """How a story lets time pass: `advance` moves it, `settle` returns once everything that became due was done."""

    def advance(self, **delta: float) -> None: ...

    def settle(self) -> None: ...

    def sleep(self) -> None:
        """On to a morning on which a text may be sent."""

    @property
    def shown(self) -> str: ...


class StoryClock:
    """Starts at ten on the next morning on which texts are allowed, and runs on from there."""

    def __init__(self, is_allowed: Callable[[datetime], bool]) -> None:
        self._is_allowed = is_allowed
        self.traveller = time_machine.travel(_first_morning(datetime.now(UTC), is_allowed), tick=True)
        self._coordinates = self.traveller.start()

    def advance(self, **delta: float) -> None:
        """Let hours pass. Everything in this process sees it: the shop, the plugin, cookies and vouchers."""
        self._coordinates.shift(timedelta(**delta))

    def settle(self) -> None:
        """Do what has become due, until nothing is. Raises RuntimeError when part of it failed."""
        for _round in range(20):
            done = tick.once(now=database_now())
            if done["failed"]:
                raise RuntimeError("part of the tick failed; the log above says what")
            if not done:
                return

    def sleep(self) -> None:
        """On to the next morning of the kind it started with."""
        self._coordinates.move_to(_first_morning(self.now + timedelta(days=1), self._is_allowed))

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @property
    def shown(self) -> str:
        """Day and time as the shop's own clock reads."""
        return self.now.astimezone(PARIS).strftime("%a %H:%M")

    def stop(self) -> None:
        self.traveller.stop()


def _first_morning(now: datetime, is_allowed: Callable[[datetime], bool]) -> datetime:
    """Ten o'clock, Paris, today or later, on a day on which a text may be sent."""
    morning = now.astimezone(PARIS).replace(hour=10, minute=0, second=0, microsecond=0)
    while not is_allowed(morning):
        morning += timedelta(days=1)
    return morning
