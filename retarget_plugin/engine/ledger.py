"""The ledger: the only room that changes a message's state. Every change is guarded by the state it leaves and by the fence."""

from __future__ import annotations

import logging
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from retarget_plugin import conf, signals
from retarget_plugin.domain.consent import Ground
from retarget_plugin.domain.delivery import SET_ASIDE, Consequence, Held, after_hold, sources
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import Channel, MessageKind, MessageState, OutcomeKind, Reason, SuppressionReason
from retarget_plugin.models import Attempt, Contact, FlowRun, Message, MessageBody, ProductSubscription, Shop
from retarget_plugin.models.claims import claim

from . import composing, consent, decisions, gates, limits

logger = logging.getLogger("retarget_plugin.delivery")

#: Workers that may end while they prepare a message before it is set aside.
MOST_STRIKES = 3
#: How long past its deadline a message is left to whoever would take it, and how many are ended in one go.
OVERDUE, EXPIRED_AT_ONCE = timedelta(minutes=10), 500


# -- taking ----------------------------------------------------------------------------------------------------------


def schedule(
    run: FlowRun,
    *,
    step: str,
    channel: str,
    kind: str,
    due_at: datetime,
    not_after: datetime,
    may_have_gone: bool,
    now: datetime,
) -> tuple[Message, bool]:
    """The one message for `step` of `run`, and whether it is new.

    `may_have_gone`: this database is a restored backup, and its earlier life may have sent it: the outcome is unknown.
    """
    message, is_new = Message.objects.get_or_create(
        run=run,
        step=step,
        defaults={
            "shop_id": run.shop_id,
            "contact_id": run.contact_id,
            "channel": channel,
            "kind": kind,
            "state": MessageState.UNKNOWN if may_have_gone else MessageState.SCHEDULED,
            "reason": Reason.RESTORED if may_have_gone else "",
            "due_at": due_at,
            "not_after": not_after,
            "key": uuid.uuid4(),
            "created_at": now,
        },
    )
    if is_new and may_have_gone:
        decisions.about_message(message, Reason.RESTORED, now=now)
    return message, is_new


def take(
    shop: Shop,
    channel: str,
    *,
    gateways: Sequence[str],
    after: datetime | None,
    until: datetime,
    limit: int,
    now: datetime,
) -> list[Message]:
    """Claim up to `limit` messages of `shop` that were due after `after` and at `until`, the longest due first.

    `gateways`: by which their last attempt may have gone, "" for none. A message that a worker was lost with comes alone,
    so that it can take nobody with it. Somebody waits for a service message: those come first.
    """
    due = Message.objects.filter(shop=shop, channel=channel, state=MessageState.SCHEDULED, due_at__lte=until)
    due = due.filter(gateway__in=gateways).order_by("due_at", "pk")
    if after is not None:
        due = due.filter(due_at__gt=after)
    fit, suspects = due.filter(strikes=0), due.filter(strikes__gt=0).order_by("strikes", "due_at", "pk")
    awaited = _claim(fit.filter(kind=MessageKind.SERVICE), limit=limit, now=now)
    taken = awaited + _claim(fit, limit=limit - len(awaited), now=now)
    return taken or _claim(suspects, limit=1, now=now)


def _claim(due: Any, *, limit: int, now: datetime) -> list[Message]:
    return claim(
        due,
        limit=limit,
        stamp="fence",
        state=MessageState.CLAIMED,
        fence=F("fence") + 1,
        leased_until=now + timedelta(seconds=conf.settings.LEASE_SECONDS),
    )


def put_back(messages: Sequence[Message]) -> None:
    """Give claimed messages back untouched: for want of time, or because the way out has trouble."""
    # With the strikes they were claimed with: one that was being prepared has not ended its worker.
    for strikes in {message.strikes for message in messages}:
        alike = [message for message in messages if message.strikes == strikes]
        _owned(alike).update(state=MessageState.SCHEDULED, leased_until=None, strikes=strikes)


def preparing(messages: Sequence[Message]) -> None:
    """Take down, before it begins, what may end this worker: afterwards it could not say so."""
    _owned(messages).update(strikes=F("strikes") + 1)


def prepared(messages: Sequence[Message]) -> None:
    """They have been prepared and have ended nobody."""
    _owned(messages).update(strikes=0)
    for message in messages:
        message.strikes = 0


