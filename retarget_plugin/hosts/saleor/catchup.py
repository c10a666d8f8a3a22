"""What Saleor's webhooks failed to bring, asked of its API: they are given up after 310 seconds, and never come again.

Everything is told in the form of a webhook's body, so that it goes the way of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from .client import Client
from .subscriptions import CHECKOUT_FIELDS, ORDER_FIELDS

PAGE = 50
#: Pages of one listing in one pass; the next pass begins at the newest again.
MOST_PAGES = 40

_FAILED = """query ($first: Int!) { app { webhooks { eventDeliveries(
    first: $first, filter: {status: FAILED}, sortBy: {field: CREATED_AT, direction: DESC}) {
  edges { node { createdAt payload } } } } } }"""
_ORDERS = f"""query ($first: Int!, $after: String, $since: DateTime!) {{ orders(first: $first, after: $after,
    filter: {{updatedAt: {{gte: $since}}}}, sortBy: {{field: LAST_MODIFIED_AT, direction: DESC}}) {{
  pageInfo {{ hasNextPage endCursor }} edges {{ node {{ ...O }} }} }} }}
{ORDER_FIELDS}"""
_CHECKOUTS = f"""query ($first: Int!, $after: String, $since: Date!) {{ checkouts(first: $first, after: $after,
    filter: {{updatedAt: {{gte: $since}}}}, sortBy: {{field: CREATION_DATE, direction: DESC}}) {{
  pageInfo {{ hasNextPage endCursor }} edges {{ node {{ ...C }} }} }} }}
{CHECKOUT_FIELDS}"""


def missed(client: Client, *, since: datetime) -> Iterator[bytes]:
    """The bodies of what failed, and of every order and checkout that changed at or after `since`, newest first.

    An event may be told again that was taken long ago: whoever takes it knows it by its bytes, or by its time.
    Raises client.SaleorError.
    """
    yield from _failed(client, since=since)
    yield from orders(client, since=since)
    yield from checkouts(client, since=since)


def orders(client: Client, *, since: datetime) -> Iterator[bytes]:
    for node in _pages(client, _ORDERS, "orders", since=since.isoformat()):
        yield _event("OrderUpdated", "order", node)


def checkouts(client: Client, *, since: datetime) -> Iterator[bytes]:
    """Saleor filters these by day only."""
    for node in _pages(client, _CHECKOUTS, "checkouts", since=since.astimezone(UTC).date().isoformat()):
        if datetime.fromisoformat(node["updatedAt"]) >= since:
            yield _event("CheckoutUpdated", "checkout", node)


def _failed(client: Client, *, since: datetime) -> Iterator[bytes]:
    """Saleor keeps them for 14 days, payload and all; an app may read its own, but not have them sent again."""
    app = client.query(_FAILED, {"first": PAGE})["app"]
    for webhook in (app or {}).get("webhooks") or ():
        for edge in webhook["eventDeliveries"]["edges"]:
            node = edge["node"]
            if node["payload"] and datetime.fromisoformat(node["createdAt"]) >= since:
                yield node["payload"].encode()


def _pages(client: Client, document: str, name: str, *, since: str) -> Iterator[Mapping[str, Any]]:
    after: str | None = None
    for _page in range(MOST_PAGES):
        found = client.query(document, {"first": PAGE, "after": after, "since": since})[name]
        yield from (edge["node"] for edge in found["edges"])
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"] or not after:
            return


def _event(name: str, subject: str, node: Mapping[str, Any]) -> bytes:
    """As old as what it tells: a webhook that came since knows better."""
    told = {"__typename": name, "issuedAt": node["updatedAt"], "issuingPrincipal": None, subject: node}
    return json.dumps(told, default=float).encode()
