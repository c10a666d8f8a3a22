"""Admission: whether somebody may enter a flow now. Values in, decisions out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .flows import Definition
from .vocabulary import Reason


@dataclass(frozen=True, kw_only=True)
class Past:
    """What counts of a person's past. `entered_at`: when they last entered this flow; where it counts by subject, about the
    same one. `ordered_at`, `order`: their last order that stands. `inside`: the key of a flow that excludes this one."""

    entered_at: datetime | None = None
    ordered_at: datetime | None = None
    order: str = ""
    inside: str = ""


def refusal(definition: Definition, past: Past, *, now: datetime) -> tuple[Reason, Mapping[str, Any]] | None:
    """Why somebody with this past may not enter, and on which facts that was decided; None where they may."""
    if past.entered_at and past.entered_at > now - definition.reentry:
        return Reason.RECENTLY_ENTERED, {"entered_at": past.entered_at.isoformat()}
    if definition.order_cooldown and past.ordered_at and past.ordered_at > now - definition.order_cooldown:
        return Reason.COOLDOWN, {"order": past.order}
    if definition.exclusive_with and past.inside:
        return Reason.EXCLUSIVE, {"flow": past.inside}
    return None
