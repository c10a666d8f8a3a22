"""From a due row to a provider's answer: queue, dispatch, recover. No network inside a transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta

from retarget_plugin import channels, conf
from retarget_plugin.domain import flows as flow_rules
from retarget_plugin.domain.delivery import Held, after_outcome
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import Channel, MessageKind, MessageState, OutcomeKind, Reason
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.models import FlowRun, Message, Shop
from retarget_plugin.models.clock import Stopwatch

from . import decisions, gates, gateways, handover, installation, ledger, limits, orders

logger = logging.getLogger("retarget_plugin.delivery")

#: Unused catch-up that is kept, so that a burst is no larger than this.
CATCH_UP_SAVED = timedelta(seconds=10)
NO_GATEWAY_WAIT = timedelta(minutes=5)


def queue(
    run: FlowRun,
    *,
    step: str,
    channel: str,
    kind: str = MessageKind.MARKETING,
    due_at: datetime,
    not_after: datetime,
    now: datetime,
) -> Message:
    """The message for `step` of `run`; asked twice, the same one."""
    message, is_new = ledger.schedule(
        run,
        step=step,
        channel=channel,
        kind=kind,
        due_at=due_at,
        not_after=not_after,
        may_have_gone=installation.may_have_sent(due_at),
        now=now,
    )
    if is_new and message.state == MessageState.SCHEDULED:
        decisions.about_message(message, Reason.QUEUED, now=now, facts={"due_at": due_at.isoformat()})
    return message


def dispatch(*, now: datetime, way: str = "", should_stop: Callable[[], bool] = lambda: False) -> Counter[str]:
    """Send what is due, by every way out or by the one called `way`: one claim a shop, so that no shop waits for another.

    `should_stop` is asked between two messages. Answers how many messages ended in which state.
    """
    orders.read_new(now=now)
    if installation.is_halted():
        return Counter()
    watch = Stopwatch(now)
    return sum((_use(one, watch, should_stop) for one in gateways.ways() if way in ("", one.name)), Counter())


def recover(*, now: datetime) -> Counter[str]:
    """Take over what dead workers held, and end what nobody can send in time any more.

    What was only claimed is due again; what was being handed over may have arrived, so it is repeated under a key that
    its provider still recognises, and `unknown` otherwise.
    """
    tally = ledger.retake(now=now)
    tally["expired"] = ledger.expire(now=now)
    lost = Message.objects.filter(leased_until__lt=now, state=MessageState.ATTEMPTING)
    outcome = Outcome(kind=OutcomeKind.UNKNOWN, detail="The worker ended before the provider's answer was known.")
    for message in lost.order_by("pk")[: conf.settings.BATCH_SIZE].whole(with_texts=False):
        tally[settle(message, outcome, now=now)] += 1
    return tally


def settle(message: Message, outcome: Outcome, *, now: datetime) -> str:
    """Write down how the running attempt of `message` ended and what follows. Answers the message's new state.

    Changes nothing when another worker has taken the message over meanwhile (its fence has risen).
    """
    following = after_outcome(
        outcome,
        attempts_made=message.attempts_made,
        most_attempts=conf.settings.MAX_ATTEMPTS,
        due_at=message.due_at,
        not_after=message.not_after,
        key_until=message.key_until,
        retries_unknown=gateways.way_of(message).retries_unknown,
        now=now,
    )
    return following.state if ledger.settle(message, outcome, following, now=now) else MessageState.CLAIMED


def cancel(message: Message, *, by: str, now: datetime) -> bool:
    """Staff stops a message that has not left yet. False when it was too late."""
    written = ledger.cancel(Message.objects.filter(pk=message.pk), Reason.STOPPED_BY_STAFF)
    if written:
        decisions.about_message(message, Reason.STOPPED_BY_STAFF, now=now, facts={"by": by})
    return bool(written)


def release(message: Message, *, now: datetime) -> bool:
    """Staff lets a message go on that was set aside. False when it is not.

    It speaks the text that is in use now: its run moves to the flow's current version, where the step still exists.
    """
    run = message.run
    version = run.flow.version if run else None
    if run and version and version.parsed.step(message.step):
        position = flow_rules.follow(run.version.parsed.steps, version.parsed.steps, run.position)
        FlowRun.objects.filter(pk=run.pk).update(version=version, position=position)
        FlowRun.objects.filter(pk=run.pk, due_at__isnull=False).update(due_at=now)
    return ledger.release(message, now=now)


def resolve(message: Message, *, was_sent: bool, by: str, now: datetime) -> bool:
    """Staff has looked up what became of a message whose outcome is unknown. False when it is known by now."""
    state = MessageState.ACCEPTED if was_sent else MessageState.REJECTED
    return ledger.resolve(message, state, now=now, facts={"by": by})


def cancel_for(run: FlowRun, reason: Reason) -> int:
    """Cancel what a run that ends still has waiting."""
    return ledger.cancel(Message.objects.filter(run=run), reason)


# -- one way out ------------------------------------------------------------------------------------------------------


def _use(way: gateways.Way, watch: Stopwatch, should_stop: Callable[[], bool]) -> Counter[str]:
    """One turn for every shop that this way carries for. One connection carries every e-mail of it."""
    tally: Counter[str] = Counter()
    admission = gateways.admit(way, now=watch.now)
    if admission.is_closed:
        return tally
    with channels.get_email() if way.channel is Channel.EMAIL else nullcontext():
        for shop, labels in gateways.shops_of(way):
            turn = handover.Turn(way, watch, settle=settle, should_stop=should_stop)
            try:
                tally += _serve(turn, way, shop, labels, limit=admission.limit, now=watch.now)
            except Exception:
                # What it held is put back, or taken over once its lease has ended; the other shops go on.
                logger.exception("a turn of shop %s broke off", shop.pk)
                tally["failed"] += 1
            is_probed = admission.limit is not None and bool(turn.attempted)
            if is_probed or turn.is_closed or should_stop():
                break
    return tally


def _serve(
    turn: handover.Turn, way: gateways.Way, shop: Shop, labels: list[str], *, limit: int | None, now: datetime
) -> Counter[str]:
    most = limit or conf.settings.BATCH_SIZE
    # What is late goes out too, however much is due now; a quarter of the room at least.
    kept = most // 4 if _is_waiting(shop, way.channel, until=now - gates.LATE) else 0
    fresh = ledger.take(
        shop, way.channel, gateways=labels, after=now - gates.LATE, until=now, limit=most - kept, now=now
    )
    late, rate = _take_late(way, shop, labels, most=most - len(fresh), now=now)
    # What is due now first: what is late has waited long already.
    claimed = _load(fresh) + _load(late)
    if not claimed:
        return Counter()
    try:
        way.label  # noqa: B018
    except ConfigurationError as error:
        held = Held(Reason.NO_GATEWAY, now + NO_GATEWAY_WAIT, detail=str(error))
        return ledger.hold([(message, held) for message in claimed], now=now)
    try:
        return turn.serve(claimed)
    finally:
        unused = len({message.pk for message in late} - turn.attempted)
        limits.give_back(_catch_up(shop), rate=rate, count=unused)


def _take_late(
    way: gateways.Way, shop: Shop, labels: list[str], *, most: int, now: datetime
) -> tuple[list[Message], float]:
    """What waited for long, as much of it as the shop's catch-up rate allows; and that rate, in messages a second."""
    rate = shop.catch_up_per_minute / 60
    if not most or not _is_waiting(shop, way.channel, until=now - gates.LATE):
        return [], rate
    allowed = limits.allow(_catch_up(shop), rate=rate, wanted=most, saved=CATCH_UP_SAVED, now=now)
    taken = []
    if allowed:
        taken = ledger.take(
            shop, way.channel, gateways=labels, after=None, until=now - gates.LATE, limit=allowed, now=now
        )
    limits.give_back(_catch_up(shop), rate=rate, count=allowed - len(taken))
    return taken, rate


def _is_waiting(shop: Shop, channel: str, *, until: datetime) -> bool:
    """Whether anything of `shop` on `channel` was due at `until`."""
    due = Message.objects.filter(shop=shop, channel=channel, state=MessageState.SCHEDULED, due_at__lte=until)
    return due.exists()


def _catch_up(shop: Shop) -> str:
    return f"catch-up:{shop.pk}"


def _load(taken: list[Message]) -> list[Message]:
    """The messages with all they need, what somebody waits for first."""
    ids = [message.pk for message in taken]
    messages = Message.objects.filter(pk__in=ids).order_by("due_at", "pk").whole(with_texts=True) if ids else []
    return sorted(messages, key=lambda message: message.kind != MessageKind.SERVICE)
