"""What e-mail providers report through anymail's `tracking` signal, in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason

from retarget_plugin.domain import machines
from retarget_plugin.domain.messages import DeliveryEvent
from retarget_plugin.domain.vocabulary import DeliveryKind

Keys = tuple[str, ...]

#: Left out: `unknown`, an automatic answer, an error with inbound mail, and a yes, which only its owner gives us.
_KINDS = {
    EventType.QUEUED: DeliveryKind.SENT,
    EventType.SENT: DeliveryKind.SENT,
    EventType.DELIVERED: DeliveryKind.DELIVERED,
    EventType.DEFERRED: DeliveryKind.DEFERRED,
    EventType.BOUNCED: DeliveryKind.BOUNCED,
    EventType.REJECTED: DeliveryKind.FAILED,
    EventType.FAILED: DeliveryKind.FAILED,
    EventType.COMPLAINED: DeliveryKind.COMPLAINED,
    EventType.UNSUBSCRIBED: DeliveryKind.UNSUBSCRIBED,
    EventType.OPENED: DeliveryKind.OPENED,
    EventType.CLICKED: DeliveryKind.CLICKED,
}
#: A provider that sends nothing because of what somebody told it before repeats what they told it.
_REFUSED_BEFORE = {
    RejectReason.UNSUBSCRIBED: DeliveryKind.UNSUBSCRIBED,
    RejectReason.SPAM: DeliveryKind.COMPLAINED,
}

#: A feedback loop also tells when somebody takes the mail out of the spam folder (RFC 6430), as Amazon SES passes on.
_NOT_SPAM = "not-spam"

#: Where a provider says that an address is no good for ever: paths into its own words, and values. Anymail calls soft and
#: hard bounces alike `bounced`. "*" stands for the only key there is.
_FOR_GOOD: Mapping[str, tuple[Sequence[Keys], frozenset[object]]] = {
    "Amazon SES": ([("bounce", "bounceType")], frozenset({"Permanent"})),
    "Brevo": ([("event",)], frozenset({"hard_bounce", "invalid_email"})),
    "SendinBlue": ([("event",)], frozenset({"hard_bounce", "invalid_email"})),
    "MailerSend": ([("data", "type")], frozenset({"hard_bounced"})),
    "Mailgun": ([("event-data", "reason")], frozenset({"bounce", "suppress-bounce"})),
    "Mailjet": ([("hard_bounce",)], frozenset({True})),
    "Mailtrap": ([("event",)], frozenset({"bounce"})),
    "Mandrill": ([("event",)], frozenset({"hard_bounce"})),
    "Postmark": ([("Type",), ("SuppressionReason",)], frozenset({"HardBounce", "BadEmailAddress"})),
    "Resend": ([("data", "bounce", "type")], frozenset({"Permanent"})),
    "SendGrid": ([("type",)], frozenset({"bounce"})),
    "SparkPost": ([("msys", "*", "bounce_class")], frozenset({"10", "30"})),
    "Unisender Go": ([("status",)], frozenset({"hard_bounced"})),
}
#: Enhanced status codes that are about the address itself (RFC 3463, sections 3.2 and 3.3; RFC 7505): for providers that
#: are not listed above.
_ADDRESS_IS_BAD = re.compile(r"(?<![\d.])5\.(1\.(1|2|3|6|10)|2\.1)(?![\d.])")

#: Where a provider says itself that a machine opened or clicked, and the values that do not.
_BY_MACHINE: Mapping[str, Keys] = {
    "Mailgun": ("event-data", "client-info", "bot"),
    "SendGrid": ("sg_machine_open",),
    "SparkPost": ("msys", "*", "is_prefetched"),
}
_PROXY_OPENS = frozenset({"proxy_open", "unique_proxy_open"})
_NOT_SAID = frozenset({"", "false", "none", "0"})


def event_of(event: AnymailTrackingEvent, *, provider: str) -> DeliveryEvent | None:
    """The same report as a DeliveryEvent, or None where it says nothing that we keep. `provider`: anymail's name of it."""
    kind = _KINDS.get(event.event_type)
    if kind is None or (kind is DeliveryKind.COMPLAINED and event.description == _NOT_SPAM):
        return None
    if event.event_type == EventType.REJECTED:
        kind = _REFUSED_BEFORE.get(event.reject_reason, kind)
    metadata = event.metadata if isinstance(event.metadata, Mapping) else {}
    return DeliveryEvent(
        kind=kind,
        at=event.timestamp if event.timestamp and event.timestamp.tzinfo else None,
        message_id=str(metadata.get("retarget_message", "")),
        seal=str(metadata.get("retarget_seal", "")),
        gateway_id=str(event.message_id or ""),
        recipient=str(event.recipient or ""),
        is_permanent=kind in (DeliveryKind.BOUNCED, DeliveryKind.FAILED) and _is_for_good(event, provider),
        is_machine=kind in (DeliveryKind.OPENED, DeliveryKind.CLICKED) and _is_machine(event, provider),
        code=str(event.reject_reason or ""),
    )


def _is_for_good(event: AnymailTrackingEvent, provider: str) -> bool:
    if event.reject_reason == RejectReason.INVALID:
        return True
    if event.event_type == EventType.REJECTED:
        # It bounced before, for good, and the provider does not try again.
        return event.reject_reason == RejectReason.BOUNCED
    if provider in _FOR_GOOD:
        paths, values = _FOR_GOOD[provider]
        said = [_look(event.esp_event, path) for path in paths]
        return any(isinstance(word, str | bool) and word in values for word in said)
    return _ADDRESS_IS_BAD.search(str(event.mta_response or "")[:1000]) is not None


def _is_machine(event: AnymailTrackingEvent, provider: str) -> bool:
    if provider in ("Brevo", "SendinBlue"):
        return _look(event.esp_event, ("event",)) in _PROXY_OPENS
    if provider in _BY_MACHINE:
        said = _look(event.esp_event, _BY_MACHINE[provider])
        if str(said).lower() not in _NOT_SAID:
            return True
    # Not every provider tells the program; then only the time is left, which the engine looks at.
    agent = str(event.user_agent or "")
    return bool(agent.strip()) and machines.says_so(user_agent=agent, headers={})


def _look(said: Any, path: Keys) -> Any:
    """What stands at `path`, or None."""
    for key in path:
        if not isinstance(said, Mapping):
            return None
        said = next(iter(said.values()), None) if key == "*" else said.get(key)
    return said
