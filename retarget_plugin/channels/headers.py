"""Which values may stand in an e-mail's header lines. API backends check nothing, so everything is checked here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from retarget_plugin.domain.messages import OutgoingEmail

LONGEST_ADDRESS = 254
LONGEST_SUBJECT = 255
LONGEST_NAME = 150
LONGEST_VALUE = 200
#: RFC 5322 section 2.1.1 allows a line 998 octets; the header's name and the angle brackets take their part.
LONGEST_URL = 900

_NEEDED = ("to", "from_email")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_SINGLE_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_URL = re.compile(r"https?://[!#-+\-.-;=?-~]+")
# Some providers want it as a header of the HTTP request, where a space in front or a letter beyond Latin-1 ends the call.
_ID = re.compile(r"[!-~]+")
# Python's modern e-mail policy (Django 6 and later) decodes such a word (RFC 2047) when the header is set; one that
# holds a line break then breaks the line (CVE-2024-6923). No honest text looks like this.
_ENCODED_WORD = re.compile(r"=\?.*\?=")
_FORBIDDEN_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")


def problem(email: OutgoingEmail) -> str:
    """The first bad header-bound value, as `field: fault` and without the value itself; empty when all are fit."""
    return next(_problems(email), "")


def _problems(email: OutgoingEmail) -> Iterator[str]:
    values = {
        "to": (email.to, LONGEST_ADDRESS),
        "from_email": (email.from_email, LONGEST_ADDRESS),
        "reply_to": (email.reply_to, LONGEST_ADDRESS),
        "from_name": (email.from_name, LONGEST_NAME),
        "subject": (email.subject, LONGEST_SUBJECT),
        "unsubscribe_url": (email.unsubscribe_url, LONGEST_URL),
        "unsubscribe_mailbox": (email.unsubscribe_mailbox, LONGEST_ADDRESS),
        "message_id": (email.message_id, LONGEST_VALUE),
        "idempotency_key": (email.idempotency_key, LONGEST_VALUE),
    }
    values |= {f"tags[{place}]": (tag, LONGEST_VALUE) for place, tag in enumerate(email.tags)}
    for place, (key, value) in enumerate(email.metadata.items()):
        values |= {f"metadata[{place}] key": (key, LONGEST_VALUE), f"metadata[{place}]": (value, LONGEST_VALUE)}
    for field, (value, longest) in values.items():
        fault = _fault(value, longest)
        if fault:
            yield f"{field}: {fault}"
    for field in ("to", "from_email", "reply_to", "unsubscribe_mailbox"):
        address = getattr(email, field)
        if (address or field in _NEEDED) and not _is_single_address(address):
            yield f"{field}: not exactly one plain address"
    for field in ("message_id", "idempotency_key"):
        if not _ID.fullmatch(getattr(email, field)):
            yield f"{field}: not an id of plain characters"
    if email.unsubscribe_url and not _URL.fullmatch(email.unsubscribe_url):
        yield "unsubscribe_url: not an http(s) URL fit for a header"


def _is_single_address(address: str) -> bool:
    if not _SINGLE_ADDRESS.fullmatch(address):
        return False
    try:
        address.rpartition("@")[2].encode("idna")
    except UnicodeError:
        return False
    return True


def _fault(value: object, longest: int) -> str:
    if not isinstance(value, str):
        return "not a text"
    if len(value) > longest:
        return f"longer than {longest} characters"
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in value):
        return "a control character"
    if _ENCODED_WORD.search(value):
        return "an encoded word"
    return ""
