"""Flows as files: what is written comes back, what cannot be read names its line, and the JSON Schema agrees with us."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import retarget_plugin
from retarget_plugin.domain import flow_files, flow_schema, flows
from retarget_plugin.domain.flows import FlowError

SHIPPED = Path(retarget_plugin.__file__).parent / "templates" / "retarget_plugin" / "flows"
FLOWS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(SHIPPED.glob("*.json"))}
LETTER = {"channel": "email", "en": {"subject": "Hello", "body": ["One.", "Two."]}}
SEND = {"key": "mail", "after": "0h", "deadline": "1d", "send": {"channel": "email", "message": "m"}}
FLOW = {"slug": "f", "trigger": "cart_abandoned", "stage": "cart", "steps": [SEND], "messages": {"m": LETTER}}


@pytest.mark.parametrize("name", FLOWS)
def test_a_shipped_flow_goes_out_and_comes_back_unchanged(name):
    text = flow_files.write(FLOWS[name])

    assert flow_files.read(text) == [{"format": 1, **FLOWS[name]}]
    assert flow_files.differences(FLOWS[name], flow_files.read(text)[0]) == []


def test_plain_words_stay_words():
    (read,) = flow_files.read(
        "slug: f\ntrigger:\n  on: no_visit\nhour: 10:00\nno: 012\nday: 2026-01-02\nn: 5\nis: true"
    )

    assert read == {
        "slug": "f",
        "trigger": {"on": "no_visit"},
        "hour": "10:00",
        "no": "012",
        "day": "2026-01-02",
        "n": 5,
        "is": True,
    }


def test_words_that_look_like_something_else_are_quoted():
    awkward = {"slug": "f", "a": "true", "b": "5", "c": "null", "d": "", "e": "one\ntwo  \n", "f": "é – {{ x }}: #"}

    assert flow_files.read(flow_files.write(awkward)) == [{"format": 1, **awkward}]


def test_a_file_holds_several_flows():
    text = "\n---\n".join(flow_files.write({**FLOW, "slug": slug}) for slug in ("a", "b"))

    assert [one["slug"] for one in flow_files.read(text)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("slug: f\nsteps: [", "Line 2, column 9: expected the node content"),
        ("slug: f\nslug: g", "Line 2, column 1: the key 'slug' appears twice."),
        ("a: &x [1]\nb: *x", "Line 2, column 4: aliases are not read; write it out."),
        ("slug: !!python/object:os.system x", "Line 1, column 7: could not determine a constructor"),
        ("", "There is no flow in this file."),
        ("- slug: f", "A flow is written as keys and values."),
        ("name: f", "A flow needs a slug"),
        ("slug: " + "x" * 500_000, "The file is longer than 500,000 characters."),
        ("[" * 10_000, "The file cannot be read"),
        ("slug: \x00", "The file cannot be read"),
    ],
)
def test_what_cannot_be_read_names_its_place(text, problem):
    with pytest.raises(FlowError) as caught:
        flow_files.read(text)

    assert problem in caught.value.problems[0]


def test_differences_name_the_steps_and_texts():
    mail, text = {**SEND, "after": "1h"}, {**SEND, "key": "text"}
    changed = {**FLOW, "stage": "checkout", "steps": [text, mail], "messages": {"n": LETTER}}

    assert flow_files.differences(FLOW, FLOW) == []
    assert flow_files.differences(FLOW, changed) == [
        "stage changed",
        "step text is new",
        "step mail changed",
        "message n/channel is new",
        "message n/en is new",
        "message m/channel is gone",
        "message m/en is gone",
    ]
    swapped = {**FLOW, "steps": [text, SEND]}
    assert flow_files.differences({**FLOW, "steps": [SEND, text]}, swapped) == ["steps stand in another order"]


@pytest.fixture(scope="module")
def schema():
    found = flow_schema.schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


EVERY_VERB = [
    SEND,
    {"key": "w", "wait": {"event": "click", "topic": "any", "times": 2, "since": "entry", "for": "3d", "else": "stop"}},
    {"key": "h", "wait": {"until": "10:00", "weekday": ["mon"]}},
    {"key": "p", "wait": {"for": "1d"}},
    {
        "key": "b",
        "branch": {
            "if": {"all": [{"not": {"fact": "has_phone"}}, {"any": [{"fact": "tag", "is": "a"}, {"fact": "product"}]}]},
            "then": [{"key": "t", "tag": {"add": ["x"]}}],
        },
    },
    {"key": "s", "split": {"paths": {"a": {"weight": 1}, "b": {"weight": 2, "steps": [{"key": "g", "goto": "z"}]}}}},
    {"key": "c", "webhook": {"url": "https://crm.example/hook"}},
    {"key": "n", "notify": {"subject": {"en": "Hi"}, "text": {"en": "Call"}}},
    {"key": "u", "suppress": {"channel": "sms"}},
    {"key": "z", "stop": True},
]


def test_the_schema_takes_what_we_take(schema):
    everything = {
        **FLOW,
        "format": 1,
        "trigger": {"on": "no_order", "for": "60d", "median": 1.5},
        "reentry": {"subject": "90d"},
        "cooldown": {"order": "10d"},
        "exits": ["order", "keep"],
        "holdout": 20,
        "steps": EVERY_VERB,
    }

    assert len(flows.parse(flow_files.parts(everything)[0]).steps) == 12
    for data in (everything, FLOW, *FLOWS.values()):
        assert list(schema.iter_errors(data)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"stpes": []},
        {"format": 2},
        {"stage": "attic"},
        {"trigger": "moon"},
        {"trigger": {"on": "custom_event"}},
        {"trigger": {"on": "site_left", "idle": "soon"}},
        {"reentry": "often"},
        {"holdout": 60},
        {"exits": ["never"]},
        {"steps": []},
        {"steps": [{**SEND, "key": "Not A Key"}]},
        {"steps": [{**SEND, "after": ""}]},
        {"steps": [{**SEND, "requires": ["luck"]}]},
        {"steps": [{**SEND, "send": {"channel": "email", "message": "m", "coupon": {"percent": 5}}}]},
        {"steps": [{"key": "x", "wait": {"for": "1d"}, "after": "1d"}]},
        {"steps": [{"key": "x", "wait": {"until": "25:00"}}]},
        {"steps": [{"key": "x", "wait": {"event": "click"}}]},
        {"steps": [{"key": "x", "branch": {"if": {"fact": "luck"}}}]},
        {"steps": [{"key": "x", "branch": {"if": {"any": []}}}]},
        {"steps": [{"key": "x", "split": {"paths": {"a": {"weight": 1}}}}]},
        {"steps": [{"key": "x", "webhook": {"url": "http://crm.example"}}]},
        {"steps": [{"key": "x", "stop": "yes"}]},
        {"steps": [{"key": "x", "stop": True, "goto": "y"}]},
    ],
)
def test_the_schema_refuses_what_we_refuse(schema, changes):
    data = {**FLOW, **changes}

    with pytest.raises(FlowError):
        flows.parse(flow_files.parts(data)[0])
    assert list(schema.iter_errors(data))
