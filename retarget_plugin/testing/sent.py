"""Sent: one message that left, as its reader sees it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_ANCHOR = re.compile(r'<a\b[^>]*?href="([^"]+)"[^>]*>(.*?)</a>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Sent:
    """One message that left. `channel` is "email" or "sms"; a text has neither `subject` nor `html`."""

    channel: str
    to: str
    text: str
    subject: str = ""
    html: str = ""

    def link(self, words: str = "") -> str:
        """The address behind the first link whose words hold `words`; of a text, which has no words, the first address.

        Raises LookupError when there is none.
        """
        found = [(html.unescape(address), _TAG.sub("", shown)) for address, shown in _ANCHOR.findall(self.html)]
        found = found or [(address, words) for address in _ADDRESS.findall(self.text)]
        for address, shown in found:
            if words in html.unescape(shown) and address.startswith("http"):
                return address
        raise LookupError(f"No link says {words!r}; there are {[shown.strip() for _address, shown in found]}.")
