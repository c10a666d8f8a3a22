"""The owner's departures from a country's rules: made with a reason, ended, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from retarget_plugin.domain.vocabulary import Channel, Waiver
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Override, Shop


def make(shop: Shop, *, country: str, channel: str, waiver: str, reason: str, by: Any, now: datetime) -> Override:
    """Waive one rule of `country` (ISO 3166) for `channel`. `by`: the user who answers for it, None for a command.

    Raises Refusal("no_reason") without a reason, Refusal("in_force") when the same waiver already counts, and ValueError
    for a channel or a waiver that there is none of.
    """
    if not reason.strip():
        raise Refusal("no_reason")
    facts = {"shop": shop, "country": country.upper(), "channel": Channel(channel), "waiver": Waiver(waiver)}
    try:
        with transaction.atomic():
            return Override.objects.create(**facts, reason=reason.strip(), made_by=by, made_at=now)
    except IntegrityError as error:
        raise Refusal("in_force") from error


def end(override: Override, *, by: Any, now: datetime) -> bool:
    """The country's own rule counts again. False when the override had ended before."""
    ended = Override.objects.filter(pk=override.pk, ended_at=None).update(ended_at=now, ended_by=by)
    override.refresh_from_db()
    return bool(ended)
