"""The nested steps of a flow laid out in one line, each knowing which follows it, and what is wrong with their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from . import shapes, steps
from .steps import (
    BranchStep,
    EventStep,
    GotoStep,
    HourStep,
    Path,
    PauseStep,
    SendStep,
    SplitStep,
    Step,
    StopStep,
)

MOST_STEPS = 200
DEEPEST = 6
WAITING = (PauseStep, HourStep, EventStep)
BESIDES_SEND = ("key", "send", *steps.SEND_TIMES.fields)


@dataclass(frozen=True)
class _Line:
    """A step as written, with its place: `follow` is where it leads when nothing else is said."""

    raw: Mapping[str, Any]
    verb: str
    at: int
    follow: int
    lists: Mapping[str, int]

    @property
    def where(self) -> str:
        return f"Step {self.raw['key']!r}"


def compile_steps(raw: Any, problems: list[str]) -> tuple[Step, ...]:
    """The steps in the order written, those of a branch or path in its place. What is wrong goes to `problems`."""
    if not isinstance(raw, list) or not raw:
        problems.append("A flow needs a list of steps.")
        return ()
    found = len(problems)
    count = _check_tree(raw, problems, depth=0)
    if count > MOST_STEPS:
        problems.append(f"A flow has at most {MOST_STEPS} steps.")
    if len(problems) > found:
        return ()
    lines = list(_lay(raw, start=0, follow=count))
    keys = [line.raw["key"] for line in lines]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        problems.append(f"Step {key!r} appears twice; keys are unique.")
    at = {key: number for number, key in reversed(list(enumerate(keys)))}
    laid = tuple(_read(line, {**at, steps.STOP: count}, problems) for line in lines)
    problems += _order_problems(laid)
    return laid


# -- the tree ---------------------------------------------------------------------------------------------------------


def _check_tree(raw: list[Any], problems: list[str], *, depth: int) -> int:
    """How many steps there are in all. Every step must have a key, one verb, and lists where steps are nested."""
    if depth > DEEPEST:
        problems.append(f"Branches and paths are nested more than {DEEPEST} deep.")
        return 0
    count = 0
    for number, step in enumerate(raw, 1):
        key = step.get("key") if isinstance(step, Mapping) else None
        if not isinstance(key, str) or not re.fullmatch(shapes.SLUG_PATTERN, key) or key in (steps.NEXT, steps.STOP):
            problems.append(f"Step {number} needs a key of small letters, digits and hyphens.")
            continue
        count += 1
        verbs = [verb for verb in steps.VERBS if verb in step]
        if len(verbs) != 1:
            problems.append(f"Step {key!r} needs exactly one of {', '.join(steps.VERBS)}.")
            continue
        known = BESIDES_SEND if verbs == ["send"] else ("key", verbs[0])
        for name in sorted((name for name in step if name not in known), key=str):
            problems.append(f"Step {key!r}: unknown key {name!r}; known are {', '.join(sorted(known))}.")
        for name, nested in _nested(step).items():
            if not isinstance(nested, list):
                problems.append(f"Step {key!r}: {verbs[0]}: {name} is {nested!r}; it must be a list of steps.")
            else:
                count += _check_tree(nested, problems, depth=depth + 1)
    return count


def _nested(step: Mapping[str, Any]) -> dict[str, Any]:
    """Name -> the steps inside `step`, in the order in which they are laid."""
    verb = _verb(step)
    body = step[verb]
    if verb == "branch" and isinstance(body, Mapping):
        return {name: body.get(name, []) for name in ("then", "else")}
    if verb == "split" and isinstance(body, Mapping) and isinstance(body.get("paths"), Mapping):
        paths = body["paths"].items()
        return {str(name): path.get("steps", []) if isinstance(path, Mapping) else None for name, path in paths}
    return {}


def _lay(raw: list[Any], *, start: int, follow: int) -> Iterator[_Line]:
    """Each step before those inside it; whatever stands last in a list leads to where the list's own step leads."""
    at = start
    for number, step in enumerate(raw):
        after = at + _size(step)
        following = after if number < len(raw) - 1 else follow
        inside, lists, nested = at + 1, {}, _nested(step)
        for name, inner in nested.items():
            lists[name] = inside if inner else following
            inside += _total(inner)
        yield _Line(step, _verb(step), at, following, lists)
        for name, inner in nested.items():
            yield from _lay(inner, start=lists[name], follow=following)
        at = after


def _verb(step: Mapping[str, Any]) -> str:
    return next(verb for verb in steps.VERBS if verb in step)


def _size(step: Mapping[str, Any]) -> int:
    return 1 + sum(map(_total, _nested(step).values()))


def _total(raw: list[Any]) -> int:
    return sum(map(_size, raw))


# -- one step ---------------------------------------------------------------------------------------------------------


