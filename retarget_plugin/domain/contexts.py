"""What a message may say, as plain data: the words of shop, shopper and host, cleaned and in the reader's language."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from retarget_plugin.exceptions import TemplateError

from .carts import Cart, Item

FALLBACK_LANGUAGE = "en"
LINES_SHOWN = 8
TITLE_LIMIT = 120
SHORT_TITLE_LIMIT = 28
NAME_LIMIT = 60
URL_LIMIT = 2_000
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
#: More than this is a mistake or an attack: formatting 1E+100000000 alone would fill the memory.
_MONEY_LIMIT = Decimal(10) ** 12
# Liquid's opening marks. The engine would print them as they are; nobody should read them in a mail.
_LIQUID_MARK = re.compile(r"\{(?=[{%])")
# "=?" opens an encoded word: in a subject, a title could smuggle a line break past what reads headers (CVE-2024-6923).
_ENCODED_WORD = re.compile(r"=(?=\?)")
_URL = re.compile(r"""[^\s"'<>{}\\^`|\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+""")
_SPACES = re.compile(r"\s+")
# What a name never holds, and what people who use a shop as a cannon put there: addresses, numbers, links.
_NO_NAME = re.compile(r"[/@\d<>{}\[\]\\|=*#$%^~]|www\.|\.[a-z]{2,}", re.IGNORECASE)


def clean_text(value: object, limit: int = TITLE_LIMIT) -> str | None:
    """`value` as one line that holds only itself, or None when nothing is left.

    Control characters, line breaks, direction marks, Liquid's marks and those of encoded words are taken out; a longer
    text is cut at `limit`.
    The answer is an exact str even where the host hands over markup that calls itself safe.
    """
    if value is None:
        return None
    text = str.__str__(str(value))[: limit * 8]
    if not text.isprintable():
        text = "".join(" " if char.isspace() else char for char in text if char.isspace() or not _is_unprintable(char))
    text = _SPACES.sub(" ", _ENCODED_WORD.sub("", _LIQUID_MARK.sub("", text))).strip()
    if len(text) > limit:
        text = f"{text[: limit - 1].rstrip(' ,;:-–—')}…"
    return text or None


def unbroken(text: str | None) -> str | None:
    """`text` that stays on one line, as a phone number should."""
    return text and text.replace(" ", "\u00a0")


def clean_name(value: object) -> str | None:
    """A first or last name as a greeting may use it, or None: whoever types a link as a name does not get it mailed."""
    name = clean_text(value, NAME_LIMIT)
    return None if name is None or _NO_NAME.search(name) or not any(map(str.isalpha, name)) else name


