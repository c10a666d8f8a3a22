"""From a due row to a provider's answer: queue, claim, dispatch, settle, recover. No network inside a transaction."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import translation

from retarget_plugin import channels, conf, hosts, signals
from retarget_plugin.domain import flows as flow_rules
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.messages import Outcome, OutgoingEmail
from retarget_plugin.domain.vocabulary import CartState, Channel, MessageState, OutcomeKind, Reason, SuppressionReason
from retarget_plugin.exceptions import ConfigurationError, GatewayError, TemplateError
from retarget_plugin.models import Attempt, Contact, FlowRun, FlowVersion, Message, MessageBody, Shop
from retarget_plugin.models.claims import claim

from . import composing, consent, contacts, decisions, gates, orders

logger = logging.getLogger("retarget_plugin.delivery")

RELATED = ("shop", "contact", "run__flow", "run__version", "run__cart")
UNREADABLE_WAIT = timedelta(minutes=5)
FROZEN_WAIT = timedelta(minutes=15)
LONGEST_BACK_OFF = timedelta(hours=1)


class _Held(Exception):
    """Why a message goes no further; `until` is when to look again, None for never."""

    def __init__(self, reason: Reason, until: datetime | None = None, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until
        self.detail = detail


def queue(run: FlowRun, *, step: str, channel: str, due_at: datetime, not_after: datetime, now: datetime) -> Message:
    """The message for `step` of `run`; asked twice, the same one."""
    message, is_new = Message.objects.get_or_create(
        run=run,
        step=step,
        defaults={
            "shop_id": run.shop_id,
            "contact_id": run.contact_id,
            "channel": channel,
            "due_at": due_at,
            "not_after": not_after,
            "key": uuid.uuid4(),
            "created_at": now,
        },
    )
    if is_new:
        decisions.about_message(message, Reason.QUEUED, now=now, facts={"due_at": due_at.isoformat()})
    return message


def dispatch(*, now: datetime) -> Counter[str]:
    """Send what is due: one claim of at most BATCH_SIZE messages a shop, so that no shop waits for another.

    Answers how many messages ended in which state.
    """
    orders.read_new(now=now)
    # One connection carries every e-mail of this round.
    with channels.get_email():
        return sum((_dispatch_for(shop, now=now) for shop in Shop.objects.all()), Counter())


def _dispatch_for(shop: Shop, *, now: datetime) -> Counter[str]:
    due = Message.objects.filter(shop=shop, state=MessageState.SCHEDULED, due_at__lte=now).order_by("due_at", "pk")
    claimed = claim(
        due,
        limit=conf.settings.BATCH_SIZE,
        stamp="fence",
        state=MessageState.CLAIMED,
        fence=F("fence") + 1,
        leased_until=now + timedelta(seconds=conf.settings.LEASE_SECONDS),
    )
    return Counter(_deliver(message, now=now) for message in _load([row.pk for row in claimed]))


def _load(ids: list[int]) -> list[Message]:
    """The messages with all they need. A version's compiled texts are large: they are read once for all its messages."""
    rows = Message.objects.filter(pk__in=ids).select_related(*RELATED).defer("run__version__content")
    messages = list(rows.order_by("due_at", "pk"))
    versions = FlowVersion.objects.in_bulk({message.run.version_id for message in messages if message.run})
    for message in messages:
        if message.run:
            message.run.version = versions[message.run.version_id]
    return messages


def recover(*, now: datetime) -> Counter[str]:
    """Take over what dead workers held. What was only claimed is due again; what was being handed over may have
    arrived, so it is repeated with a provider that recognises its key, and `unknown` with any other."""
    tally: Counter[str] = Counter()
    expired = Message.objects.filter(leased_until__lt=now)
    tally["requeued"] = expired.filter(state=MessageState.CLAIMED).update(
        state=MessageState.SCHEDULED, fence=F("fence") + 1, leased_until=None
    )
    for message in expired.filter(state=MessageState.ATTEMPTING).select_related(*RELATED)[: conf.settings.BATCH_SIZE]:
        kind = OutcomeKind.TRANSIENT if _has_keys(message) else OutcomeKind.UNKNOWN
        outcome = Outcome(kind=kind, detail="The worker ended before the provider's answer was known.")
        tally[settle(message, outcome, now=now)] += 1
    return tally


