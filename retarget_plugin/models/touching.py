"""The one statement that a shop's request pays for: note that something moved, without reading anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connections, models

from retarget_plugin import conf

from .shops import Shop


def touch(
    model: type[models.Model],
    *,
    host: str,
    scope: str,
    insert: Mapping[str, Any],
    update: Mapping[str, str],
    using: str | None = None,
) -> int:
    """Insert or update the row (shop of host and scope, reference) of `model`. Answers the number of rows written.

    `insert`: column -> value. `update`: column -> SQL expression over `excluded.*` and `{table}.*`, written by us only.
    No row is written when no shop has this host and scope. On PostgreSQL the statement waits at most
    `CAPTURE_LOCK_MS` for a lock, then raises OperationalError: a locked table never holds up a checkout.
    """
    connection = connections[using or DEFAULT_DB_ALIAS]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    fields = [cast("models.Field[Any, Any]", model._meta.get_field(name)) for name in insert]
    columns = [quote(str(field.column)) for field in fields]
    values = [_prepared(field, value, connection) for field, value in zip(fields, insert.values(), strict=True)]
    assignments = ", ".join(f"{quote(name)} = {expression.format(table=table)}" for name, expression in update.items())
    statement = (
        f"INSERT INTO {table} ({quote('shop_id')}, {', '.join(columns)}) "  # noqa: S608 - names from the model only
        f"SELECT {quote('id')}, {', '.join(['%s'] * len(values))} FROM {quote(Shop._meta.db_table)} "
        f"WHERE {quote('host')} = %s AND {quote('scope')} = %s "
        f"ON CONFLICT ({quote('shop_id')}, {quote('reference')}) DO UPDATE SET {assignments}"
    )
    with connection.cursor() as cursor:
        bounded = _bounded(statement, connection)
        cursor.execute(bounded, [*values, host, scope])
        if bounded != statement:
            # The first of the two results is that of SET.
            cursor.nextset()
        return cursor.rowcount


def _prepared(field: models.Field[Any, Any], value: Any, connection: Any) -> Any:
    """Text is passed on as it is, for a JSON column too: it is our own literal."""
    return value if isinstance(value, str) else field.get_db_prep_save(value, connection)


def _bounded(statement: str, connection: Any) -> str:
    """Put the lock time-out before the statement in the same round trip, outside any transaction of the shop's.

    Sent together they are one implicit transaction, so LOCAL ends with it. Inside a transaction LOCAL would bind
    the shop's own statements, and with server-side parameters two statements cannot travel together: then none is set.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return statement
    if connection.settings_dict["OPTIONS"].get("server_side_binding"):
        return statement
    return f"SET LOCAL lock_timeout = {int(conf.settings.CAPTURE_LOCK_MS)}; {statement}"
