"""What happens in a storefront, as a browser tells it: names, and the beacon that carries them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from retarget_plugin.exceptions import InputError

from . import strict_json
from .contexts import clean_text
from .grants import Grant

VERSION = 1
MAX_BYTES = 16_384
MAX_DEPTH = 5
MAX_EVENTS = 50
MAX_ITEMS = 50
#: Fields of an item that a page may send; those we do not know are left out.
MAX_ITEM_FIELDS = 40
#: A page that slept for longer tells of things that happened this long ago.
LONGEST_AGO = timedelta(hours=12)
LARGEST = Decimal(10) ** 10

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
# People type anything into a search field, and forms put it into addresses and titles.
_PRIVATE = re.compile(r"[^\s/]+(?:@|%40)[^\s/]+|\d(?:[ -]?\d){11,18}")


class EventName(StrEnum):
    """GA4's names, then our own. A shop may add others of the same form."""

    PAGE_VIEW = "page_view"
    VIEW_ITEM = "view_item"
    VIEW_ITEM_LIST = "view_item_list"
    SEARCH = "search"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    VIEW_CART = "view_cart"
    BEGIN_CHECKOUT = "begin_checkout"
    PURCHASE = "purchase"
    READ_POST = "read_post"
    FORM_SHOWN = "form_shown"
    FORM_SUBMITTED = "form_submitted"
    ASSET_DOWNLOADED = "asset_downloaded"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing somebody did. `product`: the item's id when it is about one alone; `ago`: how long it has been.

    `value` is an amount of `currency` in major units. `data`: "items", "title", "ref" (a host), "q"; only what is known.
    """

    name: str
    product: str = ""
    topic: str = ""
    path: str = ""
    value: Decimal | None = None
    currency: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    ago: timedelta = timedelta()


@dataclass(frozen=True, kw_only=True)
class Beacon:
    """One report of a page. Without `grant` nothing in it may be kept of whoever sent it; `is_withdrawal`: never again."""

    grant: Grant | None = None
    events: tuple[Event, ...] = ()
    is_withdrawal: bool = False

    @property
    def ends_tracking(self) -> bool:
        """True when the owner of the browser says no, or says what is allowed and tracking is not among it."""
        return self.is_withdrawal or (self.grant is not None and not self.grant.tracking)


def parse(body: bytes) -> Beacon:
    """The beacon that `body` is. Raises InputError, "too_large" where it is that, for anything that is not exactly one."""
    data = strict_json.read(body, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    if data.get("v") != VERSION:
        raise _refused("v")
    if "withdraw" in data:
        if data != {"v": VERSION, "withdraw": True}:
            raise _refused("withdraw")
        return Beacon(is_withdrawal=True)
    _only(data, "v", "grant", "page", "events")
    page = _page(_mapping(data.get("page", {}), "page"))
    grant = data.get("grant")
    return Beacon(grant=None if grant is None else _grant(grant), events=_events(data.get("events"), page))


def is_name(text: str) -> bool:
    """True for what may be an event's name: ours, or one of a shop's own."""
    return _NAME.fullmatch(text) is not None


def clean_path(value: object) -> str:
    """A page's path as it may be kept: without its query, without addresses and card numbers; "" when it is none."""
    text = value if isinstance(value, str) else ""
    path = text.partition("?")[0].partition("#")[0]
    return _discreet(path, 300) if path.startswith("/") else ""


def _grant(data: object) -> Grant:
    found = _mapping(data, "grant")
    _only(found, "tracking", "ads", "measurement", "wording", "source")
    said = {name: found.get(name, False) for name in ("tracking", "ads", "measurement")}
    if not all(isinstance(yes, bool) for yes in said.values()):
        raise _refused("grant")
    return Grant(**said, wording=_text(found, "wording", 40), source=_text(found, "source", 40))


