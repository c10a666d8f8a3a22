"""Saleor's JSON, as our subscriptions and queries select it, read into our own snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from retarget_plugin.domain import strict_json
from retarget_plugin.domain.carts import Cart, Identity, Item, Order
from retarget_plugin.domain.vocabulary import Channel, Stage
from retarget_plugin.exceptions import InputError

from .options import Options

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 12
#: An amount of more than this is no price.
LARGEST = Decimal(10) ** 11
ID_LIMIT, TITLE_LIMIT, CATEGORY_LIMIT, URL_LIMIT = 120, 250, 200, 2_000

_PAID = ("FULL", "OVERCHARGED")
_CANCELLED = ("CANCELED", "EXPIRED")
#: Where an order comes from that nobody placed in the storefront.
_BY_STAFF = ("DRAFT", "REISSUE", "BULK_CREATE")
#: What a storefront writes into the metadata of a checkout or an account: "consent.email" and "consent.sms".
_CONSENT = {"true": True, "false": False}

Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What one webhook says. Only what the event is about is set; `data` is all of it.

    `name`: the GraphQL type of the event, such as CheckoutUpdated. `issued_at`: when it happened; an event with a later
    one knows all that this one does. `issuer`: id of the app or user that caused it, where Saleor says.
    `consents`: channel -> what was ticked in this checkout; `account_consents`: what its account (`customer`) says where
    the checkout says nothing. `wording`: the text beside the box, where the storefront keeps it.
    """

    name: str
    issued_at: datetime
    issuer: str = ""
    channel: str = ""
    currency: str = ""
    cart: Cart | None = None
    stage: Stage = Stage.CART
    order: Order | None = None
    customer: Identity | None = None
    consents: Mapping[str, bool] = field(default_factory=dict)
    account_consents: Mapping[str, bool] = field(default_factory=dict)
    wording: str = ""
    app_id: str = ""
    is_active: bool = True
    data: Data = field(default_factory=dict)