def _read(line: _Line, targets: Mapping[str, int], problems: list[str]) -> Step:
    key, where = line.raw["key"], line.where
    told: dict[str, Any] = {"where": where, "problems": problems}
    if line.verb == "send":
        return steps.send(line.raw, key=key, next=line.follow, **told)
    if line.verb == "wait":
        return steps.wait(line.raw, key=key, next=line.follow, targets={**targets, steps.NEXT: line.follow}, **told)
    if line.verb == "branch":
        rule = steps.branch(line.raw, **told)
        then, otherwise = line.lists["then"], line.lists["else"]
        return BranchStep(key=key, next=line.follow, rule=rule, then=then, otherwise=otherwise)
    if line.verb == "split":
        return SplitStep(key=key, next=line.follow, paths=_paths(line, problems))
    if line.verb == "goto":
        target = line.raw["goto"]
        if target not in targets or target == steps.STOP:
            problems.append(f"{where}: goto: there is no step {target!r}.")
        return GotoStep(key=key, next=targets.get(target, line.follow))
    if line.verb == "stop":
        if line.raw["stop"] is not True:
            problems.append(f"{where}: stop: write true.")
        return StopStep(key=key, next=targets[steps.STOP])
    return steps.act(line.verb, line.raw, key=key, next=line.follow, **told)


def _paths(line: _Line, problems: list[str]) -> dict[str, Path]:
    body = line.raw["split"]
    raw = body.get("paths") if isinstance(body, Mapping) and set(body) == {"paths"} else None
    if not isinstance(raw, Mapping) or len(raw) < 2:
        problems.append(f"{line.where}: split: it needs paths, and two of them at least.")
        return {}
    paths = {}
    weight = shapes.whole(1, 1_000)
    for name, path in raw.items():
        where = f"{line.where}: split: path {name!r}"
        if not re.fullmatch(shapes.SLUG_PATTERN, str(name)) or set(path) - {"weight", "steps"}:
            problems.append(f"{where}: it has a short name, a weight and steps, and nothing else.")
        try:
            paths[str(name)] = Path(weight.read(path.get("weight")), line.lists[str(name)])
        except ValueError as error:
            problems.append(f"{where}: weight: {error}.")
    return paths


# -- their order ------------------------------------------------------------------------------------------------------


def ways(step: Step) -> tuple[int, ...]:
    """Every step to which `step` may lead."""
    if isinstance(step, BranchStep):
        return step.then, step.otherwise
    if isinstance(step, SplitStep):
        return tuple(path.at for path in step.paths.values())
    if isinstance(step, EventStep):
        return step.next, step.otherwise
    return (step.next,)


def unwaited(laid: tuple[Step, ...]) -> Iterator[SendStep]:
    """The steps that send before any wait, on some way through: their times count from t0."""
    reached = {0}
    for number, step in enumerate(laid):
        if number not in reached or isinstance(step, WAITING):
            continue
        if isinstance(step, SendStep):
            yield step
        reached.update(ways(step))


def _order_problems(laid: tuple[Step, ...]) -> list[str]:
    """Loops, steps nobody comes to, and steps that are due before one that stands above them, on any way through."""
    problems = [
        f"Step {step.key!r} leads back to {laid[to].key!r}: people would go round in a loop."
        for number, step in enumerate(laid)
        for to in ways(step)
        if to <= number
    ]
    # Every way leads down, so that one pass sees each step after all that lead to it.
    latest: dict[int, tuple[timedelta, str]] = {0: (timedelta(), "")}
    for number, step in enumerate(laid):
        if number not in latest:
            problems.append(f"Step {step.key!r} can never be reached: nothing leads to it.")
            continue
        after, above = latest[number]
        if isinstance(step, SendStep):
            if step.after < after:
                problems.append(f"Step {step.key!r} is due before {above!r}, which stands above it.")
            after, above = max((after, above), (step.after, step.key), key=lambda pair: pair[0])
        if isinstance(step, WAITING):
            after, above = timedelta(), ""
        for to in ways(step):
            latest[to] = max(latest.get(to, (timedelta(-1), "")), (after, above), key=lambda pair: pair[0])
    return problems + _replacement_problems(laid)


def _replacement_problems(laid: tuple[Step, ...]) -> list[str]:
    at = {step.key: number for number, step in enumerate(laid) if isinstance(step, SendStep)}
    replaces = {step.key: step.replaces for step in laid if isinstance(step, SendStep) and step.replaces}
    problems = []
    for key, replaced in replaces.items():
        if replaced not in at or replaced == key:
            problems.append(f"Step {key!r} replaces {replaced!r}, and there is no such step that sends.")
        elif key in _in_turn(replaced, replaces):
            problems.append(f"Step {key!r} replaces {replaced!r}, which replaces it in turn: neither would be sent.")
        elif _is_missed(laid, at[key], by=at[replaced]):
            problems.append(
                f"Step {key!r} replaces {replaced!r}, and some come to {replaced!r} without coming to {key!r}: "
                "they would get neither."
            )
    return problems


def _in_turn(key: str, replaces: Mapping[str, str]) -> set[str]:
    """What `key` replaces, and what that replaces, and so on."""
    found: set[str] = set()
    while (key := replaces.get(key, "")) and key not in found:
        found.add(key)
    return found


def _is_missed(laid: tuple[Step, ...], number: int, *, by: int) -> bool:
    """Whether a way from the first step to the end passes the step `by` and not the step `number`."""
    return by in _reached(laid, 0, without=number) and len(laid) in _reached(laid, by, without=number)


def _reached(laid: tuple[Step, ...], start: int, *, without: int) -> set[int]:
    """The steps to which a way leads down from `start` that does not pass `without`; as many as there are is the end."""
    reached = {start} - {without}
    for number in range(start, len(laid)):
        if number in reached:
            reached.update(set(ways(laid[number])) - {without})
    return reached
