"""Why: what keeps people from a flow's messages, on the pages of the contact and of the flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retarget_plugin.domain import abandonment
from retarget_plugin.engine import enquiries, explain
from retarget_plugin.models import Contact, Flow


@dataclass(frozen=True)
class Line:
    """What is told of one flow and one person. `reasons`: why it was never entered; `unknown`: of what there is no telling;
    `steps`: what became of each message."""

    flow: Flow
    entered: int
    reasons: list[tuple[str, str]]
    unknown: list[str]
    steps: list[tuple[str, str, str]]


@dataclass(frozen=True)
class InTheWay:
    """A reason, and how many it met."""

    label: str
    carts: int
    people: int


def of_person(contact: Contact, *, now: datetime) -> list[Line]:
    """Flow by flow."""
    return [_line(story) for story in enquiries.stories(contact, now=now)]


def of_flow(flow: Flow, *, since: datetime, until: datetime) -> list[InTheWay]:
    """What stood in people's way in the period, most first."""
    concerned = {flow.slug, ""} if flow.trigger in abandonment.TRIGGERS else {flow.slug}
    met = enquiries.totals(flow.shop, since=since, until=until)
    return [
        InTheWay(explain.reason_label(total.code), total.carts, total.people)
        for total in met
        if total.flow in concerned
    ]


def _line(story: enquiries.Story) -> Line:
    steps = [
        (
            step.step,
            explain.reason_label(step.reason) if step.reason else explain.state_label(step.state),
            explain.facts_in_words(step.facts),
        )
        for passage in story.passages
        for step in passage.steps
    ]
    reasons = [(explain.reason_label(code), explain.facts_in_words(_beside(facts))) for code, facts in story.obstacles]
    unknown = [explain.unknown_label(code) for code in story.unknown]
    return Line(story.flow, len(story.passages), reasons, unknown, steps)


def _beside(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the line says already: which flow it is of, and that this is off."""
    return {name: value for name, value in facts.items() if name not in ("flow", "trigger")}
