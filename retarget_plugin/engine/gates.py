"""The only answer to "may we send this, now?": dispatch, counts, backtest and explain all ask here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q

from retarget_plugin import channels
from retarget_plugin.domain import abandonment
from retarget_plugin.domain.consent import NO_GROUND, Ground, is_old_enough
from retarget_plugin.domain.experiments import Arm
from retarget_plugin.domain.limits import next_free
from retarget_plugin.domain.vocabulary import (
    CartState,
    Channel,
    FlowState,
    LegalBasis,
    MessageKind,
    MessageState,
    Reason,
    RunState,
    SuppressionReason,
)
from retarget_plugin.models import Breaker, Cart, Contact, FlowRun, Message, Order, Shop, Suppression

from . import bases, consent, countries, exits, hours, installation, limits

WHILE_PAUSED = timedelta(minutes=5)
ON_RECORD = timedelta(days=7)
#: What only stops advertising: whoever has just asked for something gets it all the same.
#: So does who was erased and has come back: without an act of their own there is no contact to write to.
ABOUT_MARKETING = {*consent.LIFTED_BY_YES, SuppressionReason.ERASED}
#: A message is late when it has waited longer than this for a worker.
LATE = timedelta(minutes=15)


@dataclass(frozen=True)
class Verdict:
    """Go when `reason` is None. Otherwise the reason, and `until`: when to ask again, or None for never.

    `facts` are the JSON-safe values it was decided on; `ground` is what a go relies on, with its evidence;
    `is_measured` says whether the person's own opens and clicks may be told.
    """

    reason: Reason | None = None
    until: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    ground: Ground = NO_GROUND
    is_measured: bool = False


@dataclass(frozen=True)
class Sent:
    """A message that went out, or is going."""

    message: int
    channel: str
    at: datetime


@dataclass
class Known:
    """What one set-based pass found out about a batch, or a replay of the past about one person.

    `is_past`: it is about a moment that is over, and what stands still today says nothing of it.
    """

    standings: Mapping[int, bases.Standing]
    suppressed: dict[tuple[int, str, str], str]
    orders: list[Order]
    rebuilt: Mapping[int, int]
    sent: dict[int, list[Sent]]
    halted: str
    open_stages: dict[int, list[str]]
    earlier: dict[int, datetime]
    spent: set[int]
    exited: Mapping[int, exits.Met]
    is_past: bool = False


def verdict(message: Message, *, now: datetime) -> Verdict:
    """The verdict on one message."""
    return verdicts([message], now=now)[message.pk]


def verdicts(messages: Sequence[Message], *, now: datetime) -> dict[int, Verdict]:
    """Verdicts by message id, in a fixed number of queries for the whole batch. Everything is read afresh."""
    fresh = Message.objects.filter(pk__in=[message.pk for message in messages]).whole(with_texts=False)
    known = _gather(fresh, now=now)
    return {message.pk: judge(message, known, now=now) for message in fresh}


def of_person(contact: Contact, *, channel: str, cart: Cart | None = None, now: datetime) -> Verdict:
    """What the gate says of any marketing to `contact`, about `cart`: the person's own gates, without flow and hour."""
    case = bases.Case(contact, contact.shop, channel, cart)
    message = Message(pk=0, shop=contact.shop, contact=contact, channel=channel)
    (standing,) = bases.standings([case], now=now)
    known = Known({0: standing}, _suppressed([message]), [], {}, {}, "", {}, {}, set(), {})
    refusal = _address_gate(message, known) or _person_gate(message, known, now=now)
    return refusal or Verdict(ground=standing.ground, is_measured=standing.is_measured)


def cap_allows(contact: Contact, shop: Shop, *, channel: str, apart_from: Message, now: datetime) -> datetime:
    """When a message to `contact` breaks no cap: `now` or later. Call it with the contact's row locked."""
    if apart_from.kind == MessageKind.SERVICE:
        return now
    sent = _sent([contact.pk], now=now)[contact.pk]
    return _free_at(sent, apart_from, shop, channel=channel, now=now)


def _gather(messages: Sequence[Message], *, now: datetime) -> Known:
    contacts = {message.contact_id for message in messages}
    stages: dict[int, list[str]] = defaultdict(list)
    open_runs = FlowRun.objects.filter(contact__in=contacts, state=RunState.ACTIVE, flow__state=FlowState.ON)
    for contact_id, stage in open_runs.values_list("contact_id", "flow__stage"):
        stages[contact_id].append(stage)
    runs = [message.run for message in messages if message.run]
    rebuilt = _rebuilt(runs)
    return Known(
        standings=_standings(messages, now=now),
        suppressed=_suppressed(messages),
        orders=_orders(messages, runs, rebuilt),
        rebuilt=rebuilt,
        sent=_sent(contacts, now=now),
        halted=installation.is_halted(),
        open_stages=stages,
        earlier=_earlier(messages, now=now),
        spent={shop.pk for shop in {message.shop for message in messages} if limits.is_spent(shop, now=now)},
        exited=exits.met(runs),
    )


