"""A fresh, migrated database for each rig: a copy of one that is migrated once a session."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests import services

Migrate = Callable[[str], None]

_numbers = count(1)


def fresh_postgres(migrate: Migrate, *, durable: bool | None) -> tuple[str, str]:
    """(server's URL, database's URL). One server a session and durability, kept for the next rig."""
    server = _server(durable)
    template = _named(server, "template_of_rigs")
    if not _exists(server, "template_of_rigs"):
        _run(server, "CREATE DATABASE template_of_rigs")
        migrate(template)
    name = f"rig_{next(_numbers)}"
    _run(server, f"CREATE DATABASE {name} TEMPLATE template_of_rigs")
    return server, _named(server, name)


def drop_postgres(server: str, url: str) -> None:
    _run(server, f'DROP DATABASE "{urlsplit(url).path.strip("/")}" WITH (FORCE)')


def fresh_sqlite(migrate: Migrate, folder: Path) -> str:
    """A file in `folder`."""
    template = _template_folder() / "template.sqlite3"
    if not template.exists():
        migrate(f"sqlite:///{template}")
        with sqlite3.connect(template) as connection:
            # Whoever uses the copy chooses its journal.
            connection.execute("PRAGMA journal_mode=DELETE")
        connection.close()
    path = folder / "shop.sqlite3"
    shutil.copy(template, path)
    return f"sqlite:///{path}"


def connect(url: str) -> Any:
    """A connection of our own (DB-API, every statement committed): what is checked is not read through the plugin."""
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)
    return psycopg.connect(url, autocommit=True)


@cache
def _server(durable: bool | None) -> str:
    return services.start_postgres(durable=durable)


@cache
def _template_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="retarget-rig-")
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    return Path(folder)


def _named(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def _exists(server: str, name: str) -> bool:
    with psycopg.connect(server) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _run(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)
