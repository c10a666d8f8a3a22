"""Conditions for branches: trees of facts, read from data, told in words, decided on what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import facts as known_facts
from . import interests, shapes
from .facts import Facts
from .shapes import Field, Record, required

DEEPEST = 8
_ANY = Field(shapes.SLUG, default="")
_AT_LEAST_ONE = Field(shapes.COUNT, default=1)
_WITHIN = Field(shapes.DURATION, default=timedelta(days=3_650))
_CODES = required(shapes.many(shapes.TEXT))

#: What may be asked besides the plain facts, and with which values. An interest without a topic is that in the topic of
#: the run; an answer without a preference, or without a value, is any.
FACTS: Mapping[str, Record] = {
    "interest": Record({"topic": _ANY, "at_least": Field(shapes.number(0, 100), default=1.0)}),
    "clicks": Record({"topic": Field(shapes.SLUG, default=""), "within": _WITHIN, "at_least": _AT_LEAST_ONE}),
    "orders": Record({"within": _WITHIN, "at_least": _AT_LEAST_ONE}),
    "cart_total": Record({"at_least": required(shapes.MONEY)}),
    "answer": Record({"preference": _ANY, "is": Field(shapes.TEXT, default="")}),
    "tag": Record({"is": required(shapes.SLUG)}),
    "country": Record({"in": _CODES}),
    "language": Record({"in": _CODES}),
    "has_phone": Record({}),
    "downloaded": Record({"magnet": Field(shapes.SLUG, default="")}),
}
PLAIN = Record({})


@dataclass(frozen=True)
class Fact:
    """One question. `values` are as FACTS reads them; those of a plain fact are empty."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AllOf:
    parts: tuple[Rule, ...]


@dataclass(frozen=True)
class AnyOf:
    parts: tuple[Rule, ...]


@dataclass(frozen=True)
class Not:
    part: Rule


Rule = Fact | AllOf | AnyOf | Not


def parse(raw: Any, *, where: str, problems: list[str], depth: int = 0) -> Rule:
    """The rule in `raw`. What is wrong goes to `problems`; then the answer is of no use."""
    nothing = Fact("has_phone")
    if not isinstance(raw, Mapping) or depth > DEEPEST:
        problems.append(f"{where}: a condition is written as keys and values, not more than {DEEPEST} deep.")
        return nothing
    heads = [head for head in ("all", "any", "not", "fact") if head in raw]
    if len(heads) != 1 or (heads != ["fact"] and len(raw) > 1):
        problems.append(f"{where}: a condition has exactly one of all, any, not, fact.")
        return nothing
    head, body = heads[0], raw[heads[0]]
    if head == "fact":
        return _fact(raw, where=where, problems=problems)
    if head == "not":
        return Not(parse(body, where=where, problems=problems, depth=depth + 1))
    if not isinstance(body, list) or not body:
        problems.append(f"{where}: {head} needs a list of conditions.")
        return nothing
    parts = tuple(parse(part, where=where, problems=problems, depth=depth + 1) for part in body)
    return AllOf(parts) if head == "all" else AnyOf(parts)


def _fact(raw: Mapping[str, Any], *, where: str, problems: list[str]) -> Fact:
    name = raw["fact"]
    if not isinstance(name, str) or name not in names():
        problems.append(f"{where}: nothing is known of {name!r}; known are {', '.join(names())}.")
        return Fact("has_phone")
    values = {key: value for key, value in raw.items() if key != "fact"}
    return Fact(name, FACTS.get(name, PLAIN).read(values, where=f"{where}: {name}", problems=problems))


def names() -> list[str]:
    """Every fact that may be asked of."""
    return sorted({*FACTS, *known_facts.KNOWN_WHEN_DUE})


def facts_needed(rule: Rule) -> frozenset[str]:
    """The names of all facts that `rule` asks of."""
    if isinstance(rule, Fact):
        return frozenset({rule.name})
    parts = (rule.part,) if isinstance(rule, Not) else rule.parts
    return frozenset().union(*map(facts_needed, parts))