def _standings(messages: Sequence[Message], *, now: datetime) -> dict[int, bases.Standing]:
    """Message -> its legal basis. A service message needs none."""
    asked = [message for message in messages if message.kind == MessageKind.MARKETING]
    carts = {message.pk: message.run.cart if message.run else None for message in asked}
    news = {message.pk: message.run.news if message.run else None for message in asked}
    cases = [
        bases.Case(message.contact, message.shop, message.channel, carts[message.pk], news[message.pk])
        for message in asked
    ]
    return {message.pk: found for message, found in zip(asked, bases.standings(cases, now=now), strict=True)}


def _sent(contacts: Iterable[int], *, now: datetime) -> dict[int, list[Sent]]:
    found: dict[int, list[Sent]] = defaultdict(list)
    recent = Message.objects.filter(contact__in=contacts, sent_at__gt=now - ON_RECORD, kind=MessageKind.MARKETING)
    for contact_id, pk, channel, at in recent.values_list("contact_id", "pk", "channel", "sent_at"):
        found[contact_id].append(Sent(pk, channel, at))  # type: ignore[arg-type]
    return found


def _free_at(sent: Sequence[Sent], message: Message, shop: Shop, *, channel: str, now: datetime) -> datetime:
    """The first instant at which neither the channel's caps nor the gap between any two messages stand in the way."""
    others = [other for other in sent if other.message != message.pk]
    same = [other.at for other in others if other.channel == channel]
    gap = (1, timedelta(minutes=shop.gap_minutes))
    free = next_free(now, [other.at for other in others], [gap] if shop.gap_minutes else [])
    return max(free, next_free(now, same, shop.caps(channel)))


def _earlier(messages: Sequence[Message], *, now: datetime) -> dict[int, datetime]:
    """Contact -> when the first was due of what should have gone before its messages here, and nobody has looked at yet.

    Nothing while a gateway is in trouble: what it does not carry holds up nothing else.
    """
    latest: dict[int, datetime] = {}
    for message in messages:
        latest[message.contact_id] = max(message.due_at, latest.get(message.contact_id, message.due_at))
    untouched = Message.objects.filter(
        contact__in=latest,
        kind=MessageKind.MARKETING,
        state__in=(MessageState.SCHEDULED, MessageState.CLAIMED),
        reason="",
        not_after__gte=now,
    )
    first = untouched.filter(due_at__lte=now).values_list("contact_id").annotate(Min("due_at"))
    found = {contact_id: due_at for contact_id, due_at in first if due_at < latest[contact_id]}
    return {} if found and Breaker.objects.filter(open_until__isnull=False).exists() else found


def _suppressed(messages: Sequence[Message]) -> dict[tuple[int, str, str], str]:
    """(shop, channel, key) -> why."""
    keys = [key for message in messages for key in consent.suppression_keys(_address(message))]
    rows = Suppression.objects.filter(key__in=keys, shop__in={message.shop_id for message in messages})
    found = rows.values_list("shop_id", "channel", "key", "reason")
    return {(shop, channel, key): reason for shop, channel, key, reason in found}


def _rebuilt(runs: Sequence[FlowRun]) -> dict[int, int]:
    """Cart -> run, for the carts that were rebuilt elsewhere by a link from one of these runs."""
    carts = Cart.objects.filter(restored_by__run__in=runs)
    return {cart_id: run_id for cart_id, run_id in carts.values_list("pk", "restored_by__run_id") if run_id}


def _orders(messages: Sequence[Message], runs: Sequence[FlowRun], rebuilt: Mapping[int, int]) -> list[Order]:
    """Orders that stand, by anyone or anything in the batch, since the oldest t0 in it."""
    if not runs:
        return []
    people = [message.contact for message in messages]
    carts = {run.cart_id for run in runs if run.cart_id} | set(rebuilt)
    emails, phones = {p.email for p in people if p.email}, {p.phone for p in people if p.phone}
    same = Q(contact__in={person.pk for person in people}) | Q(cart__in=carts)
    # Said twice, since of a list of more than a hundred PostgreSQL does not see that none is empty, and the indexes are partial.
    same |= Q(email__in=emails) & ~Q(email="") | Q(phone__in=phones) & ~Q(phone="")
    since = min(run.anchored_at for run in runs)
    shops = {message.shop_id for message in messages}
    return list(Order.objects.filter(same, shop__in=shops, placed_at__gte=since, cancelled_at=None))