def retake(*, now: datetime) -> Counter[str]:
    """What dead workers had only claimed is due again, or set aside when it has ended too many of them."""
    expired = Message.objects.filter(leased_until__lt=now, state=MessageState.CLAIMED).order_by("pk")
    harmless, deadly = expired.filter(strikes__lt=MOST_STRIKES), expired.filter(strikes__gte=MOST_STRIKES)
    detail = f"{MOST_STRIKES} workers ended while they prepared it."
    aside = {"state": MessageState.QUARANTINED, "reason": Reason.WORKER_DIED, "detail": detail}
    with transaction.atomic():
        quarantined = _end_claim(deadly, **aside)
        why = [(message, Reason.WORKER_DIED, {"strikes": message.strikes}) for message in quarantined]
        decisions.about_messages(why, now=now)
    requeued = _end_claim(harmless, state=MessageState.SCHEDULED)
    return Counter(requeued=len(requeued), quarantined=len(quarantined))


def _end_claim(expired: Any, **changes: Any) -> list[Message]:
    most, fence = conf.settings.BATCH_SIZE, F("fence") + 1
    return claim(expired, limit=most, stamp="fence", leased_until=None, fence=fence, **changes)


def expire(*, now: datetime) -> int:
    """End what is past its deadline and nobody may or can take: its shop is stopped, its gateway gone, it was set aside, or
    workers were lost with it."""
    waiting = {MessageState.SCHEDULED, *SET_ASIDE}
    # What comes alone has its turn so late that it is not left to anybody.
    is_left = Q(not_after__gte=now - OVERDUE, strikes=0)
    overdue = Message.objects.filter(~is_left, not_after__lt=now, state__in=waiting).order_by("not_after", "pk")
    taken = claim(overdue, limit=EXPIRED_AT_ONCE, stamp="fence", fence=F("fence") + 1)
    ids = [message.pk for message in taken]
    late = Message.objects.filter(pk__in=ids, state__in=waiting)
    with transaction.atomic():
        for message in late.select_related("run__flow"):
            in_doubt = message.is_in_doubt
            state = MessageState.UNKNOWN if in_doubt else MessageState.EXPIRED
            reason = Reason.OUTCOME_UNKNOWN if in_doubt else Reason.DEADLINE_PASSED
            Message.objects.filter(pk=message.pk, state__in=waiting).update(state=state, reason=reason)
            decisions.about_message(message, reason, now=now, facts={"state": state.value})
            _announce(message, state, reason)
    return len(ids)


# -- refusing --------------------------------------------------------------------------------------------------------


def hold(held: Sequence[tuple[Message, Held]], *, now: datetime) -> Counter[str]:
    """Postpone claimed messages within their deadlines or end them, each with its reason; one decision each."""
    if not held:
        return Counter()
    groups: dict[tuple[MessageState, Reason, datetime | None, str], list[Message]] = defaultdict(list)
    entries = []
    with transaction.atomic():
        locked = _owned([message for message, _ in held]).select_for_update(of=("self",))
        # Their times as they stand now: a cart that was left once more has moved them.
        owned = {pk: times for pk, *times in locked.values_list("pk", "due_at", "not_after")}
        for message, because in held:
            if message.pk not in owned:
                continue
            due_at, not_after = owned[message.pk]
            following = after_hold(because, due_at=due_at, not_after=not_after, in_doubt=message.is_in_doubt)
            again_at = following.due_at if following.state is MessageState.SCHEDULED else None
            groups[following.state, following.reason, again_at, because.detail[:500]].append(message)
            entries.append((message, because.reason, {**because.facts, "state": following.state.value}))
        for (state, reason, again_at, detail), messages in groups.items():
            changes = {"due_at": again_at} if again_at else {}
            _owned(messages).update(state=state, reason=reason, detail=detail, leased_until=None, **changes)
            for message in messages:
                message.state = state
                if not again_at:
                    _announce(message, state, reason)
        decisions.about_messages(entries, now=now)
    return Counter(state.value for (state, *_), messages in groups.items() for _message in messages)


