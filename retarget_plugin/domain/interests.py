"""How much somebody is interested in a topic: what they read and took, fading with time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: What an act is worth on the day it happens. A post is read in passing; a guide is asked for by name and address.
WEIGHTS: Mapping[str, float] = {"read_post": 1.0, "form_submitted": 2.0, "asset_downloaded": 5.0}
#: After so many days an act counts half: last season's recipes are not this week's wish.
HALF_LIFE_DAYS = 30.0
#: A person has few interests; the weakest beyond so many are forgotten.
MOST_TOPICS = 30
#: Reading one post a thousand times is no thousand interests.
MOST = 100.0

_DAY = 86_400.0


@dataclass(frozen=True)
class Act:
    """Something a person did that has a topic. `at` is aware."""

    name: str
    topic: str
    at: datetime


def add(interests: Mapping[str, Any], acts: Iterable[Act], *, now: datetime) -> dict[str, Any]:
    """`interests` with `acts` in them: {topic: {"score": 3.5, "at": "2026-11-24T09:00:00+00:00"}}, strongest first.

    A score is the sum of the weights, each halved every HALF_LIFE_DAYS, as it stands at `at`. It does not depend on the
    order in which acts arrive, so a late event counts as much as a punctual one. Acts without weight or topic are skipped.
    """
    scores = {topic: score(interests, topic, now=now) for topic in interests}
    for act in acts:
        weight, topic = WEIGHTS.get(act.name), act.topic.strip().lower()
        if weight and topic:
            scores[topic] = min(scores.get(topic, 0.0) + weight * _left_of(act.at, now), MOST)
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_TOPICS]
    return {topic: {"score": round(value, 4), "at": now.isoformat()} for topic, value in ranked if value >= 0.01}


def score(interests: Mapping[str, Any], topic: str, *, now: datetime) -> float:
    """How strong the interest in `topic` is at `now`; 0.0 for what was never met or cannot be read."""
    kept: Any = interests.get(topic)
    try:
        value, at = float(kept["score"]), datetime.fromisoformat(kept["at"])
        return value * _left_of(at, now)
    except (TypeError, KeyError, ValueError):
        return 0.0


def _left_of(at: datetime, now: datetime) -> float:
    """The part of an act's worth that is left: 1.0 when it is new, 0.5 after a half-life."""
    return float(0.5 ** (max((now - at).total_seconds(), 0.0) / (HALF_LIFE_DAYS * _DAY)))
