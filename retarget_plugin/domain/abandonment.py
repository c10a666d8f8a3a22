"""The cart state machine: what a cart that has gone idle turns out to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from .carts import Cart
from .vocabulary import Stage, Trigger

#: What a cart that is left may pull.
TRIGGERS = (Trigger.CART_ABANDONED, Trigger.CHECKOUT_ABANDONED)
#: For so long a cart in payment, or one that the shop cannot tell about, is looked at again; then it is given up.
HELD_FOR = timedelta(days=7)


class Finding(Enum):
    """What a cart is once it was read."""

    GONE = "gone"
    EMPTY = "empty"
    FROZEN = "frozen"
    ACTIVE = "active"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Reading:
    """A finding, and since when (`last_activity`) the cart has been idle."""

    finding: Finding
    last_activity: datetime


def read(cart: Cart | None, *, touched_at: datetime, now: datetime, idle: timedelta) -> Reading:
    """What the cart that was last touched at `touched_at` is at `now`, given what the host says of it.

    The host's own `updated_at` wins where it is later (an event was lost), and never lies in the future.
    """
    if cart is None:
        return Reading(Finding.GONE, touched_at)
    if cart.is_frozen:
        return Reading(Finding.FROZEN, touched_at)
    if cart.is_empty:
        return Reading(Finding.EMPTY, touched_at)
    last = max(touched_at, min(cart.updated_at, now)) if cart.updated_at else touched_at
    return Reading(Finding.ABANDONED if last <= now - idle else Finding.ACTIVE, last)


def is_given_up(held_since: datetime, *, now: datetime) -> bool:
    """True when a cart was held for too long: a payment that nobody ends leaves its cart as it is for years."""
    return now - held_since >= HELD_FOR


def trigger_for(stage: str) -> Trigger:
    """Which trigger a cart abandoned at `stage` of the intent ladder pulls."""
    return Trigger.CHECKOUT_ABANDONED if stage in (Stage.CHECKOUT, Stage.PAYMENT) else Trigger.CART_ABANDONED


LADDER = list(Stage)


def is_higher(stage: str, than: str) -> bool:
    """True when `stage` shows more intent than `than`."""
    return LADDER.index(Stage(stage)) > LADDER.index(Stage(than))
