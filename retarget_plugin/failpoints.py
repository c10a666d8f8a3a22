"""Named stops on the way of a message and of an event, where tests kill, freeze or overtake a process. Off unless armed."""

from __future__ import annotations

from collections.abc import Callable

#: On the way of a message, in order.
DELIVERY = (
    "after_claim",
    "after_render",
    "before_gate",
    "after_gate",
    "after_attempt_commit",
    "before_first_byte",
    "after_body_sent",
    "after_response",
    "before_result_commit",
    "after_result_commit",
)
#: Between the shop's making a coupon and our writing it down.
COUPON = ("after_mint",)
#: On the way of a shop's event.
CAPTURE = ("in_host_tx", "after_host_commit", "before_doorbell")

_hook: Callable[[str], None] | None = None


def arm(hook: Callable[[str], None] | None) -> None:
    """From now on `hook` is called with the name of every stop that is reached; None disarms. `RETARGET["FAILPOINTS"]` does
    this at start-up."""
    global _hook
    _hook = hook


def reach(name: str) -> None:
    """This process has come to the stop called `name`."""
    if _hook is not None:
        _hook(name)
