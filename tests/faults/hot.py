"""What the hot statements cost in a rig's database: `python -m tests.faults.hot seed | plans | times ROUNDS`.

`seed` writes one row of every kind that history is made of, for `crowd` to copy. `plans` does one tick and explains each
of its statements: {"statements": number, "scans": [statements that read a table of people from end to end]}. `times` hands
messages over: {"claim": [...], "gate": [...], "page": [...]}, in milliseconds.
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django

#: Tables with a handful of rows are read from end to end, and rightly so.
SMALL = "SELECT relname FROM pg_class WHERE relname LIKE 'retarget_plugin_%' AND reltuples < 1000"
STATEMENT = re.compile(r"SELECT|UPDATE|INSERT|DELETE", re.IGNORECASE)
LIST = re.compile(r"\(%s(, %s)*\)")
PAGE = "/admin/retarget_plugin/message/"


def seed() -> None:
    from retarget_plugin.models import Attempt, Decision, Link, Message, MessageBody, Order, Suppression

    message = Message.objects.select_related("run").get()
    at, owner = message.due_at, {"shop": message.shop, "contact": message.contact}
    Order.objects.create(
        reference="first",
        email="somebody@example.com",
        touched_at=at,
        read_at=at,
        placed_at=at,
        settled_at=at,
        shop=message.shop,
    )
    Suppression.objects.create(shop=message.shop, channel="email", key="first", reason="bounce", at=at)
    Decision.objects.create(run=message.run, message=message, cart=message.run.cart, code="queued", at=at, **owner)
    Attempt.objects.create(message=message, fence=0, gateway="email", outcome="accepted", started_at=at, ended_at=at)
    MessageBody.objects.create(message=message, subject="Your cart", text="Your cart", html="<p>Your cart</p>")
    Link.objects.create(shop=message.shop, code="first", message=message, destination="/", created_at=at)


def plans() -> dict[str, Any]:
    """The plan of each statement of one tick, as it is just before it is executed."""
    from django.db import connection

    from retarget_plugin.engine import retention, tick
    from retarget_plugin.models.clock import database_now

    seen: dict[str, list[str]] = {}
    # The purge reads what is old from end to end, and does it once a day.
    assert not retention.purge_daily(now=database_now())["failed"]
    with connection.cursor() as cursor:
        cursor.execute(SMALL)
        small = {name for (name,) in cursor.fetchall()}

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if STATEMENT.match(sql) and sql not in seen and not many:
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                seen[sql] = [table for table in _scans(cursor.fetchone()[0][0]["Plan"]) if table not in small]
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        done = tick.once(now=database_now())
    assert not done["failed"], done
    scans = [
        f"{', '.join(tables)}: {LIST.sub('(…)', sql[sql.find(' WHERE ') :])}" for sql, tables in seen.items() if tables
    ]
    return {"statements": len(seen), "scans": scans, "done": dict(done)}


def times(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every claim of messages, every pass of the gate over ten messages, and the list's first page."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    from retarget_plugin.engine import delivery, gates
    from retarget_plugin.models import Message
    from retarget_plugin.models.clock import database_now

    spent: dict[str, list[float]] = {"claim": [], "gate": [], "page": []}

    def stop_claims(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "SKIP LOCKED" not in sql or "retarget_plugin_message" not in sql:
            return execute(sql, params, many, context)
        with _clocked(spent["claim"]):
            return execute(sql, params, many, context)

    client = Client()
    client.force_login(get_user_model().objects.create_superuser(f"owner-{uuid.uuid4()}", password="unused"))
    for _round in range(rounds):
        now = database_now()
        with connection.execute_wrapper(stop_claims):
            delivery.dispatch(now=now)
        some = list(Message.objects.filter(state="scheduled").order_by("shop_id", "channel", "due_at")[:10])
        with _clocked(spent["gate"]):
            gates.verdicts(some, now=now)
        with _clocked(spent["page"]):
            assert client.get(PAGE).status_code == 200
    return spent


def _scans(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"].startswith("retarget_plugin_"):
        yield plan["Relation Name"]
    for below in plan.get("Plans", ()):
        yield from _scans(below)


@contextmanager
def _clocked(spent: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    spent.append(round(1000 * (time.perf_counter() - began), 2))


def main(mode: str, rounds: str = "1") -> None:
    if mode == "seed":
        seed()
    else:
        print(json.dumps(plans() if mode == "plans" else times(int(rounds))))


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
