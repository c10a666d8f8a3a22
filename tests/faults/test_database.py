"""A PostgreSQL that crashes under load: what was acknowledged is there, and the workers come back by themselves."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager

import pytest

from tests.promises import length

from . import sends
from .doorbell import Doorbell
from .storefront import Shoppers, Storefront

RECOVERY_SECONDS = 30
#: E-mail and SMS leave a worker side by side, one message at a time each.
IN_FLIGHT = 2
LEASE_SECONDS = 10

pytestmark = [pytest.mark.slow, pytest.mark.promise, pytest.mark.timeout(900)]


@contextmanager
def crew_of(rig, runner):
    """Workers of one kind; yields how many of them there are, and whether they are still the same."""
    if runner == "celery":
        with Doorbell(rig, workers=2, concurrency=2) as doorbell:
            yield 4, lambda: doorbell.has_survived
    else:
        workers = rig.start(3)
        yield 3, lambda: all(worker.returncode is None for worker in workers)


@pytest.mark.parametrize("runner", length(["retarget_tick"], ["retarget_tick", "celery"]))
def test_a_database_that_crashes_keeps_what_it_said_and_the_workers_come_back(make_rig, promise, runner):
    crashes, each = length(2, 20), length(20, 500)
    rig = make_rig(durable=True, LEASE_SECONDS=LEASE_SECONDS, TICK_SECONDS=1.0)
    rig.prepare(emails=each, texts=each)
    dice, recoveries = random.Random(rig.seed), []

    with ExitStack() as stack:
        workers, have_survived = stack.enter_context(crew_of(rig, runner))
        shop = stack.enter_context(Storefront(rig))
        shoppers = stack.enter_context(Shoppers(shop, rate=length(4, 10)))
        for crash in range(crashes):
            sends.wait_for(rig, number=1 + 2 * each * crash // (crashes + 1))
            rig.crash_database()
            time.sleep(dice.uniform(0.2, 3))
            rig.restart_database()
            recoveries.append(sends.wait_for(rig, number=sends.count(rig) + 1))
        rig.settle(300)
        # The web process tells what it kept with the next event after its rest.
        time.sleep(3)
        survived = have_survived()

    verdict, missing = rig.check(), shoppers.missing(rig)
    assert survived
    promise(
        "D7",
        run=f"{runner}: immediate stop x {crashes} among {2 * each} sends and {len(shoppers.requests)} requests, fsync on",
        figure=f"captures missing {len(missing)}, lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, "
        f"unknown {len(verdict.unknown)}, sending again after {max(recoveries):.0f} s",
        bar=f"missing 0, lost 0, doubled 0, unknown {crashes * workers * IN_FLIGHT}, {RECOVERY_SECONDS} s",
        holds=not (missing or verdict.lost or verdict.doubled or verdict.unrecorded)
        and len(verdict.unknown) <= crashes * workers * IN_FLIGHT
        and max(recoveries) <= RECOVERY_SECONDS,
    )
