"""Experiments: who of a flow's people is held out, and when they are drawn anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Q, Subquery

from retarget_plugin import conf
from retarget_plugin.domain import experiments as rules
from retarget_plugin.domain import flows
from retarget_plugin.domain.vocabulary import FlowState, MessageKind
from retarget_plugin.models import Contact, Experiment, Flow

from . import effects

#: How long one draw lasts. Then everybody is drawn anew: nobody is left out for good, and who comes back counts again.
TERM = timedelta(days=90)
#: How often it is looked whether a flow's effect is known by now. The interval that decides this may be read at any time.
READ_EVERY = timedelta(days=1)
AT_ONCE = 50


@dataclass(frozen=True)
class Place:
    """Where a contact is in a flow: its arm, and the experiment in which this run counts; None where an earlier one does."""

    arm: str
    experiment: Experiment | None


def assign(flow: Flow, contact: Contact, *, is_asked_for: bool = False, now: datetime) -> Place:
    """The place of `contact` in `flow`: the same all through an experiment, whatever other flows have decided.

    It counts once in each: whoever bought comes back less often, so later entries would compare unlike people. Two contacts
    that turned out to be one person stay where the first of them was. Whoever asked for what it sends (`is_asked_for`) gets
    it, and counts in none.
    """
    if is_asked_for:
        return Place(rules.Arm.TREATED, None)
    experiment = _in_force(flow) or _begin(flow, after=None, now=now)
    person = Contact.objects.filter(Q(pk=contact.pk) | Q(merged_into=contact)).values("pk")
    counted = experiment.runs.filter(flow=flow, contact__in=person).order_by("entered_at", "pk")
    first = counted.first()
    if first is not None:
        return Place(first.arm, None)
    return Place(rules.draw(experiment.key.bytes, str(contact.pk), experiment.weights), experiment)


def review(flow: Flow, *, now: datetime) -> None:
    """Begin a new experiment where the owner wants other shares, or arms, than the one in force. For who publishes."""
    experiment = _in_force(flow)
    if experiment is not None and _weights(flow, was_known=experiment.known_at is not None) != experiment.weights:
        _begin(flow, after=experiment, now=now)


def renew(*, now: datetime) -> int:
    """Look, once a day for each flow that is on, whether its effect is known by now and whether its draw has had its time.

    A fifth is held out while a flow's effect is not known, a tenth from then on. Answers how many began anew.
    """
    latest = Experiment.objects.filter(flow=OuterRef("flow")).order_by("-number").values("pk")[:1]
    due = Experiment.objects.filter(pk=Subquery(latest), read_at__lte=now - READ_EVERY, flow__state=FlowState.ON)
    begun = 0
    for experiment in due.select_related("flow__shop", "flow__version").order_by("read_at")[:AT_ONCE]:
        flow = experiment.flow
        if experiment.known_at is None and effects.of_flow(flow, now=now).is_conclusive:
            experiment.known_at = now
        is_over = experiment.began_at <= now - TERM
        Experiment.objects.filter(pk=experiment.pk).update(read_at=now, known_at=experiment.known_at)
        if is_over or _weights(flow, was_known=experiment.known_at is not None) != experiment.weights:
            _begin(flow, after=experiment, now=now)
            begun += 1
    return begun


def _in_force(flow: Flow) -> Experiment | None:
    return flow.experiments.order_by("-number").first()


def _begin(flow: Flow, *, after: Experiment | None, now: datetime) -> Experiment:
    """The experiment that follows `after`; the one another worker has just begun, where that was faster."""
    known_at = after.known_at if after else None
    weights = _weights(flow, was_known=known_at is not None)
    begun, _is_new = Experiment.objects.get_or_create(
        flow=flow,
        number=after.number + 1 if after else 1,
        defaults={"weights": weights, "began_at": now, "read_at": now, "known_at": known_at},
    )
    return begun


def _weights(flow: Flow, *, was_known: bool) -> Mapping[str, float]:
    definition = flows.parse(flow.version.definition) if flow.version else None
    sends = [step for step in definition.sends if step.is_enabled] if definition else []
    # What somebody has asked for is kept from nobody.
    is_measured = conf.settings.HOLDOUT and any(step.kind is MessageKind.MARKETING for step in sends)
    asked = definition.holdout if definition else None
    holdout = rules.share(asked=asked, was_known=was_known) if is_measured else 0
    return rules.arms(holdout, has_coupon=any(step.coupon for step in sends))
