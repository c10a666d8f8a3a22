"""Taking the app's tables away again beside a busy shop (PostgreSQL)."""

from __future__ import annotations

import random
import time
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

#: How long we wait for one more table while a shopper's query may wait for those we hold.
LOCK_MS = 200
#: With a breath after each: about half a minute.
TRIES = 60
#: PostgreSQL's own codes of a lock that was not free in time, and of a deadlock.
BUSY = frozenset({"55P03", "40P01"})


def take_tables(apps: Any, schema_editor: Any) -> None:
    """The first step back from the first migration: lock every table that the others change, all of them or none.

    They would be locked one after another, and a query that has read the second and wants the first would wait for us
    while we wait for it: a deadlock, which the server ends by ending one of the two. Raises OperationalError where one of
    them is never free.
    """
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    tables = ", ".join(map(connection.ops.quote_name, _tables(apps)))
    for _try in range(TRIES):
        try:
            _lock(connection, tables)
            return
        except OperationalError as error:
            if _code(error) not in BUSY:
                raise
            reason = error
            time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - two that try at once part ways
    raise OperationalError(
        f"{tables} were never free at one time. Nothing was changed: end what holds them (a dump, a report), and try again."
    ) from reason


def _lock(connection: BaseDatabaseWrapper, tables: str) -> None:
    # Undone, a savepoint gives back what was locked in it.
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        cursor.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


def _code(error: OperationalError) -> str:
    """What the server said, as psycopg calls it, or psycopg2."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""


def _tables(apps: Any) -> list[str]:
    """Ours, and the shop's that ours refer to: to drop a foreign key both ends are locked."""
    models = list(apps.get_app_config("retarget_plugin").get_models(include_auto_created=True))
    others = [
        field.related_model
        for model in models
        for field in model._meta.get_fields()
        if field.many_to_one and field.concrete
    ]
    return sorted({model._meta.db_table for model in [*models, *others]})