def settle(message: Message, outcome: Outcome, *, now: datetime) -> str:
    """Write down how the running attempt of `message` ended and what follows. Answers the message's new state.

    Changes nothing when another worker has taken the message over meanwhile (its fence has risen).
    """
    state, reason, due_at = _consequence(message, outcome, now=now)
    is_over = state != MessageState.SCHEDULED
    kept = state in (MessageState.ACCEPTED, MessageState.UNKNOWN)
    with transaction.atomic():
        written = Message.objects.filter(pk=message.pk, fence=message.fence, state=MessageState.ATTEMPTING).update(
            state=state,
            reason="" if state == MessageState.ACCEPTED else reason,
            detail=_shown(outcome),
            due_at=due_at,
            leased_until=None,
            sent_at=message.sent_at if kept else None,
            gateway_id=outcome.gateway_id[:200],
            segments=outcome.segments if outcome.segments is not None else message.segments,
            cost=outcome.cost,
            cost_currency=outcome.cost_currency,
        )
        if not written:
            logger.warning("message %s was taken over before its attempt was settled", message.pk)
            return MessageState.CLAIMED
        Attempt.objects.filter(message=message, fence=message.fence).update(
            outcome=outcome.kind, code=outcome.code[:60], detail=outcome.detail[:500], ended_at=now
        )
        decisions.about_message(message, reason, now=now, facts={"outcome": outcome.kind.value, "code": outcome.code})
        if outcome.kind is OutcomeKind.OPTED_OUT:
            _stop(message, now=now)
        if is_over:
            _announce(message, state, reason)
    message.state = state
    return state


def cancel(message: Message, *, by: str, now: datetime) -> bool:
    """Staff stops a message that has not left yet. False when it was too late."""
    waiting = (MessageState.SCHEDULED, MessageState.PARKED, MessageState.QUARANTINED)
    written = Message.objects.filter(pk=message.pk, state__in=waiting).update(
        state=MessageState.CANCELLED, reason=Reason.STOPPED_BY_STAFF, fence=F("fence") + 1
    )
    if written:
        decisions.about_message(message, Reason.STOPPED_BY_STAFF, now=now, facts={"by": by})
    return bool(written)


def release(message: Message, *, now: datetime) -> bool:
    """Staff lets a message go on that was set aside. False when it is not.

    It speaks the text that is in use now: its run moves to the flow's current version, where the step still exists.
    """
    run = message.run
    if run and run.flow.version and flow_rules.parse(run.flow.version.definition).step(message.step):
        FlowRun.objects.filter(pk=run.pk).update(version=run.flow.version)
    written = Message.objects.filter(pk=message.pk, state__in=(MessageState.PARKED, MessageState.QUARANTINED)).update(
        state=MessageState.SCHEDULED, reason="", detail="", due_at=now, fence=F("fence") + 1
    )
    return bool(written)


def cancel_for(run: FlowRun, reason: Reason, *, now: datetime) -> int:
    """Cancel what a run that ends still has waiting."""
    waiting = Message.objects.filter(run=run, state__in=(MessageState.SCHEDULED, MessageState.PARKED))
    return waiting.update(state=MessageState.CANCELLED, reason=reason, fence=F("fence") + 1)


# -- one message ------------------------------------------------------------------------------------------------------


def _deliver(message: Message, *, now: datetime) -> str:
    """Read its subject, render it, pass the final gate, commit the attempt, and only then talk to the network."""
    try:
        if now > message.not_after:
            raise _Held(Reason.DEADLINE_PASSED)
        subject = _read_subject(message, now=now)
        composed = composing.compose(message, cart=subject, now=now)
        orders.read_new(now=now)
        verdict = gates.verdict(message, now=now)
        if verdict.reason is not None:
            return _hold(message, _Held(verdict.reason, verdict.until), now=now, facts=dict(verdict.facts))
        if not _begin(message, composed, consent_record_id=verdict.consent_record_id, now=now):
            return MessageState.CLAIMED
    except _Held as held:
        return _hold(message, held, now=now)
    except TemplateError as error:
        return _set_aside(message, MessageState.PARKED, Reason.TEMPLATE_ERROR, str(error), now=now)
    except ConfigurationError as error:
        return _hold(message, _Held(Reason.NO_GATEWAY, now + UNREADABLE_WAIT, str(error)), now=now)
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("message %s cannot be prepared", message.pk)
        return _set_aside(message, MessageState.QUARANTINED, Reason.BROKEN, f"{type(error).__name__}: {error}", now=now)
    return settle(message, _send(message, composed), now=now)


