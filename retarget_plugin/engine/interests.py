"""Interests: what contacts read and take, kept as one fading score a topic."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from retarget_plugin.domain import interests as rules
from retarget_plugin.models import Contact


def add(contact_id: int, acts: Iterable[rules.Act], *, now: datetime) -> None:
    """Count `acts` of a contact. Workers who do so at the same time lose nothing of each other; nothing to count is free."""
    counted = [act for act in acts if act.topic and act.name in rules.WEIGHTS]
    if not counted:
        return
    with transaction.atomic():
        rows = Contact.objects.select_for_update(no_key=True, of=("self",))
        row = rows.filter(pk=contact_id, erased_at=None).first()
        if row is None:
            return
        row.interests = rules.add(row.interests, counted, now=now)
        row.save(update_fields=["interests"])
