"""The one statement that counts: rows are made where there are none, and added to where there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models


def add(model: type[models.Model], rows: Sequence[Mapping[str, Any]], *, unique: Sequence[str], column: str) -> None:
    """Insert `rows` (field -> value, all of the same fields); where one with the same `unique` fields is there already,
    add to its `column`, and leave the rest as it is. No two of `rows` are the same there."""
    if not rows:
        return
    # In one order, so that two workers never wait for each other.
    ordered = sorted(rows, key=lambda row: [str(row[name]) for name in unique])
    connection = connections[DEFAULT_DB_ALIAS]
    quote = connection.ops.quote_name
    fields: list[Any] = [model._meta.get_field(name) for name in ordered[0]]
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(ordered))
    keys = ", ".join(quote(str(model._meta.get_field(name).column)) for name in unique)  # type: ignore[union-attr]
    table, summed = quote(model._meta.db_table), quote(column)
    values = [field.get_db_prep_save(row[field.name], connection) for row in ordered for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES {places} "  # noqa: S608 - names are the model's, values parameters
            f"ON CONFLICT ({keys}) DO UPDATE SET {summed} = {table}.{summed} + excluded.{summed}",
            values,
        )
