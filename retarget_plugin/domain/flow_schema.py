"""The flow language as JSON Schema (draft 2020-12), for editors that complete and mark; made of the tables that read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import flows, programs, rules, shapes, steps, triggers
from .content import DEFAULT_LAYOUT, EMAIL_PARTS, SMS_PARTS
from .vocabulary import Channel

_RULE, _STEPS = "#/$defs/rule", "#/$defs/steps"
_TEXT = {"type": "string"}


def schema() -> dict[str, Any]:
    """What `flows.parse` accepts in form. What only the whole can tell, such as a loop, is left to it."""
    head = {key: dict(field.shape.schema) for key, field in flows.HEAD.fields.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A flow of retarget_plugin",
        "type": "object",
        "properties": {
            **head,
            "format": {"const": flows.FORMAT},
            "trigger": triggers.schema(),
            "reentry": {"oneOf": [shapes.DURATION.schema, flows.REENTRY.schema]},
            "cooldown": flows.COOLDOWN.schema,
            "steps": {"$ref": _STEPS, "minItems": 1},
            "messages": {"type": "object", "additionalProperties": {"$ref": "#/$defs/message"}},
        },
        "required": ["slug", "trigger", "stage", "steps"],
        "additionalProperties": False,
        "$defs": {
            "rule": rules.schema(_RULE),
            "steps": {"type": "array", "maxItems": programs.MOST_STEPS, "items": {"$ref": "#/$defs/step"}},
            "step": {"oneOf": [_step(verb, body) for verb, body in _bodies().items()]},
            "message": {"oneOf": [_email(), _sms()]},
        },
    }


def _bodies() -> Mapping[str, Mapping[str, Any]]:
    """Verb -> what stands under it."""
    path = {
        "type": "object",
        "properties": {"weight": shapes.whole(1, 1_000).schema, "steps": {"$ref": _STEPS}},
        "required": ["weight"],
        "additionalProperties": False,
    }
    lists = {"then": {"$ref": _STEPS}, "else": {"$ref": _STEPS}}
    return {
        "send": steps.SEND.schema,
        "wait": {"oneOf": [record.schema for record in steps.WAITS.values()]},
        "branch": {
            "type": "object",
            "properties": {"if": {"$ref": _RULE}, **lists},
            "required": ["if"],
            "additionalProperties": False,
        },
        "split": {
            "type": "object",
            "properties": {"paths": {"type": "object", "minProperties": 2, "additionalProperties": path}},
            "required": ["paths"],
            "additionalProperties": False,
        },
        "tag": steps.TAG.schema,
        "webhook": steps.WEBHOOK.schema,
        "notify": steps.NOTIFY.schema,
        "suppress": steps.SUPPRESS.schema,
        "goto": shapes.SLUG.schema,
        "stop": {"const": True},
    }


def _step(verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
    beside = steps.SEND_TIMES.schema if verb == "send" else {"properties": {}, "required": []}
    return {
        "type": "object",
        "properties": {"key": shapes.SLUG.schema, verb: dict(body), **beside["properties"]},
        "required": ["key", verb, *beside["required"]],
        "additionalProperties": False,
    }


def _email() -> dict[str, Any]:
    paragraphs = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]}
    parts = {name: paragraphs if name == "body" else _TEXT for name in EMAIL_PARTS}
    return _message(Channel.EMAIL, parts, EMAIL_PARTS, layout={"type": "string", "default": DEFAULT_LAYOUT})


def _sms() -> dict[str, Any]:
    return _message(Channel.SMS, dict.fromkeys(SMS_PARTS, _TEXT), SMS_PARTS)


def _message(channel: Channel, parts: Mapping[str, Any], marks: Mapping[str, str], **more: Any) -> dict[str, Any]:
    written = {
        "type": "object",
        "properties": {**parts, "words": {"type": "object", "additionalProperties": _TEXT}},
        "required": [name for name, mark in marks.items() if mark],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"channel": {"const": channel.value}, **more},
        "required": ["channel"],
        "additionalProperties": written,
    }
