"""Runs: people entering flows, going through them step by step, and leaving."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from retarget_plugin import conf
from retarget_plugin.domain import admission, occasions
from retarget_plugin.domain import flows as rules
from retarget_plugin.domain.abandonment import is_higher
from retarget_plugin.domain.admission import Past
from retarget_plugin.domain.facts import Facts, Happening
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.steps import EventStep, Step
from retarget_plugin.domain.vocabulary import Exit, FlowState, Reason, RunState
from retarget_plugin.models import Cart, Contact, Flow, FlowRun, FlowVersion, Message, Order
from retarget_plugin.models.claims import claim

from . import acts, batches, decisions, delivery, experiments, facts, ledger, walks

logger = logging.getLogger("retarget_plugin.flows")

#: Of what a run waits for, the latest so many are kept.
MOST_HAPPENED = 100
#: That somebody may not enter is told once in so long for each flow and reason.
TOLD_EVERY = timedelta(days=1)


class _Overtaken(Exception):
    """Something a decision was taken on has changed meanwhile; the run is looked at again."""


# -- entering ---------------------------------------------------------------------------------------------------------


def enroll(
    contact: Contact,
    *,
    trigger: str,
    subject: str,
    anchored_at: datetime,
    now: datetime,
    cart: Cart | None = None,
    data: Mapping[str, Any] | None = None,
    flow: Flow | None = None,
) -> list[FlowRun]:
    """Let `contact` enter every flow of the shop that is on and has this trigger, or `flow` alone of them.

    `subject` is what it is about, such as "cart:17"; `data` what its messages speak of. Answers the runs entered or
    re-anchored; who may not enter gets a Decision that says why.
    """
    if contact.erased_at or contact.merged_into_id:
        return []
    flows = Flow.objects.filter(shop_id=contact.shop_id, trigger=trigger, state=FlowState.ON, version__isnull=False)
    if flow is not None:
        flows = flows.filter(pk=flow.pk)
    found = []
    for one in flows.select_related("version", "shop").defer("version__content"):
        if one.version is None or not occasions.matches(one.version.parsed.start, data or {}):
            continue
        one.version.flow = one
        _leave_lower(one, subject, contact, now=now)
        open_runs = one.runs.filter(contact=contact, subject=subject, state=RunState.ACTIVE)
        run = open_runs.select_related("flow", "version").first()
        if run is not None:
            _reanchor(run, anchored_at, data=data or {}, now=now)
        else:
            run = _enter(
                one.version,
                contact,
                subject=subject,
                anchored_at=anchored_at,
                cart=cart,
                data=dict(data or {}),
                now=now,
            )
        found += [run] if run is not None else []
    return found


def _enter(
    version: FlowVersion,
    contact: Contact,
    *,
    subject: str,
    anchored_at: datetime,
    cart: Cart | None,
    data: dict[str, Any],
    now: datetime,
) -> FlowRun | None:
    flow = version.flow
    turned_away = refusal(flow, version.parsed, contact, subject=subject, now=now)
    if turned_away is not None:
        code, told = turned_away
        _refuse(flow, contact, code, cart=cart, facts=told, now=now)
        return None
    place = experiments.assign(flow, contact, is_asked_for=bool(data.get("is_asked_for")), now=now)
    try:
        with transaction.atomic():
            run = FlowRun.objects.create(
                shop_id=contact.shop_id,
                flow=flow,
                version=version,
                contact=contact,
                cart=cart,
                subject=subject,
                data=data,
                arm=place.arm,
                experiment=place.experiment,
                anchored_at=anchored_at,
                entered_at=now,
                due_at=now,
            )
            decisions.about_run(run, Reason.ENTERED, now=now)
            return run
    except IntegrityError:
        # Another worker let the same subject in a moment ago.
        return flow.runs.filter(contact=contact, subject=subject, state=RunState.ACTIVE).first()


def refusal(
    flow: Flow, definition: Definition, contact: Contact, *, subject: str, now: datetime
) -> tuple[Reason, Mapping[str, Any]] | None:
    """Why `contact` may not enter now, and on which facts that was decided."""
    before = flow.runs.filter(contact=contact)
    if definition.reentry_by_subject:
        before = before.filter(subject=subject)
    order = inside = None
    if definition.order_cooldown:
        orders = Order.objects.filter(contact=contact, cancelled_at=None)
        order = orders.order_by("-placed_at").first()
    if definition.exclusive_with:
        others = FlowRun.objects.filter(
            contact=contact, state=RunState.ACTIVE, flow__slug__in=definition.exclusive_with
        )
        inside = others.values_list("flow__slug", flat=True).first()
    known = Past(
        entered_at=before.order_by("-entered_at").values_list("entered_at", flat=True).first(),
        ordered_at=order.placed_at if order else None,
        order=(order.number or order.reference) if order else "",
        inside=inside or "",
    )
    return admission.refusal(definition, known, now=now)


def _refuse(
    flow: Flow, contact: Contact, code: Reason, *, cart: Cart | None, facts: Mapping[str, Any], now: datetime
) -> None:
    if cart is not None:
        decisions.about_cart(cart, code, now=now, flow_slug=flow.slug, facts=facts)
    elif not decisions.was_told(contact, code, flow_slug=flow.slug, since=now - TOLD_EVERY):
        decisions.about_contact(contact, code, now=now, flow_slug=flow.slug, facts=facts)


def _reanchor(run: FlowRun, anchored_at: datetime, *, data: Mapping[str, Any], now: datetime) -> None:
    """The subject was left once more: every wait starts again, and a step that was sent stays sent."""
    if anchored_at <= run.anchored_at:
        return
    marks = {name: anchored_at for name in ("marked_at", "reached_at") if getattr(run, name)}
    known = {**run.data, **data}
    FlowRun.objects.filter(pk=run.pk).update(anchored_at=anchored_at, data=known, due_at=now, **marks)
    for message in Message.objects.filter(run=run):
        step = run.version.parsed.step(message.step)
        if step is not None:
            waiting = Message.objects.filter(pk=message.pk)
            ledger.move(waiting, due_at=anchored_at + step.after, not_after=anchored_at + step.deadline)


def _leave_lower(flow: Flow, subject: str, contact: Contact, *, now: datetime) -> None:
    """The same subject climbed the intent ladder: the lower flow's run about it ends."""
    open_runs = FlowRun.objects.filter(contact=contact, subject=subject, state=RunState.ACTIVE).exclude(flow=flow)
    lower = [run for run in open_runs.select_related("flow") if is_higher(flow.stage, run.flow.stage)]
    leave_all(lower, Reason.HIGHER_INTENT, now=now, facts={"flow": flow.slug})


