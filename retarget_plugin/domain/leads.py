"""Lead forms as data: where one is shown, what it asks, and what a submission comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from . import contacts, contexts
from .vocabulary import Channel

#: Languages a form can be written in; the first that is complete stands in for the others.
LANGUAGES = ("en", "fr", "es")
#: The words every language of a form has.
WORDS = ("title", "text", "button", "done")
REQUIRED_WORDS = ("title", "button", "done")
#: A field that people never see: only a machine fills it in.
HONEYPOT = "website"
PATH_LIMIT = 500
#: As long as an e-mail address can be.
LINE_LIMIT = 254


class FormKind(StrEnum):
    """How a form stands on its page. An upgrade is a block within an article that offers more on its topic."""

    POPUP = "popup"
    BAR = "bar"
    INLINE = "inline"
    UPGRADE = "upgrade"


class Ask(StrEnum):
    NO = "no"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Devices(StrEnum):
    ALL = "all"
    PHONE = "phone"
    DESKTOP = "desktop"


class Problem(StrEnum):
    """What is wrong with one field of a submission."""

    MISSING = "missing"
    BAD_EMAIL = "bad_email"
    BAD_PHONE = "bad_phone"
    BAD_NAME = "bad_name"
    BAD_CHOICE = "bad_choice"
    NOT_TICKED = "not_ticked"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One question. `type`: email, tel, text, choice or choices; the `options` to choose from are {"value", "label"}."""

    name: str
    type: str
    label: str
    required: bool = False
    options: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ConsentBox:
    """One unticked box: `label` and `version` are what becomes evidence when somebody ticks it."""

    channel: str
    purpose: str
    label: str
    version: str

    @property
    def name(self) -> str:
        """The box's field in a submission: consent_email_marketing."""
        return f"consent_{self.channel}_{self.purpose}"


@dataclass(frozen=True, kw_only=True)
class Show:
    """When the script shows a form; null: that occasion does not count. `every_days` 0: as often as it likes."""

    after_seconds: int | None
    scroll_percent: int | None
    on_exit: bool
    devices: str
    every_days: int


