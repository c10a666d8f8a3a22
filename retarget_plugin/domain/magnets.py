"""EXTENSION POINT: what a shop gives in return for an address. A kind says what it needs and what its reader gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from . import contexts
from .carts import CouponSpec

FILE_NAME_LIMIT = 120


def _(text: str) -> str:
    """Marks `text` for the translators; it is translated where it is shown."""
    return text


class OptionType(StrEnum):
    TEXT = "text"
    LINES = "lines"
    NUMBER = "number"
    URL = "url"
    MOMENT = "moment"
    CHOICE = "choice"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing an owner fills in for a magnet of a kind. Labels are English, and translated where they are shown."""

    name: str
    label: str
    type: OptionType = OptionType.TEXT
    is_required: bool = False
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gift:
    """What the reader gets beside files: a code, an address to go to, a date to keep. Empty where a kind has none."""

    code: str = ""
    expires_at: datetime | None = None
    url: str = ""
    starts_at: datetime | None = None
    minutes: int = 0
    place: str = ""


class Kind:
    """One sort of magnet. A shop adds its own by `RETARGET["MAGNETS"] = {"quiz": "dotted.path.Quiz"}`.

    Must be set: `label`. May be: everything else; the defaults are a magnet that is only its text. A kind is asked and
    never acts: no database, no network, no clock. `options` are what the owner saved, after `problems` found nothing.
    """

    label: str = ""
    help: str = ""
    options: tuple[Option, ...] = ()
    #: Whether magnets of this kind have files to download.
    has_files: bool = False
    #: Whether they may have a pool of codes of their own.
    has_codes: bool = False

    def problems(self, options: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with `options`, by option name, in English; required ones are already there and of their type."""
        return {}

    def coupon(self, options: Mapping[str, Any], *, currency: str, key: str, now: datetime) -> CouponSpec | None:
        """The coupon the host is asked to make for one person, or None. `key` makes a repeated call the same coupon."""
        return None

    def gift(self, options: Mapping[str, Any], *, code: str, given_at: datetime) -> Gift:
        """What one person gets who proved their address at `given_at`; `code` is theirs, or ""."""
        return Gift(code=code)


class Discount(Kind):
    """A code of one's own: made by the shop system, or taken from a list the owner pasted."""

    label = _("Discount")
    help = _("A code for each person. Without codes of your own, the shop system makes one.")
    options = (
        Option(
            name="unit",
            label=_("Discount in"),
            type=OptionType.CHOICE,
            is_required=True,
            choices=(("percent", _("Percent")), ("amount", _("Amount of money"))),
        ),
        Option(name="value", label=_("How much"), type=OptionType.NUMBER, is_required=True),
        Option(name="minimum", label=_("Order value from which it counts"), type=OptionType.NUMBER),
        Option(
            name="days", label=_("Days it is valid"), type=OptionType.NUMBER, is_required=True, help=_("From 1 to 365.")
        ),
    )
    has_codes = True

    def problems(self, options: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        value, days = number(options, "value"), number(options, "days")
        if value <= 0 or (options.get("unit") == "percent" and value > 100):
            found["value"] = _("It must be more than 0, and a percentage at most 100.")
        if not 1 <= days <= 365:
            found["days"] = _("From 1 to 365.")
        if number(options, "minimum") < 0:
            found["minimum"] = _("It cannot be negative.")
        return found

    def coupon(self, options: Mapping[str, Any], *, currency: str, key: str, now: datetime) -> CouponSpec | None:
        return CouponSpec(
            kind=str(options["unit"]),
            value=number(options, "value"),
            expires_at=self._expires_at(options, now),
            currency=currency,
            minimum_total=number(options, "minimum"),
            label="Retarget magnet",
            idempotency_key=key,
        )

    def gift(self, options: Mapping[str, Any], *, code: str, given_at: datetime) -> Gift:
        return Gift(code=code, expires_at=self._expires_at(options, given_at))

    def _expires_at(self, options: Mapping[str, Any], given_at: datetime) -> datetime:
        return given_at + timedelta(days=int(number(options, "days")))


class Files(Kind):
    """One or several files: recipes, an e-book, a guide."""

    label = _("Files")
    help = _("One or several files, downloaded by a link that is only theirs.")
    has_files = True


class Event(Kind):
    """A seat in a webinar or a course: a link, a date, and a calendar file."""

    label = _("Webinar or course")
    help = _("A link and a date, with a file for their calendar.")
    options = (
        Option(
            name="starts_at",
            label=_("Starts"),
            type=OptionType.MOMENT,
            is_required=True,
            help=_("In the shop's time zone."),
        ),
        Option(name="minutes", label=_("Minutes it lasts"), type=OptionType.NUMBER, is_required=True),
        Option(name="url", label=_("Link to take part"), type=OptionType.URL, is_required=True),
        Option(name="place", label=_("Place"), help=_("Empty when it takes place online.")),
    )

    def problems(self, options: Mapping[str, Any]) -> dict[str, str]:
        if not 1 <= number(options, "minutes") <= 60 * 24 * 14:
            return {"minutes": _("From 1 minute to 14 days.")}
        return {}

    def gift(self, options: Mapping[str, Any], *, code: str, given_at: datetime) -> Gift:
        return Gift(
            url=contexts.clean_url(options.get("url")) or "",
            starts_at=moment(options, "starts_at"),
            minutes=int(number(options, "minutes")),
            place=str(options.get("place") or ""),
        )


SHIPPED: Mapping[str, type[Kind]] = {"discount": Discount, "files": Files, "event": Event}


def number(options: Mapping[str, Any], name: str) -> Decimal:
    """The number saved as `name`; 0 where there is none."""
    try:
        value = Decimal(str(options.get(name) or 0))
    except InvalidOperation:
        return Decimal()
    return value if value.is_finite() else Decimal()


def moment(options: Mapping[str, Any], name: str) -> datetime | None:
    """The aware instant saved as `name`, in ISO 8601; None where there is none."""
    try:
        at = datetime.fromisoformat(str(options.get(name) or ""))
    except ValueError:
        return None
    return at if at.tzinfo else None


def file_name(text: str) -> str:
    """The name that a reader's browser saves a file under: no folder, nothing hidden, nothing a system trips over."""
    name = text.replace("\\", "/").rpartition("/")[2]
    name = re.sub(r'[<>:"|?*%;]', "", contexts.clean_text(name, 1_000) or "").lstrip(". ")
    stem, dot, ending = name.rpartition(".")
    if dot and len(ending) <= 10:
        return f"{stem[: FILE_NAME_LIMIT - 1 - len(ending)].rstrip()}.{ending}"
    return name[:FILE_NAME_LIMIT].strip() or "file"
