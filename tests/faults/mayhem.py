"""What is done to workers while they work: killed at random, killed or frozen at a stop, restarted in turn."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .nursery import Worker
from .rig import FINAL, Rig

#: Messages a worker may have in the air at once: one a lane, e-mail and texts.
LANES = 2
SECONDS_TO_BEGIN = 5


@dataclass
class Supply:
    """Keeps the workers busy: more people come whenever fewer than `least` messages wait."""

    rig: Rig
    emails: int
    texts: int
    least: int = 40

    def refill(self) -> None:
        states = self.rig.states()
        if len(self.rig.ledger) - sum(states[state] for state in FINAL) < self.least:
            self.rig.prepare(emails=self.emails, texts=self.texts)


def kill_at_random(supply: Supply, workers: list[Worker], *, kills: int) -> None:
    """SIGKILL one of `workers` every 0.2 to 0.8 seconds and put another in its place at once."""
    dice = random.Random(supply.rig.seed)
    for _kill in range(kills):
        supply.refill()
        time.sleep(dice.uniform(0.2, 0.8))
        victim = dice.choice(workers)
        victim.kill()
        victim.wait()
        supply.rig.replace(workers)


def kill_at(stop: str, supply: Supply, *, workers: int, kills: int, chance: float) -> None:
    """Workers that kill themselves at `stop`, by `chance`, until `kills` of them have."""
    rig, before = supply.rig, supply.rig.deeds[stop, "kill"]
    crew = rig.start(workers, stops={stop: "kill"}, chance=chance)
    _watch(lambda: rig.deeds[stop, "kill"] - before >= kills, supply, crew, what=f"{kills} kills at {stop}", each=kills)
    discharge(crew)


def freeze_at(
    stops: Mapping[str, str], supply: Supply, *, workers: int, freezes: int, chance: float, seconds: float
) -> None:
    """Workers that stop themselves, by `chance`, and wake after `seconds`, until there were `freezes`."""
    rig = supply.rig
    crew, frozen_since = rig.start(workers, stops=stops, chance=chance), dict[int, float]()

    def is_enough() -> bool:
        for worker in crew:
            if not worker.is_frozen:
                frozen_since.pop(worker.pid, None)
            elif time.monotonic() - frozen_since.setdefault(worker.pid, time.monotonic()) > seconds:
                worker.thaw()
        return rig.deeds.total() >= freezes

    _watch(is_enough, supply, crew, what=f"{freezes} freezes", each=freezes)
    # Those who sleep now wake up late too, and find their work taken over.
    time.sleep(seconds)
    for worker in crew:
        worker.thaw()
    discharge(crew)


def roll(rig: Rig, workers: list[Worker]) -> list[float]:
    """Restart `workers` one after the other by SIGTERM, in place; the seconds each took to leave."""
    leaving = []
    for place, worker in enumerate(workers):
        # One that has begun to work, as a deployment's old workers have; or has had the time to, where nothing is due.
        while not worker.output.read_text() and time.monotonic() - worker.started_at < SECONDS_TO_BEGIN:
            time.sleep(0.02)
        wait_until(worker.is_ready_to_leave, 60)
        leaving.append((worker, time.monotonic()))
        worker.terminate()
        workers[place : place + 1] = rig.start(1)
    for worker, _asked_at in leaving:
        worker.wait(120)
    return [worker.ended_at - asked_at for worker, asked_at in leaving]


def discharge(workers: list[Worker]) -> None:
    """Send `workers` home; whoever stops or dies on the way is killed."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        try:
            worker.wait(20)
        except TimeoutError:
            worker.kill()


def wait_until(predicate: Callable[[], Any], seconds: float) -> None:
    """Until `predicate` is true. Raises AssertionError where it stays false."""
    until = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < until, f"still not after {seconds} s"
        time.sleep(0.02)


def _watch(is_enough: Callable[[], bool], supply: Supply, workers: list[Worker], *, what: str, each: int) -> None:
    until = time.monotonic() + 300 + 5 * each
    while not is_enough():
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not come about: {supply.rig.deeds}\n{supply.rig.output()[-3000:]}")
        supply.refill()
        supply.rig.replace(workers)
        time.sleep(0.02)
