"""Whether all of an order has left the shop, and since when: by its status, else by what was shipped of each line."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from .options import Options


def is_fulfilled(order: Any, *, options: Options) -> tuple[bool, datetime | None]:
    """Whether `order` (an Oscar order) is fulfilled, and when that came about where Oscar has noted it."""
    if order.status in options.fulfilled_statuses:
        changes = order.status_changes.filter(new_status=order.status)
        return True, changes.order_by("date_created").values_list("date_created", flat=True).first()
    events = order.shipping_events.filter(event_type__code__in=options.fulfilled_events)
    shipped: Counter[int] = Counter()
    last = None
    rows = events.order_by("date_created").values_list(
        "date_created", "line_quantities__line", "line_quantities__quantity"
    )
    for at, line, quantity in rows:
        shipped[line] += quantity or 0
        last = at
    whole = last is not None and all(shipped[line.pk] >= line.quantity for line in order.lines.all())
    return whole, last if whole else None
