"""What the fake Saleor sells: channels, variants, checkouts, orders and vouchers, as its API shows and changes them."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from .saleor_nodes import Node, cursor, gid, money, refused, taxed
from .saleor_vouchers import SaleorVouchers

MOST_OF_AN_ITEM = 50


class SaleorShop(SaleorVouchers):
    """Every object is the dict its API shows. `emit` is told of what happens; `issuer` is whoever is changing things."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self.emit = emit
        self.now: Callable[[], datetime] = timezone.now
        self.issuer: Node | None = None
        self.channels: dict[str, Node] = {}
        self.variants: dict[str, Node] = {}
        self.checkouts: dict[str, Node] = {}
        self.orders: dict[str, Node] = {}
        self.vouchers: dict[str, Node] = {}
        self.add_channel("default-channel", "USD")

    def roots(self) -> dict[str, Callable[..., Any]]:
        return {
            "channel": lambda slug="": self.channels.get(slug),
            "checkout": lambda id="": self.checkouts.get(id),
            "checkouts": self._checkouts,
            "order": lambda id="": self.orders.get(id),
            "orders": self._orders,
            "products": self._products,
            "productVariants": self._variants,
            "voucher": self._voucher,
            "vouchers": self._vouchers,
            "checkoutCreate": self._checkout_create,
            "checkoutLinesAdd": self._lines_add,
            "checkoutEmailUpdate": self._email_update,
            "checkoutBillingAddressUpdate": self._billing_address_update,
            "checkoutAddPromoCode": self._add_promo_code,
            "checkoutComplete": self._complete,
            "voucherCreate": self._voucher_create,
            "voucherUpdate": self._voucher_update,
            "voucherDelete": self._voucher_delete,
            "voucherCodeBulkDelete": self._codes_delete,
            "voucherChannelListingUpdate": self._voucher_list,
        }

    # -- the owner ----------------------------------------------------------------------------------------------------

    def add_channel(self, slug: str, currency: str) -> Node:
        channel = {
            "id": gid("Channel", str(len(self.channels) + 1)),
            "slug": slug,
            "name": slug,
            "isActive": True,
            "currencyCode": currency,
        }
        self.channels[slug] = channel
        return channel

    def add_variant(
        self, name: str, price: str, *, stock: int = 100, channels: Sequence[str] = (), category: str = ""
    ) -> Node:
        """One product with one variant, at the same price in each of `channels` (all, when none is named)."""
        number, slug = len(self.variants) + 1, name.lower().replace(" ", "-")
        product = {"id": gid("Product", str(100 + number)), "name": name, "slug": slug, "thumbnail": None}
        product["category"] = (
            {"id": gid("Category", category), "name": category, "slug": category} if category else None
        )
        variant: Node = {
            "id": gid("ProductVariant", str(300 + number)),
            "sku": f"SKU-{number}",
            "name": "",
            "product": product,
            "price": Decimal(price),
            "stock": stock,
            "sold_in": set(channels or self.channels),
            "quantityAvailable": lambda info: min(variant["stock"], MOST_OF_AN_ITEM),
            "quantityLimitPerCustomer": None,
        }
        self.variants[variant["id"]] = variant
        return variant

    def sell_out(self, variant: Node) -> None:
        variant["stock"] = 0
        self.emit("product_variant_out_of_stock", productVariant=variant)

    def restock(self, variant: Node, stock: int) -> None:
        variant["stock"] = stock
        self.emit("product_variant_back_in_stock", productVariant=variant, warehouse={"id": gid("Warehouse", "1")})

    def reprice(self, variant: Node, price: str, *, channel: str = "default-channel") -> None:
        before, variant["price"] = variant["price"], Decimal(price)
        at = self.channels[channel]
        self.emit(
            "product_variant_discounted_price_updated",
            productVariant=variant,
            channel=at,
            previousPrice=money(before, at["currencyCode"]),
            newPrice=money(variant["price"], at["currencyCode"]),
        )

    def cancel(self, order: Node) -> None:
        order.update(status="CANCELED", updatedAt=self._stamp())
        self.emit("order_updated", order=order)
        self.emit("order_cancelled", order=order)

    # -- listings -----------------------------------------------------------------------------------------------------

    def page(self, nodes: Sequence[Node], *, first: int, after: str = "") -> Node:
        """A connection: up to `first` of what stands behind the cursor `after`."""
        if not 0 < first <= 100:
            raise ValueError("Requesting more than 100 records exceeds the limit.")
        keys = [node["id"] for node in nodes]
        start = keys.index(base64.b64decode(after).decode()) + 1 if after else 0
        edges = [{"node": node, "cursor": cursor(node)} for node in nodes[start : start + first]]
        has_more = start + first < len(nodes)
        info = {"hasNextPage": has_more, "endCursor": edges[-1]["cursor"] if edges else None}
        return {"pageInfo": info, "edges": edges, "totalCount": len(nodes)}

    def _checkouts(self, first: int = 0, after: str = "", filter: Any = None, sortBy: Any = None) -> Node:
        since = (filter or {}).get("updatedAt", {}).get("gte") or ""
        wanted = {(each["key"], each.get("value")) for each in (filter or {}).get("metadata", [])}
        found = [
            node
            for node in self.checkouts.values()
            if node["updatedAt"][:10] >= since and wanted <= {(m["key"], m["value"]) for m in node["metadata"]}
        ]
        return self.page(_sorted(found, "created", sortBy), first=first, after=after)

    def _orders(self, first: int = 0, after: str = "", filter: Any = None, sortBy: Any = None) -> Node:
        since = (filter or {}).get("updatedAt", {}).get("gte")
        floor = datetime.fromisoformat(since) if since else None
        found = [
            node for node in self.orders.values() if floor is None or datetime.fromisoformat(node["updatedAt"]) >= floor
        ]
        return self.page(_sorted(found, "updatedAt", sortBy), first=first, after=after)

    def _variants(self, ids: Sequence[str] = (), channel: str = "", first: int = 0) -> Node:
        found = [self.variants[key] for key in ids if key in self.variants]
        return self.page([each for each in found if channel in each["sold_in"]], first=first)

    def _products(self, first: int = 0, after: str = "", filter: Any = None, channel: str = "") -> Node:
        """As to a visitor of the storefront, who sees what the channel lists. Saleor refuses all ids for one of another kind."""
        wanted = (filter or {}).get("ids") or []
        strays = [key for key in wanted if not base64.b64decode(key).startswith(b"Product:")]
        if strays:
            raise ValueError(f"Invalid ID: {strays[0]}. Expected: Product.")
        sold = [each for each in self.variants.values() if channel in each["sold_in"]]
        found = []
        for variant in sold:
            price = taxed(variant["price"], self.channels[channel]["currencyCode"])
            pricing = {"onSale": False, "priceRange": {"start": price, "stop": price}}
            node = {**variant["product"], "isAvailable": variant["stock"] > 0, "pricing": pricing}
            if not wanted or node["id"] in wanted:
                found.append(node)
        return self.page(found, first=first, after=after)

    def _vouchers(self, first: int = 0, after: str = "", filter: Any = None) -> Node:
        words = (filter or {}).get("search", "").lower()
        found = [
            voucher
            for voucher in self.vouchers.values()
            if words == voucher["name"].lower() or words in [code.lower() for code in voucher["codes"]]
        ]
        return self.page(found, first=first, after=after)

    # -- checkouts ----------------------------------------------------------------------------------------------------

    def _checkout_create(self, input: Node) -> Node:
        channel = self.channels.get(input.get("channel") or "")
        if channel is None:
            return refused("MISSING_CHANNEL_SLUG", "channel")
        if refusal := self._refusal(channel, input.get("lines") or []):
            return refusal
        key, now = str(uuid.uuid4()), self._stamp()
        checkout = {
            "id": gid("Checkout", key),
            "token": key,
            "created": now,
            "updatedAt": now,
            "email": input.get("email"),
            "languageCode": input.get("languageCode") or "EN_US",
            "voucherCode": None,
            "authorizeStatus": "NONE",
            "chargeStatus": "NONE",
            "user": None,
            "channel": channel,
            "metadata": list(input.get("metadata") or []),
            "billingAddress": None,
            "shippingAddress": None,
            "lines": [],
        }
        self.checkouts[checkout["id"]] = checkout
        self._put(checkout, input.get("lines") or [])
        self.emit("checkout_created", checkout=checkout)
        return {"checkout": checkout, "errors": []}

    def _lines_add(self, id: str, lines: Sequence[Node]) -> Node:
        checkout = self.checkouts.get(id)
        if checkout is None:
            return refused("NOT_FOUND", "id")
        if refusal := self._refusal(checkout["channel"], lines, held=checkout["lines"]):
            return refusal
        self._put(checkout, lines)
        return self._moved(checkout)

    def _email_update(self, id: str, email: str) -> Node:
        return self._moved(self.checkouts[id], email=email)

    def _billing_address_update(self, id: str, billingAddress: Node) -> Node:
        country = {"code": billingAddress.get("country") or "US"}
        blank = {"firstName": "", "lastName": "", "city": "", "phone": ""}
        return self._moved(self.checkouts[id], billingAddress={**blank, **billingAddress, "country": country})

    def _add_promo_code(self, id: str, promoCode: str) -> Node:
        checkout, voucher = self.checkouts[id], self._voucher_of(promoCode)
        if voucher is None or not self._is_good(voucher, promoCode, checkout):
            return refused("INVALID", "promoCode")
        checkout["voucherCode"] = promoCode
        self._reckon(checkout)
        return self._moved(checkout)

    def _complete(self, id: str) -> Node:
        checkout = self.checkouts.get(id)
        if checkout is None:
            return refused("NOT_FOUND", "id")
        if not checkout["email"]:
            return refused("EMAIL_NOT_SET", "email")
        order = self._order_of(checkout)
        if voucher := self._voucher_of(checkout["voucherCode"]):
            voucher["codes"][checkout["voucherCode"]]["isActive"] = False
        self.orders[order["id"]] = order
        del self.checkouts[id]
        for event in ("order_created", "order_paid", "order_fully_paid", "order_updated", "order_confirmed"):
            self.emit(event, order=order)
        return {"order": order, "errors": []}

    def _order_of(self, checkout: Node) -> Node:
        now = self._stamp()
        lines = [
            {
                "id": gid("OrderLine", str(uuid.uuid4())),
                "quantity": line["quantity"],
                "productName": line["variant"]["product"]["name"],
                "variantName": line["variant"]["name"],
                "productSku": line["variant"]["sku"],
                "productVariantId": line["variant"]["id"],
                "thumbnail": None,
                "unitPrice": line["unitPrice"],
                "variant": line["variant"],
            }
            for line in checkout["lines"]
        ]
        copied = ("channel", "metadata", "user", "billingAddress", "shippingAddress", "voucherCode")
        discount = {"type": "VOUCHER", "reason": None, "amount": checkout["discount"]}
        return {
            **{name: checkout[name] for name in copied},
            "id": gid("Order", str(uuid.uuid4())),
            "number": str(len(self.orders) + 1),
            "created": now,
            "updatedAt": now,
            "status": "UNFULFILLED",
            "isPaid": True,
            "paymentStatus": "FULLY_CHARGED",
            "chargeStatus": "FULL",
            "userEmail": checkout["email"],
            "languageCodeEnum": checkout["languageCode"],
            "checkoutId": checkout["id"],
            "origin": "CHECKOUT",
            "voucher": self._voucher_of(checkout["voucherCode"]),
            "subtotal": checkout["subtotalPrice"],
            "total": checkout["totalPrice"],
            "discounts": [discount] if checkout["voucherCode"] else [],
            "lines": lines,
        }

    def _refusal(self, channel: Node, lines: Sequence[Node], *, held: Sequence[Node] = ()) -> Node | None:
        """As Saleor: the whole call is refused, with the variants that are in its way."""
        has = {line["variant"]["id"]: line["quantity"] for line in held}
        asked = [(line["variantId"], line["quantity"] + has.get(line["variantId"], 0)) for line in lines]
        known = {key: self.variants[key] for key, _quantity in asked if key in self.variants}
        gone = [key for key, _ in asked if key not in known]
        elsewhere = [key for key in known if channel["slug"] not in known[key]["sold_in"]]
        many = [key for key, quantity in asked if quantity > MOST_OF_AN_ITEM]
        short = [key for key, quantity in asked if key in known and quantity > known[key]["stock"]]
        for code, variants in (
            ("NOT_FOUND", gone),
            ("UNAVAILABLE_VARIANT_IN_CHANNEL", elsewhere),
            ("QUANTITY_GREATER_THAN_LIMIT", many),
            ("INSUFFICIENT_STOCK", short),
        ):
            if variants:
                return refused(code, "lines", variants=variants)
        return None

    def _put(self, checkout: Node, lines: Sequence[Node]) -> None:
        for asked in lines:
            variant = self.variants[asked["variantId"]]
            line = next((each for each in checkout["lines"] if each["variant"] is variant), None)
            if line is None:
                line = {"id": gid("CheckoutLine", str(uuid.uuid4())), "quantity": 0, "variant": variant}
                checkout["lines"].append(line)
            line["quantity"] += asked["quantity"]
        self._reckon(checkout)

    def _reckon(self, checkout: Node) -> None:
        currency = checkout["channel"]["currencyCode"]
        for line in checkout["lines"]:
            price = line["variant"]["price"]
            line["unitPrice"], line["undiscountedUnitPrice"] = taxed(price, currency), money(price, currency)
            line["totalPrice"] = taxed(price * line["quantity"], currency)
        subtotal = sum((line["variant"]["price"] * line["quantity"] for line in checkout["lines"]), Decimal())
        discount = self._discount(checkout, subtotal)
        checkout["quantity"] = sum(line["quantity"] for line in checkout["lines"])
        checkout["discount"] = money(discount, currency)
        checkout["subtotalPrice"] = checkout["totalPrice"] = taxed(subtotal - discount, currency)

    def _moved(self, checkout: Node, **changes: Any) -> Node:
        checkout.update(changes, updatedAt=self._stamp())
        self.emit("checkout_updated", checkout=checkout)
        return {"checkout": checkout, "errors": []}

    def _stamp(self) -> str:
        return self.now().isoformat()


def _sorted(nodes: Sequence[Node], by: str, sort: Mapping[str, Any] | None) -> list[Node]:
    return sorted(nodes, key=lambda node: node[by], reverse=(sort or {}).get("direction") == "DESC")
