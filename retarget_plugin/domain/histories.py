"""What became of past carts, as a host or our own rows tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .carts import Cart


@dataclass(frozen=True, kw_only=True)
class PastCart:
    """A cart of the past, with its lines as they were last.

    `touched_at`: when it moved, oldest first, as far as that is known. `stage` of the intent ladder, "" where nobody knows.
    `ordered_at`: when it became an order that stands, and `order` that order's number.
    """

    cart: Cart
    touched_at: tuple[datetime, ...]
    stage: str = ""
    ordered_at: datetime | None = None
    order: str = ""

    @property
    def owner(self) -> str:
        """What tells its owner from everybody else's; "" where nobody is known."""
        who = self.cart.identity
        return (who.external_id or who.email or who.phone) if who else ""
