"""Percentiles by the nearest rank: always one of the values."""

from __future__ import annotations

import math
from collections.abc import Iterable


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest of `values` that `share` (0 to 1) of them do not exceed. Raises ValueError where there are none."""
    ranked = sorted(values)
    if not ranked:
        raise ValueError("no values to rank")
    return ranked[max(1, math.ceil(share * len(ranked))) - 1]
