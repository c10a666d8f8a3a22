"""Putting a cart back together in the storefront: in the checkout that is still open, or in a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from retarget_plugin.domain.carts import Item

from .client import Client, Unavailable

#: Lines that one link puts back, and tries while the stock moves under us.
MOST_LINES = 100
TRIES = 3

_OPEN = """query ($id: ID!) { checkout(id: $id) {
  id email chargeStatus authorizeStatus channel { slug } user { id } billingAddress { phone } shippingAddress { phone }
  lines { quantity variant { id } } } }"""
# What anybody may read of a checkout whose id they hold.
_MINE = """query ($id: ID!) { checkout(id: $id) {
  id chargeStatus authorizeStatus channel { slug } lines { quantity variant { id } } } }"""
_SOLD = """query ($ids: [ID!], $channel: String!, $first: Int!) {
  productVariants(ids: $ids, channel: $channel, first: $first) {
    edges { node { id quantityAvailable quantityLimitPerCustomer } } } }"""
_CREATE = """mutation ($channel: String!, $lines: [CheckoutLineInput!]!) {
  checkoutCreate(input: {channel: $channel, lines: $lines}) { checkout { id } errors { code variants } } }"""
_ADD = """mutation ($id: ID!, $lines: [CheckoutLineInput!]!) {
  checkoutLinesAdd(id: $id, lines: $lines) { checkout { id } errors { code variants } } }"""
_PROMO = """mutation ($id: ID!, $code: String!) {
  checkoutAddPromoCode(id: $id, promoCode: $code) { checkout { id } errors { code } } }"""


def is_open(client: Client, reference: str, *, is_own: bool) -> bool:
    """Whether whoever asks may go on with this very checkout.

    Whoever holds a checkout's id reads its e-mail, name, address and phone without logging in. So it is handed to the
    browser that is known to be its owner's, and to others only where it says nothing about anybody.
    """
    checkout = client.query(_OPEN, {"id": reference})["checkout"] if reference else None
    if checkout is None or _is_in_payment(checkout) or not checkout["lines"]:
        return False
    return is_own or not any(checkout[name] for name in ("email", "user", "billingAddress", "shippingAddress"))


def rebuild(request: HttpRequest, items: Sequence[Item], *, api_url: str, alias: str, channel: str) -> str:
    """The id of the requester's own checkout in `channel`, raised to what `items` say; "" when nothing of them is sold.

    It carries lines and nobody's name. Its id stays in the session, where there is one, so that a second click finds it.
    All of it is asked without our token, as the storefront would: what cannot be bought there is not put back.
    Raises client.SaleorError.
    """
    storefront, key = Client(api_url), f"retarget.saleor.{alias}.{channel}"
    session = getattr(request, "session", {})
    mine = _read(storefront, session.get(key, ""), channel=channel)
    held = Counter({line["variant"]["id"]: line["quantity"] for line in mine["lines"]} if mine else {})
    wanted = _sold(storefront, _wanted(items), channel=channel)
    missing = {variant: quantity - held[variant] for variant, quantity in wanted.items() if quantity > held[variant]}
    found = str(mine["id"]) if mine else ""
    if missing:
        found = _put(storefront, found, missing, channel=channel) or found
    if found:
        session[key] = found
    return found


def add_voucher(api_url: str, checkout: str, code: str) -> None:
    """Apply a voucher where it is still good; a used or expired one is no reason to fail."""
    Client(api_url).query(_PROMO, {"id": checkout, "code": code})


def remember(request: HttpRequest, checkout: str) -> None:
    """Which checkout this request has led to."""
    request.retarget_checkout = checkout  # type: ignore[attr-defined]


def remembered(request: HttpRequest) -> str:
    return getattr(request, "retarget_checkout", "")


def _read(client: Client, reference: str, *, channel: str) -> dict[str, Any] | None:
    checkout = client.query(_MINE, {"id": reference})["checkout"] if reference else None
    is_usable = checkout and checkout["channel"]["slug"] == channel and not _is_in_payment(checkout)
    return checkout if is_usable else None


def _is_in_payment(checkout: Mapping[str, Any]) -> bool:
    return checkout["chargeStatus"] != "NONE" or checkout["authorizeStatus"] != "NONE"


def _wanted(items: Iterable[Item]) -> Counter[str]:
    wanted: Counter[str] = Counter()
    for item in items:
        if item.variant_id and (item.variant_id in wanted or len(wanted) < MOST_LINES):
            wanted[item.variant_id] += item.quantity
    return wanted


def _sold(client: Client, wanted: Mapping[str, int], *, channel: str) -> dict[str, int]:
    """Those that the channel still sells, each with what may be bought of it at once."""
    if not wanted:
        return {}
    answer = client.query(_SOLD, {"ids": list(wanted), "channel": channel, "first": len(wanted)})
    nodes = [edge["node"] for edge in answer["productVariants"]["edges"]] if answer["productVariants"] else []
    sold = {}
    for node in nodes:
        limits = [node["quantityAvailable"], node["quantityLimitPerCustomer"]]
        quantity = min([wanted.get(node["id"], 0), *(limit for limit in limits if limit is not None)])
        if quantity > 0:
            sold[node["id"]] = quantity
    return sold


def _put(client: Client, checkout: str, lines: Mapping[str, int], *, channel: str) -> str:
    """The id of the checkout the lines went into, or "". Saleor refuses all of them for one: without that one, again."""
    left = dict(lines)
    for _try in range(TRIES):
        asked = [{"variantId": variant, "quantity": quantity} for variant, quantity in left.items()]
        if checkout:
            answer = client.query(_ADD, {"id": checkout, "lines": asked})["checkoutLinesAdd"]
        else:
            answer = client.query(_CREATE, {"channel": channel, "lines": asked})["checkoutCreate"]
        if not answer["errors"]:
            return str(answer["checkout"]["id"])
        refused = {variant for error in answer["errors"] for variant in error["variants"] or ()}
        if not refused & set(left):
            raise Unavailable(f"Saleor takes no checkout: {', '.join(error['code'] for error in answer['errors'])}.")
        left = {variant: quantity for variant, quantity in left.items() if variant not in refused}
        if not left:
            return ""
    raise Unavailable("The stock moves faster than a checkout can be made.")
