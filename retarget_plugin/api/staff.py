"""What staff may read: messages page by page."""

from __future__ import annotations

from typing import Any

from graphql_relay import from_global_id, to_global_id

from retarget_plugin.domain.vocabulary import Channel, MessageState
from retarget_plugin.models import Flow, Message, Shop

from . import types
from .errors import ApiError, RequestCode
from .limits import DEFAULT_ROWS, MAX_ROWS


def messages(
    root: Any,
    info: Any,
    *,
    first: int | None = None,
    after: str | None = None,
    state: MessageState | None = None,
    channel: Channel | None = None,
    shop: str | None = None,
) -> types.RetargetMessageConnection:
    """A page of messages, newest first. The cursor is a key, so a page costs the same wherever it lies."""
    size = DEFAULT_ROWS if first is None else first
    if not 1 <= size <= MAX_ROWS:
        raise bad_argument(f"first must be between 1 and {MAX_ROWS}.")
    found = Message.objects.all()
    if state:
        found = found.filter(state=state)
    if channel:
        found = found.filter(channel=channel)
    if shop:
        found = found.filter(shop=key_of(shop, "RetargetShop", argument="shop"))
    page = found if after is None else found.filter(pk__lt=key_of(after, "RetargetMessage", argument="after"))
    # One more than asked for says whether there is a next page.
    rows = list(page.select_related("shop", "contact", "run__flow").order_by("-pk")[: size + 1])
    edges = [_edge(message) for message in rows[:size]]
    return types.RetargetMessageConnection(
        edges=edges,
        total_count=found.count,
        page_info=types.RetargetPageInfo(
            has_next_page=len(rows) > size,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _edge(message: Message) -> types.RetargetMessageEdge:
    key = to_global_id("RetargetMessage", message.pk)
    node = types.RetargetMessage(
        id=key,
        shop=shop_node(message.shop),
        flow=flow_node(message.run.flow) if message.run else None,
        step=message.step,
        channel=message.channel,
        recipient=message.contact.masked,
        state=message.state,
        reason=message.reason or None,
        attempts=message.attempts_made,
        segments=message.segments,
        cost=None if message.cost is None else types.money(message.cost, message.cost_currency),
        created_at=message.created_at,
        due_at=message.due_at,
        not_after=message.not_after,
        sent_at=message.sent_at,
        delivered_at=message.delivered_at,
        bounced_at=message.bounced_at,
        complained_at=message.complained_at,
        opened_at=message.opened_at,
        clicked_at=message.clicked_at,
        unsubscribed_at=message.unsubscribed_at,
    )
    return types.RetargetMessageEdge(node=node, cursor=key)


def shop_node(shop: Shop) -> types.RetargetShop:
    return types.RetargetShop(id=to_global_id("RetargetShop", shop.pk), name=shop.name)


def flow_node(flow: Flow) -> types.RetargetFlow:
    return types.RetargetFlow(id=to_global_id("RetargetFlow", flow.pk), slug=flow.slug, name=flow.name)


def shop_of(given: str | None) -> Shop:
    """The shop with this id; without one the only shop there is."""
    if given:
        found = Shop.objects.filter(pk=key_of(given, "RetargetShop", argument="shop")).first()
        if found is None:
            raise bad_argument("There is no such shop.")
        return found
    shops = list(Shop.objects.order_by("pk")[:2])
    if len(shops) != 1:
        raise bad_argument("There is not exactly one shop: say which one.")
    return shops[0]


def key_of(given: str, kind: str, *, argument: str) -> int:
    """The primary key in a global id of `kind`, or in the plain number that the admin shows."""
    name, key = (kind, given) if given.isdecimal() else from_global_id(given)
    # Eighteen digits fit the database's integers.
    if name != kind or not key.isascii() or not key.isdecimal() or len(key) > 18:
        raise bad_argument(f"{argument} is not an id that this API gave out.")
    return int(key)


def bad_argument(message: str) -> ApiError:
    return ApiError(message, RequestCode.BAD_ARGUMENT.value)
