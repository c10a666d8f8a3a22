"""What people do with what they were sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from retarget_plugin.domain.machines import is_machine
from retarget_plugin.models import Click, Message

from . import links


def click(code: str, *, user_agent: str, method: str, headers: Mapping[str, str], now: datetime) -> str | None:
    """Where the short code leads, or None when it leads nowhere. The click is kept; only a person's counts.

    `headers`: names in lower case. Following a link changes nothing else: not the cart, not consent, not who is who.
    """
    link = links.find(code, now=now)
    if link is None:
        return None
    message = link.message
    since_sent = now - message.sent_at if message and message.sent_at else None
    is_human = not is_machine(user_agent=user_agent, method=method, headers=headers, since_sent=since_sent)
    with transaction.atomic():
        Click.objects.create(link=link, at=now, is_human=is_human)
        if is_human and message:
            Message.objects.filter(pk=message.pk, clicked_at=None).update(clicked_at=now)
    return link.destination
