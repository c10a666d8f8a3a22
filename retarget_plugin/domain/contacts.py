"""Normal forms of e-mail addresses and phone numbers, so that one person is one contact."""

from __future__ import annotations

import re

# Stricter than RFC 5322 on purpose: quoted local parts, comments and address literals are legal, and hostile in practice.
_LOCAL = re.compile(r"[a-z0-9!#$&'*+/?^_`{|}~-]+(\.[a-z0-9!#$&'*+/?^_`{|}~-]+)*", re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

#: Calling codes of no country: satellites, and numbers that follow their owner around the world.
NOWHERE = (870, 878, 881, 882, 883)


def normalize_email(text: str) -> str:
    """The address in lower case with its domain as A-labels, or "" when nothing may be sent to it.

    Dots and +tags are kept: for consent and sending they are different people. A leading "-" or "=" in the local
    part is refused, since such text turns into options and formulas further on.
    """
    text = text.strip()
    local, at, domain = text.rpartition("@")
    if not at or len(text) > 254 or len(local) > 64:
        return ""
    local, domain = local.lower(), _ascii_domain(domain)
    labels = domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        return ""
    if not _LOCAL.fullmatch(local) or local[0] in "-=":
        return ""
    return f"{local}@{domain}"


def fold_email(address: str) -> str:
    """A normalised address without dots and +tag before the @: one mailbox, as far as anybody's abuse is counted.

    For limits only. Not every provider folds them, so for consent and sending they stay different people.
    """
    local, _at, domain = address.rpartition("@")
    plain = local.partition("+")[0].replace(".", "")
    return f"{plain or local}@{'gmail.com' if domain == 'googlemail.com' else domain}"


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return ""


def normalize_phone(text: str, country: str) -> str:
    """The number as E.164, or "" unless it is a valid mobile (or, where plans do not tell them apart, any) number.

    `country`: ISO 3166 code for numbers typed without a prefix. Premium, satellite, short and vanity numbers are refused.
    """
    import phonenumbers

    text = text.replace("\u00a0", " ").replace("\u202f", " ").strip()
    if not text or len(text) > 40 or not re.fullmatch(r"\+?[0-9 ()./-]+", text, re.ASCII):
        return ""
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return ""
    kind = phonenumbers.number_type(number)
    mobile = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    if not phonenumbers.is_valid_number(number) or kind not in mobile or number.country_code in NOWHERE:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_costly(number: str) -> bool:
    """True of an E.164 number that bills whoever texts it, or rings at a satellite. Whether it exists is another question."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    kinds = phonenumbers.PhoneNumberType
    costly = (kinds.PREMIUM_RATE, kinds.SHARED_COST, kinds.UAN, kinds.PAGER)
    return parsed.country_code in NOWHERE or phonenumbers.number_type(parsed) in costly
