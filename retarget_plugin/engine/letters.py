"""What service messages say: their shipped texts, and what each speaks of. One row of the table below is one template."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from django.urls import NoReverseMatch, reverse

from retarget_plugin import conf
from retarget_plugin.domain import content, contexts
from retarget_plugin.domain.steps import NotifyStep
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import ConsentRecord, FlowRun, Lead, Message

from . import layouts, links, magnets, tokens

#: Templates for which the host may have to make a coupon.
ASK_THE_SHOP = frozenset({"magnet"})


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What a message is about. `path`: where its one button leads; `refusal_path`: where "it was not me" leads, or "".

    `days` is how long the button works; `values` are what else its texts read.
    """

    path: str
    days: int
    refusal_path: str = ""
    values: Mapping[str, Any]


def written(message: Message) -> Mapping[str, Any]:
    """The compiled texts of `message`'s template for its channel, in every language. Raises TemplateError."""
    if message.template not in TEMPLATES:
        raise TemplateError("there is no such template", part=message.template)
    compiled: Mapping[str, Any] | None = _compiled(message.template).get(message.channel)
    if compiled is None:
        raise TemplateError("it is not written for this channel", part=f"{message.template}/{message.channel}")
    return compiled


def context(message: Message, *, language: str, locale: str, now: datetime) -> dict[str, Any]:
    """The values that the texts of `message` read beside those of every message. Raises TemplateError."""
    spoken = TEMPLATES[message.template](message, language=language, locale=locale, now=now)
    url = links.public_url(spoken.path)
    if message.channel == Channel.SMS:
        url = links.shorten(url, message=message, purpose=links.SERVICE, now=now)
    return {
        "wordings": [],
        "gift": None,
        "title": None,
        **spoken.values,
        "days": spoken.days,
        "button_url": url,
        "refusal_url": links.public_url(spoken.refusal_path) if spoken.refusal_path else None,
    }


def _confirm(message: Message, *, language: str, locale: str, now: datetime) -> Spoken:
    """Nothing that was typed is in it, but for the address it goes to: a form must not become a way to write to others."""
    token = tokens.confirm(contact_id=message.contact_id, message_id=message.pk)
    lead = _leads(message, "leads").first()
    records = ConsentRecord.objects.filter(pk__in=message.context.get("records", ())).order_by("pk")
    wordings = [contexts.clean_text(record.wording, 1_000) for record in records]
    return Spoken(
        path=reverse("retarget_plugin:confirm", args=[token]),
        days=conf.settings.CONFIRM_DAYS,
        refusal_path=reverse("retarget_plugin:refuse", args=[token]),
        values={
            "wordings": [wording for wording in dict.fromkeys(wordings) if wording],
            "title": contexts.clean_text(magnets.words(lead.magnet, language).title) if lead and lead.magnet else None,
        },
    )


def _magnet(message: Message, *, language: str, locale: str, now: datetime) -> Spoken:
    lead = _leads(message, "lead").first()
    if lead is None:
        raise TemplateError("the lead it belongs to is gone", part=message.template)
    return Spoken(
        path=reverse("retarget_plugin:assets", args=[tokens.asset(lead_id=lead.pk)]),
        days=conf.settings.DOWNLOAD_DAYS,
        values={"gift": magnets.context(lead, language=language, locale=locale, now=now)},
    )


def _export(message: Message, *, language: str, locale: str, now: datetime) -> Spoken:
    token = tokens.export(contact_id=message.contact_id, message_id=message.pk)
    return Spoken(path=reverse("retarget_plugin:export", args=[token]), days=conf.settings.EXPORT_DAYS, values={})


def _preferences(message: Message, *, language: str, locale: str, now: datetime) -> Spoken:
    path = reverse("retarget_plugin:preferences", args=[tokens.preferences(contact_id=message.contact_id)])
    return Spoken(path=path, days=conf.settings.PREFERENCES_DAYS, values={})


def _note(message: Message, *, language: str, locale: str, now: datetime) -> Spoken:
    """What a flow tells the shop's own customer service; of the person no more than lists show."""
    run = FlowRun.objects.select_related("flow", "version", "contact").filter(pk=message.context.get("run")).first()
    steps = run.version.parsed.steps if run else ()
    step = next((one for one in steps if one.key == message.context.get("step") and isinstance(one, NotifyStep)), None)
    if run is None or step is None:
        raise TemplateError("the step it belongs to is gone", part=message.template)
    try:
        path = reverse("admin:retarget_plugin_contact_change", args=[run.contact_id])
    except NoReverseMatch:
        # A shop need not have Django's admin.
        path = "/"
    note = {"subject": _in_language(step.subject, language), "text": _in_language(step.text, language)}
    note |= {"flow": run.flow.name, "person": run.contact.masked}
    return Spoken(path=path, days=0, values={"note": note})


def _in_language(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or texts.get("en") or next(iter(texts.values()))


TEMPLATES: Mapping[str, Callable[..., Spoken]] = {
    "confirm": _confirm,
    "magnet": _magnet,
    "export": _export,
    "preferences_link": _preferences,
    "help": _preferences,
    "note": _note,
}


def _leads(message: Message, name: str) -> Any:
    """The leads that `message.context` names, as one id or a list of them, as long as they are still this contact's."""
    given = message.context.get(name, ())
    keys = given if isinstance(given, list) else [given] if given else []
    leads = Lead.objects.filter(pk__in=keys, contact_id=message.contact_id)
    return leads.select_related("shop", "contact", "form", "magnet").order_by("pk")


@cache
def _compiled(template: str) -> dict[str, Any]:
    """{channel: compiled message}. Compiled once a process: the texts are part of the installed package."""
    file = resources.files("retarget_plugin").joinpath("templates", "retarget_plugin", "letters", f"{template}.json")
    return content.compile_messages(json.loads(file.read_text("utf-8")), layouts.shipped())
