"""What the owner of a browser allowed in the shop's consent tool."""

from __future__ import annotations

from dataclasses import dataclass

from .vocabulary import Purpose


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One answer to the consent tool. `wording`: version of what was shown; `source`: which tool or page asked."""

    tracking: bool = False
    ads: bool = False
    measurement: bool = False
    wording: str = ""
    source: str = ""

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """What was said yes to, in the order of `Purpose`."""
        said = {Purpose.TRACKING: self.tracking, Purpose.ADS: self.ads, Purpose.MEASUREMENT: self.measurement}
        return tuple(purpose for purpose, is_granted in said.items() if is_granted)
