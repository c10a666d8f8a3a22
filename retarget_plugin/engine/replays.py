"""Replays: what a flow would have done with one person's past carts, lived through in memory. Nothing is written.

The rules are those of the real thing: `abandonment.read` finds what was left, `admission` who enters, `walks` where a run
goes, `gates.judge` what may be sent. Only the order in which a tick does them is told here a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import count

from retarget_plugin.domain import abandonment, admission
from retarget_plugin.domain import flows as rules
from retarget_plugin.domain.abandonment import Finding
from retarget_plugin.domain.admission import Past
from retarget_plugin.domain.facts import Facts
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.domain.vocabulary import CartState, Exit, Reason, RunState
from retarget_plugin.models import Cart, FlowRun, Order
from retarget_plugin.models.patterns import like

from . import exits, facts, walks
from .histories import Person
from .postbox import Fate, Postbox, Tally, Terms

#: As often as somebody looks for what became due by what was done at the same instant. Whoever is not done then is given up.
ROUNDS = 100
#: A cart that was left at another stage than the flow is for.
OTHER_TRIGGER = "other_trigger"


class Replay:
    """One person's."""

    def __init__(self, terms: Terms, person: Person, *, tally: Tally) -> None:
        self._terms, self._person, self._tally = terms, person, tally
        self._definition, self._idle = terms.version.parsed, terms.shop.abandoned_after
        self._numbers = count(1)
        contact = person.contact
        self._like_cart = like(terms.blank_cart, contact=contact) if contact else terms.blank_cart
        self._like_run = like(terms.blank_run, contact=contact) if contact else terms.blank_run
        self._like_order = like(terms.blank_order, contact=contact) if contact else terms.blank_order
        self._known: dict[int, Facts] = {}
        self._carts = {cart.pk: (cart, past) for past in person.carts for cart in [self._cart(past)]}
        self._active: dict[int, Cart] = {}
        self._open: dict[int, FlowRun] = {}
        self._entered_at: dict[str, datetime] = {}
        self._orders: list[Order] = []
        self._box = Postbox(terms, person, orders=self._orders, tally=tally)
        self._events = sorted(self._happened(), key=lambda event: event[:2])
        self._next_event = 0

    def live(self) -> list[Fate]:
        """Everything, in order of time; answers what became of each message and of each cart that did not enter."""
        now, rounds = None, 0
        while (moment := self._next_moment()) is not None and moment <= self._terms.until:
            # In the order of `engine.tick`.
            if now is None or moment > now:
                now, rounds = moment, 0
                self._hear(now)
                self._sweep(now)
            self._advance(now)
            self._box.dispatch(now)
            rounds += 1
            if rounds > ROUNDS:
                self._tally.given_up += 1
                break
        self._tally.under_way += len(self._open)
        return self._box.fates

    # -- what happened -------------------------------------------------------------------------------------------------

    def _cart(self, past: PastCart) -> Cart:
        return like(
            self._like_cart,
            id=next(self._numbers),
            reference=past.cart.reference,
            stage=past.stage,
            created_at=past.touched_at[0],
            touched_at=past.touched_at[0],
            currency=past.cart.currency,
            total=past.cart.amount,
            items=[item.to_data() for item in past.cart.items],
        )

    def _happened(self) -> Iterator[tuple[datetime, int, Cart | Order]]:
        """Touches and orders; of one instant, touches first."""
        for cart, past in self._carts.values():
            yield from ((at, 0, cart) for at in past.touched_at)
            if past.ordered_at:
                yield past.ordered_at, 1, self._order(cart, past, past.ordered_at)
        yield from ((order.placed_at, 1, order) for order in self._person.orders)

    def _order(self, cart: Cart, past: PastCart, at: datetime) -> Order:
        return like(
            self._like_order,
            id=cart.pk,
            cart=cart,
            reference=past.order,
            number=past.order,
            placed_at=at,
            total=cart.total,
            items=cart.items,
            read_at=at,
        )

    def _next_moment(self) -> datetime | None:
        """When something happens next, or falls due."""
        moments = [run.due_at for run in self._open.values() if run.due_at]
        moments += [message.due_at for message in self._box.waiting]
        if self._active:
            moments.append(min(cart.touched_at for cart in self._active.values()) + self._idle)
        if self._next_event < len(self._events):
            moments.append(self._events[self._next_event][0])
        return min(moments, default=None)

    # -- stage by stage ------------------------------------------------------------------------------------------------

    def _hear(self, now: datetime) -> None:
        while self._next_event < len(self._events) and self._events[self._next_event][0] <= now:
            _at, _rank, what = self._events[self._next_event]
            self._next_event += 1
            if isinstance(what, Order):
                self._buy(what)
            elif what.state != CartState.ORDERED:
                what.state, what.touched_at = CartState.ACTIVE, now
                self._active[what.pk] = what

    def _buy(self, order: Order) -> None:
        self._orders.append(order)
        self._known.clear()
        if order.cart_id in self._carts:
            cart, _past = self._carts[order.cart_id]
            if cart.abandoned_at is None:
                self._tally.carts["ordered"] += 1
            cart.state = CartState.ORDERED
            self._active.pop(cart.pk, None)
        for run in list(self._open.values()):
            if Exit.ORDER in self._definition.awaited:
                run.happened.append({"name": Exit.ORDER, "at": order.placed_at.isoformat(), "topic": ""})
                run.due_at = order.placed_at
            if run.anchored_at <= order.placed_at and exits.ends(run, order):
                self._leave(run, Reason.ORDERED, now=order.placed_at)

    def _sweep(self, now: datetime) -> None:
        if not self._active:
            return
        until = now - self._idle
        left = [cart for cart in self._active.values() if cart.touched_at <= until]
        for cart in sorted(left, key=lambda one: (one.touched_at, one.created_at)):
            del self._active[cart.pk]
            # How it stands today says nothing of then.
            snapshot = replace(self._carts[cart.pk][1].cart, updated_at=None, is_frozen=False)
            reading = abandonment.read(snapshot, touched_at=cart.touched_at, now=now, idle=self._idle)
            if reading.finding is not Finding.ABANDONED:
                cart.state = CartState.CLOSED
                self._tally.carts[reading.finding.value] += 1
                continue
            self._tally.carts["left"] += cart.abandoned_at is None
            self._tally.carts["left_again"] += cart.abandoned_at is not None
            cart.state, cart.abandoned_at = CartState.ABANDONED, now
            self._enroll(cart, reading.last_activity, now=now)

    def _enroll(self, cart: Cart, anchored_at: datetime, *, now: datetime) -> None:
        contact, definition = self._person.contact, self._definition
        if contact is None:
            self._refuse(cart, Reason.NO_IDENTITY, now=now)
        elif contact.erased_at:
            self._refuse(cart, Reason.ERASED, now=now)
        elif cart.stage and abandonment.trigger_for(cart.stage) != definition.trigger:
            self._refuse(cart, OTHER_TRIGGER, now=now)
        elif run := self._open.get(cart.pk):
            self._anchor(run, anchored_at, now=now)
        elif refusal := admission.refusal(definition, self._past(cart), now=now):
            self._refuse(cart, refusal[0], now=now)
        else:
            self._enter(cart, anchored_at, now=now)

    def _refuse(self, cart: Cart, reason: str, *, now: datetime) -> None:
        self._tally.refused[reason] += 1
        self._box.fates.append(Fate(cart=cart.reference, contact=cart.contact_id or 0, at=now, reason=reason))

    def _past(self, cart: Cart) -> Past:
        return Past(
            entered_at=self._entered_at.get(cart.subject if self._definition.reentry_by_subject else ""),
            ordered_at=max((order.placed_at for order in self._orders), default=None),
        )

    def _enter(self, cart: Cart, anchored_at: datetime, *, now: datetime) -> None:
        self._tally.entered += 1
        self._entered_at[cart.subject] = self._entered_at[""] = now
        self._open[cart.pk] = like(
            self._like_run,
            id=next(self._numbers),
            cart=cart,
            subject=cart.subject,
            data={},
            happened=[],
            anchored_at=anchored_at,
            entered_at=now,
            due_at=now,
        )

    def _anchor(self, run: FlowRun, at: datetime, *, now: datetime) -> None:
        if at <= run.anchored_at:
            return
        walks.anchor(run, at)
        run.due_at = now
        self._box.move(run)

    def _leave(self, run: FlowRun, reason: Reason, *, now: datetime) -> None:
        run.state, run.reason, run.due_at = RunState.EXITED, reason, None
        del self._open[self._about(run)]
        self._tally.ended[reason] += 1
        if reason is Reason.ORDERED and not self._box.has_reached(run):
            self._tally.bought_first += 1
        self._box.cancel(run, reason, now=now)

    @staticmethod
    def _about(run: FlowRun) -> int:
        """The cart of `run`: here each has one."""
        return run.cart_id or 0

    def _advance(self, now: datetime) -> None:
        for run in [run for run in self._open.values() if run.due_at and run.due_at <= now]:
            stop = walks.interruption(run, now=now)
            if isinstance(stop, Reason):
                self._leave(run, stop, now=now)
            elif stop is not None:
                run.due_at = stop
            else:
                self._walk(run, now=now)

    def _walk(self, run: FlowRun, *, now: datetime) -> None:
        known, is_stopped = self._facts(run), False
        while True:
            action = walks.decide(run, known, now=now)
            if isinstance(action, rules.Wait):
                run.due_at = action.until
                return
            if is_stopped:
                # What waits to be sent goes before the next step.
                run.due_at = now
                return
            if isinstance(action, rules.Finish):
                run.state, run.due_at = RunState.FINISHED, None
                del self._open[self._about(run)]
                self._tally.ended[Reason.FINISHED] += 1
                return
            walks.move_on(run, action, now=now)
            if isinstance(action, rules.Skip):
                self._tally.skipped[action.step.key][action.because] += 1
            elif isinstance(action, rules.Go):
                # It may speak of something else from here on.
                self._known.pop(run.pk, None)
            elif isinstance(action, rules.Send):
                self._box.post(run, action)
            is_stopped = isinstance(action, rules.Send | rules.Do)

    def _facts(self, run: FlowRun) -> Facts:
        known = self._known.get(run.pk)
        if known is None:
            orders = {run.contact_id: [order.placed_at for order in self._orders]}
            known = facts.of(
                run, clicks={}, orders=orders, downloads={}, near=frozenset(), draw_key=self._terms.draw_key
            )
            self._known[run.pk] = known
        return known