def set_aside(message: Message, state: MessageState, reason: Reason, detail: str, *, now: datetime) -> str:
    """Stop this message and no other, nothing having left, until staff has mended what is wrong and releases it."""
    with transaction.atomic():
        changes = {"reason": reason, "detail": detail[:500], "leased_until": None, "strikes": 0}
        written = _owned([message]).update(state=state, **changes)
        if written:
            decisions.about_message(message, reason, now=now, facts={"error": detail[:300]})
    return state


def _owned(messages: Sequence[Message]) -> Any:
    """Those of one claim that are still ours: whoever took one over has another lease."""
    leases = {message.leased_until for message in messages}
    keys = [message.pk for message in messages]
    return Message.objects.filter(pk__in=keys, leased_until__in=leases, state=MessageState.CLAIMED)


# -- attempting ------------------------------------------------------------------------------------------------------


def begin(
    message: Message,
    composed: composing.Composed,
    *,
    gateway: str,
    key_until: datetime | None,
    ground: Ground,
    now: datetime,
) -> bool:
    """Write down that the attempt is being made; to be committed before the first byte leaves.

    False when the lease was lost, or when the cap or the budget was used up meanwhile: then the message is held.
    `key_until`: how long `gateway` recognises the key, None without keys. `ground`: what the message relies on.
    """
    written = Message.objects.filter(pk=message.pk, fence=message.fence, state=MessageState.CLAIMED).update(
        state=MessageState.ATTEMPTING,
        sent_at=now,
        gateway=gateway,
        segments=composed.segments,
        attempts_made=F("attempts_made") + 1,
        key_until=message.key_until or key_until,
        leased_until=now + timedelta(seconds=conf.settings.LEASE_SECONDS),
        strikes=0,
    )
    if not written:
        return False
    refusal = _used_up(message, composed, now=now)
    if refusal is not None:
        _take_back(message, refusal, now=now)
        return False
    Attempt.objects.create(message=message, fence=message.fence, gateway=gateway, started_at=now, **asdict(ground))
    body = {name: getattr(composed, name) for name in ("subject", "html", "text", "language")}
    bodies = [MessageBody(message=message, **body)]
    MessageBody.objects.bulk_create(bodies, update_conflicts=True, unique_fields=["message"], update_fields=list(body))
    message.state, message.sent_at, message.segments = MessageState.ATTEMPTING, now, composed.segments
    message.gateway, message.key_until = gateway, message.key_until or key_until
    message.attempts_made += 1
    return True


def _used_up(message: Message, composed: composing.Composed, *, now: datetime) -> Held | None:
    # One attempt at a time per person: two workers with two messages may not both find the cap free.
    contact = Contact.objects.select_for_update(no_key=True).get(pk=message.contact_id)
    if contact.erased_at:
        return Held(Reason.ERASED)
    free = gates.cap_allows(contact, message.shop, channel=message.channel, apart_from=message, now=now)
    if free > now:
        until = free if free <= message.not_after else None
        return Held(Reason.FREQUENCY_CAP, until, facts={"free_at": free.isoformat()})
    if message.channel == Channel.SMS and not limits.spend(message.shop, composed.segments or 1, now=now):
        renewed = limits.next_month(now)
        until = renewed if renewed <= message.not_after else None
        return Held(Reason.BUDGET, until, facts={"segments": message.shop.sms_segments_per_month})
    return None


def _take_back(message: Message, held: Held, *, now: datetime) -> None:
    """An attempt that nobody has seen yet, in the transaction that wrote it, becomes a refusal."""
    Message.objects.filter(pk=message.pk, fence=message.fence).update(
        state=MessageState.CLAIMED,
        leased_until=message.leased_until,
        sent_at=message.sent_at,
        gateway=message.gateway,
        key_until=message.key_until,
        attempts_made=message.attempts_made,
    )
    hold([(message, held)], now=now)


