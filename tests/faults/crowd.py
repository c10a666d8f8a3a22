"""Makes one person of a rig's database into a crowd, in raw SQL: hundreds of thousands of rows a minute.

What `Rig.prepare(is_queued=True)` wrote for that person is copied with every column, but for those named here; so the
copies are what the plugin itself would have written, also after a model has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

OURS, SHOPS = "retarget_plugin_", "shop_"
PERSON = ("contact", "consentrecord", "consent", "basket", "line", "cart", "flowrun", "message")


def fill(
    url: str,
    *,
    messages: int,
    shop: int | None = None,
    ineligible: int = 0,
    overdue: timedelta = timedelta(minutes=5),
    prefix: str = "crowd",
    **changed: str,
) -> None:
    """`messages` people of `shop` (the first one), each with a cart and an e-mail that was due `overdue` ago.

    The first `ineligible` of them have withdrawn their consent and are due before all others. `changed` are SQL values
    for columns of the messages, in which n counts from 1.
    """
    with writing(url) as connection:
        first = {name: _last(connection, name) for name in PERSON}

        def own(name: str) -> str:
            return f"{first[name]} + n"

        copies: dict[str, dict[str, str]] = {
            "contact": {"email": f"'{prefix}' || n || '@example.com'"},
            "consentrecord": {"contact_id": own("contact")},
            "consent": {
                "contact_id": own("contact"),
                "record_id": own("consentrecord"),
                "state": f"CASE WHEN n <= {ineligible} THEN 'withdrawn' ELSE t.state END",
            },
            "basket": {"email": f"'{prefix}' || n || '@example.com'"},
            "line": {"basket_id": own("basket")},
            "cart": {
                "reference": f"({own('basket')})::text",
                "contact_id": own("contact"),
                "email": f"'{prefix}' || n || '@example.com'",
            },
            "flowrun": {
                "contact_id": own("contact"),
                "cart_id": own("cart"),
                "subject": f"'cart:' || ({own('cart')})",
            },
            "message": {
                "contact_id": own("contact"),
                "run_id": own("flowrun"),
                "key": "gen_random_uuid()",
                "due_at": f"now() - interval '{overdue.total_seconds()} s' + n * interval '1 us'",
                **changed,
            },
        }
        if shop is not None:
            for name in ("contact", "consentrecord", "cart", "flowrun", "message"):
                copies[name]["shop_id"] = str(shop)
            copies["flowrun"] |= _flow_of(connection, shop)
        for name, changes in copies.items():
            copy(connection, name, messages, changes)
    analyze(url)


@contextmanager
def writing(url: str) -> Iterator[Any]:
    """A connection whose work is committed at the end. Foreign keys are not looked up: they are right as they are counted."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def copy(connection: Any, name: str, times: int, changes: Mapping[str, str]) -> None:
    """`times` copies of the first row of a table with ids that go on; `changes` are SQL over t, the row, and n from 1."""
    table = _table(name)
    names = [
        row[0]
        for row in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
        ).fetchall()
    ]
    values = {column: SQL("t.{}").format(Identifier(column)) for column in names}
    values["id"] = SQL("{} + n").format(Literal(_last(connection, name)))
    values |= {column: SQL(value) for column, value in changes.items()}
    connection.execute(
        SQL(
            "INSERT INTO {} ({}) SELECT {} FROM (SELECT * FROM {} ORDER BY id LIMIT 1) t, generate_series(1, {}) n"
        ).format(
            Identifier(table),
            SQL(", ").join(map(Identifier, values)),
            SQL(", ").join(values.values()),
            Identifier(table),
            Literal(times),
        )
    )
    connection.execute(_carry_on(table))


def second_shop(url: str) -> int:
    """Another shop like the first one, with its flows on; its id."""
    with psycopg.connect(url) as connection:
        shop = _last(connection, "shop") + 1
        copy(connection, "shop", 1, {"scope": "'second'", "name": "'Second shop'"})
        flow, version = _last(connection, "flow"), _last(connection, "flowversion")
        source = connection.execute("SELECT flow_id FROM retarget_plugin_flowrun ORDER BY id LIMIT 1").fetchone()
        connection.execute(
            "INSERT INTO retarget_plugin_flow (id, shop_id, slug, name, trigger, stage, state, topic) "
            "SELECT %s, %s, slug, name, trigger, stage, state, topic FROM retarget_plugin_flow WHERE id = %s",
            [flow + 1, shop, source[0]],
        )
        connection.execute(
            "INSERT INTO retarget_plugin_flowversion (id, flow_id, number, definition, content, published_at) "
            "SELECT %s, %s, 1, v.definition, v.content, v.published_at FROM retarget_plugin_flowversion v "
            "JOIN retarget_plugin_flow f ON f.version_id = v.id WHERE f.id = %s",
            [version + 1, flow + 1, source[0]],
        )
        connection.execute("UPDATE retarget_plugin_flow SET version_id = %s WHERE id = %s", [version + 1, flow + 1])
        for name in ("flow", "flowversion"):
            connection.execute(_carry_on(_table(name)))
    return shop


def analyze(url: str) -> None:
    """What the planner must know before it is asked, and what autovacuum would do in time."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _flow_of(connection: Any, shop: int) -> dict[str, str]:
    row = connection.execute(
        "SELECT id, version_id FROM retarget_plugin_flow WHERE shop_id = %s AND state = 'on' LIMIT 1", [shop]
    ).fetchone()
    return {"flow_id": str(row[0]), "version_id": str(row[1])}


def _table(name: str) -> str:
    return f"{SHOPS if name in ('basket', 'line') else OURS}{name}"


def _last(connection: Any, name: str) -> int:
    row = connection.execute(SQL("SELECT coalesce(max(id), 0) FROM {}").format(Identifier(_table(name)))).fetchone()
    return int(row[0])


def _carry_on(table: str) -> Composed:
    return SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT max(id) FROM {}))").format(
        Literal(table), Identifier(table)
    )
