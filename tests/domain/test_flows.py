"""A flow as data: what is refused, and what a run does next."""

from datetime import UTC, datetime, timedelta

import pytest

from retarget_plugin.domain.facts import Facts
from retarget_plugin.domain.flows import Finish, FlowError, Send, Skip, Wait, next_step, parse, parse_duration

T0 = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def definition(*steps, **changes):
    send = {"channel": "email", "message": "reminder"}
    steps = steps or ({"key": "reminder", "after": "4h", "deadline": "12h", "send": send},)
    return {"slug": "f", "trigger": "cart_abandoned", "stage": "cart", "reentry": "7d", "steps": list(steps), **changes}


def step(key="reminder", **changes):
    return {"key": key, "after": "4h", "deadline": "12h", "send": {"channel": "email", "message": "m"}, **changes}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h45m", timedelta(hours=1, minutes=45)),
        ("3d", timedelta(days=3)),
        ("90s", timedelta(seconds=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_durations_are_read(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "h", "4", "4 h", "-1h", "1m1h", "1.5h", "1w", None, 4, "４h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (definition(trigger="moon"), "trigger: 'moon' is none of"),
        (definition(stage="attic"), "stage: 'attic' is none of"),
        (definition(reentry="often"), "reentry: 'often' is no duration"),
        (definition(stpes=[]), "Unknown key 'stpes'"),
        ({**definition(), "steps": []}, "A flow needs a list of steps."),
        (definition(step(key="Not A Key")), "Step 1 needs a key"),
        (definition("reminder"), "Step 1 needs a key"),
        (definition(step(), step()), "Step 'reminder' appears twice"),
        (definition(step(after="5h", deadline="4h")), "Step 'reminder': its deadline comes before it is due"),
        (
            definition(step(send={"channel": "pigeon", "message": "m"})),
            "Step 'reminder': send: channel: 'pigeon' is none of email, sms",
        ),
        (definition(step(send={"channel": "sms"})), "Step 'reminder': send needs 'message'."),
        (definition(step(requires=["luck"])), "Step 'reminder': requires: 'luck' is none of"),
        (definition(step(outside_hours="shout")), "Step 'reminder': outside_hours: 'shout' is none of"),
        (definition(step(wiat="4h")), "Step 'reminder': unknown key 'wiat'"),
        (definition(step("b", after="5h"), step("a", after="4h")), "Step 'a' is due before 'b'"),
    ],
)
def test_a_wrong_definition_is_refused_and_the_step_is_named(data, problem):
    with pytest.raises(FlowError) as caught:
        parse(data)

    assert any(problem in found for found in caught.value.problems)


def test_every_problem_is_reported_at_once():
    with pytest.raises(FlowError) as caught:
        parse(definition(step(after="x"), step("b", requires=["luck"]), trigger="moon"))

    assert len(caught.value.problems) >= 3


def test_a_run_waits_then_sends_then_ends():
    flow = parse(definition())

    assert next_step(flow, 0, anchored_at=T0, now=T0, facts=Facts()) == Wait(T0 + timedelta(hours=4))
    now = T0 + timedelta(hours=4)
    assert next_step(flow, 0, anchored_at=T0, now=now, facts=Facts()) == Send(
        flow.steps[0], now, T0 + timedelta(hours=12)
    )
    assert next_step(flow, 1, anchored_at=T0, now=now, facts=Facts()) == Finish()


def test_a_step_past_its_deadline_is_skipped_and_not_caught_up():
    flow = parse(definition())

    action = next_step(flow, 0, anchored_at=T0, now=T0 + timedelta(hours=12, seconds=1), facts=Facts())

    assert action == Skip(flow.steps[0], "deadline")


def test_a_step_that_is_off_or_lacks_a_fact_is_skipped():
    flow = parse(definition(step(enabled=False), step("ship", requires=["shipping_facts"])))
    now = T0 + timedelta(hours=5)

    assert next_step(flow, 0, anchored_at=T0, now=now, facts=Facts()) == Skip(flow.steps[0], "off")
    assert next_step(flow, 1, anchored_at=T0, now=now, facts=Facts()) == Skip(flow.steps[1], "shipping_facts")
    assert isinstance(
        next_step(flow, 1, anchored_at=T0, now=now, facts=Facts(held=frozenset({"shipping_facts"}))), Send
    )