def _read_subject(message: Message, *, now: datetime) -> CartSnapshot | None:
    """The cart as the shop has it this moment. Raises _Held when there is nothing left to speak of."""
    run = message.run
    if run is None or run.cart is None:
        return None
    try:
        # Titles and addresses in the reader's own language, as far as the shop has them.
        with translation.override(message.contact.locale or message.shop.locale):
            snapshot = hosts.get_host(message.shop.host).get_cart(run.cart.reference)
    except Exception as error:
        logger.exception("host %s could not tell about a cart; its message waits", message.shop.host)
        raise _Held(Reason.SUBJECT_UNREADABLE, now + UNREADABLE_WAIT, type(error).__name__) from error
    if snapshot is None:
        raise _Held(Reason.ORDERED if run.cart.state == CartState.ORDERED else Reason.SUBJECT_GONE)
    if snapshot.is_frozen:
        raise _Held(Reason.SUBJECT_FROZEN, now + FROZEN_WAIT)
    if snapshot.is_empty or not any(item.is_available for item in snapshot.items):
        raise _Held(Reason.SUBJECT_EMPTY)
    owner = snapshot.identity and contacts.find(
        message.shop, external_id=snapshot.identity.external_id, email=snapshot.identity.email.lower()
    )
    if owner and owner.pk != message.contact_id:
        raise _Held(Reason.SUBJECT_REASSIGNED)
    return snapshot


def _begin(message: Message, composed: composing.Composed, *, consent_record_id: int | None, now: datetime) -> bool:
    """Commit the attempt. False when the lease was lost; raises _Held when another worker used up the cap meanwhile."""
    gateway = _gateway_name(message)
    with transaction.atomic():
        # One attempt at a time per person: two workers with two messages may not both find the cap free.
        contact = Contact.objects.select_for_update().get(pk=message.contact_id)
        free = gates.cap_allows(contact, message.shop, channel=message.channel, now=now)
        if free > now:
            raise _Held(Reason.FREQUENCY_CAP, free if free <= message.not_after else None)
        written = Message.objects.filter(pk=message.pk, fence=message.fence, state=MessageState.CLAIMED).update(
            state=MessageState.ATTEMPTING,
            sent_at=now,
            gateway=gateway,
            segments=composed.segments,
            attempts_made=F("attempts_made") + 1,
        )
        if not written:
            return False
        Attempt.objects.create(
            message=message, fence=message.fence, consent_id=consent_record_id, gateway=gateway, started_at=now
        )
        MessageBody.objects.update_or_create(
            message=message,
            defaults={
                "subject": composed.subject,
                "html": composed.html,
                "text": composed.text,
                "language": composed.language,
            },
        )
    message.state, message.sent_at, message.segments = MessageState.ATTEMPTING, now, composed.segments
    message.attempts_made += 1
    return True


def _send(message: Message, composed: composing.Composed) -> Outcome:
    """Hand over. Whatever goes wrong from here on may have gone wrong after the provider took it."""
    outgoing = composed.outgoing
    try:
        if isinstance(outgoing, OutgoingEmail):
            return channels.get_email().send(outgoing)
        return channels.get_gateway(message.shop.sms_gateway).send(outgoing)
    except GatewayError as error:
        return Outcome(kind=OutcomeKind(error.outcome), detail=str(error), retry_after=error.retry_after)
    except Exception as error:
        logger.exception("gateway %s broke its contract; the outcome is unknown", message.gateway)
        return Outcome(kind=OutcomeKind.UNKNOWN, detail=f"{type(error).__name__} in the gateway")


# -- what follows -----------------------------------------------------------------------------------------------------