def holds(rule: Rule, facts: Facts, *, now: datetime) -> bool:
    """Whether `rule` is true of what is known at `now`."""
    if isinstance(rule, Not):
        return not holds(rule.part, facts, now=now)
    if isinstance(rule, AllOf):
        return all(holds(part, facts, now=now) for part in rule.parts)
    if isinstance(rule, AnyOf):
        return any(holds(part, facts, now=now) for part in rule.parts)
    decide = _DECIDED.get(rule.name)
    return decide(rule.values, facts, now) if decide else rule.name in facts.held


_DECIDED: Mapping[str, Callable[[Mapping[str, Any], Facts, datetime], bool]] = {
    "interest": lambda asked, facts, now: (
        interests.score(facts.interests, asked["topic"] or facts.topic, now=now) >= asked["at_least"]
    ),
    "clicks": lambda asked, facts, now: (
        sum(at > now - asked["within"] and asked["topic"] in ("", topic) for at, topic in facts.clicks)
        >= asked["at_least"]
    ),
    "orders": lambda asked, facts, now: sum(at > now - asked["within"] for at in facts.orders) >= asked["at_least"],
    "cart_total": lambda asked, facts, now: facts.cart_total is not None and facts.cart_total >= asked["at_least"],
    "answer": lambda asked, facts, now: _is_answered(facts.answers, asked["preference"], asked["is"]),
    "tag": lambda asked, facts, now: asked["is"] in facts.tags,
    "country": lambda asked, facts, now: facts.country.upper() in {code.upper() for code in asked["in"]},
    "language": lambda asked, facts, now: facts.language.lower() in {code.lower() for code in asked["in"]},
    "has_phone": lambda asked, facts, now: facts.has_phone,
    "downloaded": lambda asked, facts, now: (
        asked["magnet"] in facts.downloads if asked["magnet"] else bool(facts.downloads)
    ),
}


def _is_answered(answers: Mapping[str, Any], preference: str, value: str) -> bool:
    given = [answer for slug, answer in answers.items() if preference in ("", slug)]
    chosen = [one for answer in given for one in _chosen(answer) if one]
    return value in chosen if value else bool(chosen)


def _chosen(answer: Any) -> tuple[Any, ...]:
    return tuple(answer) if isinstance(answer, list | tuple) else (answer,)


def describe(rule: Rule) -> str:
    """`rule` in words: "interest (topic macro-lenses, at least 3) and not has phone"."""
    if isinstance(rule, Not):
        return f"not {_grouped(rule.part)}"
    if isinstance(rule, AllOf | AnyOf):
        word = " and " if isinstance(rule, AllOf) else " or "
        return word.join(_grouped(part) for part in rule.parts)
    values = ", ".join(f"{key.replace('_', ' ')} {_told(value)}" for key, value in rule.values.items() if value != "")
    return rule.name.replace("_", " ") + (f" ({values})" if values else "")


def _grouped(rule: Rule) -> str:
    is_group = isinstance(rule, AllOf | AnyOf) and len(rule.parts) > 1
    return f"({describe(rule)})" if is_group else describe(rule)


def _told(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.days} d" if value.days else f"{value.seconds // 3600} h"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _conditions(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"oneOf": list(parts)}


def schema(reference: str) -> dict[str, Any]:
    """The JSON Schema of a rule; `reference` is where it stands, since a rule holds rules."""
    inner = {"$ref": reference}
    group = {"type": "array", "minItems": 1, "items": inner}
    single = [
        {"type": "object", "properties": {key: body}, "required": [key], "additionalProperties": False}
        for key, body in (("all", group), ("any", group), ("not", inner))
    ]
    asked = []
    for name in names():
        shape = FACTS.get(name, PLAIN).schema
        properties = {"fact": {"const": name}, **shape["properties"]}
        asked.append({**shape, "properties": properties, "required": ["fact", *shape.get("required", [])]})
    return _conditions(*single, *asked)
