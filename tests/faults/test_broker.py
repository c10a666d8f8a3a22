"""A broker that is gone, that forgets, or that repeats itself: with real Celery workers, beat and Valkey."""

from __future__ import annotations

import time
from functools import partial

import pytest

from tests.promises import length

from . import sends
from .doorbell import Doorbell, Echo
from .storefront import Shoppers, Storefront, p95

LEASE_SECONDS, TICK_SECONDS = 10, 1.0

pytestmark = [pytest.mark.slow, pytest.mark.promise, pytest.mark.timeout(900)]


@pytest.fixture
def make_rig(make_rig):
    return partial(make_rig, RUNNER="celery", LEASE_SECONDS=LEASE_SECONDS)


def test_a_broker_that_is_gone_is_noticed_by_no_shopper_and_loses_nothing(make_rig, promise):
    outage, rate, each = length(5, 90), length(10, 50), length(20, 500)
    rig = make_rig(TICK_SECONDS=TICK_SECONDS)
    rig.prepare(emails=1, texts=1)

    with Doorbell(rig) as doorbell, Storefront(rig) as shop, Shoppers(shop, rate=rate) as shoppers:
        rig.settle(30)
        begun = time.monotonic()
        time.sleep(length(4, 30))
        gone = time.monotonic()
        doorbell.crash()
        # A ring of before may be begun within its hour and goes on until the next one's.
        doorbell.wait_until_silent(seconds=2 * TICK_SECONDS)
        rig.prepare(emails=each, texts=each)
        time.sleep(outage)
        sent_meanwhile = sends.count(rig) - 2
        back = time.monotonic()
        doorbell.restart()
        rig.settle(300)
        caught_up = time.monotonic() - back
        has_survived = doorbell.has_survived

    before, during = shoppers.since(begun, gone), shoppers.since(gone, back)
    errors = sum(not request.is_answered for request in during)
    ratio, slowest = p95(during) / p95(before), max(request.seconds for request in during)
    verdict = rig.check()
    assert sent_meanwhile == 0
    assert has_survived
    promise(
        "D4",
        run=f"broker killed for {back - gone:.0f} s, {len(during)} requests of shoppers, {2 * each} sends fell due",
        figure=f"errors {errors}, p95 {p95(during) * 1000:.0f} ms = {ratio:.2f} x, slowest {slowest * 1000:.0f} ms; "
        f"out {caught_up:.0f} s after its return, lost {len(verdict.lost)}, doubled {len(verdict.doubled)}",
        bar=f"errors 0, p95 {length(2.0, 1.2)} x, slowest 1 s; out in 300 s, lost 0, doubled 0",
        holds=errors == 0
        and ratio <= length(2.0, 1.2)
        and slowest <= 1
        and caught_up <= 300
        and not (verdict.lost or verdict.doubled or verdict.unknown),
    )


def test_a_broker_that_forgets_everything_loses_nothing(make_rig, promise):
    each, wipes, tick = length(40, 2500), length(3, 20), 3.0
    rig = make_rig(TICK_SECONDS=tick)
    rig.prepare(emails=each, texts=each, is_queued=True)
    silences = []

    with Doorbell(rig) as doorbell:
        for wipe in range(wipes):
            sends.wait_for(rig, number=2 * each * wipe // (wipes + 1))
            doorbell.wipe()
            silences.append(sends.wait_for(rig, number=sends.count(rig) + 1))
        rig.settle(600)
        has_survived = doorbell.has_survived

    verdict = rig.check()
    assert has_survived
    promise(
        "D5",
        run=f"{2 * each} sends, FLUSHALL {wipes} times among them, a tick every {tick:.0f} s",
        figure=f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, sending again after {max(silences):.1f} s",
        bar=f"lost 0, doubled 0, {2 * tick:.0f} s (two ticks)",
        holds=not (verdict.lost or verdict.doubled or verdict.unknown) and max(silences) <= 2 * tick,
    )


def test_rings_that_come_twenty_times_shuffled_and_late_send_nothing_twice(make_rig, promise):
    each = length(30, 1000)
    rig = make_rig(TICK_SECONDS=3.0)
    rig.prepare(emails=each, texts=each)

    with Doorbell(rig) as doorbell, Echo(doorbell, most=20, latest=3.0, seed=rig.seed) as echo:
        rig.settle(600)
        time.sleep(length(2, 20))

    verdict, calls = rig.check(), sends.calls(rig)
    assert echo.repeated > echo.heard
    promise(
        "D6",
        run=f"{echo.heard} rings, repeated {echo.repeated} times, shuffled, late and past their hour; {2 * each} sends",
        figure=f"doubled {len(verdict.doubled)}, gateway calls too many {calls - 2 * each}, lost {len(verdict.lost)}",
        bar="doubled 0, calls too many 0, lost 0",
        holds=calls == 2 * each and not (verdict.doubled or verdict.lost or verdict.unknown),
    )
