"""Coupons: what a step offers, when it ends, what it may cost, and which codes an owner's list holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from .shapes import COUNT, DURATION, MONEY, Field, Record, Shape, required, whole

CENT = Decimal("0.01")
#: Characters of a code, lines of a list and bytes of its file, at the most.
CODE_LENGTH, MOST_LINES, MOST_BYTES = 60, 100_000, 8_000_000
_CODE = re.compile(r"[^\W_][\w.-]*")
_SEPARATOR = re.compile(r"[,;\t]")
_HEADINGS = frozenset({"code", "codes", "coupon", "coupons", "voucher", "vouchers", "código", "bon"})


class CouponKind(StrEnum):
    PERCENT = "percent"
    AMOUNT = "amount"


class CouponState(StrEnum):
    """reserved -> minted -> sent -> redeemed | expired; taken back when its message did not leave."""

    RESERVED = "reserved"
    MINTED = "minted"
    SENT = "sent"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    TAKEN_BACK = "taken_back"


#: Somebody may still use it, or has.
GIVEN = frozenset(
    {CouponState.RESERVED, CouponState.MINTED, CouponState.SENT, CouponState.REDEEMED, CouponState.EXPIRED}
)


class Fault(StrEnum):
    """Why a line of an owner's list is no code."""

    TOO_LONG = "too_long"
    NOT_A_CODE = "not_a_code"
    TWICE = "twice"
    KNOWN = "known"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may be given in a calendar month (UTC): so many coupons, and so much money taken off. None: no limit."""

    coupons: int | None = None
    amount: Decimal | None = None

    def allows(self, *, coupons: int, amount: Decimal, more: Decimal) -> bool:
        """Whether one more, worth `more`, fits beside `coupons` that took off `amount`."""
        is_many = self.coupons is not None and coupons >= self.coupons
        return not is_many and (self.amount is None or amount + more <= self.amount)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a step gives each person: `percent`, or `amount` of the shop's currency, off an order of `minimum` or more.

    `valid`: how long it is good for at least. `once_per`: who has had a coupon of the shop within it gets none.
    """

    valid: timedelta
    percent: int | None = None
    amount: Decimal | None = None
    minimum: Decimal = Decimal(0)
    once_per: timedelta | None = None
    budget: Budget | None = None

    @property
    def kind(self) -> CouponKind:
        return CouponKind.PERCENT if self.amount is None else CouponKind.AMOUNT

    @property
    def value(self) -> Decimal:
        return Decimal(self.percent or 0) if self.amount is None else self.amount

    def worth(self, total: Decimal | None) -> Decimal:
        """What it takes off an order of `total`; of an unknown one, of the least it is good for."""
        if self.amount is not None:
            return self.amount
        return ((self.minimum if total is None else total) * self.value / 100).quantize(CENT, ROUND_HALF_UP)


_BUDGET = Record({"coupons": Field(COUNT), "amount": Field(MONEY)})


def _budget(value: Any) -> Budget:
    problems: list[str] = []
    told = _BUDGET.read(value, where="it", problems=problems)
    if problems:
        raise ValueError(" ".join(problems).removesuffix("."))
    return Budget(**told)


#: What may be written under a step's `coupon`.
OFFER = Record(
    {
        "percent": Field(whole(1, 100)),
        "amount": Field(MONEY),
        "valid": required(DURATION),
        "minimum": Field(MONEY, default=Decimal(0)),
        "once_per": Field(DURATION),
        "budget": Field(Shape(_budget, _BUDGET.schema)),
    }
)


def taken_off(kind: str, value: Decimal, *, paid: Decimal) -> Decimal:
    """What a coupon took off an order of which `paid` was left; where the shop does not say."""
    if kind == CouponKind.AMOUNT:
        return value
    return (paid * value / (100 - value)).quantize(CENT, ROUND_HALF_UP) if value < 100 else Decimal()


def ends_at(now: datetime, valid: timedelta, zone: tzinfo) -> datetime:
    """The first midnight in `zone` that is `valid` or more away (UTC): a message can say the day, and the day is whole."""
    least = (now.astimezone(UTC) + valid).astimezone(zone)
    midnight = datetime.combine(least.date(), time(), zone)
    if midnight < least:
        midnight = datetime.combine(least.date() + timedelta(days=1), time(), zone)
    return midnight.astimezone(UTC)


def last_day(ends: datetime, zone: tzinfo, *, given_at: datetime) -> datetime:
    """An instant on the last day, in `zone`, on which a coupon that ends at `ends` is good until midnight; never before the
    day it was given."""
    local = ends.astimezone(zone)
    return max(datetime.combine(local.date() - timedelta(days=1), time(12), zone), given_at.astimezone(zone))


def month_of(now: datetime) -> datetime:
    """When the month (UTC) began that `now` is in."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


# -- an owner's list of codes -----------------------------------------------------------------------------------------


def read_list(data: bytes) -> Iterator[tuple[int, str, Fault | None]]:
    """(line, code, what is wrong with it) of a CSV file: its first column, without a heading, blanks and empty lines.

    UTF-8, UTF-16 with its mark, else Windows' Western letters; commas, semicolons or tabs. Of what is no code only the first
    characters are answered. Raises ValueError for what is no text, or more than MOST_BYTES or MOST_LINES.
    """
    if len(data) > MOST_BYTES:
        raise ValueError("too_long")
    text = _text(data)
    if text.rstrip("\n").count("\n") >= MOST_LINES:
        raise ValueError("too_long")
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        code = unicodedata.normalize("NFC", _SEPARATOR.split(line, maxsplit=1)[0].strip().strip("'\"").strip())
        if not code or (number == 1 and code.casefold() in _HEADINGS):
            continue
        fault = _fault(code, seen)
        seen.add(code.casefold())
        yield number, code[:CODE_LENGTH], fault


def _fault(code: str, seen: set[str]) -> Fault | None:
    if len(code) > CODE_LENGTH:
        return Fault.TOO_LONG
    # What a spreadsheet would run (=, +, -, @) begins no code, and nothing invisible is part of one.
    if not _CODE.fullmatch(code):
        return Fault.NOT_A_CODE
    return Fault.TWICE if code.casefold() in seen else None


def _text(data: bytes) -> str:
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise ValueError("not_a_text")