def read(body: bytes, options: Options) -> Event:
    """The event that `body` is. Raises InputError for anything else."""
    data = strict_json.read(body, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    name, issued_at = _text(data, "__typename", limit=80), _time(data, "issuedAt")
    if not name or issued_at is None:
        raise InputError("bad_event", "An event has a type and a time.")
    told: dict[str, Any] = {"name": name, "issued_at": issued_at, "issuer": _text(data, "issuingPrincipal", "id")}
    about = _part(data, "checkout") or _part(data, "order")
    user = _part(data, "user") or _part(about, "user")
    if _part(data, "checkout"):
        told |= {"cart": cart(about, options), "stage": _stage(about)}
    elif about:
        told |= {"order": order(about, options)}
    elif _part(data, "app"):
        is_active = name != "AppDeleted" and _at(data, "app", "isActive") is not False
        told |= {"app_id": _text(data, "app", "id"), "is_active": is_active}
    own = _consents(about)
    return Event(
        **told,
        channel=_id(_part(about, "channel"), "slug") if about else "",
        currency=_text(about, "channel", "currencyCode", limit=3),
        customer=customer(user) if user else None,
        consents=own,
        account_consents={channel: word for channel, word in _consents(user).items() if channel not in own},
        wording=_metadata(about).get("consent.wording", "")[:1_000],
        data=data,
    )


def cart(checkout: Data, options: Options) -> Cart:
    """Frozen while Saleor has the money and no order is made of it yet."""
    is_paid = _text(checkout, "authorizeStatus") == "FULL" or _text(checkout, "chargeStatus") in _PAID
    total = _amount(checkout, "totalPrice", "gross", "amount")
    return Cart(
        reference=_id(checkout, "id"),
        currency=_text(checkout, "channel", "currencyCode", limit=3),
        items=tuple(_cart_items(checkout, options)),
        identity=_shopper(checkout, email=_text(checkout, "email", limit=254), locale=_text(checkout, "languageCode")),
        total=total,
        updated_at=_time(checkout, "updatedAt"),
        is_frozen=is_paid and total > 0,
        coupon=_text(checkout, "voucherCode"),
    )


def order(data: Data, options: Options) -> Order:
    coupon = _text(data, "voucherCode")
    is_fulfilled = _text(data, "status") == "FULFILLED"
    return Order(
        reference=_id(data, "id"),
        number=_text(data, "number"),
        currency=_text(data, "channel", "currencyCode", limit=3),
        total=_amount(data, "total", "gross", "amount"),
        identity=_shopper(data, email=_text(data, "userEmail", limit=254), locale=_text(data, "languageCodeEnum")),
        cart_reference=_text(data, "checkoutId"),
        items=tuple(_order_items(data, options)),
        is_paid=data.get("isPaid") is True,
        is_cancelled=_text(data, "status") in _CANCELLED,
        coupon_codes=(coupon,) if coupon else (),
        discounts=_discounts(data, coupon),
        placed_at=_time(data, "created"),
        is_fulfilled=is_fulfilled,
        fulfilled_at=_time(data, "updatedAt") if is_fulfilled else None,
        is_by_staff=_text(data, "origin") in _BY_STAFF,
    )


def product(data: Data, options: Options, *, channel: str) -> Item:
    """A product as `channel` sells it: at the price of its cheapest variant. Without a price nobody can buy it."""
    price = _part(_part(_part(data, "pricing"), "priceRange"), "start")
    return Item(
        product_id=_id(data, "id"),
        title=_text(data, "name", limit=TITLE_LIMIT),
        quantity=1,
        unit_price=_amount(price, "gross", "amount") if price else Decimal(),
        url=options.product_url(channel=channel, slug=_text(data, "slug", limit=TITLE_LIMIT)),
        image_url=_text(data, "thumbnail", "url", limit=URL_LIMIT),
        category=_text(data, "category", "name", limit=CATEGORY_LIMIT),
        is_available=bool(price) and data.get("isAvailable") is True,
    )


def _discounts(data: Data, coupon: str) -> dict[str, Decimal]:
    """What the voucher took off an order, which has one at the most. Left out where it is not told: the order counts anyway."""
    told = [_at(each, "amount", "amount") for each in _parts(data, "discounts") if _text(each, "type") == "VOUCHER"]
    amounts = [Decimal(value) for value in told if type(value) in (int, Decimal) and 0 <= value < LARGEST]
    return {coupon: sum(amounts, Decimal())} if coupon and amounts else {}


def customer(user: Data) -> Identity:
    """An account. Saleor's isConfirmed proves no address: accounts that staff makes, or shops that ask for none, have it too."""
    return Identity(
        external_id=_id(user, "id"),
        email=_text(user, "email", limit=254),
        phone=_text(user, "defaultBillingAddress", "phone", limit=32),
        first_name=_text(user, "firstName"),
        last_name=_text(user, "lastName"),
        locale=_locale(_text(user, "languageCode")),
        country=_text(user, "defaultBillingAddress", "country", "code", limit=2),
    )


def _shopper(data: Data, *, email: str, locale: str) -> Identity:
    """Whose a checkout or an order is: its own address first, then the account's."""
    user = _part(data, "user")
    address = _part(data, "shippingAddress") or _part(data, "billingAddress")
    phone = _text(address, "phone", limit=32) or _text(data, "billingAddress", "phone", limit=32)
    return Identity(
        external_id=_text(user, "id"),
        email=email or _text(user, "email", limit=254),
        phone=phone,
        first_name=_text(user, "firstName") or _text(data, "billingAddress", "firstName"),
        last_name=_text(user, "lastName") or _text(data, "billingAddress", "lastName"),
        locale=_locale(locale),
        country=_text(address, "country", "code", limit=2),
    )


def _stage(checkout: Data) -> Stage:
    """A guest who typed an address has begun to check out; whoever is logged in has one from the start."""
    if _text(checkout, "authorizeStatus") not in ("", "NONE") or _text(checkout, "chargeStatus") not in ("", "NONE"):
        return Stage.PAYMENT
    is_guest = not _part(checkout, "user")
    is_begun = _part(checkout, "shippingAddress") or (is_guest and _text(checkout, "email"))
    return Stage.CHECKOUT if is_begun else Stage.CART


def _cart_items(checkout: Data, options: Options) -> list[Item]:
    channel = _text(checkout, "channel", "slug")
    found = []
    for line in _parts(checkout, "lines"):
        variant, product = _part(line, "variant"), _part(_part(line, "variant"), "product")
        if not product:
            continue
        name, variant_id = _text(variant, "name", limit=TITLE_LIMIT), _text(variant, "id")
        # A variant without a name of its own is called by its id.
        titles = [_text(product, "name", limit=TITLE_LIMIT), name if name != variant_id else ""]
        found.append(
            Item(
                product_id=_id(product, "id"),
                variant_id=variant_id,
                sku=_text(variant, "sku"),
                title=", ".join(filter(None, titles))[:TITLE_LIMIT],
                quantity=_quantity(line),
                unit_price=_amount(line, "unitPrice", "gross", "amount"),
                url=options.product_url(channel=channel, slug=_text(product, "slug", limit=TITLE_LIMIT)),
                image_url=_text(product, "thumbnail", "url", limit=URL_LIMIT),
                category=_text(product, "category", "name", limit=CATEGORY_LIMIT),
            )
        )
    return found


def _order_items(data: Data, options: Options) -> list[Item]:
    """Also of products that the shop has deleted since: then there is only the name."""
    channel = _text(data, "channel", "slug")
    found = []
    for line in _parts(data, "lines"):
        variant_id = _text(line, "productVariantId")
        product = _part(_part(line, "variant"), "product")
        name = _text(line, "variantName", limit=TITLE_LIMIT)
        titles = [_text(line, "productName", limit=TITLE_LIMIT), name if name != variant_id else ""]
        found.append(
            Item(
                product_id=_text(product, "id") or variant_id,
                variant_id=variant_id,
                sku=_text(line, "productSku"),
                title=", ".join(filter(None, titles))[:TITLE_LIMIT],
                quantity=_quantity(line),
                unit_price=_amount(line, "unitPrice", "gross", "amount"),
                url=options.product_url(channel=channel, slug=_text(product, "slug", limit=TITLE_LIMIT)),
                image_url=_text(line, "thumbnail", "url", limit=URL_LIMIT),
                category=_text(product, "category", "name", limit=CATEGORY_LIMIT),
            )
        )
    return found


def _consents(about: Data) -> dict[str, bool]:
    said = _metadata(about)
    words = {channel.value: said.get(f"consent.{channel}", "").lower() for channel in Channel}
    return {channel: _CONSENT[word] for channel, word in words.items() if word in _CONSENT}


def _metadata(about: Data) -> dict[str, str]:
    return {_text(entry, "key"): _text(entry, "value", limit=2_000) for entry in _parts(about, "metadata")}


def _locale(code: str) -> str:
    """EN_US -> en-us, ZH_HANS_CN -> zh-hans-cn."""
    return code.replace("_", "-").lower()[:12]


# -- reading ----------------------------------------------------------------------------------------------------------


def _at(data: Any, *path: str) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _part(data: Any, name: str) -> Data:
    """An object, or an empty one for null and for what was not selected."""
    found = _at(data, name)
    return found if isinstance(found, Mapping) else {}


def _parts(data: Data, name: str) -> list[Data]:
    found = data.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _text(data: Any, *path: str, limit: int = ID_LIMIT) -> str:
    """At most `limit` characters, and no zero among them: PostgreSQL stores none."""
    value = _at(data, *path)
    return value.replace("\0", "")[:limit] if isinstance(value, str) else ""


def _id(data: Data, name: str) -> str:
    """Raises InputError: what has no id, or half of one, is nobody's."""
    value = data.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= ID_LIMIT or "\0" in value:
        raise InputError("bad_event", "Something has no id.")
    return value


def _time(data: Data, name: str) -> datetime | None:
    """None for what is no time, or one without a zone."""
    try:
        found = datetime.fromisoformat(_text(data, name))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _amount(data: Data, *path: str) -> Decimal:
    value = _at(data, *path)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < LARGEST:
        raise InputError("bad_event", "An amount is missing or out of bounds.")
    return Decimal(value)


def _quantity(line: Data) -> int:
    value = line.get("quantity")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
        raise InputError("bad_event", "A quantity is missing or out of bounds.")
    return value
