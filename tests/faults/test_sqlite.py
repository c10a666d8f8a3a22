"""The same promises on SQLite: one host, at most four workers, and shoppers who fill carts all the while."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.checks import run_checks

from retarget_plugin import failpoints
from tests.promises import length

from .mayhem import LANES, Supply, discharge, kill_at, kill_at_random, roll
from .storefront import Shoppers, Storefront

WORKERS = 3
KINDS = ("sqlite", "sqlite-default")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(900)]


@pytest.mark.promise
@pytest.mark.parametrize("kind", KINDS)
def test_on_sqlite_kills_and_restarts_lose_nothing_while_shoppers_notice_nothing(make_rig, promise, kind):
    rig = make_rig(database=kind)
    rig.smtp.answer_seconds = rig.gateway.answer_seconds = 0.05
    people, kills, at_stops = length(25, 300), length(3, 60), length(0, 5)
    supply = Supply(rig, emails=people, texts=people, least=length(15, 100))
    supply.refill()

    with Storefront(rig) as storefront, Shoppers(storefront, rate=length(2, 5), threads=2) as shoppers:
        workers = rig.start(WORKERS)
        kill_at_random(supply, workers, kills=kills)
        discharge(workers)
        for stop in failpoints.DELIVERY if at_stops else ():
            kill_at(stop, supply, workers=WORKERS, kills=at_stops, chance=0.2)
        workers = rig.start(WORKERS)
        rig.settle(300, workers)
        verdict = rig.check()
        discharge(workers)

    total = kills + rig.deeds.total()
    failed = [request for request in shoppers.requests if not request.is_answered]
    promise(
        "D24",
        run=f"{kind}: {len(rig.ledger):,} sends, {WORKERS} workers, {total} kills, {len(shoppers.requests)} requests",
        figure=f"lost {len(verdict.lost)}, doubles {len(verdict.doubled)}, unknown {len(verdict.unknown)}; "
        f"requests that failed {len(failed)}",
        bar=f"0, 0, at most {total * LANES}; 0",
        holds=not (verdict.lost or verdict.doubled or verdict.unrecorded or verdict.strangers or failed)
        and len(verdict.unknown) <= total * LANES,
    )


@pytest.mark.promise
@pytest.mark.parametrize("kind", KINDS)
def test_on_sqlite_restarts_and_a_second_scheduler_leave_nothing_in_doubt(make_rig, promise, kind):
    rig = make_rig(database=kind, LEASE_SECONDS=30, BATCH_SIZE=50)
    rig.smtp.answer_seconds = rig.gateway.answer_seconds = 0.05
    people, rounds = length(15, 300), length(1, 20)
    supply = Supply(rig, emails=people, texts=people, least=length(10, 100))
    supply.refill()
    workers, codes, slowest = rig.start(WORKERS), set(), 0.0

    for _round in range(rounds):
        supply.refill()
        leaving = list(workers)
        slowest = max(slowest, *roll(rig, workers))
        codes |= {worker.returncode for worker in leaving}
    # On default options it may say that part of the work failed: the loops go on with it.
    rig.start(1, command=("retarget_tick", "--until-idle"))[0].wait(120)
    rig.settle(300)

    verdict = rig.check()
    discharge(workers)
    assert codes == {0}
    promise(
        "D24",
        run=f"{kind}: {len(rig.ledger):,} sends, {WORKERS} workers, {rounds} rolling restarts, a command beside them",
        figure=f"lost {len(verdict.lost)}, doubles {len(verdict.doubled)}, unknown {len(verdict.unknown)}; "
        f"slowest exit {slowest:.1f} s",
        bar="all 0; exit within 10 s",
        holds=not (verdict.lost or verdict.doubled or verdict.unknown or verdict.strangers) and slowest <= 10,
    )


@pytest.mark.parametrize(
    ("options", "warnings"), [({}, ["retarget_plugin.W002"]), (None, [])], ids=["default", "as told"]
)
def test_the_system_check_warns_on_default_options(monkeypatch, options, warnings):
    told = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}
    entry = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "shop.sqlite3",
        "OPTIONS": told if options is None else options,
    }
    monkeypatch.setattr(settings, "DATABASES", {"default": entry})

    found = [problem.id for problem in run_checks(tags=["database"], databases=[])]

    assert [name for name in found if name.startswith("retarget_plugin")] == warnings
