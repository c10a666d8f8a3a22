"""What people allowed: recorded as evidence, readable as today's state, and overruled by suppressions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from retarget_plugin import signals
from retarget_plugin.domain.vocabulary import Channel, ConsentState, Purpose, SuppressionReason
from retarget_plugin.models import Consent, ConsentRecord, Contact, Message, Shop, Suppression

#: Weakest first: a person's own new yes lifts only the weakest.
_STRENGTH = [
    SuppressionReason.UNSUBSCRIBED,
    SuppressionReason.BOUNCED,
    SuppressionReason.STOPPED,
    SuppressionReason.COMPLAINED,
    SuppressionReason.ERASED,
]


def grant(
    contact: Contact,
    *,
    channel: str,
    purpose: str = Purpose.MARKETING,
    source: str,
    wording: str = "",
    wording_version: str = "",
    proof: Mapping[str, Any] | None = None,
    now: datetime,
) -> Consent:
    """Record that `contact` said yes to `purpose` on `channel`. A person's own new yes lifts their own earlier stop."""
    consent = _record(
        contact,
        channel=channel,
        purpose=purpose,
        state=ConsentState.GRANTED,
        source=source,
        wording=wording,
        wording_version=wording_version,
        proof=proof,
        now=now,
    )
    if purpose == Purpose.MARKETING and (address := address_of(contact, channel)):
        Suppression.objects.filter(
            shop_id=contact.shop_id,
            channel=channel,
            key__in=suppression_keys(address),
            reason=SuppressionReason.UNSUBSCRIBED,
        ).delete()
    return consent


def withdraw(
    contact: Contact, *, channel: str, purpose: str = Purpose.MARKETING, source: str, now: datetime
) -> Consent:
    """Record that `contact` said no. Effective at once: the final gate reads this state."""
    return _record(contact, channel=channel, purpose=purpose, state=ConsentState.WITHDRAWN, source=source, now=now)


def suppress(shop: Shop, *, channel: str, address: str, reason: str, now: datetime) -> None:
    """Never use `address` on `channel` for `shop` again. Of several reasons the strongest stands, whichever came first."""
    if not address:
        return
    keys = suppression_keys(address)
    Suppression.objects.get_or_create(shop=shop, channel=channel, key=keys[0], defaults={"reason": reason, "at": now})
    weaker = _STRENGTH[: _STRENGTH.index(SuppressionReason(reason))]
    rows = Suppression.objects.filter(shop=shop, channel=channel, key__in=keys)
    rows.filter(reason__in=weaker).update(reason=reason)


def is_suppressed(shop: Shop, *, channel: str, address: str) -> bool:
    return Suppression.objects.filter(shop=shop, channel=channel, key__in=suppression_keys(address)).exists()


def unsubscribe(contact_id: int, *, channel: str, message_id: int | None, source: str, now: datetime) -> Contact | None:
    """End marketing on `channel` for a contact, by its own wish. Twice is as good as once; None when it is unknown."""
    contact = Contact.objects.select_related("shop", "merged_into__shop").filter(pk=contact_id).first()
    # An old message names who was merged since; the wish is the person's, wherever the address went.
    contact = contact.merged_into or contact if contact else None
    if contact is None or channel not in list(Channel):
        return None
    state = Consent.objects.filter(contact=contact, channel=channel, purpose=Purpose.MARKETING).first()
    if state is not None and state.state == ConsentState.WITHDRAWN:
        return contact
    with transaction.atomic():
        withdraw(contact, channel=channel, source=source, now=now)
        if address := address_of(contact, channel):
            suppress(contact.shop, channel=channel, address=address, reason=SuppressionReason.UNSUBSCRIBED, now=now)
        if message_id:
            Message.objects.filter(pk=message_id, shop=contact.shop, unsubscribed_at=None).update(unsubscribed_at=now)
        signals.emit(signals.contact_unsubscribed, sender=Contact, contact=contact.pk, channel=channel)
    return contact


def address_of(contact: Contact, channel: str) -> str:
    """Where `channel` reaches the contact, or ""."""
    return contact.phone if channel == Channel.SMS else contact.email


def suppression_keys(address: str) -> list[str]:
    """Keyed hashes of a normalised address, today's key first: useless without SECRET_KEY, so a stolen table names nobody.

    Keys in SECRET_KEY_FALLBACKS still match, so that rotating the key forgets nobody's objection.
    """
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac("retarget_plugin.suppression.v1", address.lower(), secret=secret, algorithm="sha256").hexdigest()
        for secret in secrets
    ]


def _record(
    contact: Contact,
    *,
    channel: str,
    purpose: str,
    state: str,
    source: str,
    wording: str = "",
    wording_version: str = "",
    proof: Mapping[str, Any] | None = None,
    now: datetime,
) -> Consent:
    with transaction.atomic():
        record = ConsentRecord.objects.create(
            shop_id=contact.shop_id,
            contact=contact,
            channel=channel,
            purpose=purpose,
            state=state,
            wording=wording,
            wording_version=wording_version[:40],
            source=source[:200],
            proof=dict(proof or {}),
            at=now,
        )
        consent, _created = Consent.objects.update_or_create(
            contact=contact,
            channel=channel,
            purpose=purpose,
            defaults={"state": state, "record": record, "changed_at": now},
        )
    return consent
