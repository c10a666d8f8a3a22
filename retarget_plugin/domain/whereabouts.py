"""Where a phone number says that its holder is: a country, and the time zones that may be meant."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

# Most contacts are asked about several times.
_REMEMBERED = 16_384


@lru_cache(maxsize=_REMEMBERED)
def country_of(phone: str) -> str:
    """ISO 3166 code of the country of an E.164 number, or "". Where countries share a code, the main one if in doubt."""
    import phonenumbers

    number = _parsed(phone)
    if number is None:
        return ""
    country = phonenumbers.region_code_for_number(number)
    country = country or phonenumbers.region_code_for_country_code(number.country_code)
    # "001" has the numbers of no country, "ZZ" is unknown.
    return country if country.isalpha() and country != "ZZ" else ""


@lru_cache(maxsize=_REMEMBERED)
def zones_of(phone: str) -> tuple[str, ...]:
    """Names of the zones in which the holder of an E.164 number may be; empty when it says nothing.

    Those of its area where numbers have one, else all of its country, else all that share the calling code.
    """
    from phonenumbers import region_code_for_number, timezone

    number = _parsed(phone)
    if number is None:
        return ()
    country = region_code_for_number(number)
    at_home = _zones_of_countries([country]) if country else zones_of_calling_code(number.country_code)
    area = frozenset(map(_current_name, timezone.time_zones_for_number(number)))
    # For a calling code as a whole, the library names stand-ins: Atlantic/Canary for Morocco.
    if area == _area_of_calling_code(number.country_code):
        return at_home
    return tuple(zone for zone in at_home if zone in area) or at_home


def is_at_home(zone: str, phone: str) -> bool:
    """True when `zone` is one of the countries that share the calling code of an E.164 number."""
    # Without reading the number itself: most contacts whose zone is known are where it says.
    return _current_name(zone) in _zones_by_prefix(phone[1:4])


@lru_cache(maxsize=300)
def zones_of_calling_code(code: int) -> tuple[str, ...]:
    """Names of all zones of the countries behind a calling code, such as 33."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return _zones_of_countries(COUNTRY_CODE_TO_REGION_CODE.get(code, ()))


@lru_cache(maxsize=1000)
def _zones_by_prefix(digits: str) -> tuple[str, ...]:
    # No calling code begins with another one.
    prefixes = (digits[:length] for length in range(1, 4) if digits.isdecimal())
    return next(filter(None, (zones_of_calling_code(int(prefix)) for prefix in prefixes)), ())


@lru_cache(maxsize=300)
def _area_of_calling_code(code: int) -> frozenset[str]:
    from phonenumbers import PhoneNumber, timezone

    anywhere = PhoneNumber(country_code=code, national_number=0)
    return frozenset(map(_current_name, timezone.time_zones_for_geographical_number(anywhere)))


def _zones_of_countries(countries: Iterable[str]) -> tuple[str, ...]:
    from babel.core import get_global

    zones = get_global("territory_zones")
    return tuple(sorted({zone for country in countries for zone in zones.get(country, ()) if zone != "Etc/Unknown"}))


def _current_name(zone: str) -> str:
    """Zones are renamed now and then, and old names stay in use."""
    from babel.core import get_global

    return get_global("zone_aliases").get(zone, zone)


def _parsed(phone: str) -> Any:
    import phonenumbers

    try:
        return phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return None
