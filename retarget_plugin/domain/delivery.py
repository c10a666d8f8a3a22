"""The state machine of a message: which change is allowed, and what follows from an outcome or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .messages import Outcome
from .vocabulary import MessageState, OutcomeKind, Reason

_S = MessageState

#: From where to where. A message in doubt may have been taken by its provider, so it ends as `unknown`, never as cancelled.
TRANSITIONS: Mapping[MessageState, frozenset[MessageState]] = {
    _S.SCHEDULED: frozenset({_S.CLAIMED, _S.CANCELLED, _S.EXPIRED, _S.UNKNOWN}),
    _S.CLAIMED: frozenset(
        {_S.ATTEMPTING, _S.SCHEDULED, _S.CANCELLED, _S.EXPIRED, _S.UNKNOWN, _S.PARKED, _S.QUARANTINED}
    ),
    _S.ATTEMPTING: frozenset({_S.ACCEPTED, _S.REJECTED, _S.UNKNOWN, _S.SCHEDULED, _S.EXPIRED}),
    _S.PARKED: frozenset({_S.SCHEDULED, _S.CANCELLED, _S.EXPIRED}),
    _S.QUARANTINED: frozenset({_S.SCHEDULED, _S.CANCELLED, _S.EXPIRED}),
    # Proof may come late: a worker that was frozen, or the provider's report.
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.REJECTED, _S.SCHEDULED, _S.EXPIRED}),
    _S.ACCEPTED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}
FINAL = frozenset(state for state, following in TRANSITIONS.items() if not following) | {_S.UNKNOWN}
#: Waiting for staff: nothing moves them but a release, a cancellation or their deadline.
SET_ASIDE = frozenset({_S.PARKED, _S.QUARANTINED})
LONGEST_BACK_OFF = timedelta(hours=1)
#: Code of an attempt that was written down and never made: the worker came too late to it.
HELD_UP = "held_up"


class Held(Exception):
    """Why a claimed message goes no further; `until` is when to look again, None for never."""

    def __init__(
        self,
        reason: Reason,
        until: datetime | None = None,
        *,
        detail: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.until, self.detail = reason, until, detail
        self.facts = dict(facts or {})


@dataclass(frozen=True)
class Consequence:
    """What becomes of a message. `keeps_key`: the same key goes out again, since the provider may have taken it already."""

    state: MessageState
    reason: Reason
    due_at: datetime
    keeps_key: bool = field(default=False, kw_only=True)


def sources(state: MessageState) -> list[MessageState]:
    """The states from which `state` may be entered."""
    return [old for old, following in TRANSITIONS.items() if state in following]


def after_hold(held: Held, *, due_at: datetime, not_after: datetime, in_doubt: bool) -> Consequence:
    """A claimed message that may not go now: postponed within its deadline, else ended for a reason."""
    if held.until is not None and held.until <= not_after:
        return Consequence(_S.SCHEDULED, held.reason, held.until)
    if held.reason is Reason.RESTORED:
        return Consequence(_S.UNKNOWN, held.reason, due_at)
    if in_doubt:
        return Consequence(_S.UNKNOWN, Reason.OUTCOME_UNKNOWN, due_at)
    if held.until is not None or held.reason is Reason.DEADLINE_PASSED:
        return Consequence(_S.EXPIRED, held.reason, due_at)
    return Consequence(_S.CANCELLED, held.reason, due_at)


def after_outcome(
    outcome: Outcome,
    *,
    attempts_made: int,
    most_attempts: int,
    due_at: datetime,
    not_after: datetime,
    key_until: datetime | None,
    retries_unknown: bool,
    now: datetime,
) -> Consequence:
    """What an attempt leads to.

    `key_until`: how long the provider recognises this attempt's key, None without keys. An unknown outcome is tried again
    only under that key and within its life, or where staff has switched on that doubles may happen (`retries_unknown`).
    """
    if outcome.is_accepted:
        return Consequence(_S.ACCEPTED, Reason.SENT, due_at)
    again = now + back_off(attempts_made, outcome.retry_after)
    is_last = attempts_made >= most_attempts and outcome.code != HELD_UP
    if outcome.kind is OutcomeKind.UNKNOWN:
        has_key = key_until is not None and again < key_until
        if (has_key or retries_unknown) and not outcome.knows_key and not is_last and again <= not_after:
            return Consequence(_S.SCHEDULED, Reason.RETRYING, again, keeps_key=has_key)
        return Consequence(_S.UNKNOWN, Reason.OUTCOME_UNKNOWN, due_at)
    if not outcome.is_retryable or is_last:
        return Consequence(_S.REJECTED, Reason.REJECTED, due_at)
    if again > not_after:
        return Consequence(_S.EXPIRED, Reason.DEADLINE_PASSED, due_at)
    return Consequence(_S.SCHEDULED, Reason.RETRYING, again)


def back_off(attempts: int, retry_after: float | None) -> timedelta:
    """What the provider asks for, else 30 s doubling; an hour at the most."""
    if retry_after is not None and retry_after > 0:
        return min(timedelta(seconds=retry_after), LONGEST_BACK_OFF)
    return min(timedelta(seconds=30 * 2 ** min(max(attempts - 1, 0), 10)), LONGEST_BACK_OFF)
