"""Liquid for staff: bounded in time, memory and reach, and unable to mail a hole where a value should be."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from retarget_plugin.exceptions import TemplateError

if TYPE_CHECKING:
    from liquid import BoundTemplate, Environment, RenderContext
    from liquid.exceptions import LiquidError

SOURCE_LIMIT = 100_000
#: Characters between the marks of one tag.
TAG_LIMIT = 1_500
#: Characters of a string, and items of a list, that a filter may take or make.
STRING_LIMIT = 100_000
LIST_LIMIT = 1_000
NUMBER_LIMIT = 1e15
#: Turns of nested loops; fewer in a long source.
LOOP_LIMIT = 1_000
#: Turns of loops, each times the length of its source, that one message may take.
TURN_BUDGET = 2_000_000
#: Characters that all filters of one message may go through.
FILTER_BUDGET = 3_000_000
OUTPUT_LIMIT = 150_000
#: Unknown variables of one source that are told: an author mends the first ones first.
UNKNOWN_LIMIT = 20
# Parsed templates that are kept. One takes up to 140 bytes a character, so of the long ones only a few.
_SHORT = 1_000
_SHORT_ONES_KEPT = 512
_LONG_ONES_KEPT = 8

# Reach other templates, keep counters, or print a value past the check that no hole is printed.
_TAGS_TAKEN_OUT = (
    *("include", "render", "tablerow", "increment", "decrement"),
    *("doc", "cycle", "echo", "liquid", "ifchanged"),
)
# Turn text into markup that is not escaped again, or search with a pattern whose time grows with the square.
_FILTERS_TAKEN_OUT = ("safe", "base64_decode", "base64_url_safe_decode", "strip_html", "escapejs")
_LIST_FILTERS = frozenset(
    {
        *("compact", "concat", "default", "find", "find_index", "first", "has", "join", "last", "map"),
        *("reject", "reverse", "size", "sort", "sort_natural", "sum", "uniq", "where"),
    }
)
_KNOWS_MISSING = frozenset({"default", "size"})
_LIST_WORDS = frozenset({"size", "first", "last"})
_OPENING = re.compile(r"\{\{|\{%")
_MARK = re.compile(r"\{\{|\{%|\}\}|%\}")
_LONG_GAP = re.compile(r"\s{50}")
_CLOSING = {"{{": "}}", "{%": "%}"}
_CAUTIOUS = re.compile(r"\{%-?\s*(if|unless|elsif|case|when)\b|\{\{.*\|\s*default\b", re.DOTALL)
_LONG_WIDTH = re.compile(r"%[^%a-zA-Z]*\d{2}")

_TAKES_GROUPS = frozenset({"concat", "default"})
_GROUPS = (dict, list, tuple, range)
_PRINTABLE = (str, int, float, datetime)


@dataclass
class _Budget:
    """What rendering may still cost."""

    characters: int = FILTER_BUDGET
    turns: int = TURN_BUDGET


_budget: ContextVar[_Budget | None] = ContextVar("retarget_plugin_template_budget", default=None)


@dataclass(frozen=True)
class UnknownVariable:
    """A path that no context of this kind of message holds. `line` and `column` count from 1."""

    path: str
    line: int
    column: int


@contextmanager
def one_message() -> Iterator[None]:
    """Whatever is rendered inside shares one budget, as the parts of a message must; alone, each has its own."""
    token = _budget.set(_budget.get() or _Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def check(source: str, *, is_html: bool = False, part: str = "") -> None:
    """Raise TemplateError, with line and column, unless `source` can be parsed."""
    _parse(source, is_html, part)


def render(source: str, context: Mapping[str, Any], *, is_html: bool = False, part: str = "") -> str:
    """`source` filled from `context`; values are escaped when `is_html`.

    Raises TemplateError when the source is wrong or costs too much, when a value that is printed is missing (an author
    who means nothing to stand there writes `| default: ""`), when what is printed is no text or number, or when the
    result still holds Liquid.
    """
    template = _parse(source, is_html, part)
    try:
        with one_message():
            rendered = template.render(context)
    except Exception as error:  # whatever the engine trips over is the template's fault, and stays its own
        raise _template_error(error, part) from error
    left_over = _OPENING.search(rendered)
    if left_over:
        raise TemplateError(f"the result still holds {left_over.group()}", part=part)
    return rendered


def roots(source: str) -> set[str]:
    """The names that `source` reads from its context, such as cart and shop."""
    return set(_parse(source, False, "").analyze(include_partials=False).globals)


def needs(source: str) -> set[str]:
    """Those of `roots` without which `source` says nothing: it neither asks first whether they are there, nor gives a
    default.
    """
    found = set()
    for name, variables in _parse(source, False, "").analyze(include_partials=False).globals.items():
        tags = [_tag_around(source, variable.span.index) for variable in variables]
        if not any(_CAUTIOUS.match(tag) for tag in tags):
            found.add(name)
    return found


def unknown_variables(source: str, known: Mapping[str, Any]) -> list[UnknownVariable]:
    """Paths that `source` reads and the sample context `known` does not hold: the first UNKNOWN_LIMIT of them."""
    found = {
        variable.span.index: variable
        for variables in _parse(source, False, "").analyze(include_partials=False).globals.values()
        for variable in variables
        if not _is_known(variable.segments, known)
    }
    return [_unknown(found[index], source) for index in sorted(found)[:UNKNOWN_LIMIT]]


def check_context(value: Any, path: str = "context") -> None:
    """Raise TypeError unless `value` is made of dict, list, str, int, float, bool, None and datetime only.

    Exactly these types: a subclass may carry methods, or claim to be safe HTML as Django's SafeString does.
    """
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"{path} has a key of type {type(key).__name__}")
            check_context(item, f"{path}.{key}")
    elif type(value) is list:
        for number, item in enumerate(value):
            check_context(item, f"{path}[{number}]")
    elif value is not None and type(value) not in (str, int, float, bool, datetime):
        raise TypeError(f"{path} is a {type(value).__name__}; a message may only hold plain data")


def one_line(text: str, limit: int = 200) -> str:
    """`text` fit for a header: no control characters, single spaces, at most `limit` characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _parse_afresh(source: str, is_html: bool) -> BoundTemplate:
    if len(source) > SOURCE_LIMIT:
        raise TemplateError(f"longer than {SOURCE_LIMIT:,} characters")
    _check_tags(source)
    template = _environment(is_html).from_string(source)
    template.matter = {"length": max(len(source), 1)}
    return template


