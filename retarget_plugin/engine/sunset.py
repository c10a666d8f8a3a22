"""The end of messages to those from whom nothing has come back for long, and the word by which they stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from retarget_plugin.domain.vocabulary import Channel, Exit, Purpose, SuppressionReason
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, Suppression

from . import consent, runs, tokens


@dataclass(frozen=True)
class Kept:
    """`is_on`: whether marketing e-mails go on. They do not where the person said no to them."""

    contact: Contact
    is_on: bool


def contact_of(token: str) -> Contact:
    """Whom the token of a message lets stay. Raises Refusal("bad_token")."""
    found = tokens.read_keep(token)
    contact = Contact.objects.select_related("shop", "merged_into__shop").filter(pk=found.contact_id).first()
    contact = contact.merged_into or contact if contact else None
    if contact is None or contact.erased_at:
        raise Refusal("bad_token")
    return contact


def keep(token: str, *, now: datetime) -> Kept:
    """Its reader wants to stay: the asking ends, and what it has stopped goes on. Twice is as good as once.

    It is no new grant: whoever has said no since stays unsubscribed. Raises Refusal("bad_token").
    """
    contact = contact_of(token)
    with transaction.atomic():
        wake(contact, channel=Channel.EMAIL)
        runs.leave_on(contact.pk, Exit.KEEP, at=now, now=now)
    has_said_no = consent.is_suppressed(contact.shop, channel=Channel.EMAIL, address=contact.email)
    return Kept(contact, is_on=not has_said_no and consent.allows(contact, Purpose.MARKETING, channel=Channel.EMAIL))


def wake(contact: Contact, *, channel: str) -> None:
    """Let `channel` go on, where nothing but silence has ended it."""
    addresses = filter(None, (consent.address_of(contact, channel) for channel in Channel))
    keys = [key for address in addresses for key in consent.suppression_keys(address)]
    ended = Suppression.objects.filter(shop=contact.shop_id, key__in=keys, reason=SuppressionReason.UNENGAGED)
    ended.filter(channel=channel).delete()
