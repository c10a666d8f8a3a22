"""The verbs of the flow language: what may be written at a step, and what it is once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from . import facts, rules, shapes
from .coupons import OFFER, Offer
from .rules import Rule
from .shapes import Field, Record, required
from .vocabulary import Channel, Exit, MessageKind, Trigger

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Where a wait may lead when its time is up, besides the key of a later step.
NEXT, STOP = "next", "stop"
#: A topic that stands for whichever the person turned to.
ANY_TOPIC = "any"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One stop of a flow. `next` is the number of the step that follows; as many as there are steps means the end."""

    key: str
    next: int


@dataclass(frozen=True, kw_only=True)
class SendStep(Step):
    """Send `message` on `channel`, `after` the mark and not later than `deadline` after it.

    The mark is t0, or the moment at which the last wait ended. `requires`: facts that must hold, else the step is skipped.
    `may_move`: outside the allowed hours it waits for the next allowed time within its deadline; otherwise it is dropped.
    `replaces`: key of a step that is skipped while this one is on.
    """

    after: timedelta
    deadline: timedelta
    channel: Channel
    message: str
    kind: MessageKind = MessageKind.MARKETING
    requires: frozenset[str] = frozenset()
    may_move: bool = True
    is_enabled: bool = True
    coupon: Offer | None = None
    replaces: str = ""


@dataclass(frozen=True, kw_only=True)
class PauseStep(Step):
    """Wait for `length`, from when the run came here."""

    length: timedelta


@dataclass(frozen=True, kw_only=True)
class HourStep(Step):
    """Wait until the contact's clock reads `hour`, on one of `weekdays` (0 is Monday)."""

    hour: time
    weekdays: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class EventStep(Step):
    """Wait until `event` has happened `times`, for `length` at most; then go on at `otherwise`.

    `topic`: "" counts all, ANY_TOPIC each by itself. `since_entry`: what happened before the run came here counts too.
    """

    event: str
    length: timedelta
    otherwise: int
    topic: str = ""
    times: int = 1
    since_entry: bool = False


@dataclass(frozen=True, kw_only=True)
class BranchStep(Step):
    """Go on at `then` where `rule` holds, else at `otherwise`."""

    rule: Rule
    then: int
    otherwise: int


@dataclass(frozen=True)
class Path:
    """One way through a split: `weight` of all weights, beginning at the step `at`."""

    weight: float
    at: int