def judge(message: Message, known: Known, *, now: datetime) -> Verdict:
    """The gates in order: what ends a message for good comes before what only postpones it. Asks nothing of the database."""
    if message.kind == MessageKind.SERVICE:
        return _service_gate(message, known, now=now)
    standing = known.standings[message.pk]
    return (
        _address_gate(message, known)
        or _person_gate(message, known, now=now)
        or _subject_gate(message, known, now=now)
        or _stop_gate(message, known, now=now)
        or _flow_gate(message, known)
        or _time_gate(message, known, now=now)
        or _holdout_gate(message)
        or Verdict(ground=standing.ground, is_measured=standing.is_measured)
    )


def _service_gate(message: Message, known: Known, *, now: datetime) -> Verdict:
    """What somebody has just asked for needs no grant, and waits for no hour and no cap: only for what nothing may pass."""
    overdue = Verdict(Reason.DEADLINE_PASSED, facts={"not_after": message.not_after.isoformat()})
    return (
        _address_gate(message, known)
        or _stop_gate(message, known, now=now)
        or _flow_gate(message, known)
        or (overdue if now > message.not_after else None)
        or _budget_gate(message, known, now=now)
        or Verdict(ground=Ground(basis=LegalBasis.SERVICE))
    )


def _address(message: Message) -> str:
    return consent.address_of(message.contact, message.channel)


def _address_gate(message: Message, known: Known) -> Verdict | None:
    contact, address = message.contact, _address(message)
    if contact.erased_at:
        return Verdict(Reason.ERASED)
    if contact.merged_into_id:
        return Verdict(Reason.MERGED, facts={"into": contact.merged_into_id})
    if not address:
        return Verdict(Reason.NO_ADDRESS, facts={"channel": message.channel})
    is_asked_for = message.pk in known.standings and known.standings[message.pk].is_asked_for
    of_service = ABOUT_MARKETING if message.kind == MessageKind.SERVICE or is_asked_for else set()
    # Keyed hashes are dear, and mostly there is nothing to compare them with.
    hashes = consent.suppression_keys(address) if known.suppressed else []
    keys = ((message.shop_id, message.channel, key) for key in hashes)
    if {known.suppressed[key] for key in keys if key in known.suppressed} - of_service:
        return Verdict(Reason.SUPPRESSED, facts={"channel": message.channel})
    return None


def _person_gate(message: Message, known: Known, *, now: datetime) -> Verdict | None:
    contact, shop = message.contact, message.shop
    blocked = {str(code).upper() for code in shop.blocked_countries}
    shut = blocked and [code for code in countries.candidates(contact, shop, message.channel) if code in blocked]
    if shut:
        return Verdict(Reason.COUNTRY_BLOCKED, facts={"country": shut[0]})
    if not is_old_enough(contact.born_on, shop.minimum_age, today=now.date()):
        return Verdict(
            Reason.UNDER_AGE, facts={"minimum_age": shop.minimum_age, "is_known": contact.born_on is not None}
        )
    if message.run and message.run.flow.topic in contact.topics_off:
        return Verdict(Reason.TOPIC_OFF, facts={"topic": message.run.flow.topic})
    standing = known.standings[message.pk]
    return Verdict(standing.reason, facts=standing.facts) if standing.reason else None


def _subject_gate(message: Message, known: Known, *, now: datetime) -> Verdict | None:
    run = message.run
    if run is None:
        return None
    theirs = (order for order in known.orders if _is_by(order, message, run, known))
    order = next((order for order in theirs if exits.ends(run, order)), None)
    if order:
        return Verdict(Reason.ORDERED, facts={"order": order.number or order.reference})
    if out := known.exited.get(run.pk):
        return Verdict(out.reason, facts=out.facts)
    cart = run.cart
    if cart is None:
        return None
    if cart.contact_id not in (None, message.contact_id):
        return Verdict(Reason.SUBJECT_REASSIGNED, facts={"cart": cart.pk})
    if cart.state == CartState.ORDERED:
        return Verdict(Reason.ORDERED, facts={"cart": cart.pk})
    if cart.state == CartState.CLOSED:
        return Verdict(Reason.SUBJECT_GONE, facts={"cart": cart.pk})
    if cart.state == CartState.ACTIVE and cart.touched_at > run.anchored_at:
        return _active_again(cart, message.shop, now=now)
    return None


def _active_again(cart: Cart, shop: Shop, *, now: datetime) -> Verdict:
    until = max(cart.touched_at + shop.abandoned_after, now + timedelta(minutes=1))
    return Verdict(Reason.ACTIVE_AGAIN, until=until, facts={"touched_at": cart.touched_at.isoformat()})


