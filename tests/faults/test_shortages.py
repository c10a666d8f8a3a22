"""A database without room, without connections or without the right to write: nothing is sent that cannot be written down."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.promises import length

from . import sends, shortages
from .rig import Rig
from .storefront import Shoppers, Storefront

RESUME_SECONDS = 30
#: E-mail and SMS leave a worker side by side, one message at a time each: so many outcomes may be at hand when it begins.
IN_FLIGHT = 2
LEASE_SECONDS = 10
#: What a far end takes for each: a shortage finds sends that are left, and so does its end where it stops no worker.
ANSWER_SECONDS = 0.5

SHORTAGES = {
    "tables that are full": lambda rig: shortages.refused_writes(rig, "53100"),
    "tables that are read-only": lambda rig: shortages.refused_writes(rig, "25006"),
    "a full disk": shortages.full_disk,
    "no connection left": shortages.no_connection_left,
}

pytestmark = [pytest.mark.slow, pytest.mark.promise, pytest.mark.timeout(900)]


@pytest.mark.parametrize("shortage", length(["tables that are read-only", "a full disk"], list(SHORTAGES)))
def test_nobody_at_the_checkout_notices_and_nothing_leaves_unrecorded(make_rig, promise, shortage):
    seconds, each = length(4, 60), length(20, 500)
    rig = make_rig(LEASE_SECONDS=LEASE_SECONDS)
    rig.prepare(emails=each, texts=each, is_queued=True)

    with Storefront(rig, keeps_connections=True) as shop, Shoppers(shop, rate=length(4, 10)) as shoppers:
        workers = start_sending(rig, each)
        with SHORTAGES[shortage](rig):
            begun, before = time.monotonic(), sends.count(rig)
            time.sleep(seconds)
            meanwhile, ended = sends.count(rig) - before, time.monotonic()
        resumed = resume(rig, workers)
        # The web process tells what it kept with the next event after its rest.
        time.sleep(3)

    during = shoppers.since(begun, ended)
    errors, missing = sum(not request.is_answered for request in during), shoppers.missing(rig)
    figure, holds = judge(rig, workers, resumed)
    promise(
        "D22",
        run=f"{shortage} for {seconds} s, {len(during)} requests, {2 * each} sends, {meanwhile} of them meanwhile",
        figure=f"checkout errors {errors}, captures missing {len(missing)}, {figure}",
        bar=f"errors 0, missing 0, {bar(workers)}",
        holds=not (errors or missing) and holds,
    )


def test_a_read_only_server_stops_the_sends_before_the_attempt(make_rig, promise):
    seconds, each = length(4, 60), length(20, 500)
    rig = make_rig(LEASE_SECONDS=LEASE_SECONDS)
    rig.prepare(emails=each, texts=each, is_queued=True)

    workers = start_sending(rig, each)
    with shortages.read_only_server(rig):
        time.sleep(seconds)
    resumed = resume(rig, workers)

    figure, holds = judge(rig, workers, resumed)
    promise(
        "D22",
        run=f"a read-only server for {seconds} s, {2 * each} sends",
        figure=figure,
        bar=bar(workers),
        holds=holds,
    )


def test_a_full_disk_under_sqlite_stops_the_sends_before_the_attempt(tmp_path, promise):
    seconds, each = length(4, 60), length(20, 500)
    with ExitStack() as stack:
        disk = stack.enter_context(shortages.small_disk())
        (tmp_path / "shop.sqlite3").symlink_to(disk / "shop.sqlite3")
        rig = stack.enter_context(Rig(tmp_path, database="sqlite", LEASE_SECONDS=LEASE_SECONDS))
        rig.prepare(emails=each, texts=each, is_queued=True)

        workers = start_sending(rig, each)
        with shortages.filled(disk):
            time.sleep(seconds)
        resumed = resume(rig, workers)

        figure, holds = judge(rig, workers, resumed)
        promise(
            "D22",
            run=f"SQLite on a full disk for {seconds} s, {2 * each} sends",
            figure=figure,
            bar=bar(workers),
            holds=holds,
        )


def start_sending(rig, each):
    rig.smtp.answer_seconds = rig.gateway.answer_seconds = ANSWER_SECONDS
    workers = rig.start(2)
    sends.wait_for(rig, number=each // 2)
    return workers


def resume(rig, workers):
    """Seconds until the next send after the shortage; then all is sent, by the same processes."""
    assert sends.count(rig) < len(rig.ledger), "all had left before the shortage ended"
    resumed = sends.wait_for(rig, number=sends.count(rig) + 1)
    rig.settle(300)
    assert all(worker.returncode is None for worker in workers)
    return resumed


def judge(rig, workers, resumed):
    verdict = rig.check()
    attempted = rig.rows(
        "SELECT DISTINCT CASE WHEN m.channel = 'sms' THEN c.phone ELSE c.email END FROM retarget_plugin_attempt a "
        "JOIN retarget_plugin_message m ON m.id = a.message_id JOIN retarget_plugin_contact c ON c.id = m.contact_id"
    )
    asked = {line["to"] for channel in ("email", "sms") for line in rig.journal(channel)}
    unwritten = len(asked - {to for (to,) in attempted})
    figure = (
        f"sent without an attempt {unwritten}, resumed after {resumed:.0f} s, lost {len(verdict.lost)}, "
        f"doubled {len(verdict.doubled)}, unknown {len(verdict.unknown)}"
    )
    is_whole = not (unwritten or verdict.lost or verdict.doubled or verdict.unrecorded)
    return figure, is_whole and resumed <= RESUME_SECONDS and len(verdict.unknown) <= len(workers) * IN_FLIGHT


def bar(workers):
    return f"without an attempt 0, {RESUME_SECONDS} s, lost 0, doubled 0, unknown {len(workers) * IN_FLIGHT}"