@dataclass(frozen=True, kw_only=True)
class SplitStep(Step):
    """Draw one of `paths`, by name; the same contact always draws the same."""

    paths: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class TagStep(Step):
    add: tuple[str, ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WebhookStep(Step):
    """Tell another system, at an https address."""

    url: str


@dataclass(frozen=True, kw_only=True)
class NotifyStep(Step):
    """Write to the shop's own customer service. `subject` and `text` by language."""

    subject: Mapping[str, str]
    text: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SuppressStep(Step):
    """Send nothing more to this person on `channel`; the contact stays."""

    channel: Channel


@dataclass(frozen=True, kw_only=True)
class GotoStep(Step):
    """Go on at a later step."""


@dataclass(frozen=True, kw_only=True)
class StopStep(Step):
    """The end, before the last step."""


Act = TagStep | WebhookStep | NotifyStep | SuppressStep
#: Where they lead is decided each time somebody comes to them.
Fork = BranchStep | SplitStep | EventStep

_CHANNEL = shapes.one_of(Channel)
_LIST_OF_KEYS = Field(shapes.many(shapes.SLUG), default=())

SEND = Record(
    {
        "channel": required(_CHANNEL),
        "message": required(shapes.TEXT),
        "kind": Field(shapes.one_of(MessageKind), default=MessageKind.MARKETING),
        "coupon": Field(shapes.Shape(lambda raw: raw, OFFER.schema)),
        "replaces": Field(shapes.SLUG, default=""),
    }
)
#: What stands beside `send`, at the step itself.
SEND_TIMES = Record(
    {
        "after": required(shapes.DURATION),
        "deadline": required(shapes.DURATION),
        "outside_hours": Field(shapes.one_of(("wait", "drop")), default="wait"),
        "requires": Field(shapes.many(shapes.one_of(sorted(facts.NAMES))), default=()),
        "enabled": Field(shapes.FLAG, default=True),
    }
)
#: The three ways to wait, told apart by a key that each must have; an event has `for` besides.
WAITS: Mapping[str, Record] = {
    "event": Record(
        {
            "event": required(shapes.one_of(dict.fromkeys([*Exit, *Trigger]))),
            "topic": Field(shapes.SLUG, default=""),
            "times": Field(shapes.whole(1, 50), default=1),
            "since": Field(shapes.one_of(("here", "entry")), default="here"),
            "for": required(shapes.DURATION),
            "else": Field(shapes.SLUG, default=NEXT),
        }
    ),
    "until": Record(
        {
            "until": required(shapes.HOUR),
            "weekday": Field(shapes.many(shapes.one_of(WEEKDAYS)), default=WEEKDAYS),
        }
    ),
    "for": Record({"for": required(shapes.DURATION)}),
}
TAG = Record({"add": _LIST_OF_KEYS, "remove": _LIST_OF_KEYS})
WEBHOOK = Record({"url": required(shapes.HTTPS)})
NOTIFY = Record({"subject": required(shapes.IN_LANGUAGES), "text": required(shapes.IN_LANGUAGES)})
SUPPRESS = Record({"channel": required(_CHANNEL)})
VERBS = ("send", "wait", "branch", "split", "tag", "webhook", "notify", "suppress", "goto", "stop")


def send(raw: Mapping[str, Any], *, key: str, next: int, where: str, problems: list[str]) -> SendStep:
    """The sending step written in `raw`, the whole step."""
    times = SEND_TIMES.read(
        {name: value for name, value in raw.items() if name not in ("key", "send")}, where=where, problems=problems
    )
    told = SEND.read(raw["send"], where=f"{where}: send", problems=problems)
    after, deadline = times["after"], times["deadline"]
    if after is not None and deadline is not None and deadline <= after:
        problems.append(f"{where}: its deadline comes before it is due, so it could never be sent.")
    step = SendStep(
        key=key,
        next=next,
        after=after or timedelta(),
        deadline=deadline or timedelta(),
        channel=told.get("channel") or Channel.EMAIL,
        message=told.get("message") or "",
        kind=told.get("kind") or MessageKind.MARKETING,
        requires=frozenset(times["requires"]),
        may_move=times["outside_hours"] == "wait",
        is_enabled=times["enabled"],
        coupon=_coupon(told.get("coupon"), where=where, problems=problems),
        replaces=told.get("replaces") or "",
    )
    if step.kind is MessageKind.SERVICE and (step.coupon or step.requires & set(facts.KNOWN_WHEN_WRITTEN)):
        problems.append(f"{where}: a service message carries neither a coupon nor recommendations.")
    return step


def _coupon(raw: Any, *, where: str, problems: list[str]) -> Offer | None:
    if raw is None:
        return None
    told = OFFER.read(raw, where=f"{where}: coupon", problems=problems)
    if not told or told["valid"] is None:
        # An amount off for ever is a debt nobody can see the end of.
        problems.append(f"{where}: a coupon without an expiry is refused; say how long it is valid.")
        return None
    if (told["percent"] is None) == (told["amount"] is None):
        problems.append(f"{where}: a coupon is worth either a percent or an amount.")
        return None
    return Offer(**told)


def wait(
    raw: Mapping[str, Any], *, key: str, next: int, targets: Mapping[str, int], where: str, problems: list[str]
) -> Step:
    """The waiting step written in `raw`. `targets`: where "stop", "next" and every key lead."""
    body = raw["wait"]
    kind = _kind(body)
    told = WAITS[kind].read(body, where=f"{where}: wait", problems=problems)
    if not told:
        return StopStep(key=key, next=next)
    if kind == "until":
        days = frozenset(WEEKDAYS.index(name) for name in told["weekday"])
        if not days:
            problems.append(f"{where}: wait: weekday names no day.")
        return HourStep(key=key, next=next, hour=told["until"] or time(), weekdays=days)
    length = told["for"] or timedelta(seconds=1)
    if told["for"] == timedelta():
        problems.append(f"{where}: wait: it waits for no time at all.")
    if kind == "for":
        return PauseStep(key=key, next=next, length=length)
    if told["else"] not in targets:
        problems.append(f"{where}: wait: else leads to {told['else']!r}, and there is no such step.")
    return EventStep(
        key=key,
        next=next,
        event=told["event"] or "",
        length=length,
        otherwise=targets.get(told["else"], next),
        topic=told["topic"],
        times=told["times"],
        since_entry=told["since"] == "entry",
    )


def _kind(body: Any) -> str:
    """Which of WAITS a wait's `body` is meant to be."""
    return next((kind for kind in WAITS if isinstance(body, Mapping) and kind in body), "for")


def branch(raw: Mapping[str, Any], *, where: str, problems: list[str]) -> Rule:
    """The condition of a branch."""
    body = raw["branch"] if isinstance(raw["branch"], Mapping) else {}
    for name in sorted(set(body) - {"if", "then", "else"}, key=str):
        problems.append(f"{where}: branch: unknown key {name!r}; known are else, if, then.")
    return rules.parse(body.get("if"), where=f"{where}: branch", problems=problems)


def act(verb: str, raw: Mapping[str, Any], *, key: str, next: int, where: str, problems: list[str]) -> Act:
    """A step that does something at once and goes on."""
    record = {"tag": TAG, "webhook": WEBHOOK, "notify": NOTIFY, "suppress": SUPPRESS}[verb]
    told = record.read(raw[verb], where=f"{where}: {verb}", problems=problems)
    if verb == "tag":
        if not told.get("add") and not told.get("remove"):
            problems.append(f"{where}: tag: nothing is added and nothing removed.")
        return TagStep(key=key, next=next, add=told.get("add", ()), remove=told.get("remove", ()))
    if verb == "webhook":
        return WebhookStep(key=key, next=next, url=told.get("url") or "")
    if verb == "notify":
        subject, text = told.get("subject") or {}, told.get("text") or {}
        if any(mark in words for words in (*subject.values(), *text.values()) for mark in ("{{", "{%")):
            problems.append(f"{where}: notify: its words are sent as they stand; nothing is filled into them.")
        return NotifyStep(key=key, next=next, subject=subject, text=text)
    return SuppressStep(key=key, next=next, channel=told.get("channel") or Channel.EMAIL)
