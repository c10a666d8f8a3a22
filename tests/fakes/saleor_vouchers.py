"""Vouchers of the fake Saleor: codes, channel listings, and what they take off a checkout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from .saleor_nodes import Node, gid, money, refused


class SaleorVouchers:
    """The part of SaleorShop that knows vouchers. A code works once, and only in a channel its voucher is listed in."""

    emit: Callable[..., None]
    now: Callable[[], datetime]
    channels: dict[str, Node]
    vouchers: dict[str, Node]

    page: Callable[..., Node]

    def _voucher(self, id: str = "") -> Node | None:
        voucher = self.vouchers.get(id)
        if voucher is None:
            return None
        codes = list(voucher["codes"].values())
        return {**voucher, "codes": lambda info, first=0, after=None: self.page(codes, first=first, after=after or "")}

    def _voucher_create(self, input: Node) -> Node:
        codes = input.get("addCodes") or []
        if not codes:
            return refused("GRAPHQL_ERROR", "addCodes")
        if refusal := self._taken(codes):
            return refusal
        voucher = {
            **input,
            "id": gid("Voucher", str(len(self.vouchers) + 1)),
            "startDate": input.get("startDate") or self.now().isoformat(),
            "endDate": input.get("endDate"),
            "channelListings": [],
            "codes": {},
        }
        self.vouchers[voucher["id"]] = voucher
        self._add_codes(voucher, codes)
        self.emit("voucher_created", voucher=voucher)
        return {"voucher": voucher, "errors": []}

    def _voucher_update(self, id: str, input: Node) -> Node:
        voucher = self.vouchers.get(id)
        if voucher is None:
            return refused("NOT_FOUND", "id")
        if refusal := self._taken(input.get("addCodes") or []):
            return refusal
        self._add_codes(voucher, input.get("addCodes") or [])
        return {"voucher": voucher, "errors": []}

    def _voucher_list(self, id: str, input: Node) -> Node:
        voucher = self.vouchers[id]
        by_id = {channel["id"]: channel for channel in self.channels.values()}
        for asked in input.get("addChannels") or []:
            channel, least = by_id[asked["channelId"]], asked.get("minAmountSpent")
            listing = {
                "id": gid("VoucherChannelListing", channel["id"]),
                "channel": channel,
                "discountValue": float(asked["discountValue"]),
                "currency": channel["currencyCode"],
                "minSpent": money(Decimal(least), channel["currencyCode"]) if least else None,
            }
            others = [each for each in voucher["channelListings"] if each["channel"] is not channel]
            voucher["channelListings"] = [*others, listing]
        return {"voucher": voucher, "errors": []}

    def _voucher_delete(self, id: str) -> Node:
        voucher = self.vouchers.pop(id, None)
        if voucher is None:
            return refused("NOT_FOUND", "id")
        self.emit("voucher_deleted", voucher=voucher)
        return {"voucher": voucher, "errors": []}

    def _codes_delete(self, ids: Sequence[str]) -> Node:
        gone = [code for voucher in self.vouchers.values() for code in voucher["codes"].values() if code["id"] in ids]
        for voucher in self.vouchers.values():
            for code in gone:
                voucher["codes"].pop(code["code"], None)
        if gone:
            self.emit("voucher_codes_deleted", voucherCodes=gone)
        return {"count": len(gone), "errors": []}

    def _taken(self, codes: Sequence[str]) -> Node | None:
        taken = [code for code in codes if self._voucher_of(code)]
        return refused("ALREADY_EXISTS", "codes", voucherCodes=taken) if taken else None

    def _add_codes(self, voucher: Node, codes: Sequence[str]) -> None:
        fresh = {code: {"id": gid("VoucherCode", code), "code": code, "used": 0, "isActive": True} for code in codes}
        for code in fresh.values():
            code["createdAt"] = self.now().isoformat()
        voucher["codes"].update(fresh)
        if fresh:
            self.emit("voucher_codes_created", voucherCodes=list(fresh.values()))

    def _voucher_of(self, code: str | None) -> Node | None:
        return next((voucher for voucher in self.vouchers.values() if code in voucher["codes"]), None)

    def _listing(self, voucher: Node, checkout: Node) -> Node | None:
        return next((each for each in voucher["channelListings"] if each["channel"] is checkout["channel"]), None)

    def _is_good(self, voucher: Node, code: str, checkout: Node) -> bool:
        until, listing = voucher["endDate"], self._listing(voucher, checkout)
        is_current = not until or datetime.fromisoformat(until) > self.now()
        least = Decimal(str(listing["minSpent"]["amount"])) if listing and listing["minSpent"] else Decimal()
        spent = sum((line["variant"]["price"] * line["quantity"] for line in checkout["lines"]), Decimal())
        return bool(is_current and listing and voucher["codes"][code]["isActive"] and spent >= least)

    def _discount(self, checkout: Node, subtotal: Decimal) -> Decimal:
        voucher = self._voucher_of(checkout["voucherCode"])
        listing = self._listing(voucher, checkout) if voucher else None
        if voucher is None or listing is None:
            return Decimal()
        value = Decimal(str(listing["discountValue"]))
        off = subtotal * value / 100 if voucher["discountValueType"] == "PERCENTAGE" else value
        return min(off, subtotal).quantize(Decimal("0.01"))
