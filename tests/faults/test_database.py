"""A PostgreSQL that crashes, takes no writes, has no room or no connection left: the shop sells on, the workers come back."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.promises import length

from . import sends
from .doorbell import Doorbell
from .storefront import Shoppers, Storefront

RECOVERY_SECONDS = 30
#: E-mail and SMS leave a worker side by side, one message at a time each.
IN_FLIGHT = 2

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


@pytest.mark.parametrize("runner", ["retarget_tick", "celery"])
def test_a_database_that_crashes_keeps_what_it_said_and_the_workers_come_back(make_rig, promise, runner):
    crashes, each = length(2, 20), length(60, 1000)
    rig = make_rig(durable=True, TICK_SECONDS=1.0)
    rig.prepare(emails=each, texts=each)
    dice, recoveries = random.Random(rig.seed), []

    with ExitStack() as stack:
        workers, have_survived = stack.enter_context(crew_of(rig, runner))
        shop = stack.enter_context(Storefront(rig))
        shoppers = stack.enter_context(Shoppers(shop, rate=10))
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


# --- D22 ---------------------------------------------------------------------------------------------------------


@contextmanager
def refusing_tables(rig, code):
    """Every write to a table of the plugin fails with that SQLSTATE."""
    with psycopg.connect(rig.database_url, autocommit=True) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT tablename FROM pg_tables WHERE tablename LIKE 'retarget_plugin_%'"
            ).fetchall()
        ]
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END $$"
        )
        for name in tables:
            connection.execute(
                f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
            )
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION refuse CASCADE")


@contextmanager
def read_only_server(rig):
    """As after a fail-over to a standby: every transaction may only read."""
    with psycopg.connect(rig.server_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def no_connection_left(rig):
    """Somebody else takes every connection that anybody gives back."""
    import threading

    taken, over = [], threading.Event()

    def take():
        while not over.is_set():
            try:
                taken.append(psycopg.connect(rig.server_url))
            except psycopg.OperationalError:
                over.wait(0.01)

    taker = threading.Thread(target=take)
    taker.start()
    try:
        yield
    finally:
        over.set()
        taker.join()
        for connection in taken:
            connection.close()


FAULTS = {
    "tables that are full (53100)": lambda rig: refusing_tables(rig, "53100"),
    "tables that are read-only (25006)": lambda rig: refusing_tables(rig, "25006"),
    "no connection left": no_connection_left,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_at_the_checkout_notices_and_nothing_is_sent_until_it_can_be_written_down(make_rig, promise, fault):
    seconds, each = length(4, 60), length(60, 500)
    rig = make_rig()
    rig.prepare(emails=each, texts=each, is_queued=True)

    with Storefront(rig, keeps_connections=True) as shop, Shoppers(shop, rate=length(10, 20)) as shoppers:
        workers = rig.start(2)
        sends.wait_for(rig, number=each // 2)
        with FAULTS[fault](rig):
            time.sleep(1)
            begun, sent_before = time.monotonic(), sends.count(rig)
            time.sleep(seconds)
            sent_meanwhile, ended = sends.count(rig) - sent_before, time.monotonic()
        resumed = sends.wait_for(rig, number=sends.count(rig) + 1)
        rig.settle(300)
        time.sleep(3)
        survived = all(worker.returncode is None for worker in workers)

    during = shoppers.since(begun, ended)
    errors, missing = sum(not request.is_answered for request in during), shoppers.missing(rig)
    verdict = rig.check()
    unwritten = sends.calls(rig) - rig.rows("SELECT count(*) FROM retarget_plugin_attempt")[0][0]
    assert survived
    promise(
        "D22",
        run=f"{fault} for {seconds} s, {len(during)} requests, {2 * each} sends",
        figure=f"checkout errors {errors}, captures missing {len(missing)}, sent meanwhile {sent_meanwhile}, without an "
        f"attempt {unwritten}, resumed after {resumed:.0f} s, lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, "
        f"unknown {len(verdict.unknown)}",
        bar=f"errors 0, missing 0, meanwhile 0, without 0, {RECOVERY_SECONDS} s, lost 0, doubled 0, "
        f"unknown {len(workers) * IN_FLIGHT}",
        holds=not (errors or missing or sent_meanwhile or unwritten or verdict.lost or verdict.doubled)
        and resumed <= RECOVERY_SECONDS
        and len(verdict.unknown) <= len(workers) * IN_FLIGHT,
    )
