"""Texts as a phone network counts them: alphabet, segments, and a plain-letter version that costs less."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

#: The default alphabet of 3GPP TS 23.038, one septet each; the index is the code. ç is left out on purpose: code 9
#: is drawn as Ç by the standard and as ç by some gateways, so a text with ç must be counted as if it did not fit.
ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Reached through an escape: two septets each.
EXTENSION = "\f^{}\\[~]|€"
#: No text is sent that is paid for as more messages.
MAX_SEGMENTS = 10

_ESCAPE = "\x1b"
_SEPTETS = {character: 1 for character in ALPHABET if character != _ESCAPE} | dict.fromkeys(EXTENSION, 2)

_PLAIN = {
    "œ": "oe",
    "Œ": "OE",
    "’": "'",
    "‘": "'",
    "´": "'",
    "`": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "…": "...",
    "–": "-",
    "—": "-",
    "‑": "-",
    "‐": "-",
    "−": "-",
    "•": "*",
    "·": "-",
    "°": "o",
    "º": "o",
    "ª": "a",
    "²": "2",
    "³": "3",
    "×": "x",
    "÷": "/",
    "™": "TM",
    "©": "(c)",
    "®": "(R)",
    "ø": "ø",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ı": "i",
    "\u00ad": "",  # soft hyphen
    "\u200b": "",  # zero-width space
    "\u2060": "",  # word joiner
    "\ufeff": "",  # byte-order mark
}
# French typography sets « word » with no-break spaces inside; with plain quotes they would stand apart.
_FRENCH_QUOTES = re.compile(r"«[\s\u00a0\u202f]*|[\s\u00a0\u202f]*»")


class Encoding(StrEnum):
    """How the whole text travels: one character outside GSM-7 takes all of it to UCS-2."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


# (units in a text of one segment, units in each segment of a longer one: the rest is the concatenation header)
_CAPACITY = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}


@dataclass(frozen=True)
class SmsMeasure:
    """What a text costs. `units` are septets (GSM-7) or UTF-16 code units (UCS-2); an empty text has one segment."""

    encoding: Encoding
    units: int
    segments: int


def measure(text: str) -> SmsMeasure:
    """Encoding, length and number of segments of `text` (3GPP TS 23.038 and 23.040).

    An escape pair and a surrogate pair travel in one segment, so a text may need one more than plain division says.
    """
    if all(character in _SEPTETS for character in text):
        return _pack(Encoding.GSM7, [_SEPTETS[character] for character in text])
    return _pack(Encoding.UCS2, [2 if ord(character) > 0xFFFF else 1 for character in text])


def transliterate(text: str) -> str:
    """`text` with look-alikes from GSM-7 for what is not in it: ê -> e, ’ -> ', … -> ..., no-break space -> space.

    What has no look-alike (other scripts, emoji) stays as it is, and the text is then counted as UCS-2.
    """
    quoted = _FRENCH_QUOTES.sub('"', text)
    return "".join(_plain(character) for character in quoted)


def _plain(character: str) -> str:
    if character in _SEPTETS:
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    if unicodedata.category(character) == "Zs":
        return " "
    base = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    return base if base and all(part in _SEPTETS for part in base) else character


def _pack(encoding: Encoding, widths: Iterable[int]) -> SmsMeasure:
    single, each = _CAPACITY[encoding]
    units = 0
    segments, used = 1, 0
    for width in widths:
        units += width
        if used + width > each:
            segments, used = segments + 1, 0
        used += width
    return SmsMeasure(encoding=encoding, units=units, segments=1 if units <= single else segments)