def _is_by(order: Order, message: Message, run: FlowRun, known: Known) -> bool:
    contact = message.contact
    same = (
        order.contact_id == contact.pk
        or (contact.email and order.email == contact.email)
        or (contact.phone and order.phone == contact.phone)
        or (order.cart_id is not None and run.cart_id == order.cart_id)
        or (order.cart_id is not None and known.rebuilt.get(order.cart_id) == run.pk)
    )
    return bool(same) and order.shop_id == message.shop_id and order.placed_at >= run.anchored_at


def _stop_gate(message: Message, known: Known, *, now: datetime) -> Verdict | None:
    """What stands still today."""
    shop, run = message.shop, message.run
    if known.is_past:
        return None
    if known.halted:
        return Verdict(Reason.HALTED, until=now + WHILE_PAUSED, facts={"because": known.halted})
    if shop.is_paused:
        return Verdict(Reason.SHOP_PAUSED, until=now + WHILE_PAUSED)
    if shop.sms_is_paused if message.channel == Channel.SMS else shop.email_is_paused:
        return Verdict(Reason.CHANNEL_PAUSED, until=now + WHILE_PAUSED, facts={"channel": message.channel})
    if channels.is_barred(message.channel, shop.sms_gateway):
        return Verdict(Reason.NOT_LIVE, until=now + WHILE_PAUSED, facts={"channel": message.channel})
    if run is not None and run.state != RunState.EXITED and run.flow.state == FlowState.PAUSED:
        return Verdict(Reason.FLOW_OFF, until=now + WHILE_PAUSED, facts={"flow": "paused"})
    return None


def _flow_gate(message: Message, known: Known) -> Verdict | None:
    run = message.run
    if run is None:
        return None
    if run.state == RunState.EXITED:
        return Verdict(Reason(run.reason) if run.reason else Reason.FLOW_OFF)
    if run.flow.state != FlowState.ON:
        return Verdict(Reason.FLOW_OFF, facts={"flow": run.flow.state})
    step = run.version.parsed.step(message.step)
    if step is None or not step.is_enabled:
        # Its people were moved to a version that does without it.
        return Verdict(Reason.STEP_GONE)
    higher = [stage for stage in known.open_stages[message.contact_id] if abandonment.is_higher(stage, run.flow.stage)]
    if higher:
        return Verdict(Reason.HIGHER_INTENT, facts={"stage": higher[0]})
    return None


def _time_gate(message: Message, known: Known, *, now: datetime) -> Verdict | None:
    if now > message.not_after:
        return Verdict(Reason.DEADLINE_PASSED, facts={"not_after": message.not_after.isoformat()})
    run = message.run
    step = run.version.parsed.step(message.step) if run else None
    first = known.earlier.get(message.contact_id, message.due_at)
    if first < message.due_at:
        # By whichever way: what was due first goes first, also where both waited in an outage.
        return Verdict(Reason.FREQUENCY_CAP, until=now + WHILE_PAUSED, facts={"first": first.isoformat()})
    if message.state == MessageState.CLAIMED and message.due_at > now:
        # Its cart was left once more since it was claimed.
        return Verdict(Reason.ACTIVE_AGAIN, until=message.due_at)
    opening = hours.next_allowed(message.contact, message.shop, message.channel, now=now)
    if opening.at is None or opening.at > now:
        may_wait = opening.at is not None and opening.at <= message.not_after and (step is None or step.may_move)
        return Verdict(Reason.QUIET_HOURS, until=opening.at if may_wait else None, facts=opening.facts)
    free = _free_at(known.sent[message.contact_id], message, message.shop, channel=message.channel, now=now)
    if free > now:
        until = free if free <= message.not_after else None
        return Verdict(Reason.FREQUENCY_CAP, until=until, facts={"free_at": free.isoformat()})
    return _budget_gate(message, known, now=now)


def _holdout_gate(message: Message) -> Verdict | None:
    """The last: whoever is stopped here would have got the message, so that the two arms can be compared from this moment."""
    is_held_out = message.run is not None and message.run.arm == Arm.HOLDOUT
    return Verdict(Reason.HOLDOUT) if is_held_out else None


def _budget_gate(message: Message, known: Known, *, now: datetime) -> Verdict | None:
    if message.channel == Channel.SMS and message.shop_id in known.spent:
        renewed = limits.next_month(now)
        until = renewed if renewed <= message.not_after else None
        return Verdict(Reason.BUDGET, until=until, facts={"segments": message.shop.sms_segments_per_month})
    return None
