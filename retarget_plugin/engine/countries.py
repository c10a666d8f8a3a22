"""Whose law counts: where a contact may be, and the file of that country."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from retarget_plugin.domain import calendars, countries, whereabouts
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.models import Contact, Shop

# One file a country, named by its ISO 3166 code, and one for all the others.
FOLDER = Path(__file__).parent.parent / "countries"
STRICTEST = "default"


@lru_cache(maxsize=512)
def rules_of(country: str) -> countries.Country:
    """What `country`, an ISO 3166 code, asks; the strictest for one without a file. Raises CountryError."""
    files = _files()
    name = country.lower() if country.lower() in files else STRICTEST
    return countries.parse(country, files[name], strictest=files[STRICTEST], file=f"{name}.toml")


def home_of(contact: Contact, shop: Shop) -> str:
    """The contact's own country, else that of the number, else the shop's; "" when none of them is one."""
    return _stated(contact) or _of_number(contact) or _of_shop(shop)


def candidates(contact: Contact, shop: Shop, channel: str) -> tuple[str, ...]:
    """Every country whose law may count for a message to `contact`; the strictest of them does. At least one, perhaps "".

    The contact's own, and for SMS that of the number besides. Where the contact's own is not known: that of the number,
    and for e-mail the shop's besides; without a number, the shop's.
    """
    stated, number = _stated(contact), _of_number(contact)
    if channel == Channel.SMS:
        found = (stated, number)
    else:
        found = (stated, "") if stated else (number, _of_shop(shop))
    return tuple(dict.fromkeys(filter(None, found))) or (_of_shop(shop),)


def _stated(contact: Contact) -> str:
    return contact.country.upper() if _is_country(contact.country) else ""


def _of_number(contact: Contact) -> str:
    country = whereabouts.country_of(contact.phone) if contact.phone else ""
    return country if _is_country(country) else ""


def _of_shop(shop: Shop) -> str:
    return shop.country.upper() if _is_country(shop.country) else ""


@lru_cache(maxsize=1024)
def _is_country(code: str) -> bool:
    """A country whose holidays nobody can tell, such as one that does not exist, says nothing."""
    if not re.fullmatch(r"[A-Za-z]{2}", code):
        return False
    return code.lower() in _files() or calendars.has_holidays(code.upper())


@lru_cache(maxsize=1)
def _files() -> Mapping[str, Mapping[str, Any]]:
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.toml")}
