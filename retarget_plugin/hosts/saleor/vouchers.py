"""Vouchers: one for each campaign, shop and end, with a code for each recipient."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.hosts import codes

from .client import Client, Denied, Unavailable

NAME_LENGTH = 255
#: Pages of one voucher, of a hundred codes each, that are leafed through for those that are to go.
MOST_PAGES = 100

_CHANNEL = "query ($slug: String!) { channel(slug: $slug) { id isActive currencyCode } }"
_FIND = """query ($words: String!) { vouchers(first: 20, filter: {search: $words}) {
  edges { node { id name channelListings { channel { id } } } } } }"""
_CREATE = """mutation ($input: VoucherInput!) { voucherCreate(input: $input) {
  voucher { id channelListings { channel { id } } } errors { field code } } }"""
_ADD_CODE = """mutation ($id: ID!, $codes: [String!]!) { voucherUpdate(id: $id, input: {addCodes: $codes}) {
  voucher { id channelListings { channel { id } } } errors { field code } } }"""
_LIST = """mutation ($id: ID!, $listing: VoucherChannelListingAddInput!) {
  voucherChannelListingUpdate(id: $id, input: {addChannels: [$listing]}) { voucher { id } errors { field code } } }"""
_CODES = """query ($id: ID!, $after: String) { voucher(id: $id) { codes(first: 100, after: $after) {
  edges { node { id code used isActive } } pageInfo { hasNextPage endCursor } } } }"""
_DROP = "mutation ($ids: [ID!]!) { voucherCodeBulkDelete(ids: $ids) { count errors { code } } }"
_DELETE = "mutation ($id: ID!) { voucherDelete(id: $id) { errors { field code } } }"


def mint(client: Client, spec: CouponSpec) -> str | None:
    """A code that works once, in the channel `spec.scope`, and at least until `spec.expires_at`.

    The same idempotency key answers the same code, also where an earlier call broke off half-way: Saleor holds a code
    once, and what is missing of its voucher is added. None for what Saleor cannot do: an unknown kind, a percentage above
    100, a channel that is closed or counts in another currency. Raises client.SaleorError.
    """
    channel = _channel(client, spec)
    if channel is None or codes.problems(spec, currency=channel["currencyCode"]):
        return None
    key = spec.idempotency_key or uuid.uuid4().hex
    code = codes.from_key(key, salt="retarget_plugin.hosts.saleor.vouchers")
    voucher = _holding(client, code) or _add(client, code, spec)
    # A voucher is off in every channel it is not listed in, whoever made it.
    if not any(listing["channel"]["id"] == channel["id"] for listing in voucher["channelListings"] or ()):
        _list(client, voucher["id"], channel["id"], spec)
    return code


def problems(client: Client, spec: CouponSpec) -> list[str]:
    """Why Saleor cannot make this code; also that the app may not. Raises client.SaleorError for anything else."""
    try:
        channel = _channel(client, spec)
        client.query(_FIND, {"words": _name(spec)})
    except Denied:
        return [_("The app may not make vouchers in this Saleor: it needs the permission MANAGE_DISCOUNTS.")]
    if channel is None:
        return [_("Saleor has no open channel %(channel)s.") % {"channel": spec.scope}]
    return codes.problems(spec, currency=channel["currencyCode"])


def withdraw(client: Client, given: Sequence[str]) -> None:
    """Delete codes that were never used, and a voucher that has none left. Raises client.SaleorError."""
    asked, leafed_through = set(given), set()
    for code in given:
        voucher = _holding(client, code) if code in asked else None
        if voucher is None or voucher["id"] in leafed_through:
            continue
        leafed_through.add(voucher["id"])
        found = dict(_codes(client, voucher["id"]))
        unused = {name: told["id"] for name, told in found.items() if not told["used"] and told["isActive"]}
        going = [unused[name] for name in asked & set(unused)]
        if going:
            _done(client.query(_DROP, {"ids": going})["voucherCodeBulkDelete"])
        if len(going) == len(found):
            _done(client.query(_DELETE, {"id": voucher["id"]})["voucherDelete"])
        asked -= set(found)


def _codes(client: Client, voucher: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every code of a voucher, page by page."""
    after = None
    for _page in range(MOST_PAGES):
        shown = client.query(_CODES, {"id": voucher, "after": after})["voucher"]["codes"]
        yield from ((edge["node"]["code"], edge["node"]) for edge in shown["edges"])
        if not shown["pageInfo"]["hasNextPage"]:
            return
        after = shown["pageInfo"]["endCursor"]


