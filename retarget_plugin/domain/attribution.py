"""Which message earns an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True)
class Touch:
    """A human click on `message_id`, at `clicked_at`."""

    message_id: int
    clicked_at: datetime


def credited(touches: Sequence[Touch], *, placed_at: datetime, window: timedelta) -> int | None:
    """The message of the last human click within `window` before the order; None when there was none. Opens never count."""
    counted = [touch for touch in touches if placed_at - window <= touch.clicked_at <= placed_at]
    return max(counted, key=lambda touch: (touch.clicked_at, touch.message_id)).message_id if counted else None


def margin(revenue: Decimal, *, discount: Decimal, percent: int) -> Decimal:
    """What is left of `revenue` once the goods are paid. `percent`: what is left of a full price; goods cost the same at any."""
    cost = (revenue + discount) * (100 - percent) / 100
    return revenue - cost
