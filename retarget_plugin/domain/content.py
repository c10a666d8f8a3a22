"""Authored messages, compiled when a flow is published; compiled ones, made into mails and texts when they are sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from retarget_plugin.exceptions import TemplateError

from . import templates
from .subjects import LISTS
from .vocabulary import Channel, Trigger
from .words import words

#: What an author writes in each language; those with * must not be empty.
EMAIL_PARTS = {"subject": "*", "preheader": "", "heading": "", "body": "*", "button": ""}
SMS_PARTS = {"text": "*"}
PARAGRAPH_LIMIT = 50
DEFAULT_LAYOUT = "cart"
#: What a layout shows by itself, by its name; of lists, those that are not empty.
SHOWN = {"cart": {"cart"}, "product": {"product", "recommendations"}, "picks": set(LISTS)}
#: Characters that an author may write for one message, all its languages together.
WRITTEN_LIMIT = 50_000

_MJML_TAGS = re.compile(
    "mjml|mj-(head|body|attributes|all|class|breakpoint|font|html-attributes|selector|html-attribute|preview|style"
    "|title|accordion|accordion-element|accordion-title|accordion-text|button|carousel|carousel-image|column|divider"
    "|group|hero|image|navbar|navbar-link|raw|section|social|social-element|spacer|table|text|wrapper)"
)
_INCLUDED = re.compile(r'<mj-include path="([a-z_.]+)" />\n?')
_FORBIDDEN_TAGS = frozenset({"mj-include", "script", "iframe", "object", "embed", "form", "base"})
_POSITION = re.compile(r"\s*in root template(?: at position (\d+):\d+)?")


@dataclass(frozen=True)
class Frame:
    """What stands round an author's words: `html` is HTML holding Liquid, `text` is plain Liquid."""

    html: str
    text: str


@dataclass(frozen=True)
class RenderedEmail:
    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class UnknownPart:
    """A variable that a message reads and no context holds."""

    message: str
    language: str
    part: str
    variable: templates.UnknownVariable


def compile_messages(
    messages: Mapping[str, Any], layouts: Mapping[str, str], *, trigger: Trigger | None = None
) -> dict[str, Any]:
    """{message key: compiled message}: JSON for a flow version, read back by `render_email` and `render_sms`.

    A compiled message is {"channel", "languages": {language: {part: Liquid, "words": {...}}}, "reads", "needs"}, for
    e-mail with "layout", "html" and "text" beside them: the frame is the same in every language. "reads" are the names
    its parts take from their context in any language, "needs" those without which a part says nothing. `layouts`: file
    name -> source, in pairs such as cart.mjml (MJML holding Liquid, loops inside mj-raw, mj-table or mj-text) and
    cart.txt (Liquid); what they have in common is in parts/, and taken in by <mj-include path="head.mjml" />.
    `trigger`: of the flow, by which a mail says why it is sent.
    Raises TemplateError whose part names message, language and part ("reminder/fr/subject"), with line and column.
    """
    used = {str(message.get("layout", DEFAULT_LAYOUT)) for message in messages.values() if isinstance(message, Mapping)}
    names = [name.removesuffix(".mjml") for name in layouts if name.endswith(".mjml") and "/" not in name]
    frames = {name: _compile_layout(name, layouts) if name in used else None for name in names}
    return {key: _compile_message(key, message, frames, trigger) for key, message in messages.items()}


def render_email(
    compiled: Mapping[str, Any], *, language: str, context: Mapping[str, Any], part: str = ""
) -> RenderedEmail:
    """One mail. Raises TemplateError naming `part` and what is wrong or missing; never half a mail."""
    written = compiled["languages"][language]
    with templates.one_message():
        filled = _fill(written, context, f"{part}/{language}")
        subject = templates.one_line(filled["subject"])
        full = {**context, "message": {**filled, "subject": subject}, "words": written["words"]}
        templates.check_context(full)
        html = templates.render(compiled["html"], full, is_html=True, part=f"{part}/{language}/html")
        text = templates.render(compiled["text"], full, part=f"{part}/{language}/text")
    return RenderedEmail(subject=subject, html=html, text=_tidy(text))


