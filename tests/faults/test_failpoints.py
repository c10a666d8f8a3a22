"""Workers that die or fall asleep at each named stop on the way of a message."""

from __future__ import annotations

import pytest

from retarget_plugin import failpoints
from tests.promises import length

from .mayhem import Supply, freeze_at, kill_at

LEASE = 2

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(900)]


@pytest.mark.promise
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_a_kill_at_any_stop_loses_nothing_and_doubles_nothing(make_rig, promise, channel):
    rig = make_rig(LEASE_SECONDS=LEASE, BATCH_SIZE=5)
    people = length(40, 400)
    supply = Supply(
        rig, **{"emails": 0, "texts": 0, (channel == "email" and "emails") or "texts": people}, least=people // 2
    )
    each = length(2, 100)
    supply.refill()

    for stop in failpoints.DELIVERY:
        kill_at(stop, supply, workers=length(3, 8), kills=each, chance=0.2)
    workers = rig.start(4)
    rig.settle(300, workers)
    set_aside = rig.release(300, workers)

    verdict, kills = rig.check(), {stop: rig.deeds[stop, "kill"] for stop in failpoints.DELIVERY}
    assert min(kills.values()) >= each
    promise(
        "D3",
        run=f"{len(failpoints.DELIVERY)} stops, {channel}, {sum(kills.values())} kills, {len(rig.ledger):,} sends",
        figure=f"lost {len(verdict.lost)}, doubles {len(verdict.doubled)}, unknown {len(verdict.unknown)}; "
        f"set aside and released {set_aside}",
        bar="lost 0, doubles 0, unknown at most one a kill; set aside at most one in two kills",
        holds=not (verdict.lost or verdict.doubled or verdict.unrecorded or verdict.strangers)
        and len(verdict.unknown) <= sum(kills.values())
        and 2 * set_aside <= sum(kills.values()),
    )


@pytest.mark.promise
def test_a_worker_that_wakes_up_late_doubles_nothing(make_rig, promise):
    rig = make_rig(LEASE_SECONDS=LEASE, BATCH_SIZE=5)
    people = length(30, 400)
    supply = Supply(rig, emails=people, texts=people, least=people)
    supply.refill()

    freeze_at(
        dict.fromkeys(failpoints.DELIVERY, "freeze"),
        supply,
        workers=length(4, 16),
        freezes=length(3, 500),
        chance=length(0.05, 0.02),
        seconds=3 * LEASE,
    )
    workers = rig.start(4)
    rig.settle(300, workers)
    set_aside = rig.release(300, workers)

    verdict, freezes = rig.check(), rig.deeds
    promise(
        "D11",
        run=f"{freezes.total()} freezes of {3 * LEASE} s at {len(freezes)} stops, {len(rig.ledger):,} sends",
        figure=f"doubles {len(verdict.doubled)}, lost {len(verdict.lost)}, unknown {len(verdict.unknown)}; "
        f"set aside and released {set_aside}",
        bar="doubles 0, lost 0, unknown at most one a freeze; set aside at most one in two freezes",
        holds=not (verdict.doubled or verdict.lost or verdict.unrecorded or verdict.strangers)
        and len(verdict.unknown) <= freezes.total()
        and 2 * set_aside <= freezes.total(),
    )
