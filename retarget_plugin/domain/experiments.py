"""Who is held out, and who gets which path: keyed buckets, the arms of a flow and their shares."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum

#: Per cent held out while the effect of a flow is not known, and once it is.
LEARNING, KNOWN = 20, 10


class Arm(StrEnum):
    """What becomes of a contact in a flow. Where a coupon is on, those who are not held out get it, or the step it replaces."""

    HOLDOUT = "holdout"
    TREATED = "treated"
    PLAIN = "plain"
    COUPON = "coupon"


def bucket(key: bytes, subject: str) -> float:
    """Where `subject` lies from 0 up to, not including, 1: always the same under one `key`, and unrelated under another.

    HMAC-SHA256, so that nobody who knows an id can tell its arm, and no two experiments share their luck.
    """
    mac = hmac.digest(key, subject.encode(), hashlib.sha256)
    # 53 bits are what a float holds: with more, the highest would be rounded up to 1.
    return (int.from_bytes(mac[:8], "big") >> 11) / 2**53


def draw(key: bytes, subject: str, weights: Mapping[str, float]) -> str:
    """One name of `weights`, each as often as its weight says, in whichever order they are given.

    Raises ValueError where no weight is above zero.
    """
    # A database may give the names back in another order than they were stored in.
    drawn = sorted(name for name, weight in weights.items() if weight > 0)
    if not drawn:
        raise ValueError("Nothing can be drawn: no weight is above zero.")
    left = bucket(key, subject) * sum(weights[name] for name in drawn)
    for name in drawn:
        left -= weights[name]
        if left < 0:
            return name
    return drawn[-1]


def share(*, asked: int | None, was_known: bool) -> int:
    """Per cent to hold out: what the owner has `asked` for, else by whether the effect has been shown already."""
    if asked is not None:
        return asked
    return KNOWN if was_known else LEARNING


def arms(holdout: int, *, has_coupon: bool) -> dict[str, float]:
    """Arm -> its weight in per cent. Two arms; three where a coupon is on; without a holdout all get the flow as it is."""
    if not holdout:
        return {Arm.TREATED.value: 100.0}
    rest = 100.0 - holdout
    treated = {Arm.PLAIN.value: rest / 2, Arm.COUPON.value: rest / 2} if has_coupon else {Arm.TREATED.value: rest}
    return {Arm.HOLDOUT.value: float(holdout), **treated}
