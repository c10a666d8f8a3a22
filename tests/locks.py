"""Tables held by somebody else, as a migration or a vacuum would hold them (PostgreSQL)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections

from retarget_plugin import receivers


@contextmanager
def locked(*tables: str, mode: str = "ACCESS EXCLUSIVE") -> Iterator[Callable[[], None]]:
    """Another connection holds such a lock on `tables` until the block ends, or what it yields is called."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN {mode} MODE")
            held.set()
            release.wait(60)
            cursor.execute("ROLLBACK")
        connections["default"].close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)

    def let_go() -> None:
        release.set()
        holder.join()
        receivers.patience.resting_until = 0.0

    try:
        yield let_go
    finally:
        let_go()