def render_subject(compiled: Mapping[str, Any], *, language: str, context: Mapping[str, Any], part: str = "") -> str:
    """A mail's subject alone. Raises TemplateError."""
    source = compiled["languages"][language]["subject"]
    templates.check_context(context)
    return templates.one_line(templates.render(source, context, part=f"{part}/{language}/subject"))


def render_sms(compiled: Mapping[str, Any], *, language: str, context: Mapping[str, Any], part: str = "") -> str:
    """One text on one line, as written; its letters are not replaced. Raises TemplateError."""
    written = compiled["languages"][language]
    full = {**context, "words": written["words"]}
    templates.check_context(full)
    text = " ".join(templates.render(written["text"], full, part=f"{part}/{language}/text").split())
    if not text:
        raise TemplateError("came out empty", part=f"{part}/{language}/text")
    return text


def speaks_of(compiled: Mapping[str, Any], requires: Collection[str] = ()) -> frozenset[str]:
    """The names that a message takes from its context: what its parts read, what its step `requires`, and its layout's own.

    A layout of several lists shows those that the parts or the step name, or all when they name none.
    """
    named = {*compiled["reads"], *requires}
    shown = SHOWN.get(compiled.get("layout", ""), set())
    if shown <= set(LISTS) and named & shown:
        shown = set()
    return frozenset(named | shown)


def unknown_variables(content: Mapping[str, Any], known: Mapping[str, Any]) -> list[UnknownPart]:
    """Every variable of every authored part that the sample context `known` does not hold: likely a slip of the pen."""
    found = []
    for key, compiled in content.items():
        for language, written in compiled["languages"].items():
            for name, source in _sources(written):
                for variable in templates.unknown_variables(source, known):
                    found.append(UnknownPart(key, language, name, variable))
    return found


def _compile_message(
    key: str, message: Mapping[str, Any], frames: Mapping[str, Frame | None], trigger: Trigger | None
) -> dict[str, Any]:
    if not isinstance(message, Mapping) or message.get("channel") not in list(Channel):
        raise TemplateError(f"channel must be one of {', '.join(Channel)}", part=key)
    is_email = message["channel"] == Channel.EMAIL
    written = {language: parts for language, parts in message.items() if language not in ("channel", "layout")}
    if not written:
        raise TemplateError("is written in no language", part=key)
    if _length(written) > WRITTEN_LIMIT:
        raise TemplateError(f"is longer than {WRITTEN_LIMIT:,} characters, all languages together", part=key)
    known = EMAIL_PARTS if is_email else SMS_PARTS
    languages = {
        language: _compile_parts(parts, known, words(language, trigger=trigger), f"{key}/{language}")
        for language, parts in written.items()
    }
    sources = [source for written in languages.values() for _part, source in _sources(written)]
    compiled: dict[str, Any] = {
        "channel": str(message["channel"]),
        "languages": languages,
        "reads": sorted(set().union(*map(templates.roots, sources))),
        "needs": sorted(set().union(*map(templates.needs, sources))),
    }
    if is_email:
        layout = message.get("layout", DEFAULT_LAYOUT)
        frame = frames.get(layout) if isinstance(layout, str) else None
        if frame is None:
            raise TemplateError(f"there is no layout {layout!r}; known are {', '.join(sorted(frames))}", part=key)
        compiled |= {"layout": layout, "html": frame.html, "text": frame.text}
    return compiled


