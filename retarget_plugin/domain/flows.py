"""A flow as data: parse it, validate it, and say what a run does next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from . import experiments, programs, rules, shapes, triggers
from .facts import Facts
from .shapes import Field, Record, parse_duration, required
from .steps import (
    ANY_TOPIC,
    Act,
    BranchStep,
    EventStep,
    GotoStep,
    HourStep,
    NotifyStep,
    PauseStep,
    SendStep,
    SplitStep,
    Step,
    SuppressStep,
    TagStep,
    WebhookStep,
)
from .triggers import Start
from .vocabulary import Exit, Reason, Stage, Trigger

__all__ = ["Definition", "FlowError", "Step", "follow", "next_step", "onward", "parse", "parse_duration"]

#: What this version of the plugin reads. A change that older definitions would be misread by makes it 2.
FORMAT = 1
MOST_HOLDOUT = 50


class FlowError(ValueError):
    """A definition is wrong. `problems` are sentences that name the step."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Definition:
    """A validated flow.

    `reentry`: time after entering during which the same person does not enter again; with `reentry_by_subject`, not about
    the same subject. `order_cooldown`: nobody enters so soon after an order. `exclusive_with`: slugs of flows beside which
    nobody is in this one. `holdout` in per cent, None for what the experiment makes of it.
    """

    slug: str
    start: Start
    stage: Stage
    reentry: timedelta
    steps: tuple[Step, ...]
    reentry_by_subject: bool = False
    order_cooldown: timedelta | None = None
    exclusive_with: tuple[str, ...] = ()
    exits: frozenset[Exit] = frozenset({Exit.ORDER})
    topic: str = ""
    holdout: int | None = None

    @property
    def trigger(self) -> Trigger:
        return self.start.trigger

    @cached_property
    def sends(self) -> tuple[SendStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, SendStep))

    @cached_property
    def has_coupon(self) -> bool:
        """Whether a step that is on carries a coupon."""
        return any(step.coupon and step.is_enabled for step in self.sends)

    def step(self, key: str) -> SendStep | None:
        """The step that sends under `key`."""
        return next((step for step in self.sends if step.key == key), None)

    @property
    def facts_needed(self) -> frozenset[str]:
        """The names of all facts that its steps ask of."""
        asked = [rules.facts_needed(step.rule) for step in self.steps if isinstance(step, BranchStep)]
        return frozenset().union(*asked, *(step.requires for step in self.sends))

    @cached_property
    def awaited(self) -> frozenset[str]:
        """The names of what its waits wait to happen."""
        return frozenset(step.event for step in self.steps if isinstance(step, EventStep))


# -- what a run does next ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """Nothing to do before `until`."""

    until: datetime


@dataclass(frozen=True)
class Send:
    """Queue a message for `step`, due at `due_at`, worthless after `not_after`."""

    step: SendStep
    due_at: datetime
    not_after: datetime


@dataclass(frozen=True)
class Skip:
    """Pass over `step`; `because` is a fact that is missing, "off", "replaced", "arm" or "deadline"."""

    step: Step
    because: str


@dataclass(frozen=True)
class Go:
    """Go on at the step numbered `to`. `code` and `facts` are what is to be recorded, None for nothing; `marked_at`, where
    it is given, is what times are measured from now on; `topic` is what the person turned to."""

    step: Step
    to: int
    code: Reason | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    marked_at: datetime | None = None
    topic: str = ""


@dataclass(frozen=True)
class Do:
    """Do what `step` says, and go on."""

    step: Act


@dataclass(frozen=True)
class Finish:
    """No step is left."""


Action = Wait | Send | Skip | Go | Do | Finish