def _consequence(message: Message, outcome: Outcome, *, now: datetime) -> tuple[MessageState, Reason, datetime]:
    """(state, reason, due) after an attempt."""
    if outcome.is_accepted:
        return MessageState.ACCEPTED, Reason.SENT, message.due_at
    if outcome.kind is OutcomeKind.UNKNOWN:
        return MessageState.UNKNOWN, Reason.OUTCOME_UNKNOWN, message.due_at
    if not outcome.is_retryable or message.attempts_made >= conf.settings.MAX_ATTEMPTS:
        return MessageState.REJECTED, Reason.REJECTED, message.due_at
    again = now + _back_off(message.attempts_made, outcome.retry_after)
    if again > message.not_after:
        return MessageState.EXPIRED, Reason.DEADLINE_PASSED, message.due_at
    return MessageState.SCHEDULED, Reason.RETRYING, again


def _back_off(attempts: int, retry_after: float | None) -> timedelta:
    """What the provider asks for, else 30 s doubling; an hour at the most."""
    wanted = (
        timedelta(seconds=retry_after)
        if retry_after and retry_after > 0
        else timedelta(seconds=30 * 2 ** min(attempts - 1, 10))
    )
    return min(wanted, LONGEST_BACK_OFF)


def _hold(message: Message, held: _Held, *, now: datetime, facts: dict[str, object] | None = None) -> str:
    """Postpone a claimed message within its deadline, or end it with a reason."""
    if held.until is not None and held.until <= message.not_after:
        state, due_at = MessageState.SCHEDULED, held.until
    elif held.until is not None or held.reason is Reason.DEADLINE_PASSED:
        state, due_at = MessageState.EXPIRED, message.due_at
    else:
        state, due_at = MessageState.CANCELLED, message.due_at
    with transaction.atomic():
        written = Message.objects.filter(pk=message.pk, fence=message.fence, state=MessageState.CLAIMED).update(
            state=state, reason=held.reason, detail=held.detail[:500], due_at=due_at, leased_until=None
        )
        if written:
            decisions.about_message(message, held.reason, now=now, facts={**(facts or {}), "state": state.value})
            if state != MessageState.SCHEDULED:
                _announce(message, state, held.reason)
    return state


def _set_aside(message: Message, state: MessageState, reason: Reason, detail: str, *, now: datetime) -> str:
    """Stop this message and no other, nothing having left, until staff has mended what is wrong and releases it."""
    with transaction.atomic():
        written = Message.objects.filter(pk=message.pk, fence=message.fence, state=MessageState.CLAIMED).update(
            state=state, reason=reason, detail=detail[:500], leased_until=None
        )
        if written:
            decisions.about_message(message, reason, now=now, facts={"error": detail[:300]})
    return state


def _announce(message: Message, state: MessageState, reason: Reason) -> None:
    """Tell the host."""
    facts: dict[str, Any] = {"message": message.pk, "contact": message.contact_id, "channel": message.channel}
    if state == MessageState.ACCEPTED:
        signals.emit(signals.message_sent, sender=Message, **facts)
    elif state != MessageState.UNKNOWN:
        signals.emit(signals.message_suppressed, sender=Message, reason=str(reason), **facts)


def _stop(message: Message, *, now: datetime) -> None:
    """The provider says that this person answered STOP to it."""
    address = consent.address_of(message.contact, message.channel)
    consent.suppress(message.shop, channel=message.channel, address=address, reason=SuppressionReason.STOPPED, now=now)
    consent.withdraw(message.contact, channel=message.channel, source=f"gateway {message.gateway}", now=now)


def _has_keys(message: Message) -> bool:
    if message.channel == Channel.SMS:
        return channels.get_gateway(message.shop.sms_gateway).has_idempotency_keys
    return channels.get_email().has_idempotency_keys


def _gateway_name(message: Message) -> str:
    """Which way out is used. Asking for it raises ConfigurationError before anything is committed."""
    if message.channel == Channel.SMS:
        return channels.get_gateway(message.shop.sms_gateway).alias
    return channels.get_email().mailer or "email"


def _shown(outcome: Outcome) -> str:
    if outcome.is_accepted:
        return ""
    return " ".join(filter(None, [outcome.code, outcome.detail]))[:500]
