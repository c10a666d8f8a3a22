"""What a flow does besides sending: tags, calls to other systems, notes to the shop, an end to a channel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from retarget_plugin.domain.contacts import normalize_email
from retarget_plugin.domain.steps import Act, NotifyStep, SuppressStep, TagStep, WebhookStep
from retarget_plugin.domain.vocabulary import Channel, Reason, SuppressionReason
from retarget_plugin.models import Contact, FlowRun

from . import consent, decisions, notices, webhooks

#: How long a note to the shop is worth sending.
NOTE_WITHIN = timedelta(days=3)
MOST_TAGS = 100


def do(run: FlowRun, step: Act, *, now: datetime) -> None:
    """What `step` says, in the transaction in which the run goes on: all or nothing. Nothing leaves before its commit."""
    if isinstance(step, TagStep):
        code, facts = Reason.TAGGED, _tag(run, step)
    elif isinstance(step, WebhookStep):
        code, facts = Reason.CALLED_OUT, webhooks.queue(run, step, now=now)
    elif isinstance(step, SuppressStep):
        code, facts = Reason.CHANNEL_ENDED, _suppress(run, step, now=now)
    else:
        code, facts = Reason.SHOP_NOTIFIED, _notify(run, step, now=now)
    decisions.about_run(run, code, now=now, step=step.key, facts=facts)


def _tag(run: FlowRun, step: TagStep) -> Mapping[str, Any]:
    contact = Contact.objects.select_for_update(no_key=True).get(pk=run.contact_id)
    tags = sorted((set(contact.tags) - set(step.remove)) | set(step.add))[:MOST_TAGS]
    Contact.objects.filter(pk=contact.pk).update(tags=tags)
    return {"add": list(step.add), "remove": list(step.remove)}


def _suppress(run: FlowRun, step: SuppressStep, *, now: datetime) -> Mapping[str, Any]:
    address = consent.address_of(run.contact, step.channel)
    consent.suppress(run.shop, channel=step.channel, address=address, reason=SuppressionReason.UNENGAGED, now=now)
    return {"channel": step.channel.value}


def _notify(run: FlowRun, step: NotifyStep, *, now: datetime) -> Mapping[str, Any]:
    """A service mail to the shop's own customer service, which is a contact like any other."""
    address = normalize_email(run.shop.support_email or run.shop.reply_to)
    if not address:
        return {"to": ""}
    desk, _is_new = Contact.objects.get_or_create(
        shop_id=run.shop_id, email=address, defaults={"locale": run.shop.locale, "created_at": now}
    )
    context = {"run": run.pk, "step": step.key}
    told = notices.queue(
        run.shop, desk, channel=Channel.EMAIL, template="note", context=context, within=NOTE_WITHIN, now=now
    )
    return {"message": told.pk if told else None}