# -- going through ----------------------------------------------------------------------------------------------------


def advance(*, now: datetime, limit: int | None = None) -> int:
    """Move the runs that are due on; answers how many were looked at.

    A claim moves `due_at` past the lease, so a run whose worker died, or that could not be moved, is simply due again.
    """
    due = FlowRun.objects.filter(state=RunState.ACTIVE, due_at__lte=now).order_by("due_at", "pk")
    lease = now + timedelta(seconds=conf.settings.LEASE_SECONDS)
    claimed = claim(due, limit=limit or conf.settings.BATCH_SIZE, stamp="due_at", due_at=lease)
    runs = FlowRun.objects.filter(pk__in=[run.pk for run in claimed]).order_by("pk").whole()
    known = _facts(runs, now=now)

    def move(run: FlowRun) -> None:
        with suppress(_Overtaken), transaction.atomic():
            _walk(run, known[run.pk], now=now)

    batches.each(
        (run for run in runs if run.pk in known),
        move,
        otherwise=lambda run: logger.exception("run %s could not be moved on", run.pk),
    )
    return len(claimed)


def _facts(runs: Iterable[FlowRun], *, now: datetime) -> Mapping[int, Facts]:
    readable = []
    for run in runs:
        try:
            run.version.parsed  # noqa: B018
        except rules.FlowError:
            logger.exception("flow version %s cannot be read by this version of the plugin", run.version_id)
        else:
            readable.append(run)
    return facts.read(readable, now=now)