def clean_url(value: object) -> str | None:
    """An absolute http or https address, or None: no script, no data, no user and password, no blanks."""
    text = str.__str__(str(value or ""))
    if not text or len(text) > URL_LIMIT or not _URL.fullmatch(text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return text if is_web and parts.username is None else None


def match_language(wanted: str, available: Collection[str]) -> str | None:
    """The one of `available` that a reader of `wanted` gets: fr-CA -> fr-ca, else fr; None when there is none."""
    by_key = {_key(language): language for language in available}
    key = _key(wanted)
    return by_key.get(key) or by_key.get(_family(wanted))


def choose_language(locales: Sequence[str], available: Collection[str]) -> str:
    """The language to write in: that of the first locale known, else English, else that of the last one, else any."""
    known = [locale for locale in locales if locale]
    candidates = [*known[:1], FALLBACK_LANGUAGE, *known[-1:]]
    for candidate in candidates:
        match = match_language(candidate, available)
        if match:
            return match
    return sorted(available)[0]


def choose_locale(locales: Sequence[str], language: str) -> str:
    """The locale to write numbers in: the first one of this language with its region (fr-CA), else the language."""
    family = _family(language)
    return next((locale for locale in locales if locale and _family(locale) == family), language)


def direction(language: str) -> dict[str, str]:
    """{"direction": "ltr", "start": "left", "end": "right"}, or the other way round, as HTML and CSS want it."""
    if _family(language) in _RIGHT_TO_LEFT:
        return {"direction": "rtl", "start": "right", "end": "left"}
    return {"direction": "ltr", "start": "left", "end": "right"}


def money(amount: Decimal | None, currency: str, locale: str) -> dict[str, Any] | None:
    """{"amount": 9.9, "cents": 990, "text": "9,90 €"}, or None without an amount. `cents`: the currency's minor units.

    Never a Decimal: Liquid's arithmetic takes it for 0. Raises TemplateError for what is no price.
    """
    if amount is None:
        return None
    _check_amount(amount)
    from babel.numbers import format_currency, get_currency_precision

    return {
        "amount": float(amount),
        "cents": int(amount.scaleb(get_currency_precision(currency)).to_integral_value()),
        "text": format_currency(amount, currency, locale=_known_locale(locale)),
    }


def coupon_context(
    code: str,
    *,
    percent: Decimal | None = None,
    amount: Decimal | None = None,
    currency: str = "",
    expires_at: datetime,
    is_applied: bool = True,
    locale: str,
) -> dict[str, Any]:
    """{"code", "text": "5 %", "amount": money or None, "expires": "12 décembre 2026", "is_applied"}; "text" is "10,00 €" of
    an amount.

    `percent`: 5 is 5 %; `expires_at`: an instant of the last day on which it is good, in their zone; `is_applied`: by the
    button, so that nobody has to enter the code.
    """
    from babel.numbers import format_percent

    worth = money(amount, currency, locale)
    return {
        "code": clean_text(code, NAME_LIMIT),
        "text": worth["text"]
        if worth
        else format_percent((percent or Decimal()) / 100, locale=_known_locale(locale), decimal_quantization=False),
        "amount": worth,
        "expires": day(expires_at, locale=locale),
        "is_applied": is_applied,
    }


def day(at: datetime | None, *, locale: str) -> str | None:
    """ "December 12, 2026"; `at` in the zone whose day is meant."""
    from babel.dates import format_date

    return format_date(at.date(), format="long", locale=_known_locale(locale)) if at else None


def appointment(at: datetime | None, *, locale: str) -> str | None:
    """ "Saturday, December 12, 2026, 6:00 PM (Paris)": the place of its clock is said, as the reader may live elsewhere."""
    from babel.dates import format_date, format_time, get_timezone_location

    if at is None:
        return None
    spoken = _known_locale(locale)
    date, time = format_date(at.date(), format="full", locale=spoken), format_time(at.time(), "short", locale=spoken)
    return f"{date}, {time} ({get_timezone_location(at.tzinfo, locale=spoken, return_city=True)})"


def file_size(size: int, *, locale: str) -> str:
    """ "1.4 MB"; `size` in bytes."""
    amount, unit = (size / 1_000_000, "MB") if size >= 1_000_000 else (max(size / 1_000, 0.1), "kB")
    return f"{number(round(amount, 1), locale=locale)}\u00a0{unit}"


def number(value: float, *, locale: str) -> str:
    """ "1,234.5" as `locale` writes it."""
    from babel.numbers import format_decimal

    return format_decimal(value, locale=_known_locale(locale))


def cart_context(cart: Cart, *, url: str, currency: str, locale: str) -> dict[str, Any]:
    """What a message knows of a cart. `url` is the link that rebuilds it; `currency` stands in when the host gave none.

    Lines that cannot be bought any more are left out, and the total is then that of the lines left. At most
    LINES_SHOWN lines are shown; `more` counts the rest, `others` what stands beside the first one.
    """
    currency = cart.currency or currency
    items = [item for item in cart.items if item.is_available and item.quantity > 0 and clean_text(item.title)]
    for item in items:
        _check_amount(item.unit_price)
    is_whole = len(items) == len(cart.items)
    total = cart.amount if is_whole else sum((item.unit_price * item.quantity for item in items), Decimal())
    lines = [_line(item, currency, locale) for item in items[:LINES_SHOWN]]
    return {
        "url": url,
        "currency": currency,
        "lines": lines,
        "count": len(items),
        "more": max(len(items) - LINES_SHOWN, 0),
        "others": max(len(items) - 1, 0),
        "title": lines[0]["title"] if lines else None,
        "short_title": short_title(items[0].title) if items else None,
        "total": money(total, currency, locale),
    }


def short_title(title: str) -> str | None:
    """A title for a text message: no symbol that would double its price, cut between words."""
    letters = clean_text(title) or ""
    plain = "".join(char for char in letters if unicodedata.category(char) not in ("So", "Sk", "Cf"))
    plain = plain.replace("\ufe0f", "")
    plain = _SPACES.sub(" ", plain).strip()
    if len(plain) > SHORT_TITLE_LIMIT:
        cut = plain[: SHORT_TITLE_LIMIT - 2]
        head = cut.rpartition(" ")[0] if " " in cut[12:] else cut
        plain = f"{head.rstrip(' ,;:-–—')}..."
    return plain or clean_text(title, SHORT_TITLE_LIMIT)


def _check_amount(amount: Decimal | None) -> None:
    # copy_abs and compare round nothing, so that they cannot overflow either.
    if amount is None or not amount.is_finite() or amount.copy_abs() >= _MONEY_LIMIT:
        raise TemplateError("a price of the cart is not a number that can be shown")


@functools.lru_cache(maxsize=64)
def _known_locale(locale: str) -> str:
    """The identifier Babel has data for: that of `locale`, else of its language, else English."""
    from babel.core import Locale, UnknownLocaleError

    for candidate in (_key(locale), _family(locale)):
        try:
            return str(Locale.parse(candidate, sep="-"))
        except (ValueError, UnknownLocaleError):
            continue
    return FALLBACK_LANGUAGE


def _line(item: Item, currency: str, locale: str) -> dict[str, Any]:
    return {
        "title": clean_text(item.title),
        # A host that sells by weight may hand over 1.5.
        "quantity": int(item.quantity) if item.quantity == int(item.quantity) else float(item.quantity),
        "price": money(item.unit_price, currency, locale),
        "total": money(item.unit_price * item.quantity, currency, locale),
        "image_url": clean_url(item.image_url),
        "sku": clean_text(item.sku),
        "category": clean_text(item.category),
    }


def _is_unprintable(char: str) -> bool:
    if char in "\u200c\u200d":  # join and separate letters (Persian) and emoji; they turn nothing round
        return False
    # Cc control, Cf format (direction marks, zero-width), Cs lone surrogate, Co private, Cn unassigned, Zl/Zp breaks.
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _family(locale: str) -> str:
    return _key(locale).partition("-")[0]


def _key(locale: str) -> str:
    return locale.strip().replace("_", "-").lower()
