"""Postbox: what waits to be sent in a replay of the past, and what the gates say of it. In memory; nothing leaves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import count
from typing import NamedTuple

from retarget_plugin.domain import coupons as offers
from retarget_plugin.domain import flows as rules
from retarget_plugin.domain.consent import Evidence, Purchase, kinds_of
from retarget_plugin.domain.coupons import Budget
from retarget_plugin.domain.delivery import Held, after_hold
from retarget_plugin.domain.experiments import Arm
from retarget_plugin.domain.vocabulary import CartState, Channel, MessageKind, MessageState, Reason
from retarget_plugin.models import Cart, Flow, FlowRun, FlowVersion, Message, Order, Shop
from retarget_plugin.models.patterns import like

from . import bases, gates
from .histories import Person


class Fate(NamedTuple):
    """What became of a message, or without `step` of a cart that was left and did not enter.

    `reason`: what stopped it, "" where it would have gone out; `at`: when. `cart`: its reference in the shop; `contact`: 0 for
    nobody, below for somebody whom only the shop knows.
    """

    cart: str
    contact: int
    at: datetime
    reason: str = ""
    step: str = ""
    channel: str = ""
    due_at: datetime | None = None
    language: str = ""
    has_coupon: bool = False


@dataclass
class Tally:
    """What was counted. `carts`: what became of them before a flow; `refused`: left carts that did not enter, by reason;
    `ended`: runs by reason, and `under_way`: those that had not ended; `given_up`: people in whose past something fell due again
    and again; per step, what ended (`blocked`), waited (`put_off`) or was passed over (`skipped`)."""

    carts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    entered: int = 0
    under_way: int = 0
    given_up: int = 0
    bought_first: int = 0
    blocked: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    put_off: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, other: Tally) -> None:
        """Count what `other` has counted."""
        for name in ("carts", "refused", "ended"):
            getattr(self, name).update(getattr(other, name))
        for name in ("entered", "under_way", "given_up", "bought_first"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("blocked", "put_off", "skipped"):
            for step, counts in getattr(other, name).items():
                getattr(self, name)[step].update(counts)


@dataclass(frozen=True)
class Terms:
    """What all replays of one flow share. `flow` is on, whatever it is in truth."""

    flow: Flow
    version: FlowVersion
    shop: Shop
    overrides: Mapping[tuple[int, str, str], Mapping[str, int]]
    until: datetime
    draw_key: bytes

    @cached_property
    def blank_cart(self) -> Cart:
        return Cart(shop=self.shop, state=CartState.CLOSED)

    @cached_property
    def blank_run(self) -> FlowRun:
        return FlowRun(shop=self.shop, flow=self.flow, version=self.version, arm=self.arm)

    @cached_property
    def blank_message(self) -> Message:
        return Message(shop=self.shop, state=MessageState.SCHEDULED)

    @cached_property
    def blank_order(self) -> Order:
        return Order(shop=self.shop, is_paid=True)

    @cached_property
    def arm(self) -> Arm:
        return Arm.COUPON if self.version.parsed.has_coupon else Arm.TREATED


class Postbox:
    """The messages to one person, and what became of them (`fates`); `orders` is kept by whoever lives the past."""

    def __init__(self, terms: Terms, person: Person, *, orders: list[Order], tally: Tally) -> None:
        self.fates: list[Fate] = []
        self._terms, self._person, self._orders, self._tally = terms, person, orders, tally
        self._definition = terms.version.parsed
        # Time counts for customers only: of everybody else, the answer stands until they say something.
        self._is_known_for_good = not (terms.overrides or terms.shop.customers_told_since)
        self._numbers = count(1)
        self._waiting: dict[int, Message] = {}
        #: (run, step) of what was ever queued, and the runs of which something went out.
        self._queued: set[tuple[int, str]] = set()
        self._reached: set[int] = set()
        self._out: list[gates.Sent] = []
        self._coupons: list[tuple[datetime, Decimal]] = []
        self._standings: dict[tuple[str, int | None], bases.Standing] = {}

    @cached_property
    def _like_message(self) -> Message:
        contact, blank = self._person.contact, self._terms.blank_message
        return like(blank, contact=contact) if contact else blank

    @cached_property
    def _language(self) -> str:
        contact = self._person.contact
        return ((contact and contact.locale) or self._terms.shop.locale)[:2]

    @property
    def waiting(self) -> Collection[Message]:
        return self._waiting.values()

    def has_reached(self, run: FlowRun) -> bool:
        """Whether any message of `run` went out."""
        return run.pk in self._reached

    def move(self, run: FlowRun) -> None:
        """The subject of `run` was left once more: what waits gets other times."""
        for message in self.waiting:
            step = self._definition.step(message.step)
            if message.run_id == run.pk and step is not None:
                message.due_at = run.anchored_at + step.after
                message.not_after = run.anchored_at + step.deadline

    def cancel(self, run: FlowRun, reason: Reason, *, now: datetime) -> None:
        """`run` ended: what it still had waiting ends with the same reason."""
        for message in list(self.waiting):
            if message.run_id == run.pk:
                self._block(message, MessageState.CANCELLED, reason, now=now)

    def post(self, run: FlowRun, action: rules.Send) -> None:
        """The message for a step of `run`; asked twice, the same one."""
        if (run.pk, action.step.key) in self._queued:
            return
        self._queued.add((run.pk, action.step.key))
        pk = next(self._numbers)
        self._waiting[pk] = like(
            self._like_message,
            id=pk,
            run=run,
            step=action.step.key,
            channel=action.step.channel,
            kind=action.step.kind,
            due_at=action.due_at,
            not_after=action.not_after,
        )

    def dispatch(self, now: datetime) -> None:
        """Send what is due and may go."""
        due = [one for one in self._waiting.values() if one.due_at <= now] if self._waiting else []
        if not due:
            return
        due.sort(key=lambda one: (one.kind != MessageKind.SERVICE, one.due_at, one.pk))
        for channel in (Channel.EMAIL, Channel.SMS):
            # As a worker does: all are asked about first, and each once more before it leaves.
            passing = [one for one in due if one.channel == channel and self._passes(one, now=now)]
            so_far = len(self._out)
            for message in passing:
                # Where nothing has left since, the answer would be the same.
                is_as_asked = len(self._out) == so_far
                if (is_as_asked or self._passes(message, now=now)) and self._has_coupon(message, now=now):
                    self._send(message, now=now)

    def _passes(self, message: Message, *, now: datetime) -> bool:
        message.state = MessageState.CLAIMED
        verdict = gates.judge(message, self._known(message, now=now), now=now)
        message.state = MessageState.SCHEDULED
        if verdict.reason is not None:
            self._hold(message, Held(verdict.reason, verdict.until), now=now)
        return verdict.reason is None

    def _hold(self, message: Message, held: Held, *, now: datetime) -> None:
        following = after_hold(held, due_at=message.due_at, not_after=message.not_after, in_doubt=False)
        if following.state is MessageState.SCHEDULED:
            message.due_at, message.reason = following.due_at, held.reason
            self._tally.put_off[message.step][held.reason] += 1
        else:
            self._block(message, following.state, held.reason, now=now)

    def _block(self, message: Message, state: MessageState, reason: Reason, *, now: datetime) -> None:
        self._tally.blocked[message.step][reason] += 1
        self._end(message, state, reason, now=now)

    def _send(self, message: Message, *, now: datetime) -> None:
        self._reached.add(message.run_id or 0)
        if message.kind == MessageKind.MARKETING:
            self._out.append(gates.Sent(message.pk, message.channel, now))
        self._end(message, MessageState.ACCEPTED, "", now=now)

    def _end(self, message: Message, state: MessageState, reason: str, *, now: datetime) -> None:
        del self._waiting[message.pk]
        message.state, message.reason = state, reason
        step, cart = self._definition.step(message.step), message.run.cart if message.run else None
        self.fates.append(
            Fate(
                cart=cart.reference if cart else "",
                contact=message.contact_id,
                at=now,
                reason=reason,
                step=message.step,
                channel=message.channel,
                due_at=message.due_at,
                language=self._language,
                has_coupon=bool(step and step.coupon),
            )
        )

    def _has_coupon(self, message: Message, *, now: datetime) -> bool:
        """Whether the person may be given what the step gives, if anything; the flow's own budget is not asked."""
        step, shop = self._definition.step(message.step), self._terms.shop
        offer = step.coupon if step else None
        if offer is None:
            return True
        month = offers.month_of(now)
        recent = offer.once_per and any(at > now - offer.once_per for at, _cost in self._coupons)
        cart = message.run.cart if message.run else None
        cost = offer.worth(cart.total if cart and cart.currency == shop.currency else None)
        given = [one for at, one in self._coupons if at >= month]
        budget = Budget(coupons=shop.coupons_per_contact, amount=shop.discount_per_contact)
        if recent or not budget.allows(coupons=len(given), amount=sum(given, Decimal()), more=cost):
            self._hold(message, Held(Reason.NO_COUPON), now=now)
            return False
        self._coupons.append((now, cost))
        return True

    def _known(self, message: Message, *, now: datetime) -> gates.Known:
        waiting = [
            other.due_at
            for other in self.waiting
            if other.kind == MessageKind.MARKETING and not other.reason and other.due_at <= now <= other.not_after
        ]
        known, contact = self._known_of_all, message.contact_id
        known.standings = {message.pk: self._standing(message, now=now)}
        known.suppressed = {key: reason for at, key, reason in self._person.suppressed if at <= now}
        known.sent = {contact: [one for one in self._out if one.at > now - gates.ON_RECORD]}
        known.earlier = {contact: min(waiting)} if waiting else {}
        return known

    @cached_property
    def _known_of_all(self) -> gates.Known:
        """What holds for every message; the one flow that is replayed is no higher than itself."""
        return gates.Known(
            standings={},
            suppressed={},
            orders=self._orders,
            rebuilt={},
            sent={},
            halted="",
            open_stages=defaultdict(list),
            earlier={},
            spent=set(),
            exited={},
            is_past=True,
        )

    def _standing(self, message: Message, *, now: datetime) -> bases.Standing:
        said, orders = self._person.said_by(message.channel, now), self._orders
        record = said.record if said else None
        if self._is_known_for_good and (message.channel, record) in self._standings:
            return self._standings[message.channel, record]
        bought: Sequence[Purchase] = [
            Purchase(order=order.pk, at=order.placed_at, goods=kinds_of(order.items))
            for order in (() if self._is_known_for_good else orders[::-1])
            if order.is_paid and order.read_at
        ]
        cart = message.run.cart if message.run else None
        case = bases.Case(message.contact, self._terms.shop, message.channel, cart)
        standing = bases.standing(
            case,
            said.evidence if said else Evidence(),
            record,
            purchases=bought,
            overrides=self._terms.overrides,
            now=now,
        )
        self._standings[message.channel, record] = standing
        return standing