_parsed = functools.lru_cache(_SHORT_ONES_KEPT)(_parse_afresh)
_parsed_long = functools.lru_cache(_LONG_ONES_KEPT)(_parse_afresh)


def _parse(source: str, is_html: bool, part: str) -> BoundTemplate:
    parsed = _parsed if len(source) <= _SHORT else _parsed_long
    try:
        return parsed(source, is_html)
    except Exception as error:  # see render()
        raise _template_error(error, part) from error


def _check_tags(source: str) -> None:
    """Refuse in one pass what the engine's patterns take minutes over: unclosed, endless, or raw tags."""
    opened: re.Match[str] | None = None
    for mark in _MARK.finditer(source):
        if mark.group() in ("{{", "{%"):
            if opened:
                raise _misplaced(source, opened, "is not closed")
            opened = mark
        elif opened and mark.group() == _CLOSING[opened.group()]:
            inner = source[opened.end() : mark.start()]
            if len(inner) > TAG_LIMIT or _LONG_GAP.search(inner):
                raise _misplaced(source, opened, "is too long")
            if inner.strip("- \t\r\n") in ("raw", "doc"):
                raise _misplaced(source, opened, "may not be raw")
            opened = None
    if opened:
        raise _misplaced(source, opened, "is not closed")


def _misplaced(source: str, mark: re.Match[str], problem: str) -> TemplateError:
    before = source[: mark.start()]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return TemplateError(f"{mark.group()} {problem}", line=line, column=column)


