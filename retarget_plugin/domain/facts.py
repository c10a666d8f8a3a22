"""What is known about somebody inside a flow when a step is decided: values in, no question asked of anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

#: What a step may require. The first line is known when the step is due; the second only when its message is written, so
#: there a step goes on, and the message is ended with a reason where there is nothing to show.
KNOWN_WHEN_DUE = ("shipping_facts", "support", "answer", "product", "store_near", "pay_link")
KNOWN_WHEN_WRITTEN = ("recommendations", "new_products", "posts")
NAMES = frozenset(KNOWN_WHEN_DUE + KNOWN_WHEN_WRITTEN)


@dataclass(frozen=True)
class Happening:
    """Something the person did while inside: an Exit's or a Trigger's name, when, and about which topic."""

    name: str
    at: datetime
    topic: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Of one run. `held`: those of NAMES that hold. `contact`: the person's id, by which paths are drawn under `draw_key`.

    `arm`: of the experiment. `topic`: what the run is about. `cart_total` is in the cart's own currency; None without one.
    `clicks`: by a human, (when, topic) each. `orders`: when each that stands was placed. `downloads`: keys of magnets.
    `answers`: preference -> what was chosen.
    """

    held: frozenset[str] = frozenset()
    contact: int = 0
    draw_key: bytes = b""
    arm: str = ""
    zone: tzinfo = UTC
    country: str = ""
    language: str = ""
    topic: str = ""
    has_phone: bool = False
    tags: frozenset[str] = frozenset()
    answers: Mapping[str, Any] = field(default_factory=dict)
    interests: Mapping[str, Any] = field(default_factory=dict)
    cart_total: Decimal | None = None
    clicks: Sequence[tuple[datetime, str]] = ()
    orders: Sequence[datetime] = ()
    downloads: frozenset[str] = frozenset()
    happened: Sequence[Happening] = ()
