"""How much somebody is interested in a topic: what they read, took, followed and bought, fading with time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: What an act that a page tells of is worth on the day it happens. A post is read in passing; a guide is asked for by name
#: and address.
TOLD: Mapping[str, float] = {"view_item": 0.5, "read_post": 1.0, "form_submitted": 2.0, "asset_downloaded": 5.0}
#: Acts that only we see. Their names are none that a page could tell of (`domain.events.is_name`).
CLICKED, BOUGHT = "link clicked", "order placed"
WEIGHTS: Mapping[str, float] = {**TOLD, CLICKED: 3.0, BOUGHT: 8.0}
#: After so many days an act counts half: last season's recipes are not this week's wish.
HALF_LIFE_DAYS = 30.0
#: A person has few interests; the weakest beyond so many are forgotten.
MOST_TOPICS = 30
#: Reading one post a thousand times is no thousand interests.
MOST = 100.0
TOPIC_LIMIT = 60

_DAY = 86_400.0


@dataclass(frozen=True)
class Act:
    """Something a person did that has a topic. `at` is aware. `is_undone`: it counted once, and turned out to be nothing."""

    name: str
    topic: str
    at: datetime
    is_undone: bool = False


def topic_of(text: object) -> str:
    """The one form of a topic: what a shop calls "Macro lenses" in one place and "macro-lenses" in another is one wish."""
    return "-".join(str(text or "").replace("_", " ").replace("-", " ").casefold().split())[:TOPIC_LIMIT]


def topic_of_event(topic: str, data: Mapping[str, Any]) -> str:
    """What an event is about: its page's topic, else the category of the first product in it."""
    items: Sequence[Mapping[str, Any]] = data.get("items") or ({},)
    return topic_of(topic) or topic_of(items[0].get("item_category"))


def add(interests: Mapping[str, Any], acts: Iterable[Act], *, now: datetime) -> dict[str, Any]:
    """`interests` with `acts` in them: {topic: {"score": 3.5, "at": "2026-11-24T09:00:00+00:00"}}, strongest first.

    A score is the sum of the weights, each halved every HALF_LIFE_DAYS, as it stands at `at`. It does not depend on the
    order in which acts arrive, so a late event counts as much as a punctual one. Acts without weight or topic are skipped.
    """
    scores = {topic: score(interests, topic, now=now) for topic in interests}
    for act in acts:
        worth, topic = WEIGHTS.get(act.name, 0.0) * _left_of(act.at, now), topic_of(act.topic)
        if worth and topic:
            scores[topic] = min(scores.get(topic, 0.0) + (-worth if act.is_undone else worth), MOST)
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_TOPICS]
    return {topic: {"score": round(value, 4), "at": now.isoformat()} for topic, value in ranked if value >= 0.01}


def score(interests: Mapping[str, Any], topic: str, *, now: datetime) -> float:
    """How strong the interest in `topic` is at `now`; 0.0 for what was never met or cannot be read."""
    kept: Any = interests.get(topic_of(topic))
    try:
        value, at = float(kept["score"]), datetime.fromisoformat(kept["at"])
        return value * _left_of(at, now)
    except (TypeError, KeyError, ValueError):
        return 0.0


def strongest(interests: Mapping[str, Any], *, most: int, now: datetime) -> dict[str, float]:
    """The `most` strongest interests at `now`, topic -> score."""
    scores = {topic: score(interests, topic, now=now) for topic in interests}
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return {topic: value for topic, value in ranked[:most] if value > 0}


def _left_of(at: datetime, now: datetime) -> float:
    """The part of an act's worth that is left: 1.0 when it is new, 0.5 after a half-life."""
    return float(0.5 ** (max((now - at).total_seconds(), 0.0) / (HALF_LIFE_DAYS * _DAY)))
