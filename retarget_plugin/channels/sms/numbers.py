"""Telephone numbers as gateways want them and as people may see them."""

from __future__ import annotations

import re

from retarget_plugin.domain.contacts import is_costly
from retarget_plugin.domain.messages import Outcome, OutgoingSms
from retarget_plugin.domain.vocabulary import OutcomeKind

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_FULL = re.compile(r"(?:00)?([1-9][0-9]{7,14})")


def refusal(sms: OutgoingSms) -> Outcome | None:
    """`rejected` for what no gateway may carry: a number that is not E.164 or that bills more than a text, no text, or
    half a character. Else None."""
    if not _E164.fullmatch(sms.to):
        return Outcome(kind=OutcomeKind.REJECTED, code="invalid_number", detail="The number is not in E.164 form.")
    if is_costly(sms.to):
        return Outcome(kind=OutcomeKind.REJECTED, code="costly_number", detail="A premium or satellite number.")
    if not sms.text.strip():
        return Outcome(kind=OutcomeKind.REJECTED, code="no_text", detail="The text is empty.")
    try:
        sms.text.encode()
    except UnicodeEncodeError:
        return Outcome(kind=OutcomeKind.REJECTED, code="invalid_text", detail="The text holds half a character.")
    return None


def masked(number: str) -> str:
    """`+33612345678` as `+336…78`."""
    return f"{number[:4]}…{number[-2:]}" if len(number) > 8 else "…"


def digits(number: str) -> str:
    """The number without its plus sign."""
    return number.removeprefix("+")


def e164(number: str) -> str:
    """What a gateway sent back, with a plus sign if it is a full number: 33612345678, 0033612345678.

    Short codes, names and numbers of one country's own form stay as they are: no contact has such a number.
    """
    plain = number.strip()
    found = _FULL.fullmatch(plain)
    return f"+{found[1]}" if found else plain
