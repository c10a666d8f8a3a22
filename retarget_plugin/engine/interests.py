"""Interests: what contacts read, take, follow and buy, kept as one fading score a topic."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from retarget_plugin.domain import interests as rules
from retarget_plugin.models import Contact, Event

from . import consent


def shown_by(events: Iterable[Event]) -> list[rules.Act]:
    """What of `events`, as pages told them, shows an interest: in the topic of the page, or the category of the product."""
    told = (event for event in events if event.name in rules.TOLD)
    return [rules.Act(event.name, rules.topic_of_event(event.topic, event.data), event.at) for event in told]


def add(contact_id: int, acts: Iterable[rules.Act], *, now: datetime) -> None:
    """Count `acts` of a contact, unless it objects to profiles or is gone. Nothing to count is free.

    Workers who do so at the same time lose nothing of each other.
    """
    counted = [act for act in acts if act.topic and act.name in rules.WEIGHTS]
    if not counted:
        return
    with transaction.atomic():
        rows = Contact.objects.select_for_update(no_key=True, of=("self",))
        row = consent.profiled(rows.filter(pk=contact_id, erased_at=None)).first()
        if row is None:
            return
        row.interests = rules.add(row.interests, counted, now=now)
        row.save(update_fields=["interests"])