def _compile_parts(parts: Any, known: Mapping[str, str], shipped: Mapping[str, str], where: str) -> dict[str, Any]:
    """`parts` as given, every one of them parsed, and the layout's words: its own before the `shipped` ones.

    `body` is one paragraph or a list of them.
    """
    if not isinstance(parts, Mapping):
        raise TemplateError(f"must hold {', '.join(known)}", part=where)
    own_words = parts.get("words", {})
    if not isinstance(own_words, Mapping) or not all(isinstance(word, str) for word in own_words.values()):
        raise TemplateError("must be texts by name", part=f"{where}/words")
    for name in sorted(set(parts) - set(known) - {"words"}):
        raise TemplateError(f"unknown part; known are {', '.join(known)}", part=f"{where}/{name}")
    checked: dict[str, Any] = {}
    for name, mark in known.items():
        value = parts.get(name, "")
        if name == "body" and isinstance(value, str):
            value = [value]
        sources = value if name == "body" else [value]
        if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
            raise TemplateError("must be text", part=f"{where}/{name}")
        if len(sources) > PARAGRAPH_LIMIT:
            raise TemplateError(f"has more than {PARAGRAPH_LIMIT} paragraphs", part=f"{where}/{name}")
        if mark and not any(source.strip() for source in sources):
            raise TemplateError("is empty", part=f"{where}/{name}")
        checked[name] = [source for source in sources if source.strip()] if name == "body" else value
    for name, source in _sources(checked):
        templates.check(source, part=f"{where}/{name}")
    return {**checked, "words": {**shipped, **own_words}}


def _length(written: Any) -> int:
    """Characters of every text in `written`, however deep it stands."""
    if isinstance(written, str):
        return len(written)
    within = written.values() if isinstance(written, Mapping) else written if isinstance(written, list) else ()
    return sum(map(_length, within))


def _sources(written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, Liquid) of every part, paragraphs as body/1, body/2."""
    for name, value in written.items():
        if isinstance(value, list):
            yield from ((f"{name}/{number}", source) for number, source in enumerate(value, 1))
        elif isinstance(value, str):
            yield name, value


def _fill(written: Mapping[str, Any], context: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The author's parts as plain text. A paragraph whose conditions left nothing is dropped; an empty part is None."""
    filled: dict[str, Any] = {"body": []}
    for name, source in _sources(written):
        text = templates.render(source, context, part=f"{where}/{name}").strip()
        if name.startswith("body/"):
            filled["body"] += [text] if text else []
        else:
            filled[name] = text or None
    for name, mark in EMAIL_PARTS.items():
        if mark and not filled[name]:
            raise TemplateError("came out empty", part=f"{where}/{name}")
    return filled


def _tidy(text: str) -> str:
    """Lines without blanks at their end, at most one empty line in a row, one line break at the end."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"


def _compile_layout(name: str, layouts: Mapping[str, str]) -> Frame:
    mjml, text = (_assembled(f"{name}.{kind}", layouts) for kind in ("mjml", "txt"))
    templates.check(text, part=f"{name}.txt")
    templates.check(mjml, is_html=True, part=f"{name}.mjml")
    html = _compile_mjml(mjml, f"{name}.mjml")
    templates.check(html, is_html=True, part=f"{name}.mjml")
    return Frame(html=html, text=text)


def _assembled(name: str, layouts: Mapping[str, str]) -> str:
    """A layout with its parts in it, where the compiler would look for files."""

    def part(found: re.Match[str]) -> str:
        path = f"parts/{found.group(1)}"
        if path not in layouts:
            raise TemplateError(f"there is no {path}", part=name)
        return layouts[path]

    return _INCLUDED.sub(part, layouts[name])


def _compile_mjml(source: str, part: str) -> str:
    """HTML of MJML. The compiler takes unknown tags silently, so they are looked for first."""
    import mjml

    tags = _Tags()
    tags.feed(source)
    tags.close()
    for tag, (line, column) in tags.found:
        if tag in _FORBIDDEN_TAGS or (tag.startswith("mj") and not _MJML_TAGS.fullmatch(tag)):
            raise TemplateError(f"<{tag}> is not allowed here", line=line, column=column + 1, part=part)
    try:
        # No fonts: the compiler would add links to a font service, and every reader's address would go there.
        return mjml.mjml2html(source, fonts={})
    except ValueError as error:
        match = _POSITION.search(str(error))
        before = source[: int(match.group(1))] if match and match.group(1) else ""
        line, column = (before.count("\n") + 1, len(before) - before.rfind("\n")) if before else (0, 0)
        raise TemplateError(_POSITION.sub("", str(error)) or "no MJML", line=line, column=column, part=part) from error


class _Tags(HTMLParser):
    """Start tags with their line (from 1) and column (from 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[int, int]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, self.getpos()))