def next_step(
    definition: Definition,
    position: int,
    *,
    anchored_at: datetime,
    now: datetime,
    facts: Facts,
    marked_at: datetime | None = None,
    reached_at: datetime | None = None,
) -> Action:
    """What a run that stands at the step numbered `position` does at `now`.

    `anchored_at` is t0; `marked_at` when its last wait ended; `reached_at` when it came to this step.
    """
    if position >= len(definition.steps):
        return Finish()
    step = definition.steps[position]
    # In any other zone, adding a wait moves the hands of a clock that may be put forward meanwhile.
    mark = (marked_at or anchored_at).astimezone(UTC)
    reached = (reached_at or mark).astimezone(UTC)
    if isinstance(step, SendStep):
        return _send(definition, step, mark=mark, now=now, facts=facts)
    if isinstance(step, PauseStep):
        return _pause(step, reached + step.length, now=now)
    if isinstance(step, HourStep):
        return _pause(step, _next_hour(step, reached, facts=facts), now=now)
    if isinstance(step, EventStep):
        since = anchored_at.astimezone(UTC) if step.since_entry else reached
        return _await(step, since=since, until=reached + step.length, now=now, facts=facts)
    if isinstance(step, BranchStep):
        is_true = rules.holds(step.rule, facts, now=now)
        told = {"rule": rules.describe(step.rule), "holds": is_true}
        return Go(step, step.then if is_true else step.otherwise, Reason.BRANCHED, told)
    if isinstance(step, SplitStep):
        name = path_of(definition, step, facts)
        return Go(step, step.paths[name].at, Reason.SPLIT, {"path": name})
    if isinstance(step, TagStep | WebhookStep | NotifyStep | SuppressStep):
        # Whoever is held out gets nothing by any way: not from us, and not from whom we tell.
        is_kept_out = facts.arm == experiments.Arm.HOLDOUT and not isinstance(step, TagStep)
        return Skip(step, "holdout") if is_kept_out else Do(step)
    return Go(step, step.next) if isinstance(step, GotoStep) else Finish()


def path_of(definition: Definition, step: SplitStep, facts: Facts) -> str:
    """The path of `step` that is drawn for the contact: always the same one, and independent of every other split."""
    key = facts.draw_key + f"{definition.slug}:{step.key}".encode()
    return experiments.draw(key, str(facts.contact), {name: path.weight for name, path in step.paths.items()})


def follow(old: Sequence[Step], new: Sequence[Step], position: int) -> int:
    """Where a run that stands at `position` of `old` stands in `new`: at the same step, else at the next one that is left."""
    at = {step.key: number for number, step in enumerate(new)}
    return next((at[step.key] for step in old[position:] if step.key in at), len(new))


def onward(steps: Sequence[Step], position: int, taken: Collection[str]) -> int:
    """The first step from `position` on that was not taken: another version may have had them in another order."""
    while position < len(steps) and steps[position].key in taken:
        position = steps[position].next
    return position


def _send(definition: Definition, step: SendStep, *, mark: datetime, now: datetime, facts: Facts) -> Action:
    if not step.is_enabled:
        return Skip(step, "off")
    is_plain = facts.arm == experiments.Arm.PLAIN
    if is_plain and step.coupon:
        return Skip(step, "arm")
    by = (other for other in definition.sends if other.replaces == step.key and other.is_enabled)
    if any(not (is_plain and other.coupon) for other in by):
        return Skip(step, "replaced")
    due_at = mark + step.after
    if due_at > now:
        return Wait(due_at)
    missing = sorted(step.requires - facts.held)
    if missing:
        return Skip(step, missing[0])
    not_after = mark + step.deadline
    return Send(step, due_at, not_after) if now <= not_after else Skip(step, "deadline")


def _pause(step: Step, until: datetime, *, now: datetime) -> Action:
    if now < until:
        return Wait(until)
    return Go(step, step.next, Reason.WAITED, {"until": until.isoformat()}, marked_at=until)


def _next_hour(step: HourStep, after: datetime, *, facts: Facts) -> datetime:
    """The first instant at or after `after` at which the contact's clock shows the hour. Where the clock is put forward
    over it, that is the instant as many minutes later; where it shows the hour twice, the first time."""
    day = after.astimezone(facts.zone).date()
    while True:
        at = datetime.combine(day, step.hour, tzinfo=facts.zone).astimezone(UTC)
        if at >= after and day.weekday() in step.weekdays:
            return at
        day += timedelta(days=1)


