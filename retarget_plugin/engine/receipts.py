"""What providers report of the messages they took: in any order, any number of times, even before we know they took them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q

from retarget_plugin import conf, signals
from retarget_plugin.domain.messages import DeliveryEvent
from retarget_plugin.domain.vocabulary import (
    Channel,
    ConsentState,
    DeliveryKind,
    MessageState,
    Purpose,
    Reason,
    SuppressionReason,
)
from retarget_plugin.models import Attempt, Consent, Contact, Message

from . import consent, decisions, ledger

logger = logging.getLogger("retarget_plugin.receipts")

#: Where a kind is kept. What is in no column says only that the provider has the message.
_COLUMNS = {
    DeliveryKind.DELIVERED: "delivered_at",
    DeliveryKind.BOUNCED: "bounced_at",
    DeliveryKind.FAILED: "bounced_at",
    DeliveryKind.COMPLAINED: "complained_at",
    DeliveryKind.UNSUBSCRIBED: "unsubscribed_at",
    DeliveryKind.OPENED: "opened_at",
    DeliveryKind.CLICKED: "clicked_at",
}


def apply(events: Sequence[DeliveryEvent], *, gateway: str, now: datetime) -> Counter[str]:
    """Write down what `gateway` (as the message names it) reports. Answers how many events were `applied`, `machine`
    (an open or click that nobody made), `unmatched` and `quarantined`.

    An event is matched by our message id, else by the provider's; one about nothing that was handed to `gateway` changes
    nothing. Each kind is kept once, with its earliest time. An event that cannot be applied is set aside: logged, and a
    Decision of its message. Where the database itself fails, OperationalError or InterfaceError is raised: the caller
    must not thank the provider then, so that it reports again.
    """
    tally: Counter[str] = Counter()
    find = _finder(events, gateway)
    for event in events:
        message = find(event)
        if message is None:
            tally["unmatched"] += 1
            continue
        try:
            with transaction.atomic():
                tally[_apply(event, message, gateway=gateway, now=now)] += 1
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("a report of %s about message %s is set aside", gateway, message.pk)
            facts = {"report": str(event.kind)[:20], "error": type(error).__name__}
            decisions.about_message(message, Reason.BROKEN, now=now, facts=facts)
            tally["quarantined"] += 1
    return tally


def settle_reported(*, now: datetime) -> int:
    """Accept what its provider, or its reader, had reported on before the outcome became unknown. Answers how many."""
    reported = Q(*[(f"{column}__isnull", False) for column in set(_COLUMNS.values())], _connector=Q.OR)
    unknown = Message.objects.filter(reported, state=MessageState.UNKNOWN).select_related(
        "shop", "contact", "run__flow"
    )
    facts = {"report": "earlier"}
    return sum(
        ledger.resolve(message, MessageState.ACCEPTED, now=now, facts=facts)
        for message in unknown.order_by("pk")[: conf.settings.BATCH_SIZE]
    )


def _finder(events: Sequence[DeliveryEvent], gateway: str) -> Callable[[DeliveryEvent], Message | None]:
    """Looks an event's message up among those that were handed to `gateway`; two queries for all events together."""
    tried = Attempt.objects.filter(message=OuterRef("pk"), gateway=gateway)
    handed_over = Message.objects.filter(Exists(tried)).select_related("shop", "contact", "run__flow")
    by_id = handed_over.in_bulk({key for event in events if (key := _key_of(event)) is not None})
    names = {str(event.gateway_id).replace("\0", "") for event in events} - {""}
    by_gateway_id = {message.gateway_id: message for message in handed_over.filter(gateway_id__in=names)}

    def find(event: DeliveryEvent) -> Message | None:
        return by_id.get(_key_of(event) or 0) or by_gateway_id.get(event.gateway_id)

    return find


def _key_of(event: DeliveryEvent) -> int | None:
    text = str(event.message_id)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _apply(event: DeliveryEvent, message: Message, *, gateway: str, now: datetime) -> str:
    kind = DeliveryKind(event.kind)
    at = min(event.at or now, now)
    is_refusal = kind in (DeliveryKind.COMPLAINED, DeliveryKind.UNSUBSCRIBED)
    if is_refusal or event.is_permanent:
        # One report at a time per person: the same one may arrive at two workers at once.
        Contact.objects.select_for_update().get(pk=message.contact_id)
    _settle(event, kind, message, now=now)
    if event.is_machine:
        return "machine"
    is_first = kind in _COLUMNS and _stamp(message, _COLUMNS[kind], at)
    if is_refusal:
        _refuse(kind, message, source=f"{kind} reported by {gateway}", at=event.at, is_first=is_first, now=now)
    elif kind in (DeliveryKind.BOUNCED, DeliveryKind.FAILED) and event.is_permanent:
        _give_up(event, message, now=now)
    return "applied"


def _settle(event: DeliveryEvent, kind: DeliveryKind, message: Message, *, now: datetime) -> None:
    """Whoever reports on a message has taken it, unless the report is that it could not be sent."""
    if message.state != MessageState.UNKNOWN:
        return
    state = MessageState.REJECTED if kind is DeliveryKind.FAILED else MessageState.ACCEPTED
    ledger.resolve(message, state, now=now, facts={"report": kind.value, "code": event.code})
    Message.objects.filter(pk=message.pk, gateway_id="").update(gateway_id=event.gateway_id[:200])


def _stamp(message: Message, column: str, at: datetime) -> bool:
    """Keep the earliest time; True when it is the first."""
    rows = Message.objects.filter(pk=message.pk)
    if rows.filter(**{column: None}).update(**{column: at}):
        return True
    rows.filter(**{f"{column}__gt": at}).update(**{column: at})
    return False


def _refuse(
    kind: DeliveryKind, message: Message, *, source: str, at: datetime | None, is_first: bool, now: datetime
) -> None:
    """A person's no. Said again it changes nothing, not even a yes that came in between; a new no does."""
    contact = message.contact.merged_into or message.contact
    state = Consent.objects.filter(contact=contact, channel=message.channel, purpose=Purpose.MARKETING).first()
    is_new = is_first or (at is not None and state is not None and at > state.changed_at)
    if not is_new:
        return
    if state is None or state.state != ConsentState.WITHDRAWN:
        consent.withdraw(contact, channel=message.channel, source=source, now=now)
        signals.emit(signals.contact_unsubscribed, sender=Contact, contact=contact.pk, channel=message.channel)
    if kind is DeliveryKind.COMPLAINED:
        reason = SuppressionReason.COMPLAINED
    elif message.channel == Channel.SMS:
        reason = SuppressionReason.STOPPED
    else:
        reason = SuppressionReason.UNSUBSCRIBED
    _suppress(contact, message.channel, reason, now=now)


def _give_up(event: DeliveryEvent, message: Message, *, now: datetime) -> None:
    """The address is no good for ever. A report of another one than the person has today says nothing about today's."""
    contact = message.contact.merged_into or message.contact
    address = consent.address_of(contact, message.channel)
    if not event.recipient or event.recipient.lower() == address.lower():
        _suppress(contact, message.channel, SuppressionReason.BOUNCED, now=now)


def _suppress(contact: Contact, channel: str, reason: SuppressionReason, *, now: datetime) -> None:
    address = consent.address_of(contact, channel)
    consent.suppress(contact.shop, channel=channel, address=address, reason=reason, now=now)
