"""Lead forms: which a page shows, and what becomes of a submission."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import translation
from django.utils.translation import gettext as _

from retarget_plugin import conf
from retarget_plugin.domain import contexts
from retarget_plugin.domain import leads as rules
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.leads import Ask, ConsentBox, Field, FormView, Problem, Show
from retarget_plugin.domain.preferences import said
from retarget_plugin.domain.vocabulary import Channel, Purpose
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, DailyCount, Lead, LeadForm, Preference, Shop, Visitor

from . import allowances, contacts, optin, visitors

logger = logging.getLogger("retarget_plugin.leads")

HOUR = timedelta(hours=1)
#: How long a lead that could not be worked on rests.
LATER = timedelta(minutes=5)
#: Leads worked on in one tick.
BATCH = 200


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """`errors`: field name -> what to do about it, in the language of `form`, which is what was filled in."""

    form: FormView
    ok: bool
    message: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """What came of a form: how often people were shown it, sent it, and proved their address."""

    shown: int = 0
    submitted: int = 0
    confirmed: int = 0


# -- shown ------------------------------------------------------------------------------------------------------------


def forms_for(shop: Shop, *, path: str, topic: str, language: str, now: datetime) -> list[FormView]:
    """The forms that belong on the page at `path`, about `topic`, in `language` or the nearest one written."""
    rows = LeadForm.objects.filter(shop=shop, is_on=True).select_related("shop").order_by("pk")
    shown = [row for row in rows if rules.is_shown(row.paths, row.topic, path=path, page_topic=topic)]
    questions = _questions(shop, shown)
    views = (_view(row, questions, language=language) for row in shown)
    return [view for view in views if view is not None]


def form(shop: Shop, slug: str, *, language: str) -> FormView:
    """One form that is on. Raises Refusal("unknown_form")."""
    return _form(shop, slug, language=language)[1]


def preview(row: LeadForm, *, language: str) -> FormView | None:
    """`row` as it would be shown, on or off; None while it is written in no language."""
    return _view(row, _questions(row.shop, [row]), language=language)


def _form(shop: Shop, slug: str, *, language: str) -> tuple[LeadForm, FormView]:
    row = LeadForm.objects.select_related("shop").filter(shop=shop, slug=slug, is_on=True).first()
    view = _view(row, _questions(shop, [row]), language=language) if row else None
    if row is None or view is None:
        raise Refusal("unknown_form")
    return row, view


def _questions(shop: Shop, rows: Iterable[LeadForm]) -> dict[str, Preference]:
    """Every declared preference that one of `rows` asks for, in one query, or none."""
    slugs = {slug for row in rows for slug in row.preferences}
    if not slugs:
        return {}
    return {found.slug: found for found in Preference.objects.filter(shop=shop, slug__in=slugs, is_active=True)}


def _view(row: LeadForm, questions: Mapping[str, Preference], *, language: str) -> FormView | None:
    written = rules.written_languages(row.texts)
    if not written:
        return None
    spoken = contexts.choose_language([language, row.shop.locale], written)
    words = {name: str(text or "") for name, text in row.texts[spoken].items()}
    boxes = tuple(
        ConsentBox(channel=channel, purpose=Purpose.MARKETING, label=label, version=row.wording_version)
        for channel in row.consents
        if (label := words.get(f"consent_{channel}", ""))
    )
    return FormView(
        slug=row.slug,
        kind=row.kind,
        language=spoken,
        **{name: words.get(name, "") for name in rules.WORDS},
        fields=tuple(_fields(row, questions, language=spoken)),
        consents=boxes,
        needs_tick=bool(boxes) and (row.is_bundled or row.magnet_id is None),
        show=Show(
            after_seconds=row.after_seconds,
            scroll_percent=row.scroll_percent,
            on_exit=row.on_exit,
            devices=row.devices,
            every_days=row.every_days,
        ),
    )


def _fields(row: LeadForm, questions: Mapping[str, Preference], *, language: str) -> Iterable[Field]:
    with translation.override(language):
        labels = {
            "first_name": ("text", _("First name"), row.first_name),
            "email": ("email", _("E-mail address"), row.email),
            "phone": ("tel", _("Mobile number"), row.phone),
        }
    for name, (kind, label, ask) in labels.items():
        if ask != Ask.NO:
            yield Field(name=name, type=kind, label=label, required=ask == Ask.REQUIRED)
    for slug in row.preferences:
        if question := questions.get(slug):
            yield Field(
                name=slug,
                type="choices" if question.takes_several else "choice",
                label=said(question.labels, language, otherwise=slug),
                options=tuple(
                    {"value": option["value"], "label": said(option["labels"], language, otherwise=option["value"])}
                    for option in question.options
                ),
            )


# -- submitted --------------------------------------------------------------------------------------------------------


def submit(
    shop: Shop,
    slug: str,
    data: Mapping[str, Any],
    *,
    visitor: Visitor | None,
    address: str,
    language: str,
    page: str,
    now: datetime,
) -> Submitted:
    """Store what somebody typed. Known, unknown and suppressed people get the same answer, after the same work.

    Nothing is looked up here: who it is and what to ask them is `ask`'s, in the next tick. `address` is the network it
    came from. Raises Refusal: "unknown_form", or "too_many" when that network has sent FORMS_PER_HOUR.
    """
    row, view = _form(shop, slug, language=language)
    if not allowances.take("lead forms", address, most=conf.settings.FORMS_PER_HOUR, within=HOUR, now=now):
        raise Refusal("too_many")
    found = rules.read(view, data, country=shop.country)
    if found.problems:
        with translation.override(view.language):
            return Submitted(
                form=view, ok=False, errors={name: _advice(problem) for name, problem in found.problems.items()}
            )
    if not data.get(rules.HONEYPOT):
        _store(row, view, found, visitor=visitor, page=page, now=now)
    return Submitted(form=view, ok=True, message=view.done)


def _store(
    row: LeadForm, view: FormView, found: rules.Submission, *, visitor: Visitor | None, page: str, now: datetime
) -> None:
    visitor = visitor if visitor and visitor.shop_id == row.shop_id else None
    with transaction.atomic():
        if visitor:
            visitors.claim(visitor, email=found.email, phone=found.phone, source=f"form {row.slug}", now=now)
        Lead.objects.create(
            shop_id=row.shop_id,
            form=row,
            magnet_id=row.magnet_id,
            visitor=visitor,
            email=found.email,
            phone=found.phone,
            first_name=found.first_name,
            answers=dict(found.answers),
            consents=[
                {"channel": box.channel, "purpose": box.purpose, "wording": box.label, "version": box.version}
                for box in found.ticked
            ],
            language=view.language,
            page=contexts.clean_text(page, rules.PATH_LIMIT) or "",
            created_at=now,
            due_at=now,
        )


def _advice(problem: Problem) -> str:
    return {
        Problem.MISSING: _("Please fill this in."),
        Problem.BAD_EMAIL: _("Please enter a complete e-mail address, such as name@example.com."),
        Problem.BAD_PHONE: _("Please enter a mobile number, such as +33 6 12 34 56 78."),
        Problem.BAD_NAME: _("Please enter a name, without links or digits."),
        Problem.BAD_CHOICE: _("Please choose one of the answers."),
        Problem.NOT_TICKED: _("Please tick this box if you agree; without it there is nothing we could send you."),
    }[problem]


# -- asked ------------------------------------------------------------------------------------------------------------


def ask(now: datetime) -> int:
    """Ask the people behind new leads whether it was them; answers for how many that was done.

    A lead that fails rests for a while and holds up no other.
    """
    due = Lead.objects.filter(due_at__lte=now).order_by("due_at", "pk").values_list("pk", flat=True)
    return sum(_ask_safely(pk, now=now) for pk in list(due[:BATCH]))


def _ask_safely(pk: int, *, now: datetime) -> bool:
    try:
        with transaction.atomic():
            rows = Lead.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            lead = rows.filter(pk=pk, due_at__lte=now).first()
            if lead is None:
                return False
            _ask(lead, now=now)
            return True
    except Exception:
        logger.exception("lead %s could not be worked on; it is tried again later", pk)
        Lead.objects.filter(pk=pk, due_at__isnull=False).update(due_at=now + LATER)
        return False


def _ask(lead: Lead, *, now: datetime) -> None:
    """Find the people and ask each of them once for everything that was ticked.

    An address and a number typed side by side are two people until both have said otherwise.
    """
    own = Channel.EMAIL if lead.email else Channel.SMS
    people = {channel: _person(lead, channel, now=now) for channel in {own, *(box["channel"] for box in lead.consents)}}
    lead.contact, lead.due_at = people[own], None
    lead.save(update_fields=["contact", "due_at"])
    # Where no box of its own channel was ticked, the address is to be proven and nothing else.
    boxes = [*lead.consents]
    if all(box["channel"] != own for box in boxes):
        boxes.append({"channel": own, "purpose": "", "wording": "", "version": ""})
    for box in boxes:
        if person := people[box["channel"]]:
            optin.request(
                person,
                channel=box["channel"],
                purpose=box["purpose"],
                source=f"form {lead.form.slug}" if lead.form else "form",
                wording=box["wording"],
                wording_version=box["version"],
                lead=lead,
                now=now,
            )


def _person(lead: Lead, channel: str, *, now: datetime) -> Contact | None:
    """Who is reached at what was typed for `channel`, made when they are new; of somebody known nothing else is noted."""
    email, phone = ("", lead.phone) if channel == Channel.SMS else (lead.email, "")
    if not (email or phone):
        return None
    typed = Identity(email=email, phone=phone, locale=lead.language)
    known = contacts.find(lead.shop, email=email, phone=phone)
    return known or contacts.resolve(lead.shop, typed, is_own_act=True, now=now)


# -- forgotten --------------------------------------------------------------------------------------------------------


def purge_unconfirmed(before: datetime, *, limit: int = 1_000) -> int:
    """Delete leads from before `before` that nobody confirmed, and whoever is known from nothing else.

    Answers how many leads; at most `limit`, so that no lock is held for long.
    """
    with transaction.atomic():
        old = Lead.objects.filter(confirmed_at=None, created_at__lt=before).order_by("created_at")[:limit]
        found = list(old.values_list("pk", "contact_id"))
        Lead.objects.filter(pk__in=[pk for pk, _contact in found]).delete()
        contacts.strangers([contact for _pk, contact in found if contact]).delete()
    return len(found)


# -- counted ----------------------------------------------------------------------------------------------------------


def figures(rows: Iterable[LeadForm], *, since: datetime, until: datetime) -> dict[int, Figures]:
    """Figures of [since, until) by form id, in two queries for all `rows`. Showings are counted by whole days (UTC)."""
    forms = {row.showings: row.pk for row in rows}
    days = {"day__gte": since.date(), "day__lte": until.date()}
    counts = DailyCount.objects.filter(name__in=list(forms), **days).values_list("name").annotate(Sum("people"))
    shown = {forms[name]: people for name, people in counts.order_by()}
    sent = Lead.objects.filter(form__in=list(forms.values()), created_at__gte=since, created_at__lt=until)
    taken = {
        form: (submitted, confirmed)
        for form, submitted, confirmed in sent.order_by()
        .values_list("form")
        .annotate(Count("pk"), Count("confirmed_at"))
    }
    return {pk: Figures(shown.get(pk, 0), *taken.get(pk, (0, 0))) for pk in forms.values()}