def _await(step: EventStep, *, since: datetime, until: datetime, now: datetime, facts: Facts) -> Action:
    counted: dict[str, int] = {}
    for happened in sorted(facts.happened, key=lambda one: one.at):
        if happened.name != step.event or not since <= happened.at <= until:
            continue
        if step.topic not in ("", ANY_TOPIC, happened.topic) or (step.topic == ANY_TOPIC and not happened.topic):
            continue
        group = happened.topic if step.topic == ANY_TOPIC else ""
        counted[group] = counted.get(group, 0) + 1
        if counted[group] >= step.times:
            told = {"event": step.event, "times": step.times, "topic": happened.topic}
            mark = max(happened.at, since)
            return Go(step, step.next, Reason.WAITED, told, marked_at=mark, topic=happened.topic)
    if now < until:
        return Wait(until)
    return Go(step, step.otherwise, Reason.WAITED, {"event": step.event, "until": until.isoformat()}, marked_at=until)


# -- reading ----------------------------------------------------------------------------------------------------------

HEAD = Record(
    {
        "slug": Field(shapes.SLUG, default=""),
        "name": Field(shapes.IN_LANGUAGES),
        "description": Field(shapes.IN_LANGUAGES),
        "stage": required(shapes.one_of(Stage)),
        "exclusive_with": Field(shapes.many(shapes.SLUG), default=()),
        "exits": Field(shapes.many(shapes.one_of(Exit)), default=(Exit.ORDER,)),
        "topic": Field(shapes.SLUG, default=""),
        "holdout": Field(shapes.whole(0, MOST_HOLDOUT)),
        "cooldown": Field(shapes.Shape(lambda raw: raw, {})),
    }
)
REENTRY = Record({"subject": required(shapes.DURATION)})
COOLDOWN = Record({"order": required(shapes.DURATION)})
TOP_KEYS = {"format", "trigger", "reentry", "steps", *HEAD.fields}


def parse(data: Mapping[str, Any]) -> Definition:
    """The definition in `data`. Raises FlowError with every problem found, each naming its step."""
    problems: list[str] = []
    if data.get("format", FORMAT) != FORMAT:
        raise FlowError([f"The flow is written in format {data['format']!r}; this version reads {FORMAT}."])
    for key in sorted((key for key in data if key not in TOP_KEYS), key=str):
        problems.append(f"Unknown key {key!r}; known are {', '.join(sorted(TOP_KEYS))}.")
    start = triggers.parse(data.get("trigger"), problems)
    head = HEAD.read({key: data[key] for key in HEAD.fields if key in data}, where="The flow", problems=problems)
    reentry, is_by_subject = _reentry(data.get("reentry", "7d"), problems)
    cooldown = None
    if head["cooldown"] is not None:
        cooldown = COOLDOWN.read(head["cooldown"], where="cooldown", problems=problems).get("order")
    laid = programs.compile_steps(data.get("steps"), problems)
    problems += [
        f"Step {step.key!r}: its deadline is over before the trigger {start.trigger} lets anybody in."
        for step in programs.unwaited(laid)
        if timedelta() < step.deadline <= start.lag
    ]
    if problems:
        raise FlowError(problems)
    return Definition(
        slug=head["slug"],
        start=start,
        stage=head["stage"],
        reentry=reentry,
        reentry_by_subject=is_by_subject,
        steps=laid,
        order_cooldown=cooldown,
        exclusive_with=head["exclusive_with"],
        exits=frozenset(head["exits"]),
        topic=head["topic"],
        holdout=head["holdout"],
    )


def _reentry(raw: Any, problems: list[str]) -> tuple[timedelta, bool]:
    """`"7d"`, or `{"subject": "90d"}` for once in 90 days about the same thing; and whether it is by subject."""
    if isinstance(raw, Mapping):
        return REENTRY.read(raw, where="reentry", problems=problems).get("subject") or timedelta(), True
    try:
        return parse_duration(raw), False
    except ValueError as error:
        problems.append(f"reentry: {error}.")
        return timedelta(), False
