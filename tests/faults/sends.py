"""What has left so far, told by the far ends."""

from __future__ import annotations

import time

from .rig import Rig


def count(rig: Rig) -> int:
    """Messages that reached a gateway."""
    return len(rig.smtp.messages) + len(rig.gateway.sent)


def wait_for(rig: Rig, *, number: int, seconds: float = 120) -> float:
    """Until so many have left; the seconds it took."""
    began = time.monotonic()
    while count(rig) < number:
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{count(rig)} of {number} sent after {seconds} s:\n{rig.output()[-4000:]}")
        time.sleep(0.02)
    return time.monotonic() - began


def calls(rig: Rig) -> int:
    """Times a gateway was asked, whatever it answered."""
    return len(rig.journal("email")) + len(rig.journal("sms"))
