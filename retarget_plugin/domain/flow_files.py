"""A flow as a file: YAML or JSON to data and back, and how two versions of it differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from .flows import FORMAT, FlowError
from .vocabulary import Trigger
from .words import words

MOST_CHARACTERS = 500_000
#: The order in which keys are written; all others follow as they come.
ORDER = [
    "format",
    "slug",
    "name",
    "description",
    "trigger",
    "stage",
    "topic",
    "reentry",
    "cooldown",
    "exclusive_with",
    "exits",
    "holdout",
    "steps",
    "messages",
    "key",
    "after",
    "deadline",
    "outside_hours",
    "requires",
    "enabled",
    "send",
    "wait",
    "branch",
    "split",
    "tag",
    "webhook",
    "notify",
    "suppress",
    "goto",
    "stop",
    "channel",
    "layout",
    "subject",
    "preheader",
    "heading",
    "body",
    "button",
    "text",
    "words",
]


def read(text: str) -> list[dict[str, Any]]:
    """Every flow in a YAML text, of which JSON is a part: {"slug", ..., "steps", "messages"} each.

    Raises FlowError with line and column of what cannot be read. Plain words stay words ("on", "10:00"): only true, false,
    null and numbers are anything else (YAML 1.2, core schema). Aliases and keys that appear twice are refused.
    """
    import yaml

    if len(text) > MOST_CHARACTERS:
        raise FlowError([f"The file is longer than {MOST_CHARACTERS:,} characters."])
    try:
        found = [document for document in yaml.load_all(text, Loader=_loader()) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise FlowError([f"{where}{error.problem or error}."]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FlowError([f"The file cannot be read: {error}."]) from error
    if not found:
        raise FlowError(["There is no flow in this file."])
    for document in found:
        if not isinstance(document, dict):
            raise FlowError(["A flow is written as keys and values."])
        if not isinstance(document.get("slug"), str) or not document["slug"]:
            raise FlowError(["A flow needs a slug, the key by which it is known."])
    return found


def parts(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(definition, messages) of a flow that was read. Raises FlowError where its messages are no texts by key."""
    messages = data.get("messages", {})
    if not isinstance(messages, Mapping):
        raise FlowError(["messages: they are written as keys and values."])
    return {key: value for key, value in data.items() if key != "messages"}, dict(messages)


def write(data: Mapping[str, Any]) -> str:
    """A flow as YAML that reads well: keys in their usual order, long texts in blocks."""
    import yaml

    return yaml.dump(
        _ordered({"format": FORMAT, **data}), Dumper=_dumper(), allow_unicode=True, sort_keys=False, width=110
    )


def written(content: Mapping[str, Any], *, trigger: Trigger) -> dict[str, Any]:
    """The messages of a version's compiled `content` as their author wrote them. `trigger`: its flow's."""
    return {key: _message(compiled, trigger) for key, compiled in content.items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What `new` changes in `old`, in words: which steps and texts, and what else of the flow."""
    told = [
        f"{key} changed" for key in ORDER if key in {*old, *new} and key not in _NAMED and old.get(key) != new.get(key)
    ]
    told += _named(_by_key(old.get("steps")), _by_key(new.get("steps")), "step")
    return told + _named(_texts(old), _texts(new), "message")


_NAMED = ("format", "steps", "messages")


def _named(old: Mapping[str, Any], new: Mapping[str, Any], noun: str) -> list[str]:
    told = [f"{noun} {key} is new" for key in new if key not in old]
    told += [f"{noun} {key} is gone" for key in old if key not in new]
    told += [f"{noun} {key} changed" for key in new if key in old and old[key] != new[key]]
    both = [key for key in old if key in new]
    return told + ([f"{noun}s stand in another order"] if both != [key for key in new if key in old] else [])


def _by_key(steps: Any) -> dict[str, Any]:
    return {str(step.get("key")): step for step in steps or () if isinstance(step, Mapping)}


def _texts(data: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, message in (data.get("messages") or {}).items():
        found |= {f"{key}/{language}": parts for language, parts in message.items()}
    return found


def _message(compiled: Mapping[str, Any], trigger: Trigger) -> dict[str, Any]:
    message = {"channel": compiled["channel"]}
    if "layout" in compiled:
        message["layout"] = compiled["layout"]
    for language, filled in compiled["languages"].items():
        message[language] = {name: value for name, value in filled.items() if value and name != "words"}
        shipped = words(language, trigger=trigger)
        own = {name: word for name, word in filled["words"].items() if word != shipped.get(name)}
        if own:
            message[language]["words"] = own
    return message


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        rank = {key: number for number, key in enumerate(ORDER)}
        keys = sorted(value, key=lambda key: rank.get(key, len(rank)))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


# -- YAML 1.2 ---------------------------------------------------------------------------------------------------------

#: Tag -> how a plain word of it looks, and with what it may begin.
_CORE = {
    "bool": (r"true|false", "tf"),
    "null": (r"null|~|", ["n", "~", ""]),
    "int": (r"[-+]?(?:0|[1-9]\d*)", "-+0123456789"),
    "float": (r"[-+]?\d+\.\d+", "-+0123456789"),
}


@cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """PyYAML with the plain words of YAML 1.2: to YAML 1.1 "on" is true and 10:00 is six hundred."""

        yaml_implicit_resolvers: dict[str, Any] = {}

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, "aliases are not read; write it out", mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = []
            for key, _value in node.value:
                if key.value in seen:
                    problem = f"the key {key.value!r} appears twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.append(key.value)
            return super().construct_mapping(node, deep)

    _resolve(Loader)
    return Loader


@cache
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes only what YAML 1.2 would read as something else; no aliases for what appears twice."""

        yaml_implicit_resolvers: dict[str, Any] = {}

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            return super().increase_indent(flow, False)

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    _resolve(Dumper)
    Dumper.add_representer(str, text)
    return Dumper


def _resolve(kind: Any) -> None:
    for tag, (pattern, first) in _CORE.items():
        kind.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))