def _done(answer: Mapping[str, Any]) -> None:
    if answer["errors"]:
        raise Unavailable(f"Saleor does not remove it ({', '.join(str(error['code']) for error in answer['errors'])}).")


def _channel(client: Client, spec: CouponSpec) -> dict[str, Any] | None:
    """The channel a code is to be good in, where it is open."""
    channel = client.query(_CHANNEL, {"slug": spec.scope})["channel"]
    return channel if channel and channel["isActive"] else None


def _name(spec: CouponSpec) -> str:
    """What tells one voucher from another; the owner reads it among their own."""
    value = f"{spec.value.normalize():f} {'percent' if spec.kind == 'percent' else spec.currency}"
    least = f" from {spec.minimum_total.normalize():f}" if spec.minimum_total else ""
    told = f"{value}{least}, {spec.scope}, until {_told(_ends_at(spec))}"
    return f"{(spec.label or 'Retarget')[: NAME_LENGTH - len(told) - 2]}: {told}"


def _ends_at(spec: CouponSpec) -> datetime:
    """Saleor has one end for all codes of a voucher. A midnight somewhere, which is a whole quarter of an hour, is kept as it
    is; any other end would make a voucher for each person, so it becomes the midnight (UTC) after it."""
    ends_at = spec.expires_at.astimezone(UTC)
    if ends_at.minute % 15 == 0 and not (ends_at.second or ends_at.microsecond):
        return ends_at
    return ends_at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _told(ends_at: datetime) -> str:
    """The end in a voucher's name: a day up to its midnight (UTC), else the minute."""
    is_midnight = ends_at.hour == ends_at.minute == 0
    return f"{ends_at - timedelta(days=1):%Y-%m-%d}" if is_midnight else f"{ends_at:%Y-%m-%d %H:%M}"


def _holding(client: Client, code: str) -> dict[str, Any] | None:
    """The voucher that has this code, whatever it is called: nobody else can make one of our codes."""
    edges = client.query(_FIND, {"words": code})["vouchers"]["edges"]
    return edges[0]["node"] if edges else None


def _named(client: Client, name: str) -> dict[str, Any] | None:
    """Saleor's search also finds what only looks like it."""
    edges = client.query(_FIND, {"words": name})["vouchers"]["edges"]
    return next((edge["node"] for edge in edges if edge["node"]["name"] == name), None)


def _add(client: Client, code: str, spec: CouponSpec) -> Mapping[str, Any]:
    name = _name(spec)
    known = _named(client, name)
    if known:
        answer = client.query(_ADD_CODE, {"id": known["id"], "codes": [code]})["voucherUpdate"]
    else:
        answer = client.query(_CREATE, {"input": _input(code, name=name, spec=spec)})["voucherCreate"]
    if not answer["errors"]:
        return answer["voucher"]
    # Somebody else with the same key was quicker.
    taken = any(error["code"] == "ALREADY_EXISTS" for error in answer["errors"])
    found = _holding(client, code) if taken else None
    if found is None:
        raise _refused(answer)
    return found


def _input(code: str, *, name: str, spec: CouponSpec) -> dict[str, Any]:
    """`singleUse` makes every code good for one order. A usage limit would count the orders of all codes together."""
    return {
        "name": name,
        "type": "ENTIRE_ORDER",
        "discountValueType": "PERCENTAGE" if spec.kind == "percent" else "FIXED",
        "singleUse": True,
        "endDate": _ends_at(spec).isoformat(),
        "addCodes": [code],
    }


def _list(client: Client, voucher: str, channel: str, spec: CouponSpec) -> None:
    listing: dict[str, Any] = {"channelId": channel, "discountValue": str(spec.value)}
    if spec.minimum_total:
        listing["minAmountSpent"] = str(spec.minimum_total)
    answer = client.query(_LIST, {"id": voucher, "listing": listing})["voucherChannelListingUpdate"]
    if answer["errors"]:
        raise _refused(answer)


def _refused(answer: Mapping[str, Any]) -> Unavailable:
    told = ", ".join(f"{error['field']}: {error['code']}" for error in answer["errors"])
    return Unavailable(f"Saleor does not take the voucher ({told}).")