def _walk(run: FlowRun, known: Facts, *, now: datetime) -> None:
    stop = walks.interruption(run, now=now)
    if isinstance(stop, Reason):
        return leave(run, stop, now=now)
    if stop is not None:
        return _write(run, due_at=stop)
    while True:
        action = walks.decide(run, known, now=now)
        if isinstance(action, rules.Wait):
            return _write(run, due_at=action.until)
        if isinstance(action, rules.Finish):
            return _finish(run, now=now)
        _take(run, action, now=now)
        if isinstance(action, rules.Send | rules.Do):
            # What it did may change what is known: the next step is decided afresh.
            return _write(run, due_at=now)


def _take(run: FlowRun, action: rules.Skip | rules.Go | rules.Do | rules.Send, *, now: datetime) -> None:
    """Do what `action` says, and stand at the step after it."""
    step = action.step
    walks.move_on(run, action, now=now)
    if isinstance(action, rules.Skip):
        decisions.about_run(run, Reason.STEP_SKIPPED, now=now, step=step.key, facts={"because": action.because})
    elif isinstance(action, rules.Do):
        acts.do(run, action.step, now=now)
    elif isinstance(action, rules.Send):
        delivery.queue(
            run,
            step=step.key,
            channel=action.step.channel,
            kind=action.step.kind,
            due_at=action.due_at,
            not_after=action.not_after,
            now=now,
        )
    elif action.code:
        decisions.about_run(run, action.code, now=now, step=step.key, facts=action.facts)


def _write(run: FlowRun, **changes: Any) -> None:
    """Where the run stands now, unless what that was decided on has changed since the run was read."""
    places = {name: getattr(run, name) for name in ("position", "taken", "marked_at", "reached_at", "data")}
    unchanged = FlowRun.objects.filter(pk=run.pk, state=RunState.ACTIVE, due_at=run.due_at)
    if not unchanged.update(**{**places, **changes}):
        raise _Overtaken


def _finish(run: FlowRun, *, now: datetime) -> None:
    """No step is left; messages that are still waiting go out by themselves."""
    _write(run, state=RunState.FINISHED, ended_at=now, due_at=None)
    decisions.about_run(run, Reason.FINISHED, now=now)


def note(contact_id: int, event: str, *, at: datetime, now: datetime, topic: str = "") -> int:
    """`note_all` of one event (an Exit's or a Trigger's name)."""
    return note_all(contact_id, [Happening(str(event), at, topic)], now=now)


def note_all(contact_id: int, happenings: Sequence[Happening], *, now: datetime) -> int:
    """Tell the runs of a contact that wait for any of this that it happened. Answers how many had not heard of something;
    told twice, they count it once. One query where none waits, however much it is."""
    count = 0
    for run in _open(contact_id):
        told = _awaited(run, happenings)
        if not told:
            continue
        with transaction.atomic():
            locked = FlowRun.objects.select_for_update(no_key=True).filter(pk=run.pk, state=RunState.ACTIVE).first()
            new = [entry for entry in told if entry not in locked.happened] if locked else []
            if locked is None or not new:
                continue
            happened = [*locked.happened, *new][-MOST_HAPPENED:]
            count += FlowRun.objects.filter(pk=run.pk, state=RunState.ACTIVE).update(happened=happened, due_at=now)
    return count


