"""`retarget_explain`: why did this person get this message, or not, and which rule of which country says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from json import dumps
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retarget_plugin.engine import enquiries, explain
from retarget_plugin.management import people
from retarget_plugin.models import Contact
from retarget_plugin.models.clock import database_now

NEVER = {
    "nothing_happened": "what starts it ({trigger}) never happened",
    "other_trigger": "it starts on something else ({trigger})",
}
STATUS = {"official": "read in the official text", "secondary": "told by somebody else", "unverified": "unverified"}


class Command(BaseCommand):
    help = "Why one person got the messages of a flow, or did not, with the source of each rule of law."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("who", help="A complete e-mail address, phone number or id of a contact (#17).")
        parser.add_argument("flow", nargs="?", default="", help="A flow's key; all flows unless given.")
        parser.add_argument("--shop", type=int, help="The shop's id, where there are several.")
        parser.add_argument("--json", action="store_true", help="Print everything as one JSON object.")
        parser.add_argument(
            "--show-personal-data", action="store_true", help="Print the address, number and name in full."
        )

    def handle(self, *args: Any, who: str, flow: str, shop: int | None, json: bool, **options: Any) -> None:
        contact, now = people.find(who, shop=shop), database_now()
        stories = enquiries.stories(contact, flow=flow, now=now)
        if flow and not stories:
            raise CommandError(f"{contact.shop} has no flow {flow!r}.")
        outlooks = enquiries.outlooks(contact, now=now)
        person = _person(contact, in_full=options["show_personal_data"])
        if json:
            told = {
                "person": person,
                "channels": [asdict(outlook) for outlook in outlooks],
                "flows": [_data(story) for story in stories],
                "timeline": [asdict(event) for event in explain.timeline(contact)],
            }
            self.stdout.write(dumps(told, default=str))
            return
        self.stdout.write(f"{' · '.join(filter(None, map(str, person.values())))}")
        for line in [*_outlooks(outlooks), *_stories(stories), *_timeline(contact)]:
            self.stdout.write(line)


def _person(contact: Contact, *, in_full: bool) -> dict[str, Any]:
    person = {"contact": f"#{contact.pk}", "shop": contact.shop.name, "country": contact.country}
    if not in_full:
        return {**person, "shown_as": contact.masked}
    name = f"{contact.first_name} {contact.last_name}".strip()
    return {**person, "name": name, "email": contact.email, "phone": contact.phone}


def _data(story: enquiries.Story) -> dict[str, Any]:
    return {
        "flow": story.flow.slug,
        "state": story.flow.state,
        "passages": [asdict(passage) for passage in story.passages],
        "never_entered": [{"code": code, "facts": dict(facts)} for code, facts in story.obstacles],
        "unknown": list(story.unknown),
    }


def _outlooks(outlooks: list[enquiries.Outlook]) -> Iterator[str]:
    for outlook in outlooks:
        if outlook.reason is None:
            yield f"{outlook.channel}: may be written to; legal basis: {outlook.basis}"
        else:
            yield f"{outlook.channel}: not written to. {explain.reason_label(outlook.reason)}"
            yield from _grounds(outlook.facts)


def _stories(stories: list[enquiries.Story]) -> Iterator[str]:
    for story in stories:
        yield f"flow {story.flow.slug} ({story.flow.state}): {'entered' if story.passages else 'never entered'}"
        for code, facts in story.obstacles:
            text = NEVER.get(code, "").format(**facts) if code in NEVER else explain.reason_label(code)
            yield f"    because: {text}{_told(facts)}"
        for code in story.unknown:
            yield f"    not known: {explain.unknown_label(code)}"
        for passage in story.passages:
            reason = f": {explain.reason_label(passage.reason)}" if passage.reason else ""
            yield f"    {passage.entered_at:%Y-%m-%d %H:%M} UTC: {passage.state}{reason}"
            for step in passage.steps:
                yield f"    {step.at:%Y-%m-%d %H:%M} UTC: {step.channel} {step.step}: {step.state}{_why(step)}"
                yield from _grounds(step.facts)


def _why(step: enquiries.Step) -> str:
    if step.basis:
        evidence = ", ".join(f"{name} #{pk}" for name, pk in step.evidence.items())
        return f"; legal basis: {step.basis}{f' ({evidence})' if evidence else ''}"
    return f". {explain.reason_label(step.reason)}" if step.reason else ""


def _grounds(facts: Mapping[str, Any]) -> Iterator[str]:
    """The rule that stands in the way, who says so, and when that was read."""
    if "source" not in facts or "read_on" not in facts:
        return
    said = facts.get("consent") or "never asked"
    yield f"        country {facts['country']}, rule {facts['rule']}; consent: {said}"
    yield f"        source: {facts['source']}"
    yield f"        read on {facts['read_on']} ({STATUS.get(facts['status'], facts['status'])})"


def _told(facts: Mapping[str, Any]) -> str:
    words = explain.facts_in_words({name: value for name, value in facts.items() if name != "trigger"})
    return f" ({words})" if words else ""


def _timeline(contact: Contact) -> Iterator[str]:
    yield "what happened, newest first:"
    for event in explain.timeline(contact):
        detail = f" · {event.detail}" if event.detail else ""
        yield f"    {event.at:%Y-%m-%d %H:%M} UTC: {event.title}{detail}"
