"""Service messages: what somebody has just asked for, by the same outbox as everything else."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from retarget_plugin.domain.vocabulary import MessageKind, Reason
from retarget_plugin.models import Contact, Message, Shop

from . import consent, decisions


def queue(
    shop: Shop,
    contact: Contact,
    *,
    channel: str,
    template: str,
    context: Mapping[str, Any],
    within: timedelta,
    now: datetime,
) -> Message | None:
    """The message written from the shipped `template`, due at once; None when `channel` does not reach `contact`.

    `template`: "confirm", "magnet", "export", "preferences_link", "help" or "note" (see `engine.letters`). `context`: ids of what
    it speaks of, as JSON. It is not sent any more once `within` has passed. Every call is one more message: the caller
    keeps count.
    """
    if contact.erased_at or contact.merged_into_id or not consent.address_of(contact, channel):
        return None
    message = Message.objects.create(
        shop=shop,
        contact=contact,
        kind=MessageKind.SERVICE,
        template=template,
        context=dict(context),
        step=template,
        channel=channel,
        due_at=now,
        not_after=now + within,
        key=uuid.uuid4(),
        created_at=now,
    )
    decisions.about_message(message, Reason.QUEUED, now=now, facts={"due_at": now.isoformat()})
    return message
