"""How long a shop's request waits for our own tables: not long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from retarget_plugin import conf


@contextmanager
def brief_transaction(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """A transaction of our own in which PostgreSQL waits at most `CAPTURE_LOCK_MS` for a lock, then raises OperationalError.

    Inside a transaction of the shop's no limit is set: it would bind the shop's statements after ours.
    """
    connection = connections[using]
    is_ours = not connection.in_atomic_block
    with transaction.atomic(using=using):
        if is_ours and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {int(conf.settings.CAPTURE_LOCK_MS)}")
        yield
