"""Frequency caps: how much one person may hear from a shop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

Cap = tuple[int, timedelta]


def next_free(now: datetime, sent_at: Sequence[datetime], caps: Sequence[Cap]) -> datetime:
    """The first instant at or after `now` at which one more message breaks no cap.

    `sent_at`: when earlier messages on the channel went out (any order). A cap of 0 messages is never free and answers
    the far end of its period again and again: the message's own deadline ends that.
    """
    free = now
    for count, period in caps:
        recent = sorted(moment for moment in sent_at if moment > now - period)
        if len(recent) >= count:
            free = max(free, recent[len(recent) - count] + period) if count else max(free, now + period)
    return free
