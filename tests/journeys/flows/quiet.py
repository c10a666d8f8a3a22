"""Long times in which nothing happens: one tick at their end does for the thousands between."""

from __future__ import annotations


def later(retarget, **delta):
    """As `retarget.advance`, where nothing falls due before the last minute."""
    retarget.clock.advance(**delta)
    retarget.advance()
