"""The one statement that a shop's request pays for: note that something moved, without reading anything."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connections, models

from retarget_plugin import conf

from .shops import Shop

#: What a host told is kept unless something later is.
IF_LATER = "{table}.told_at IS NULL OR excluded.told_at > {table}.told_at"


def touch(
    model: type[models.Model],
    *,
    host: str,
    scope: str,
    insert: Mapping[str, Any],
    update: Mapping[str, str],
    only: str = "",
    using: str | None = None,
) -> int:
    """Insert or update the row (shop of host and scope, reference) of `model`. Answers the number of rows written.

    `insert`: column -> value; text goes in as it is, for a JSON column too. `update`: column -> SQL expression over
    `excluded.*` and `{table}.*`, written by us only; `only` is a condition of the same kind without which a row stays as
    it is. No row is written when no shop has this host and scope. On PostgreSQL the statement waits at most
    `CAPTURE_LOCK_MS` for a lock, then raises OperationalError: a locked table never holds up a checkout.
    """
    alias = using or DEFAULT_DB_ALIAS
    connection = connections[alias]
    statement = _statement(model, tuple(insert), tuple(update.items()), only, alias)
    values = [
        value if isinstance(value, str) else _field(model, name).get_db_prep_save(value, connection)
        for name, value in insert.items()
    ]
    bounded = _bounded(statement, connection)
    with connection.cursor() as cursor:
        cursor.execute(bounded, [*values, host, scope])
        if bounded != statement:
            # The first of the two results is that of SET.
            cursor.nextset()
        return cursor.rowcount


@cache
def _statement(
    model: type[models.Model], names: tuple[str, ...], update: tuple[tuple[str, str], ...], only: str, alias: str
) -> str:
    """The shop is found by the statement itself, so that not even its id has to be read before."""
    quote = connections[alias].ops.quote_name
    table, shops = quote(model._meta.db_table), quote(Shop._meta.db_table)
    columns = ", ".join(quote(str(_field(model, name).column)) for name in ("shop", *names))
    values = ", ".join([quote("id"), *["%s"] * len(names)])
    assignments = ", ".join(f"{quote(name)} = {expression.format(table=table)}" for name, expression in update)
    condition = f" WHERE {only.format(table=table)}" if only else ""
    return (
        f"INSERT INTO {table} ({columns}) "  # noqa: S608 - names come from the models, values stay parameters
        f"SELECT {values} FROM {shops} WHERE {quote('host')} = %s AND {quote('scope')} = %s "
        f"ON CONFLICT ({quote('shop_id')}, {quote('reference')}) DO UPDATE SET {assignments}{condition}"
    )


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    return cast("models.Field[Any, Any]", model._meta.get_field(name))


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
