"""EXTENSION POINT: a partner's base of numbers, asked where the shop's own contacts do not know a visitor. Off by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Match:
    """A number whose owner agreed to texts from this very shop. `wording` is what was agreed to, `proof` how that is shown."""

    phone: str
    wording: str
    wording_version: str
    source: str
    proof: Mapping[str, str] = field(default_factory=dict)


class Partner:
    """Named in `RETARGET["PARTNER"]`; without that line nobody is asked and nothing leaves the shop.

    Must be implemented: `match`. It may use the network and may raise, which means "cannot say now". It must not keep
    or pass on `visitor`, which is a number of ours and no cookie, and must not answer for a person who did not agree to
    texts from this shop by name: an agreement to "partners" is none.
    """

    def match(self, visitor: int) -> Match | None:
        """The number of the person behind one of our visitors, or None."""
        raise NotImplementedError
