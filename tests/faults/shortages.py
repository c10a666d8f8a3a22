"""What a database may run out of: room, connections, the right to write. Each a context in which it lasts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from .rig import Rig

DISK_MEGABYTES = 32
TABLES = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'retarget_plugin_%'"
INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename LIKE 'retarget_plugin_%'"


@contextmanager
def refused_writes(rig: Rig, code: str) -> Iterator[None]:
    """Every write to a table of the plugin fails with this SQLSTATE; the shop's own tables are well."""
    with psycopg.connect(rig.database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END $$"
        )
        for (table,) in connection.execute(TABLES).fetchall():
            connection.execute(
                f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
            )
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION refuse CASCADE")


@contextmanager
def read_only_server(rig: Rig) -> Iterator[None]:
    """Every transaction may only read, as after a fail-over to a standby: the shop cannot sell either."""
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
def no_connection_left(rig: Rig) -> Iterator[None]:
    """Somebody else takes every connection that anybody gives back."""
    over = threading.Event()

    def take() -> None:
        with ExitStack() as taken:
            while not over.is_set():
                try:
                    taken.enter_context(psycopg.connect(rig.server_url))
                except psycopg.OperationalError:
                    over.wait(0.005)

    taker = threading.Thread(target=take)
    taker.start()
    try:
        yield
    finally:
        over.set()
        taker.join()


@contextmanager
def full_disk(rig: Rig) -> Iterator[None]:
    """The plugin's tables lie on a disk of their own, and something else fills it to the last byte."""
    with psycopg.connect(rig.database_url, autocommit=True) as connection, small_disk() as disk:
        owner = Path(connection.execute("SHOW data_directory").fetchone()[0]).stat()  # type: ignore[index]
        os.chown(disk, owner.st_uid, owner.st_gid)
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        try:
            _move(connection, "small")
            with filled(disk):
                yield
        finally:
            _move(connection, "pg_default")
            connection.execute("DROP TABLESPACE small")


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of a few megabytes. Skips the test where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="retarget-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "none", str(folder)]
    try:
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a small disk can be mounted by root only")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is free on `disk`."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


def _move(connection: psycopg.Connection, tablespace: str) -> None:
    for kind, query in (("TABLE", TABLES), ("INDEX", INDEXES)):
        for (name,) in connection.execute(query).fetchall():
            connection.execute(f"ALTER {kind} {name} SET TABLESPACE {tablespace}")
