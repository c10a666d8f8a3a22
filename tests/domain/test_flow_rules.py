"""Conditions of branches: a row a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain import rules
from retarget_plugin.domain.facts import Facts

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def read(raw):
    problems = []
    rule = rules.parse(raw, where="Step 'x'", problems=problems)
    assert problems == []
    return rule


@pytest.mark.parametrize(
    ("raw", "yes", "no"),
    [
        ({"fact": "has_phone"}, Facts(has_phone=True), Facts()),
        ({"fact": "product"}, Facts(held=frozenset({"product"})), Facts()),
        ({"fact": "tag", "is": "vip"}, Facts(tags=frozenset({"vip"})), Facts(tags=frozenset({"vi"}))),
        ({"fact": "country", "in": ["FR", "BE"]}, Facts(country="be"), Facts(country="DE")),
        ({"fact": "language", "in": ["fr"]}, Facts(language="FR"), Facts(language="es")),
        ({"fact": "answer", "preference": "pet", "is": "dog"}, Facts(answers={"pet": "dog"}), Facts(answers={"pet": "cat"})),
        ({"fact": "answer", "preference": "pet", "is": "dog"}, Facts(answers={"pet": ["cat", "dog"]}), Facts()),
        ({"fact": "answer", "preference": "pet"}, Facts(answers={"pet": ["cat"]}), Facts(answers={"sport": ["ski"]})),
        ({"fact": "answer"}, Facts(answers={"sport": ["ski"]}), Facts(answers={"sport": [], "pet": ""})),
        ({"fact": "cart_total", "at_least": "50"}, Facts(cart_total=Decimal("50.00")), Facts(cart_total=Decimal("49.99"))),
        ({"fact": "cart_total", "at_least": "0"}, Facts(cart_total=Decimal(0)), Facts()),
        ({"fact": "downloaded"}, Facts(downloads=frozenset({"guide"})), Facts()),
        ({"fact": "downloaded", "magnet": "guide"}, Facts(downloads=frozenset({"guide"})), Facts(downloads=frozenset({"x"}))),
        ({"fact": "orders", "within": "30d"}, Facts(orders=[NOW - 29 * DAY]), Facts(orders=[NOW - 30 * DAY])),
        ({"fact": "orders", "at_least": 2}, Facts(orders=[NOW - 900 * DAY, NOW]), Facts(orders=[NOW])),
        (
            {"fact": "clicks", "topic": "macro", "within": "60d", "at_least": 2},
            Facts(clicks=[(NOW - DAY, "macro"), (NOW - 59 * DAY, "macro")]),
            Facts(clicks=[(NOW - DAY, "macro"), (NOW - DAY, "tripods"), (NOW - 61 * DAY, "macro")]),
        ),
        ({"fact": "clicks"}, Facts(clicks=[(NOW, "")]), Facts()),
        (
            {"fact": "interest", "topic": "macro", "at_least": 3},
            Facts(interests={"macro": {"score": 3.0, "at": NOW.isoformat()}}),
            # Half of it is forgotten after thirty days.
            Facts(interests={"macro": {"score": 5.0, "at": (NOW - 30 * DAY).isoformat()}}),
        ),
        (
            # Without a topic, the interest in what the run is about.
            {"fact": "interest", "at_least": 3},
            Facts(topic="macro", interests={"macro": {"score": 3.0, "at": NOW.isoformat()}}),
            Facts(topic="tripods", interests={"macro": {"score": 9.0, "at": NOW.isoformat()}}),
        ),
        ({"not": {"fact": "has_phone"}}, Facts(), Facts(has_phone=True)),
        (
            {"all": [{"fact": "has_phone"}, {"fact": "tag", "is": "a"}]},
            Facts(has_phone=True, tags=frozenset("a")),
            Facts(has_phone=True),
        ),
        ({"any": [{"fact": "has_phone"}, {"fact": "tag", "is": "a"}]}, Facts(tags=frozenset("a")), Facts(tags=frozenset("b"))),
    ],
)  # fmt: skip
def test_a_condition_holds_of_the_one_and_not_of_the_other(raw, yes, no):
    rule = read(raw)

    assert rules.holds(rule, yes, now=NOW)
    assert not rules.holds(rule, no, now=NOW)


def test_a_condition_is_told_in_words_and_names_the_facts_it_needs():
    rule = read(
        {
            "all": [
                {"any": [{"fact": "clicks", "topic": "macro", "within": "60d"}, {"fact": "orders", "within": "12h"}]},
                {"not": {"fact": "country", "in": ["FR", "BE"]}},
            ]
        }
    )

    assert rules.describe(rule) == (
        "(clicks (topic macro, within 60 d, at least 1) or orders (within 12 h, at least 1)) and not country (in FR, BE)"
    )
    assert rules.facts_needed(rule) == {"clicks", "orders", "country"}
