"""The steps of a flow as a line of time: what is sent when, and everything else in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.domain import rules
from retarget_plugin.domain.facts import NAMES
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.steps import (
    WEEKDAYS,
    BranchStep,
    EventStep,
    GotoStep,
    HourStep,
    NotifyStep,
    PauseStep,
    SendStep,
    SplitStep,
    Step,
    SuppressStep,
    TagStep,
    WebhookStep,
)
from retarget_plugin.domain.vocabulary import MessageKind
from retarget_plugin.models import FlowVersion, choices

#: Of a message's key and language: what it says first, or where its preview is.
Told = Callable[[str, str], str]

REQUIRED: Mapping[str, Any] = {
    "shipping_facts": gettext_lazy("Only when the shipping facts are filled in."),
    "recommendations": gettext_lazy("Only when there is something to recommend."),
    "new_products": gettext_lazy("Only when there is something new."),
    "posts": gettext_lazy("Only when there is something to read."),
    "product": gettext_lazy("Only when it is about a product."),
    "store_near": gettext_lazy("Only for people near one of the stores."),
    "support": gettext_lazy("Only when customer service can be reached."),
    "answer": gettext_lazy("Only for people who answered a question of taste."),
    "pay_link": gettext_lazy("Only when the order can still be paid."),
}
DAYS = dict(
    zip(
        WEEKDAYS,
        (
            gettext_lazy("Mon"),
            gettext_lazy("Tue"),
            gettext_lazy("Wed"),
            gettext_lazy("Thu"),
            gettext_lazy("Fri"),
            gettext_lazy("Sat"),
            gettext_lazy("Sun"),
        ),
        strict=True,
    )
)


@dataclass(frozen=True)
class StepView:
    """One stop on the line of time. `subjects`: (language, its subject or text as a made-up shopper reads it, URL of its
    preview). A step that sends nothing has no channel, and `notes` say what it does."""

    key: str
    at: str = ""
    deadline: str = ""
    channel: str = ""
    channel_label: str = ""
    is_enabled: bool = True
    subjects: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()


def views(version: FlowVersion, *, first_words: Told, preview: Told) -> list[StepView]:
    """Every step of `version` in the order written. Raises FlowError where it cannot be read any more."""
    definition = version.parsed
    return [
        _sent(version, step, first_words, preview)
        if isinstance(step, SendStep)
        else StepView(step.key, notes=(_words(step, definition),))
        for step in definition.steps
    ]


def duration(delta: timedelta) -> str:
    """ "1 h 45 min", "3 d": a wait as people say it, to the minute."""
    minutes = int(delta.total_seconds()) // 60
    parts = (
        (minutes // 1440, _("%(count)s d")),
        (minutes % 1440 // 60, _("%(count)s h")),
        (minutes % 60, _("%(count)s min")),
    )
    return " ".join(words % {"count": count} for count, words in parts if count) or _("at once")


def _sent(version: FlowVersion, step: SendStep, first_words: Told, preview: Told) -> StepView:
    languages: Mapping[str, Any] = version.content.get(step.message, {}).get("languages", {})
    return StepView(
        key=step.key,
        at=duration(step.after),
        deadline=duration(step.deadline),
        channel=step.channel,
        channel_label=str(dict(choices.CHANNELS)[step.channel]),
        is_enabled=step.is_enabled,
        subjects=tuple(
            (language, first_words(step.message, language), preview(step.message, language))
            for language in sorted(languages)
        ),
        notes=tuple(_notes(step)),
    )


def _notes(step: SendStep) -> list[str]:
    notes = [str(REQUIRED[fact]) for fact in sorted(step.requires & NAMES)]
    if step.coupon:
        worth = f"{step.coupon.percent} %" if step.coupon.percent else str(step.coupon.amount)
        notes.append(
            _("With a coupon of %(worth)s, valid %(time)s.") % {"worth": worth, "time": duration(step.coupon.valid)}
        )
    if step.replaces:
        notes.append(_("While it is on, “%(step)s” is not sent.") % {"step": step.replaces})
    if step.kind is MessageKind.SERVICE:
        notes.append(_("A service message: it sells nothing, and waits for no hour."))
    elif step.may_move:
        notes.append(_("Outside the allowed hours it waits for the next allowed time."))
    else:
        notes.append(_("Outside the allowed hours it is not sent."))
    return notes


def _words(step: Step, definition: Definition) -> str:
    """What a step that sends nothing does."""

    def at(number: int) -> str:
        steps: Sequence[Step] = definition.steps
        return f"“{steps[number].key}”" if number < len(steps) else _("the end")

    if isinstance(step, EventStep):
        event = " ".join(filter(None, (step.event.replace("_", " "), step.topic)))
        told = {"event": event, "count": str(step.times), "time": duration(step.length), "step": at(step.otherwise)}
        return _("Waits for “%(event)s” (%(count)s ×), %(time)s at most; else it goes on with %(step)s.") % told
    if isinstance(step, BranchStep):
        told = {"rule": rules.describe(step.rule), "then": at(step.then), "else": at(step.otherwise)}
        return _("If %(rule)s: on with %(then)s; else with %(else)s.") % told
    if isinstance(step, SplitStep):
        total = sum(path.weight for path in step.paths.values())
        paths = ", ".join(f"{name} {path.weight / total:.0%} → {at(path.at)}" for name, path in step.paths.items())
        return _("Draws one way for each person: %(paths)s.") % {"paths": paths}
    if isinstance(step, GotoStep):
        return _("Goes on with %(step)s.") % {"step": at(step.next)}
    return _deed(step)


def _deed(step: Step) -> str:
    """The same for a step that leads to one other."""
    if isinstance(step, PauseStep):
        return _("Waits %(time)s.") % {"time": duration(step.length)}
    if isinstance(step, HourStep):
        days = "" if len(step.weekdays) == 7 else ", ".join(str(DAYS[WEEKDAYS[day]]) for day in sorted(step.weekdays))
        told = {"hour": time_format(step.hour, "TIME_FORMAT"), "days": days}
        return (_("Waits until %(hour)s (%(days)s).") if days else _("Waits until %(hour)s.")) % told
    if isinstance(step, TagStep):
        tags = [f"+{tag}" for tag in step.add] + [f"−{tag}" for tag in step.remove]
        return _("Tags: %(tags)s.") % {"tags": ", ".join(tags)}
    if isinstance(step, WebhookStep):
        return _("Tells another system: %(host)s.") % {"host": urlsplit(step.url).hostname}
    if isinstance(step, NotifyStep):
        subject = step.subject.get("en") or next(iter(step.subject.values()))
        return _("Writes to customer service: %(subject)s") % {"subject": subject}
    if isinstance(step, SuppressStep):
        channel = dict(choices.CHANNELS)[step.channel]
        return _("From here on nothing more is sent by %(channel)s.") % {"channel": channel}
    return _("The end.")