def _page(data: Mapping[str, Any]) -> dict[str, str]:
    _only(data, "path", "title", "ref")
    ref = _text(data, "ref", 253).lower()
    return {
        "path": clean_path(data.get("path", "")),
        "title": _discreet(_text(data, "title", 250), 250),
        "ref": ref if _HOST.fullmatch(ref) else "",
    }


def _events(data: object, page: Mapping[str, str]) -> tuple[Event, ...]:
    """Those told twice in one beacon count once."""
    if not isinstance(data, list) or not 1 <= len(data) <= MAX_EVENTS:
        raise _refused("events")
    seen: set[str] = set()
    found = []
    for number, one in enumerate(data):
        event = _mapping(one, "events")
        name = event.get("i", str(number))
        if not isinstance(name, str) or not _EVENT_ID.fullmatch(name):
            raise _refused("i")
        if "i" not in event or name not in seen:
            found.append(_event(event, page))
        seen.add(name)
    return tuple(found)


def _event(data: Mapping[str, Any], page: Mapping[str, str]) -> Event:
    _only(data, "n", "i", "a", "items", "value", "currency", "topic", "q")
    name, currency, items = data.get("n"), _text(data, "currency", 3), data.get("items", [])
    if not isinstance(name, str) or not is_name(name):
        raise _refused("n")
    if currency and not _CURRENCY.fullmatch(currency):
        raise _refused("currency")
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise _refused("items")
    lines = [line for line in map(_item, items) if line]
    details = {
        "items": lines,
        "title": page["title"],
        "ref": page["ref"],
        "q": _discreet(_text(data, "q", 120), 120),
    }
    return Event(
        name=name,
        product=lines[0]["item_id"] if len(lines) == 1 else "",
        topic=_text(data, "topic", 60),
        path=page["path"],
        value=_amount(data.get("value")),
        currency=currency,
        data={key: value for key, value in details.items() if value},
        ago=min(timedelta(milliseconds=_milliseconds(data.get("a", 0))), LONGEST_AGO),
    )


def _item(data: object) -> dict[str, Any] | None:
    """One of GA4's items as it is kept, amounts as text; None without an id."""
    found = _mapping(data, "items")
    if len(found) > MAX_ITEM_FIELDS:
        raise _refused("items")
    identity, quantity = found.get("item_id"), found.get("quantity", 1)
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or clean_text(identity, 120) != identity:
        return None
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 <= quantity <= 1_000_000:
        raise _refused("quantity")
    price = _amount(found.get("price"))
    line = {
        "item_id": identity,
        "item_name": _text(found, "item_name", 250),
        "item_category": _text(found, "item_category", 200),
        "price": "" if price is None else str(price),
        "quantity": quantity,
    }
    return {key: value for key, value in line.items() if value != ""}


def _amount(value: object) -> Decimal | None:
    """A number, or one written as text; rounded to hundredths."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise _refused("amount")
    if isinstance(value, str) and len(value) > strict_json.MAX_DIGITS:
        raise _refused("amount")
    try:
        amount = Decimal(value)
        if not amount.is_finite() or abs(amount) >= LARGEST:
            raise _refused("amount")
        return amount.quantize(Decimal("0.01"))
    except InvalidOperation as error:
        raise _refused("amount") from error


def _milliseconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < LARGEST:
        raise _refused("a")
    return int(value)


def _text(data: Mapping[str, Any], key: str, limit: int) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise _refused(key)
    return clean_text(value, limit) or ""


def _discreet(text: str, limit: int) -> str:
    """`text` on one line, without what looks like an e-mail address or the number of a card."""
    return (clean_text(_PRIVATE.sub("***", text[: limit * 2]), limit) or "")[:limit]


def _mapping(value: object, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _refused(key)
    return value


def _only(data: Mapping[str, Any], *known: str) -> None:
    if not data.keys() <= set(known):
        raise _refused("unknown field")


def _refused(what: str) -> InputError:
    return InputError("bad_beacon", f"Not as it should be: {what}.")
