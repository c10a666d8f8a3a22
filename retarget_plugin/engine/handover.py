"""Handing over: what was claimed is written, asked about once more, committed as an attempt, and only then sent."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection, transaction

from retarget_plugin import channels, conf, failpoints
from retarget_plugin.domain.consent import NO_GROUND, Ground
from retarget_plugin.domain.delivery import HELD_UP, Held
from retarget_plugin.domain.messages import Outcome, OutgoingSms
from retarget_plugin.domain.subjects import NOTHING, Subject
from retarget_plugin.domain.vocabulary import MessageState, OutcomeKind, Reason
from retarget_plugin.exceptions import GatewayError, TemplateError
from retarget_plugin.models import Coupon, Message
from retarget_plugin.models.clock import Stopwatch

from . import composing, coupons, gates, gateways, installation, ledger, letters, limits, orders, subjects

logger = logging.getLogger("retarget_plugin.delivery")

#: Seconds for which the final gate's answer may be relied upon before the attempt is written, and before it is sent.
FRESH, STILL_FRESH = 0.2, 0.2
#: Seconds one shop may take while others may be waiting.
TURN_SECONDS = 10.0
#: How far ahead a worker books its place at a way with a rate, and how late it may come to it.
AHEAD, TOO_LATE = timedelta(milliseconds=80), timedelta(milliseconds=80)
#: What a worker may need to wake up.
WAKING = timedelta(milliseconds=20)
FIRST_PACE, LARGEST_PACE = 1, 100

Settle = Callable[..., str]


@dataclass
class _Ready:
    """A message that could leave: what it says, and what it says it of."""

    message: Message
    composed: composing.Composed
    subject: Subject
    coupon: Coupon | None = None
    ground: Ground = NO_GROUND
    asked_at: float = 0.0
    answered_at: float = 0.0


class Turn:
    """One claim of one way out, handed over one by one. The outcome of each is committed with the attempt of the next.

    `attempted`: ids of messages whose attempt was written down. `is_closed`: the way is to be left alone from now on.
    """

    def __init__(self, way: gateways.Way, watch: Stopwatch, *, settle: Settle, should_stop: Callable[[], bool]) -> None:
        self.attempted: set[int] = set()
        self._way, self._watch, self._settle, self._should_stop = way, watch, settle, should_stop
        self._began = watch.seconds
        self._tally: Counter[str] = Counter()
        self._pending: tuple[Message, Outcome, datetime] | None = None
        self.is_closed = False
        self._measured: set[int] = set()
        self._was_troubled = gateways.is_troubled(way)
        self._pace = FIRST_PACE
        self._receipt_url = ""

    def serve(self, claimed: Sequence[Message]) -> Counter[str]:
        """Do with each what can be done; what there is no time for is put back. Answers states and their numbers."""
        failpoints.reach("after_claim")
        waiting = list(claimed)
        try:
            self._receipt_url = self._way.receipt_url
            waiting = self._eligible(waiting)
            while waiting and not self._must_end:
                chunk, waiting = waiting[: self._pace], waiting[self._pace :]
                # The next messages may end this process: what is known of the last one is written first.
                self._write_pending()
                left = self._hand_over(self._prepare(chunk))
                waiting = left + waiting
            self._write_pending()
            ledger.put_back(waiting)
        except Exception:
            self._save_what_can_be_saved(claimed)
            raise
        return self._tally

    @property
    def _must_end(self) -> bool:
        """However slow the shop is, something comes of every turn: time is up only once it has."""
        taken = self._watch.seconds - self._began
        is_over = bool(self._tally or self.attempted) and taken > min(TURN_SECONDS, conf.settings.LEASE_SECONDS / 2)
        return self.is_closed or self._should_stop() or is_over

    # -- before the network ----------------------------------------------------------------------------------------

    def _eligible(self, messages: list[Message]) -> list[Message]:
        """Those that the gate would let pass now: the others need not be written at all."""
        now = self._watch.now
        standing = installation.standing()
        verdicts = gates.verdicts(messages, now=now)
        refused: list[tuple[Message, Held]] = []
        going, held_out = [], []
        for message in messages:
            verdict = verdicts.get(message.pk)
            if verdict is None or verdict.reason is Reason.HALTED:
                continue
            if message.key_until and now >= message.key_until:
                refused.append((message, Held(Reason.OUTCOME_UNKNOWN, detail="Its idempotency key has expired.")))
            elif standing.may_have_sent(message.due_at):
                # Not even under its key: the life that the database forgot may have used another one since.
                refused.append((message, Held(Reason.RESTORED)))
            elif verdict.reason is Reason.HOLDOUT:
                held_out.append(message)
            elif verdict.reason is not None:
                refused.append((message, Held(verdict.reason, verdict.until, facts=verdict.facts)))
            else:
                self._measured |= {message.pk} if verdict.is_measured else set()
                going.append(message)
        # They are asked about as all others are: only what would have left counts as held out.
        ledger.preparing(held_out)
        found = subjects.read(held_out, now=now)
        ledger.prepared(held_out)
        for message in held_out:
            subject = found[message.pk]
            refused.append((message, subject if isinstance(subject, Held) else Held(Reason.HOLDOUT)))
        self._hold(refused)
        if standing.halted_because:
            ledger.put_back(messages)
            return []
        return going

    def _prepare(self, messages: list[Message]) -> list[_Ready]:
        """Read and write each message; what cannot be written is held or set aside."""
        ledger.preparing(messages)
        found = subjects.read(messages, now=self._watch.now)
        refused: list[tuple[Message, Held]] = []
        ready = []
        # A shop that is asked for a coupon may be a network away: never in a transaction.
        speaking = [message for message in messages if not isinstance(found[message.pk], Held)]
        given = coupons.mint_for(speaking, now=self._watch.now)
        asking = [message for message in messages if message.template in letters.ASK_THE_SHOP]
        written = {message.pk: self._compose(message, NOTHING, None) for message in asking}
        # The short links of all others are one commit.
        with transaction.atomic():
            for message in messages:
                subject, coupon = found[message.pk], given.get(message.pk)
                if isinstance(subject, Held):
                    refused.append((message, subject))
                elif isinstance(coupon, Held):
                    refused.append((message, coupon))
                elif composed := (
                    written[message.pk] if message.pk in written else self._compose(message, subject, coupon)
                ):
                    ready.append(_Ready(message, composed, subject, coupon))
            ledger.prepared(messages)
            self._hold(refused)
        for _item in ready:
            failpoints.reach("after_render")
        return ready

    def _compose(self, message: Message, subject: Subject, coupon: Coupon | None) -> composing.Composed | None:
        now = self._watch.now
        try:
            is_measured = message.pk in self._measured
            return composing.compose(
                message,
                subject=subject,
                coupon=coupon,
                is_measured=is_measured,
                gateway=self._way.alias,
                now=now,
            )
        except TemplateError as error:
            state, reason, detail = MessageState.PARKED, Reason.TEMPLATE_ERROR, str(error)
        except DatabaseError:
            raise
        except Exception as error:
            logger.exception("message %s cannot be prepared", message.pk)
            state, reason, detail = MessageState.QUARANTINED, Reason.BROKEN, f"{type(error).__name__}: {error}"
        self._tally[ledger.set_aside(message, state, reason, detail, now=now)] += 1
        return None

    def _hold(self, refused: list[tuple[Message, Held]]) -> None:
        self._tally += ledger.hold(refused, now=self._watch.now)

    # -- the final gate and the network --------------------------------------------------------------------------------

    def _hand_over(self, ready: list[_Ready]) -> list[Message]:
        """Ask, attempt, send. The gate is asked again for what is left once its answer has grown old.

        Answers the messages there was no time for.
        """
        if isinstance(self._way.door, channels.EmailChannel):
            self._way.door.warm()
        while ready and not self._must_end:
            asked, rest = ready[: self._portion], ready[self._portion :]
            going = self._ask(asked)
            attempted = self._attempt_while_fresh(going)
            if attempted < len(going):
                self._pace = max(1, self._pace // 2)
            else:
                self._pace = min(LARGEST_PACE, self._pace * 2)
            ready = going[attempted:] + rest
        return [item.message for item in ready]

    @property
    def _portion(self) -> int:
        """For how many the gate is asked at once: where a rate is kept, no more than can leave before its answer is old."""
        return max(1, int(self._way.rate * FRESH / 2)) if self._way.rate else LARGEST_PACE

    def _has_place(self, *, ahead: timedelta) -> bool:
        """Book a place at a way with a rate, and wait for it; False when none comes within `ahead`. Only what is about to
        leave books one: a place that nobody uses is lost to all workers."""
        if not self._way.rate:
            return True
        places = limits.reserve(self._way.name, rate=self._way.rate, count=1, ahead=ahead, now=self._watch.now)
        if not places:
            self._write_pending()
            self._rest(AHEAD.total_seconds() / 2)
            return False
        self._rest((places[0] - self._watch.now).total_seconds())
        return self._watch.now <= places[0] + TOO_LATE

    def _ask(self, booked: list[_Ready]) -> list[_Ready]:
        """The final gate for all of them in one pass, the shop's own word on each cart included."""
        failpoints.reach("before_gate")
        began, now = self._watch.seconds, self._watch.now
        messages = [item.message for item in booked]
        found = subjects.read(messages, now=now)
        orders.read_new(now=now)
        verdicts = gates.verdicts(messages, now=now) if messages else {}
        going, refused, back = [], [], []
        for item in booked:
            verdict, subject = verdicts.get(item.message.pk), found[item.message.pk]
            if verdict is None:
                continue
            if verdict.reason is Reason.HALTED:
                back.append(item.message)
            elif verdict.reason is not None:
                refused.append((item.message, Held(verdict.reason, verdict.until, facts=verdict.facts)))
            elif isinstance(subject, Held):
                refused.append((item.message, subject))
            else:
                changed = self._as_it_is_now(item, subject, is_measured=verdict.is_measured)
                if changed is not None:
                    going.append(replace(changed, ground=verdict.ground, asked_at=began))
        ledger.put_back(back)
        self._hold(refused)
        for item in going:
            item.answered_at = self._watch.seconds
        failpoints.reach("after_gate")
        return going

    def _as_it_is_now(self, item: _Ready, subject: Subject, *, is_measured: bool) -> _Ready | None:
        """The message about its subject as it is now, written anew where that or the leave to measure has changed."""
        pk = item.message.pk
        if subject == item.subject and is_measured == (pk in self._measured):
            return item
        self._measured = self._measured | {pk} if is_measured else self._measured - {pk}
        composed = self._compose(item.message, subject, item.coupon)
        return replace(item, composed=composed, subject=subject) if composed is not None else None

    def _attempt_while_fresh(self, going: list[_Ready]) -> int:
        """Attempt one after the other while the gate's answer is fresh; answers how many were."""
        for number, item in enumerate(going):
            # However long one pass takes, one message may follow it; or a slow shop would hold up everything.
            if not self._may_go(item, since=item.asked_at if number else item.answered_at):
                return number
            self._attempt(item)
        return len(going)

    def _may_go(self, item: _Ready, *, since: float) -> bool:
        """Wait for a place, where there is a rate; False when the gate's answer has grown old meanwhile."""
        while not self._must_end and (left := since + FRESH - self._watch.seconds) >= 0:
            # A place that comes after the answer has grown old would be booked for nobody.
            if self._has_place(ahead=min(AHEAD, timedelta(seconds=left) - WAKING)):
                return self._watch.seconds - since <= FRESH
        return False

    def _still_may(self, item: _Ready) -> bool:
        """Ask once more, for one message whose attempt is written down: the commit took long, or the worker was held up."""
        if self._watch.seconds - item.asked_at <= STILL_FRESH:
            return True
        now = self._watch.now
        subject = subjects.read([item.message], now=now)[item.message.pk]
        orders.read_new(now=now)
        verdict = gates.verdicts([item.message], now=now).get(item.message.pk)
        return verdict is not None and verdict.reason is None and subject == item.subject

    def _attempt(self, item: _Ready) -> None:
        message, now = item.message, self._watch.now
        had_pending = self._pending is not None
        if had_pending:
            failpoints.reach("before_result_commit")
        with transaction.atomic():
            settled = self._settle_pending()
            begun = ledger.begin(
                message,
                item.composed,
                gateway=self._way.label,
                key_until=gateways.key_until(self._way, now=now),
                ground=item.ground,
                now=now,
            )
        self._count(settled)
        if had_pending:
            failpoints.reach("after_result_commit")
        if not begun:
            self._tally[message.state] += 1
            return
        self.attempted.add(message.pk)
        failpoints.reach("after_attempt_commit")
        if not self._still_may(item):
            # Nothing has left. It is due again at once, and then the gate says why not.
            outcome = Outcome(
                kind=OutcomeKind.TRANSIENT, code=HELD_UP, detail="The worker was held up.", retry_after=1.0
            )
        else:
            outcome = self._send(item)
            self.is_closed = gateways.note(self._way, outcome, now=self._watch.now, was_troubled=self._was_troubled)
            self._was_troubled = outcome.is_about_gateway
        failpoints.reach("after_response")
        self._pending = (message, outcome, self._watch.now)

    def _send(self, item: _Ready) -> Outcome:
        """Hand over. Whatever goes wrong from here on may have gone wrong after the provider took it."""
        outgoing = item.composed.outgoing
        try:
            if isinstance(outgoing, OutgoingSms):
                outgoing = replace(outgoing, receipt_url=self._receipt_url)
            return self._way.door.send(outgoing)  # type: ignore[arg-type]
        except GatewayError as error:
            return Outcome(kind=OutcomeKind(error.outcome), detail=str(error), retry_after=error.retry_after)
        except Exception as error:
            logger.exception("gateway %s broke its contract; the outcome is unknown", self._way.name)
            return Outcome(kind=OutcomeKind.UNKNOWN, detail=f"{type(error).__name__} in the gateway")

    # -- after the network ---------------------------------------------------------------------------------------------

    def _settle_pending(self) -> str:
        if self._pending is None:
            return ""
        message, outcome, at = self._pending
        return self._settle(message, outcome, now=at)

    def _count(self, settled: str) -> None:
        """The outcome that waited is committed."""
        if settled:
            self._pending = None
            self._tally[settled] += 1

    def _write_pending(self) -> None:
        if self._pending is None:
            return
        failpoints.reach("before_result_commit")
        with transaction.atomic():
            settled = self._settle_pending()
        self._count(settled)
        failpoints.reach("after_result_commit")

    def _save_what_can_be_saved(self, claimed: Sequence[Message]) -> None:
        """The turn broke off, most likely with the database. An outcome that is known is worth waiting for as long as
        nobody takes the message over."""
        deadline = self._watch.seconds + conf.settings.LEASE_SECONDS / 2
        while self._watch.seconds < deadline and not connection.in_atomic_block:
            try:
                self._write_pending()
                ledger.put_back([message for message in claimed if message.pk not in self.attempted])
                return
            except (DatabaseError, InterfaceError):
                connection.close()
                time.sleep(0.5)

    @staticmethod
    def _rest(seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)
