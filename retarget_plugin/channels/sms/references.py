"""Our message id as providers keep it and repeat it in their reports, told apart from what others send by the same account."""

from __future__ import annotations

_PREFIX = "retarget-"


def write(message_id: str) -> str:
    """`41` as `retarget-41`."""
    return f"{_PREFIX}{message_id}"


def read(reference: object) -> str:
    """`retarget-41` as `41`; empty for what we have not written."""
    return reference.removeprefix(_PREFIX) if isinstance(reference, str) and reference.startswith(_PREFIX) else ""
