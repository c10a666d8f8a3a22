"""Messages that were handed to a provider, without the flow that led to them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from retarget_plugin.domain.messages import DeliveryEvent
from retarget_plugin.models import Attempt, Contact, Message, Shop
from retarget_plugin.testing import build_contact

GATEWAY = "default"


def hand_over(shop: Shop, *, now: datetime, contact: Contact | None = None, **changes: Any) -> Message:
    """A message whose attempt began at `now`; an accepted e-mail unless `changes` say otherwise."""
    contact = contact or build_contact(shop, now=now, channels=("email", "sms"))
    message = Message.objects.create(
        **{
            "shop": shop,
            "contact": contact,
            "step": "reminder",
            "channel": "email",
            "state": "accepted",
            "fence": 1,
            "attempts_made": 1,
            "gateway": GATEWAY,
            "key": uuid.uuid4(),
            "due_at": now,
            "not_after": now + timedelta(hours=4),
            "created_at": now,
            "sent_at": now,
            **changes,
        }
    )
    Attempt.objects.create(message=message, fence=1, gateway=message.gateway, started_at=now)
    return message


def event(message: Message, kind: str, **facts: Any) -> DeliveryEvent:
    """A report about `message` by our own id."""
    return DeliveryEvent(kind=kind, message_id=str(message.pk), **facts)
