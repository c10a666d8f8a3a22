"""Watches: something has happened that a flow waits for. Noted where it happens, looked at by the tick (`triggers.sweep`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, QuerySet

from retarget_plugin.domain.occasions import Occasion
from retarget_plugin.domain.vocabulary import FlowState, Trigger
from retarget_plugin.models import Contact, Flow, Shop, Watch

#: What a browser tells may lead to.
BROWSING = (Trigger.PRODUCT_VIEWED, Trigger.SITE_LEFT, Trigger.CUSTOM_EVENT)
#: What comes about by itself, by nothing having happened: everyone in the shop is looked at in their time.
SILENCES = (Trigger.NO_ORDER, Trigger.NO_VISIT, Trigger.UNENGAGED)


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """Look at `subject` at `due_at`, for flows with this trigger. `contact`: whose it is, where that is one person."""

    trigger: Trigger
    subject: str
    due_at: datetime
    contact: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What came of a look: who may enter by which occasion, and when to look again; None: there is nothing more to see."""

    watch: Watch
    entries: Sequence[tuple[Contact, Occasion]] = ()
    again: datetime | None = None


def awaited(shop: Any, triggers: Iterable[Trigger]) -> Exists:
    """The condition that a flow of `shop` (a value, or an OuterRef) waits for one of `triggers`: costs no statement."""
    return Exists(_waiting(shop=shop).filter(trigger__in=list(triggers)))


def note(shop: Shop, sightings: Sequence[Sighting], *, now: datetime) -> int:
    """Have the flows of `shop` that wait for one of these look. One statement where none does, two otherwise."""
    return _note(_waiting(shop=shop), sightings, now=now)


def note_of(host: str, scope: str, sightings: Sequence[Sighting], *, now: datetime) -> int:
    """`note` for the shop that a host calls `scope`, in as many statements."""
    return _note(_waiting(shop__host=host, shop__scope=scope), sightings, now=now)


def _waiting(**whose: Any) -> QuerySet[Flow]:
    return Flow.objects.filter(**whose, state=FlowState.ON)


def _note(flows: QuerySet[Flow], sightings: Sequence[Sighting], *, now: datetime) -> int:
    """What is noted again is due anew, and stays even if somebody is looking at it this moment."""
    if not sightings:
        return 0
    waiting = flows.filter(trigger__in={sighting.trigger for sighting in sightings}).values_list("pk", "trigger")
    rows = {
        (flow, sighting.subject): Watch(
            flow_id=flow,
            contact_id=sighting.contact,
            subject=sighting.subject[:140],
            data=dict(sighting.data),
            due_at=sighting.due_at,
            noted_at=now,
        )
        for flow, trigger in waiting
        for sighting in sightings
        if sighting.trigger == trigger
    }
    return keep([rows[key] for key in sorted(rows)])


def keep(rows: Sequence[Watch]) -> int:
    """Write `rows` in one statement, in the order given; one that is there already takes over what is new."""
    if rows:
        changing = ["contact", "data", "due_at", "noted_at"]
        Watch.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["flow", "subject"], update_fields=changing
        )
    return len(rows)


def named(watches: Iterable[Watch], noun: str) -> dict[int, Watch]:
    """Id -> watch, of those whose subject is a `noun`: "order:9" is 9. One of another noun, which an earlier version of the
    flow waited for, is left out."""
    found = {}
    for watch in watches:
        kind, _colon, number = watch.subject.partition(":")
        if kind == noun and number.isdecimal():
            found[int(number)] = watch
    return found


def people(ids: Iterable[int]) -> dict[int, Contact]:
    """Who stands behind each id today: not who was erased, and whom somebody was merged into. One query."""
    rows = Contact.objects.select_related("merged_into").filter(pk__in=set(ids))
    found = {row.pk: row.merged_into or row for row in rows}
    return {pk: contact for pk, contact in found.items() if contact.erased_at is None}