def _awaited(run: FlowRun, happenings: Sequence[Happening]) -> list[dict[str, str]]:
    """What `run` waits for, as it is kept. Of too much at once, what its steps name is kept before what just counts."""
    parsed = run.version.parsed
    told = [one for one in happenings if one.name in parsed.awaited and one.at >= run.anchored_at]
    named = {(step.event, step.topic) for step in parsed.steps if isinstance(step, EventStep)}
    told.sort(key=lambda one: (one.name, one.topic) not in named)
    return [{"name": one.name, "at": one.at.isoformat(), "topic": one.topic} for one in told[:MOST_HAPPENED]]


# -- moving to another version ----------------------------------------------------------------------------------------


def move_all(flow: Flow, version: FlowVersion, *, now: datetime) -> int:
    """Everybody inside `flow` goes on by `version`: at the same step, or at the next one that is left. Answers how many.

    A step that they have had, sent or not, they do not have again. Call it in a transaction.
    """
    inside = flow.runs.filter(state=RunState.ACTIVE).exclude(version=version).select_related("flow").order_by("pk")
    runs = list(inside.select_for_update(of=("self",), no_key=True))
    versions = FlowVersion.objects.defer("content").in_bulk({run.version_id for run in runs})
    told = []
    for run in runs:
        old, new = versions[run.version_id].parsed.steps, version.parsed.steps
        position = rules.onward(new, rules.follow(old, new, run.position), run.taken)
        stood_at, stands_at = _key_at(old, run.position), _key_at(new, position)
        run.version, run.position, run.due_at = version, position, now
        if stands_at != stood_at:
            run.reached_at = now
        told.append((run, Reason.MOVED, {"version": version.number, "from": stood_at, "to": stands_at}))
    FlowRun.objects.bulk_update(runs, ["version", "position", "reached_at", "due_at"], batch_size=500)
    decisions.about_runs(told, now=now)
    return len(runs)


def _key_at(steps: Sequence[Step], position: int) -> str:
    return steps[position].key if position < len(steps) else ""


# -- leaving ----------------------------------------------------------------------------------------------------------


def leave(run: FlowRun, reason: Reason, *, now: datetime, facts: Mapping[str, Any] | None = None) -> None:
    """End a run early; what it still had waiting is cancelled with the same reason."""
    with transaction.atomic():
        written = FlowRun.objects.filter(pk=run.pk, state=RunState.ACTIVE).update(
            state=RunState.EXITED, reason=reason, ended_at=now, due_at=None
        )
        delivery.cancel_for(run, reason)
        if written:
            decisions.about_run(run, reason, now=now, facts=facts)


def leave_all(runs: Iterable[FlowRun], reason: Reason, *, now: datetime, facts: Mapping[str, Any] | None = None) -> int:
    """`leave` for each; answers how many."""
    count = 0
    for run in runs:
        leave(run, reason, now=now, facts=facts)
        count += 1
    return count


def leave_on(
    contact_id: int,
    exit: Exit,
    *,
    at: datetime,
    now: datetime,
    topic: str = "",
    facts: Mapping[str, Any] | None = None,
) -> int:
    """`exit` happened to a contact at `at`: the open runs that end on it and began before leave. Answers how many.

    Of an order in a topic (`topic`), those that speak of that topic. Runs that wait for it are told, and stay.
    """
    note(contact_id, exit, at=at, now=now, topic=topic)
    ending = [run for run in _open(contact_id) if exit in run.version.parsed.exits and run.anchored_at < at]
    if exit is Exit.ORDER_IN_TOPIC:
        ending = [run for run in ending if topic and topic == run.topic]
    reason = Reason.ORDERED if exit in (Exit.ORDER, Exit.ORDER_IN_TOPIC) else Reason.EXITED_ON
    return leave_all(ending, reason, now=now, facts={"exit": exit.value, **(facts or {})})


def _open(contact_id: int) -> list[FlowRun]:
    runs = FlowRun.objects.filter(contact=contact_id, state=RunState.ACTIVE)
    return list(runs.select_related("flow", "version").defer("version__content"))
