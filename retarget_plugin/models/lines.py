"""Rows counted by what is in them: their lines are kept as JSON, and opened by the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import connections
from django.db.models import QuerySet

#: How a vendor makes rows of a list, and reads a text of one. Of any other vendor nothing is counted.
_OPENED = {
    "postgresql": ("jsonb_array_elements(held.items) AS line", "line.value ->> '{name}'"),
    "sqlite": ("json_each(held.items) AS line", "json_extract(line.value, '$.{name}')"),
}


def by_product(
    rows: QuerySet[Any, Any], *flags: str, most: int | None = None, only: Collection[str] | None = None
) -> Mapping[str, dict[str, Any]]:
    """Product -> its `title`, in how many of `rows` it is (`count`), and how many of these have each of `flags`.

    `rows` are of a model with `items`, annotated with the flags. The `most` frequent products, or `only` these. One query.
    """
    opened = _OPENED.get(connections[rows.db].vendor)
    if opened is None or (only is not None and not only):
        return {}
    source, read = opened
    product, title = read.format(name="product_id"), read.format(name="title")
    inner, values = rows.order_by().values("id", "items", *flags).query.get_compiler(using=rows.db).as_sql()
    counted = "".join(f", COUNT(DISTINCT held.id) FILTER (WHERE held.{flag})" for flag in flags)
    chosen = [*only] if only is not None else []
    among = f"AND {product} IN ({', '.join(['%s'] * len(chosen))})" if chosen else ""
    statement = f"""
        SELECT {product} AS product, MAX({title}), COUNT(DISTINCT held.id) AS many{counted}
        FROM ({inner}) AS held CROSS JOIN {source}
        WHERE {product} <> '' {among}
        GROUP BY 1 ORDER BY many DESC, product {"LIMIT %s" if most else ""}
    """  # noqa: S608 - only names of columns, of products' fields and of our own flags are written into it
    with connections[rows.db].cursor() as cursor:
        cursor.execute(statement, [*values, *chosen, *([most] if most else [])])
        found = cursor.fetchall()
    names = ("title", "count", *flags)
    return {str(product): dict(zip(names, figures, strict=True)) for product, *figures in found}
