"""Proof-reading: what is wrong, or unwise, in the messages of a flow, found without sending any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from retarget_plugin.exceptions import TemplateError

from . import content, lint, samples, sms
from .content import RenderedEmail
from .flows import Definition
from .lint import Finding
from .subjects import LISTS
from .vocabulary import Channel

#: What texts speak of that may be missing for one reader and not for another, and the fact by which a step asks first.
ASKED_BY: Mapping[str, str] = {**{name: name for name in LISTS}, "store": "store_near"}
OWN = lint.hosts(samples.URL, samples.SHORT_URL)


def _(text: str) -> str:
    """Marks `text` for translators; whoever shows it translates it."""
    return text


def errors(definition: Definition, messages: Mapping[str, Any]) -> list[Finding]:
    """What would keep compiled `messages` from being sent: `slips`, or else what cannot be written even to a made-up reader
    who lacks nothing, such as a text that takes too much time or memory.
    """
    return slips(definition, messages) or list(_unwritable(definition, messages))


def slips(definition: Definition, messages: Mapping[str, Any]) -> list[Finding]:
    """The names in compiled `messages` that are known of no reader of this flow."""
    found = []
    for key, compiled in messages.items():
        known = samples.context(definition, key, language="en")
        for unknown in content.unknown_variables({key: compiled}, known):
            facts = {
                "variable": unknown.variable.path,
                "line": unknown.variable.line,
                "column": unknown.variable.column,
            }
            words = _("nothing is known of %(variable)s (line %(line)d, column %(column)d)")
            found.append(Finding(words, facts, where=f"{unknown.message}/{unknown.language}/{unknown.part}"))
    return found


def _unwritable(definition: Definition, messages: Mapping[str, Any]) -> Iterator[Finding]:
    for key, compiled in messages.items():
        for language in compiled["languages"]:
            try:
                written = _write(definition, key, compiled, language=language)
            except TemplateError as error:
                # It names its place itself.
                yield Finding(str(error).replace("%", "%%"))
                continue
            segments = sms.measure(written).segments if isinstance(written, str) else 0
            if segments > sms.MAX_SEGMENTS:
                words = _("is %(segments)d messages long; %(limit)d at the most")
                yield Finding(words, {"segments": segments, "limit": sms.MAX_SEGMENTS}, where=f"{key}/{language}")


def advice(definition: Definition, messages: Mapping[str, Any]) -> list[Finding]:
    """What to mend in compiled `messages` without `errors`, each written to a made-up reader in each of its languages."""
    return [*_unasked(definition, messages), *_unwise(definition, messages)]


def _unasked(definition: Definition, messages: Mapping[str, Any]) -> Iterator[Finding]:
    for step in definition.sends:
        needed = messages[step.message]["needs"] if step.message in messages else ()
        for name, fact in ASKED_BY.items():
            if name in needed and fact not in step.requires:
                words = _("speaks of %(name)s, which not every reader has; say so: requires %(fact)s")
                yield Finding(words, {"name": name, "fact": fact}, where=step.key)


def _unwise(definition: Definition, messages: Mapping[str, Any]) -> Iterator[Finding]:
    for key, compiled in messages.items():
        for language in compiled["languages"]:
            for one in _read(
                _write(definition, key, compiled, language=language), is_service=samples.is_service(definition, key)
            ):
                yield Finding(one.words, one.facts, where=f"{key}/{language}")


def _write(definition: Definition, key: str, compiled: Mapping[str, Any], *, language: str) -> RenderedEmail | str:
    """The message as a made-up reader gets it: a mail, or the letters of a text. Raises TemplateError."""
    requires = [fact for step in definition.sends if step.message == key for fact in step.requires]
    names = content.speaks_of(compiled, requires)
    context = samples.context(definition, key, language=language, names=names)
    if compiled["channel"] == Channel.SMS:
        return sms.transliterate(content.render_sms(compiled, language=language, context=context, part=key))
    return content.render_email(compiled, language=language, context=context, part=key)


def _read(written: RenderedEmail | str, *, is_service: bool) -> list[Finding]:
    if isinstance(written, str):
        return lint.text(written, own=OWN)
    unsubscribe = "" if is_service else samples.UNSUBSCRIBE_URL
    return lint.mail(written.subject, written.html, written.text, own=OWN, needs_unsubscribe=unsubscribe)