@dataclass(frozen=True, kw_only=True)
class FormView:
    """A form in one language, as the script and the page without script show it.

    `needs_tick`: sending it without any of the boxes ticked would ask for nothing, or for what the owner gives to
    subscribers only.
    """

    slug: str
    kind: str
    language: str
    title: str
    text: str
    button: str
    done: str
    fields: tuple[Field, ...]
    consents: tuple[ConsentBox, ...]
    needs_tick: bool
    show: Show

    def to_data(self) -> dict[str, Any]:
        """The form as JSON holds it; each consent with the `name` of its box, which is never ticked beforehand."""
        must = self.needs_tick and len(self.consents) == 1
        boxes = [{"name": box.name, "required": must, **asdict(box)} for box in self.consents]
        return {**asdict(self), "consents": boxes}


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What somebody typed, in normal form. `problems` by field name; nothing of it may be used while there are any."""

    email: str = ""
    phone: str = ""
    first_name: str = ""
    answers: Mapping[str, list[str]] = field(default_factory=dict)
    ticked: tuple[ConsentBox, ...] = ()
    problems: Mapping[str, Problem] = field(default_factory=dict)


def is_shown(patterns: str, topic: str, *, path: str, page_topic: str) -> bool:
    """Whether a form for `patterns` and `topic` belongs on a page.

    `patterns`: one path a line, * for any run of characters, a leading ! for pages to leave out. None that let in: every
    page that is not left out. An empty `topic`: every topic.
    """
    if topic and topic.casefold() != page_topic.casefold():
        return False
    lines = [line.strip() for line in patterns.splitlines() if line.strip()]
    path = path.partition("?")[0].partition("#")[0][:PATH_LIMIT]
    if any(_matches(line[1:], path) for line in lines if line.startswith("!")):
        return False
    let_in = [line for line in lines if not line.startswith("!")]
    return not let_in or any(_matches(line, path) for line in let_in)


def _matches(pattern: str, path: str) -> bool:
    """`pattern` with * for any run of characters, in time that grows with the length of the path alone."""
    head, *rest = pattern.strip().split("*")
    if not rest:
        return path == head
    *middle, tail = rest
    if len(path) < len(head) + len(tail) or not path.startswith(head) or not path.endswith(tail):
        return False
    at, end = len(head), len(path) - len(tail)
    for piece in middle:
        found = path.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def read(view: FormView, data: Mapping[str, Any], *, country: str) -> Submission:
    """The submission in `data`, field by field as `view` asks. Keys it does not ask for are not looked at.

    `country`: ISO 3166 code for phone numbers typed without a prefix.
    """
    problems: dict[str, Problem] = {}
    typed: dict[str, str] = {}
    answers: dict[str, list[str]] = {}
    for question in view.fields:
        try:
            if question.options:
                answers[question.name] = _chosen(question, data.get(question.name))
            else:
                typed[question.name] = _typed(question, data.get(question.name), country=country)
        except _Wrong as wrong:
            problems[question.name] = wrong.problem
    ticked = tuple(box for box in view.consents if _is_ticked(data.get(box.name)))
    if view.needs_tick and not ticked:
        problems[view.consents[0].name] = Problem.NOT_TICKED
    for name in _addresses_needed(view, typed, ticked):
        problems.setdefault(name, Problem.MISSING)
    return Submission(
        **typed, answers={name: values for name, values in answers.items() if values}, ticked=ticked, problems=problems
    )


class _Wrong(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def _typed(question: Field, value: Any, *, country: str) -> str:
    """What was typed, in normal form, or "" where it was left empty."""
    text = _line(value)
    if not text:
        if question.required:
            raise _Wrong(Problem.MISSING)
        return ""
    if question.type == "email":
        normal, problem = contacts.normalize_email(text), Problem.BAD_EMAIL
    elif question.type == "tel":
        normal, problem = contacts.normalize_phone(text, country), Problem.BAD_PHONE
    else:
        normal, problem = contexts.clean_name(text) or "", Problem.BAD_NAME
    if not normal:
        raise _Wrong(problem)
    return normal


def _chosen(question: Field, value: Any) -> list[str]:
    """The values that were chosen, in the order of the options."""
    given = [_line(item) for item in (value if isinstance(value, list | tuple) else [value])]
    wanted = {item for item in given if item}
    if question.required and not wanted:
        raise _Wrong(Problem.MISSING)
    known = [option["value"] for option in question.options]
    if not wanted <= set(known) or (len(wanted) > 1 and question.type != "choices"):
        raise _Wrong(Problem.BAD_CHOICE)
    return [option for option in known if option in wanted]


def _addresses_needed(view: FormView, typed: Mapping[str, str], ticked: Sequence[ConsentBox]) -> list[str]:
    """Fields that were left empty although a yes to their channel was ticked, which would be a yes of nobody's.

    Without any address there is nobody to give anything to.
    """
    needed = ["phone" if box.channel == Channel.SMS else "email" for box in ticked]
    if not needed and not (typed.get("email") or typed.get("phone")):
        needed = [next((field.name for field in view.fields if field.name in ("email", "phone")), "email")]
    return [name for name in needed if not typed.get(name)]


def _line(value: Any) -> str:
    """What was typed as one line; anything that is no text is nothing."""
    return contexts.clean_text(value, LINE_LIMIT) or "" if isinstance(value, str) else ""


def _is_ticked(value: Any) -> bool:
    """A box is ticked by JSON's true or by what browsers send for one: never by chance, so "false" and 0 are a no."""
    return value is True or (isinstance(value, str) and value.strip().lower() in ("on", "true", "1", "yes"))


def written_languages(texts: Mapping[str, Any]) -> list[str]:
    """Languages of `texts` that hold every required word, in the order of LANGUAGES."""
    return [language for language in LANGUAGES if not missing_words(texts.get(language), REQUIRED_WORDS)]


def missing_words(words: Any, wanted: Sequence[str]) -> list[str]:
    """Which of the `wanted` words one language lacks."""
    return [name for name in wanted if not (isinstance(words, Mapping) and str(words.get(name) or "").strip())]