def settle(message: Message, outcome: Outcome, following: Consequence, *, now: datetime) -> bool:
    """Write down how the attempt of `message` under its fence ended and what follows. False when another took it over.

    Also a worker that was given up for dead may bring the truth, as long as nobody has tried again.
    """
    went_out = following.state in (MessageState.ACCEPTED, MessageState.UNKNOWN) or following.keeps_key
    again = following.state is MessageState.SCHEDULED
    states = [MessageState.ATTEMPTING, MessageState.UNKNOWN]
    written = Message.objects.filter(pk=message.pk, fence=message.fence, state__in=states).update(
        state=following.state,
        reason="" if following.state is MessageState.ACCEPTED else following.reason,
        detail=_shown(outcome),
        due_at=following.due_at,
        leased_until=None,
        sent_at=message.sent_at if went_out else None,
        gateway="" if again and not following.keeps_key else message.gateway,
        gateway_id=outcome.gateway_id[:200],
        segments=outcome.segments if outcome.segments is not None else message.segments,
        cost=outcome.cost,
        cost_currency=outcome.cost_currency,
        key_until=message.key_until if following.keeps_key else None,
        **({"key": uuid.uuid4()} if again and not following.keeps_key else {}),
        **(
            {"may_be_double": True} if again and outcome.kind is OutcomeKind.UNKNOWN and not following.keeps_key else {}
        ),
    )
    if not written:
        logger.warning("message %s was taken over before its attempt was settled", message.pk)
        return False
    Attempt.objects.filter(message=message, fence=message.fence).update(
        outcome=outcome.kind, code=outcome.code[:60], detail=outcome.detail[:500], ended_at=now
    )
    decisions.about_message(
        message, following.reason, now=now, facts={"outcome": outcome.kind.value, "code": outcome.code}
    )
    if outcome.kind is OutcomeKind.OPTED_OUT:
        _stop(message, now=now)
    if went_out and not again and message.run and (news := message.run.news):
        product, kind = news
        ProductSubscription.objects.tell(message.contact_id, product=product, kind=kind, at=now)
    if not went_out and message.channel == Channel.SMS:
        limits.refund(message.shop, message.segments or 1, spent_at=message.sent_at or now)
    if not again:
        _announce(message, following.state, following.reason)
    message.state = following.state
    return True


def resolve(message: Message, state: MessageState, *, now: datetime, facts: dict[str, Any]) -> bool:
    """The provider, or staff, knows what became of a message whose outcome was unknown. False when it was not."""
    if state not in (MessageState.ACCEPTED, MessageState.REJECTED):
        raise ValueError(f"an unknown outcome is accepted or rejected, not {state}")
    reason = Reason.SENT if state == MessageState.ACCEPTED else Reason.REJECTED
    with transaction.atomic():
        written = Message.objects.filter(pk=message.pk, state=MessageState.UNKNOWN).update(
            state=state, reason="" if state == MessageState.ACCEPTED else reason, detail=""
        )
        if written:
            decisions.about_message(message, reason, now=now, facts=facts)
            _announce(message, state, reason)
    return bool(written)


# -- staff and flows --------------------------------------------------------------------------------------------------


def cancel(messages: Any, reason: Reason) -> int:
    """Cancel those of a queryset that wait; a message in doubt cannot be called back and ends as unknown."""
    waiting = messages.filter(state__in=set(sources(MessageState.CANCELLED)) - {MessageState.CLAIMED})
    sure = waiting.filter(key_until=None).update(state=MessageState.CANCELLED, reason=reason, fence=F("fence") + 1)
    in_doubt = waiting.filter(key_until__isnull=False)
    return sure + in_doubt.update(state=MessageState.UNKNOWN, reason=Reason.OUTCOME_UNKNOWN, fence=F("fence") + 1)


def release(message: Message, *, now: datetime) -> bool:
    """Schedule a message again that was set aside. False when it is not."""
    aside = Q(state__in=(MessageState.PARKED, MessageState.QUARANTINED))
    changes = {"reason": "", "detail": "", "due_at": now, "strikes": 0, "fence": F("fence") + 1}
    return bool(Message.objects.filter(aside, pk=message.pk).update(state=MessageState.SCHEDULED, **changes))


def move(messages: Any, *, due_at: datetime, not_after: datetime) -> int:
    """Give waiting messages of a queryset other times: their subject was left once more."""
    waiting = (MessageState.SCHEDULED, MessageState.CLAIMED)
    return messages.filter(state__in=waiting).update(due_at=due_at, not_after=not_after)


# -- telling ---------------------------------------------------------------------------------------------------------


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


def _shown(outcome: Outcome) -> str:
    if outcome.is_accepted:
        return ""
    return " ".join(filter(None, [outcome.code, outcome.detail]))[:500]