@functools.cache
def _environment(is_html: bool) -> Environment:
    """The guarded engine, made once for HTML and once for plain text. Its import costs a third of a second."""
    import liquid
    from liquid.builtin.output import Output, OutputNode
    from liquid.exceptions import LoopIterationLimitError
    from liquid.stringify import to_liquid_string

    class BoundedContext(liquid.RenderContext):
        def raise_for_loop_limit(self, length: int = 1) -> None:
            turns = math.prod((max(loop.length, 1) for loop in self.loops), start=length)
            source_length, budget = cast(int, self.template.matter["length"]), cast(_Budget, _budget.get())
            if turns > min(LOOP_LIMIT, TURN_BUDGET // source_length) or length * source_length > budget.turns:
                raise LoopIterationLimitError("too many turns of a loop", token=None)
            budget.turns -= length * source_length

    class BoundedTemplate(liquid.BoundTemplate):
        context_class = BoundedContext

    class PrintedNode(OutputNode):
        def render_to_output(self, context: RenderContext, buffer: Any) -> int:
            value = _printable(self.expression.evaluate(context), self.expression)
            return buffer.write(to_liquid_string(value, context.autoescape))

    class Printed(Output):
        node_class = PrintedNode

    class GuardedEnvironment(liquid.Environment):
        template_class = BoundedTemplate
        context_depth_limit = 10
        loop_iteration_limit = LOOP_LIMIT
        local_namespace_limit = 20_000
        output_stream_limit = OUTPUT_LIMIT

        def setup_tags_and_filters(self, **options: Any) -> None:
            super().setup_tags_and_filters(**options)
            self.add_tag(Printed)
            for tag in _TAGS_TAKEN_OUT:
                self.tags.pop(tag, None)
            for name in _FILTERS_TAKEN_OUT:
                self.filters.pop(name, None)
            self.filters = {name: _guarded(name, function) for name, function in self.filters.items()}

    return GuardedEnvironment(autoescape=is_html)


def _printable(value: Any, expression: Any) -> Any:
    """What `{{ expression }}` may print. A hole is an error unless the author gave a default, even an empty one."""
    if isinstance(value, str) and value:
        return value
    if _is_missing(value) or value in ("", []):
        if any(given.name == "default" for given in getattr(expression, "filters", None) or ()):
            return ""
        raise _refused(f"{_short(expression)} is missing here; give it a default, or ask {{% if %}} first")
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, _PRINTABLE):
            raise _refused(f"{_short(expression)} is a group of values; name the one to print")
    return value


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with bounded work; a missing value makes a missing result, so that no text is built round a hole."""

    @functools.wraps(function)
    def guarded(value: Any, *arguments: Any, **keywords: Any) -> Any:
        if name not in _KNOWS_MISSING and any(map(_is_missing, (value, *arguments))):
            return None
        for argument in (value, *arguments):
            _spend(name, argument)
        single = arguments if name in _LIST_FILTERS else (value, *arguments)
        if name not in _TAKES_GROUPS and any(isinstance(argument, _GROUPS) for argument in single):
            raise _refused(f"{name}: needs a text or a number")
        if name == "join" and not all(isinstance(item, str | int | float) for item in _items(value)):
            raise _refused("join: needs a list of texts or numbers")
        if name == "date" and (len(str(value)) > 60 or any(_LONG_WIDTH.search(str(given)) for given in arguments)):
            # The parser takes 0.2 s for a long text, strftime as much memory as the width says.
            raise _refused("date: too long")
        if name.startswith("replace") and len(arguments) > 1:
            _spend(name, None, size=str(value).count(str(arguments[0])) * len(str(arguments[1])))
        result = function(value, *arguments, **keywords)
        _spend(name, result)
        return result

    return guarded


def _spend(name: str, value: Any, *, size: int = 0) -> None:
    """Take the size of `value` from the message's budget; refuse what is too large by itself."""
    if isinstance(value, str):
        size, limit = len(value), STRING_LIMIT
    elif isinstance(value, _GROUPS):
        size, limit = len(value), LIST_LIMIT
    elif isinstance(value, int | float) and not abs(value) <= NUMBER_LIMIT:
        raise _refused(f"{name}: number too large")
    else:
        limit = STRING_LIMIT
    budget = cast(_Budget, _budget.get())
    budget.characters -= size + 20
    if size > limit or budget.characters < 0:
        raise _refused(f"{name}: too much to do")


def _items(value: Any) -> list[Any] | tuple[Any, ...] | range:
    return value if isinstance(value, list | tuple | range) else [value]


def _short(expression: Any) -> str:
    text = str(expression)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _is_missing(value: Any) -> bool:
    # Liquid's Undefined says so of itself.
    return value is None or hasattr(value, "poke")


def _is_known(segments: list[Any], known: Any) -> bool:
    for segment in segments:
        if isinstance(known, list) and segment in _LIST_WORDS:
            known = len(known) if segment == "size" else next(iter(known), None)
        elif isinstance(known, list) and isinstance(segment, int):
            known = next(iter(known), None)
        elif isinstance(known, Mapping) and isinstance(segment, str) and segment in known:
            known = known[segment]
        else:
            # What stands below an empty value of the sample, or behind a computed name (a[b]), cannot be told.
            return known is None or isinstance(segment, list)
    return True


def _tag_around(source: str, index: int) -> str:
    """The tag in which the character at `index` stands, with its marks."""
    start = max(source.rfind("{{", 0, index), source.rfind("{%", 0, index))
    end = source.find(_CLOSING[source[start : start + 2]], index)
    return source[start:end]


def _unknown(variable: Any, source: str) -> UnknownVariable:
    line, column = variable.span.line_col(source)
    path = ".".join(str(segment) for segment in variable.segments if isinstance(segment, str | int))
    return UnknownVariable(path, line, column + 1)


def _refused(message: str) -> LiquidError:
    from liquid.exceptions import LiquidError

    # The engine adds the place when it has none.
    return LiquidError(message, token=None)


def _template_error(error: Exception, part: str) -> TemplateError:
    if isinstance(error, TemplateError):
        return TemplateError(str(error.args[0]), line=error.line, column=error.column, part=part)
    place = error.context() if hasattr(error, "context") else None
    line, column = (place[0], place[1] + 1) if place else (0, 0)
    message = str(getattr(error, "message", None) or error) or type(error).__name__
    return TemplateError(message.splitlines()[0], line=line, column=column, part=part)
