"""States as small colored labels; the color only repeats what the word says."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from retarget_plugin.domain.vocabulary import CartState, ConsentState, FlowState, MessageState

GOOD, BUSY, QUIET, WARN, BAD = "good", "busy", "quiet", "warn", "bad"

TONES: dict[str, str] = {
    CartState.ACTIVE: BUSY,
    CartState.ABANDONED: WARN,
    CartState.ORDERED: GOOD,
    CartState.CLOSED: QUIET,
    FlowState.ON: GOOD,
    FlowState.PAUSED: WARN,
    FlowState.OFF: QUIET,
    ConsentState.GRANTED: GOOD,
    ConsentState.PENDING: WARN,
    ConsentState.WITHDRAWN: BAD,
    MessageState.SCHEDULED: BUSY,
    MessageState.CLAIMED: BUSY,
    MessageState.ATTEMPTING: BUSY,
    MessageState.ACCEPTED: GOOD,
    MessageState.REJECTED: BAD,
    MessageState.CANCELLED: QUIET,
    MessageState.EXPIRED: QUIET,
    MessageState.UNKNOWN: BAD,
    MessageState.PARKED: WARN,
    MessageState.QUARANTINED: WARN,
}


def badge(label: object, tone: str) -> SafeString:
    return format_html('<span class="rt-badge rt-badge-{}">{}</span>', tone, label)


def state_badge(state: str, label: object) -> SafeString:
    """The badge of a state from the vocabulary, with its label."""
    return badge(label, TONES.get(state, QUIET))
