"""A flow as data: parse it, validate it, and say what a run does next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from .vocabulary import Channel, Stage, Trigger

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
FACTS = frozenset({"shipping_facts"})
TOP_KEYS = {"slug", "name", "description", "trigger", "stage", "reentry", "steps"}
STEP_KEYS = {"key", "after", "deadline", "outside_hours", "requires", "enabled", "send"}


class FlowError(ValueError):
    """A definition is wrong. `problems` are sentences that name the step."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Step:
    """Send `message` on `channel`, `after` t0 and not later than `deadline` after t0.

    `requires`: facts that must hold, else the step is skipped. `may_move`: outside the allowed hours it waits for the
    next allowed time within its deadline; otherwise it is dropped.
    """

    key: str
    after: timedelta
    deadline: timedelta
    channel: Channel
    message: str
    requires: frozenset[str] = frozenset()
    may_move: bool = True
    is_enabled: bool = True


@dataclass(frozen=True)
class Definition:
    """A validated flow. `reentry`: time after entering during which the same person does not enter again."""

    slug: str
    trigger: Trigger
    stage: Stage
    reentry: timedelta
    steps: tuple[Step, ...]

    def step(self, key: str) -> Step | None:
        return next((step for step in self.steps if step.key == key), None)


@dataclass(frozen=True)
class Wait:
    """Nothing to do before `until`."""

    until: datetime


@dataclass(frozen=True)
class Send:
    """Queue a message for `step`, due at `due_at`, worthless after `not_after`."""

    step: Step
    due_at: datetime
    not_after: datetime


@dataclass(frozen=True)
class Skip:
    """Pass over `step`; `because` is a fact that is missing, "off", or "deadline"."""

    step: Step
    because: str


@dataclass(frozen=True)
class Finish:
    """No step is left."""


Action = Wait | Send | Skip | Finish


def next_step(
    definition: Definition, position: int, *, anchored_at: datetime, now: datetime, facts: Set[str]
) -> Action:
    """What a run that has done `position` steps does at `now`. `facts` are the names in FACTS that hold for it."""
    # In any other zone, adding a wait moves the hands of a clock that may be put forward meanwhile.
    anchored_at = anchored_at.astimezone(UTC)
    if position >= len(definition.steps):
        return Finish()
    step = definition.steps[position]
    if not step.is_enabled:
        return Skip(step, "off")
    missing = sorted(step.requires - facts)
    if missing:
        return Skip(step, missing[0])
    due_at = anchored_at + step.after
    if due_at > now:
        return Wait(due_at)
    not_after = anchored_at + step.deadline
    return Send(step, due_at, not_after) if now <= not_after else Skip(step, "deadline")


def parse_duration(text: str) -> timedelta:
    """ "1h45m", "3d", "90s" as a timedelta. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration; write it like 1h45m, 24h or 3d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def parse(data: Mapping[str, Any]) -> Definition:
    """The definition in `data`. Raises FlowError with every problem found, each naming its step."""
    problems: list[str] = []
    for key in sorted(set(data) - TOP_KEYS):
        problems.append(f"Unknown key {key!r}; known are {', '.join(sorted(TOP_KEYS))}.")
    trigger = _member(Trigger, data.get("trigger"), "trigger", problems)
    stage = _member(Stage, data.get("stage"), "stage", problems)
    reentry = _duration(data.get("reentry", "7d"), "reentry", problems)
    raw_steps = data.get("steps")
    if not isinstance(raw_steps, list) or not raw_steps:
        problems.append("A flow needs a list of steps.")
        raw_steps = []
    steps = [step for number, raw in enumerate(raw_steps, 1) if (step := _step(raw, number, problems))]
    problems += _order_problems(steps)
    if problems:
        raise FlowError(problems)
    return Definition(str(data.get("slug", "")), Trigger(trigger), Stage(stage), reentry, tuple(steps))


def _member(kind: Any, value: Any, where: str, problems: list[str]) -> Any:
    try:
        return kind(value)
    except ValueError:
        problems.append(f"{where} is {value!r}; it must be one of {', '.join(kind)}.")
        return next(iter(kind))


def _duration(value: Any, where: str, problems: list[str]) -> timedelta:
    try:
        return parse_duration(value)
    except ValueError as error:
        problems.append(f"{where}: {error}.")
        return timedelta()


def _step(raw: Any, number: int, problems: list[str]) -> Step | None:
    if (
        not isinstance(raw, Mapping)
        or not isinstance(raw.get("key"), str)
        or not re.fullmatch(r"[a-z0-9-]{1,60}", raw["key"])
    ):
        problems.append(f"Step {number} needs a key of small letters, digits and hyphens.")
        return None
    where = f"Step {raw['key']!r}"
    for key in sorted(set(raw) - STEP_KEYS):
        problems.append(f"{where}: unknown key {key!r}; known are {', '.join(sorted(STEP_KEYS))}.")
    send = raw.get("send")
    if not isinstance(send, Mapping) or set(send) != {"channel", "message"}:
        problems.append(f"{where}: send needs exactly a channel and a message.")
        return None
    channel = _member(Channel, send["channel"], f"{where}: channel", problems)
    requires = frozenset(raw.get("requires", ()))
    for fact in sorted(requires - FACTS):
        problems.append(f"{where}: nothing is known of {fact!r}; known are {', '.join(sorted(FACTS))}.")
    outside = raw.get("outside_hours", "wait")
    if outside not in ("wait", "drop"):
        problems.append(f"{where}: outside_hours is {outside!r}; it must be wait or drop.")
    after = _duration(raw.get("after"), f"{where}: after", problems)
    deadline = _duration(raw.get("deadline"), f"{where}: deadline", problems)
    if deadline <= after:
        problems.append(f"{where}: its deadline comes before it is due, so it could never be sent.")
    return Step(
        raw["key"],
        after,
        deadline,
        channel,
        str(send["message"]),
        requires,
        outside == "wait",
        bool(raw.get("enabled", True)),
    )


def _order_problems(steps: list[Step]) -> list[str]:
    problems = []
    keys = [step.key for step in steps]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        problems.append(f"Step {key!r} appears twice; keys are unique.")
    for earlier, later in pairwise(steps):
        if later.after < earlier.after:
            problems.append(f"Step {later.key!r} is due before {earlier.key!r}, which stands above it.")
    return problems
