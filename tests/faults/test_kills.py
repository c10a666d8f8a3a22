"""Many workers on one PostgreSQL: killed, restarted, started twice over, and simply many."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest

from tests import services
from tests.promises import length

from . import paper
from .mayhem import LANES, Supply, discharge, kill_at_random, roll, wait_until
from .rig import LOOP, Rig

LEASE = 5
GATEWAY_SECONDS = 5

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Policy:
    """What a gateway and the staff make of a message whose answer was lost."""

    name: str
    has_keys: bool = False
    retries_unknown: bool = False

    @property
    def options(self) -> dict[str, Any]:
        return {
            "keeps_keys": self.has_keys,
            "EMAIL_RETRY_UNKNOWN": self.retries_unknown,
            "SMS": {"default": {"RETRY_UNKNOWN": self.retries_unknown}},
        }


POLICIES = (Policy("keys", has_keys=True), Policy("no keys"), Policy("no keys, tried again", retries_unknown=True))


@pytest.mark.promise
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_killed_workers_lose_nothing_and_double_nothing(make_rig, promise, policy):
    rig = make_rig(LEASE_SECONDS=LEASE, **policy.options)
    rig.smtp.answer_seconds = rig.gateway.answer_seconds = 0.05
    count, kills = length(3, 8), length(6, 320)
    # No e-mail provider is known to keep keys for single messages.
    emails = 0 if policy.has_keys else length(60, 500)
    supply = Supply(rig, emails=emails, texts=length(60, 500), least=length(30, 200))
    supply.refill()
    workers = rig.start(count)

    kill_at_random(supply, workers, kills=kills)
    seconds = rig.settle(2 * LEASE + 300, workers)

    verdict = rig.check()
    discharge(workers)
    run = f"{len(rig.ledger):,} sends, {count} workers, {kills} kills, {policy.name}"
    promise(
        "D1",
        run=run,
        figure=f"lost {len(verdict.lost)}; all final {seconds:.0f} s after the last kill",
        bar=f"lost 0; all final {2 * LEASE + 60} s after",
        holds=not (verdict.lost or verdict.unrecorded or verdict.strangers) and seconds <= 2 * LEASE + 60,
    )
    in_flight = kills * LANES
    most_doubled = in_flight if policy.retries_unknown else 0
    most_unknown = in_flight if not policy.has_keys and not policy.retries_unknown else 0
    unflagged = set(verdict.doubled) - flagged(rig)
    promise(
        "D2",
        run=run,
        figure=f"doubles {len(verdict.doubled)} ({len(unflagged)} unflagged), unknown {len(verdict.unknown)}",
        bar=f"doubles at most {most_doubled} (0 unflagged), unknown at most {most_unknown}",
        holds=len(verdict.doubled) <= most_doubled and not unflagged and len(verdict.unknown) <= most_unknown,
    )


@pytest.mark.promise
def test_a_rolling_restart_leaves_nothing_undone_and_nothing_in_doubt(make_rig, promise):
    # A claim as large as a shop's, so that leaving in the middle of one counts.
    rig = make_rig(LEASE_SECONDS=30, BATCH_SIZE=200)
    rig.smtp.answer_seconds = rig.gateway.answer_seconds = 0.1
    count, rounds = length(3, 8), length(2, 20)
    supply = Supply(rig, emails=length(40, 400), texts=length(40, 400), least=length(20, 200))
    supply.refill()
    workers = rig.start(count)

    slowest, codes = 0.0, set()
    for _round in range(rounds):
        supply.refill()
        leaving = list(workers)
        slowest = max(slowest, *roll(rig, workers))
        codes |= {worker.returncode for worker in leaving}
    rig.settle(300)

    verdict = rig.check()
    discharge(workers)
    assert codes == {0}
    promise(
        "D8",
        run=f"{len(rig.ledger):,} sends, {count} workers, {rounds} rolling restarts",
        figure=f"lost {len(verdict.lost)}, doubles {len(verdict.doubled)}, unknown {len(verdict.unknown)}; "
        f"slowest exit {slowest:.1f} s",
        bar=f"all 0; exit within {GATEWAY_SECONDS + 5} s",
        holds=not (verdict.lost or verdict.doubled or verdict.unknown or verdict.unrecorded or verdict.strangers)
        and slowest <= GATEWAY_SECONDS + 5,
    )


def test_a_crew_told_to_stop_over_and_over_leaves_as_quietly_as_told_once(make_rig):
    rig = make_rig(LEASE_SECONDS=30)
    rig.gateway.answer_seconds = 0.1
    rig.prepare(texts=40, is_queued=True)
    (crew,) = rig.start(1, command=[*LOOP, "--workers", "2"])
    wait_until(lambda: len(rig.journal("sms")) >= 5, seconds=60)

    for _time in range(50):
        crew.terminate()

    assert crew.wait(GATEWAY_SECONDS + 5) == 0
    verdict = rig.check()
    assert not (verdict.doubled or verdict.unknown or verdict.unrecorded)


@pytest.mark.promise
def test_eight_workers_claim_each_message_once_and_none_is_idle(make_rig, promise):
    rig = make_rig(LEASE_SECONDS=120, BATCH_SIZE=length(5, 200), SMS=paper.SETTINGS)
    rig.prepare(texts=length(400, 40_000), is_queued=True)

    workers = rig.start(8)
    seconds = rig.settle(length(460, 1500))

    verdict, output = rig.check(), rig.output()
    discharge(workers)
    ((claims,),) = rig.rows("SELECT max(fence) FROM retarget_plugin_message")
    idle = longest_idle(rig)
    assert verdict.states == {"accepted": len(rig.ledger)}
    assert "Traceback" not in output, output[-4000:]
    promise(
        "D12",
        run=f"{len(rig.ledger):,} due texts, 8 processes, {seconds:.0f} s, a message claimed {claims} times at most",
        figure=f"doubles {len(verdict.doubled)}, lost {len(verdict.lost)}, errors 0, longest idle {idle:.1f} s",
        bar="0, 0, 0, at most 5 s",
        holds=not (verdict.doubled or verdict.lost or verdict.strangers) and idle <= 5,
    )


@pytest.mark.promise
def test_two_beats_two_loops_and_a_command_at_once_double_nothing(make_rig, promise):
    rig = make_rig(TICK_SECONDS=0.3)
    rig.prepare(emails=length(60, 1_500), texts=length(60, 1_500))
    broker = {"RETARGET_FAULTS_BROKER_URL": services.start_valkey()}
    celery = ("-A", "tests.faults.celery_app")

    crew = [rig.spawn("celery", *celery, "worker", "--concurrency=2", "--loglevel=ERROR", **broker)]
    crew += [
        rig.spawn("celery", *celery, "beat", "-s", str(rig.folder / f"beat{number}"), "--loglevel=ERROR", **broker)
        for number in range(2)
    ]
    crew += rig.start(2)
    commands = 0
    while not rig.is_settled() and commands < 200:
        rig.run("django", "retarget_tick", "--until-idle")
        commands += 1

    verdict = rig.check()
    discharge(crew)
    promise(
        "D13",
        run=f"{len(rig.ledger):,} carts; two beats, two loops, {commands} commands",
        figure=f"doubles {len(verdict.doubled)}, lost {len(verdict.lost)}",
        bar="doubles 0, lost 0",
        holds=not (verdict.doubled or verdict.lost or verdict.unknown or verdict.strangers),
    )


def flagged(rig: Rig) -> set[str]:
    """Recipients of messages that staff sees marked as possibly sent twice."""
    rows = rig.rows(
        "SELECT c.email, c.phone FROM retarget_plugin_message m JOIN retarget_plugin_contact c ON c.id = m.contact_id "
        "WHERE m.may_be_double"
    )
    return {email or phone for email, phone in rows}


def longest_idle(rig: Rig) -> float:
    """Seconds that a worker which still had something to send after them went without sending."""
    moments: dict[int, list[float]] = defaultdict(list)
    for line in rig.journal("sms"):
        moments[line["pid"]].append(line["at"])
    assert len(moments) == 8, f"{len(moments)} of 8 workers sent anything"
    return max(after - before for sent in moments.values() for before, after in itertools.pairwise(sorted(sent)))
