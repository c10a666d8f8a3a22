"""A backtest in words and rows."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from django.utils import timezone

from retarget_plugin.domain import facts
from retarget_plugin.engine import outcomes
from retarget_plugin.engine.backtest import Outcome
from retarget_plugin.engine.outcomes import Count
from retarget_plugin.models import Flow

pytestmark = pytest.mark.django_db


@pytest.fixture
def outcome(shop):
    flow = Flow.objects.select_related("shop", "version").get(slug="abandoned-checkout")
    return Outcome(flow, timezone.now(), timezone.now())


def test_what_came_most_often_comes_first_in_words(outcome):
    outcome.tally.refused.update(no_identity=2, other_trigger=5, something_else=1)

    assert outcomes.refused(outcome) == [
        Count("other_trigger", "It starts on something else", 5),
        Count("no_identity", "Nobody is known for this cart", 2),
        Count("something_else", "something else", 1),
    ]


def test_a_step_tells_what_was_not_sent_and_what_was_not_sent_at_once(outcome):
    tally = outcome.tally
    tally.blocked["reminder"].update(no_consent=1, ordered=3)
    tally.put_off["reminder"].update(quiet_hours=2)
    tally.skipped["reminder"].update(off=4)
    outcome.sent["reminder"] = 6

    reminder = next(step for step in outcomes.steps(outcome) if step.key == "reminder")

    assert (reminder.channel, reminder.sent, reminder.segments) == ("email", 6, 0)
    assert [(str(done), one.label, one.count) for done, one in reminder.kept_back] == [
        ("blocked", "An order was placed", 3),
        ("blocked", "No consent for this channel", 1),
        ("put off", "Outside the allowed hours", 2),
        ("passed over", "The step is off", 4),
    ]


def test_to_ask_leaves_no_mark_on_what_was_counted(outcome):
    keys = [step.key for step in outcomes.steps(outcome)]

    assert keys == [step.key for step in outcome.flow.version.parsed.sends]
    assert (dict(outcome.tally.blocked), outcome.sent) == ({}, Counter())


def test_texts_cost_whole_cents(outcome):
    outcome.cost.update(USD=Decimal("1"), EUR=Decimal("0.14666"))

    assert outcomes.cost(outcome) == [(Decimal("0.15"), "EUR"), (Decimal("1.00"), "USD")]


def test_every_fact_that_a_step_may_ask_for_has_words():
    assert facts.NAMES - outcomes.MISSING.keys() == set()
