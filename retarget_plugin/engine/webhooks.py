"""Webhooks out: what a flow has to tell another system, from a row to its answer. No network inside a transaction."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from retarget_plugin import conf
from retarget_plugin.channels import rehearsal
from retarget_plugin.channels import webhooks as channel
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.steps import WebhookStep
from retarget_plugin.models import FlowRun, WebhookCall
from retarget_plugin.models.claims import claim

from . import installation

#: How long after each failed try the next one comes; after the last of them nobody is asked again.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
#: Calls taken at once, and the seconds one round may take: whoever answers slowly holds up the rest of a tick no longer.
AT_ONCE, ROUND_SECONDS = 50, 10.0
LEASE = timedelta(minutes=5)
GONE = 410


def queue(run: FlowRun, step: WebhookStep, *, now: datetime) -> Mapping[str, Any]:
    """Write down that `step`'s address is to be told about `run`; asked twice, the same call. Answers facts about it."""
    call, _is_new = WebhookCall.objects.get_or_create(
        run=run,
        step=step.key,
        defaults={
            "shop_id": run.shop_id,
            "contact_id": run.contact_id,
            "url": step.url,
            "created_at": now,
            "due_at": now,
        },
    )
    return {"webhook": call.pk, "host": urlsplit(step.url).hostname}


def send(*, now: datetime) -> Counter[str]:
    """Make the calls that are due; answers how many were answered, put off, or given up.

    A worker that is lost leaves a call that is due again after its lease: the other side tells it by its id.
    """
    tally: Counter[str] = Counter()
    if installation.is_halted() or rehearsal.is_on() or not conf.settings.WEBHOOK_SECRET:
        return tally
    due = WebhookCall.objects.filter(due_at__lte=now).order_by("due_at", "pk")
    taken = claim(due, limit=AT_ONCE, stamp="due_at", due_at=now + LEASE)
    calls = WebhookCall.objects.filter(pk__in=[call.pk for call in taken], due_at=now + LEASE)
    began, silent = time.monotonic(), set[str]()
    for call in calls.select_related("shop", "contact", "run__flow", "run__cart").order_by("pk"):
        host = urlsplit(call.url).netloc
        if host in silent or time.monotonic() - began > ROUND_SECONDS:
            # Not its fault: it is no try, and due again with the next round.
            _settle(call, due_at=now, attempts_made=call.attempts_made)
            continue
        word = _call(call, now=now)
        tally[word] += 1
        if word == "put_off":
            silent.add(host)
    return tally


def _call(call: WebhookCall, *, now: datetime) -> str:
    if call.contact.erased_at:
        return _give_up(call, "erased", now=now)
    answer = channel.post(call.url, _document(call), key=str(call.key), secret=conf.settings.WEBHOOK_SECRET, now=now)
    detail = (answer.code or answer.kind) if isinstance(answer, Outcome) else str(answer.status)
    if not isinstance(answer, Outcome) and 200 <= answer.status < 300:
        _settle(call, due_at=None, answered_at=now, detail=detail)
        return "answered"
    is_gone = not isinstance(answer, Outcome) and answer.status == GONE
    if is_gone or call.attempts_made >= len(PAUSES):
        return _give_up(call, detail, now=now)
    _settle(call, due_at=now + PAUSES[call.attempts_made], detail=detail)
    return "put_off"


def _give_up(call: WebhookCall, detail: str, *, now: datetime) -> str:
    _settle(call, due_at=None, given_up_at=now, detail=detail)
    return "given_up"


def _settle(call: WebhookCall, **changes: Any) -> None:
    """Unless another worker has taken it over meanwhile."""
    values = {"attempts_made": call.attempts_made + 1, **changes}
    WebhookCall.objects.filter(pk=call.pk, due_at=call.due_at).update(**values)


def _document(call: WebhookCall) -> dict[str, Any]:
    """What the other side is told, as the rows stand now."""
    run, contact = call.run, call.contact
    return {
        "type": "flow.step",
        "timestamp": call.created_at.isoformat(),
        "data": {
            "shop": call.shop.scope or call.shop.name,
            "flow": run.flow.slug,
            "step": call.step,
            "run": run.pk,
            "entered_at": run.entered_at.isoformat(),
            "cart": run.cart.reference if run.cart else None,
            "about": dict(run.data),
            "contact": {
                "id": contact.pk,
                "email": contact.email,
                "phone": contact.phone,
                "language": contact.locale,
                "tags": list(contact.tags),
            },
        },
    }
