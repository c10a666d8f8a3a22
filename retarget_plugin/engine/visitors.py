"""Who a browser is: met when it allows it, known when somebody proves who they are in it, ended when they leave."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.module_loading import import_string

from retarget_plugin import conf
from retarget_plugin.domain import contacts as rules
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.interests import TOLD, Act
from retarget_plugin.domain.partners import Partner
from retarget_plugin.domain.vocabulary import Channel, ConsentState, Purpose
from retarget_plugin.models import Claim, Consent, Contact, Event, Shop, Visitor

from . import consent, contacts, interests, sightings

KEY_BYTES = 32
KEY_LENGTH = 43
#: Claims kept for one visitor and channel. A browser in which more addresses are typed is no person's.
MAX_CLAIMS = 5
#: Of what was read before it was known who reads, so much counts at the most.
MAX_ACTS = 200
#: A visit is written down at most so often.
SEEN_EVERY = timedelta(minutes=5)


def find(key: str) -> Visitor | None:
    """The visitor with this cookie, unless it has ended. Anything that is no key of ours is nobody's."""
    if len(key) != KEY_LENGTH or not key.isascii() or not key.replace("-", "").replace("_", "").isalnum():
        return None
    return Visitor.objects.select_related("shop", "contact").filter(key=key, ended_at=None).first()


def meet(shop: Shop, *, grant: Grant, now: datetime) -> Visitor:
    """A new, anonymous visitor, with what its browser allowed as evidence."""
    key = secrets.token_urlsafe(KEY_BYTES)
    with transaction.atomic():
        visitor = Visitor.objects.create(shop=shop, key=key, first_seen_at=now, last_seen_at=now)
        consent.grant_visitor(
            visitor, purposes=grant.purposes, wording_version=grant.wording, source=grant.source, now=now
        )
    return visitor


def see(visitor: Visitor, *, now: datetime) -> None:
    """Note that the visitor is here. Costs a statement every few minutes only."""
    if now - visitor.last_seen_at >= SEEN_EVERY:
        visitor.last_seen_at = now
        Visitor.objects.filter(pk=visitor.pk).update(last_seen_at=now)


def become(visitor: Visitor, contact: Contact, *, source: str, now: datetime) -> Visitor:
    """`visitor` has proven to be `contact`: what it did while it was anonymous is the contact's from now on.

    Known people are never fused by a browser: a visitor that is known as somebody else has ended, and a new one, which
    is answered, begins as `contact`. `source` says what the proof was, such as "log-in".
    """
    contact = contact.merged_into or contact
    if contact.erased_at or contact.shop_id != visitor.shop_id:
        return visitor
    with transaction.atomic():
        held = Visitor.objects.select_for_update(no_key=True, of=("self",)).get(pk=visitor.pk)
        if held.ended_at or held.contact_id not in (None, contact.pk):
            leave(held, now=now)
            # Who comes next in this browser: what it allows holds for them, and nothing else.
            held = meet(held.shop, grant=granted_to(held), now=now)
        if held.contact_id is None:
            held.contact, held.known_since, held.known_by = contact, now, source[:40]
            held.save(update_fields=["contact", "known_since", "known_by"])
        acts = _adopt(held)
    # Not under the visitor's lock: whoever confirms an address holds the contact first.
    interests.add(contact.pk, acts, now=now)
    sightings.known(held, now=now)
    return held


def sign_in(visitor: Visitor, account: HostIdentity, *, now: datetime) -> Visitor | None:
    """Somebody logged in to `account` in this browser. None when the visitor had to end: it was somebody else's.

    An account that names an address which is not proven to be its own identifies nobody: the address is a claim.
    """
    contact = contacts.resolve(visitor.shop, account, now=now)
    if visitor.contact_id and (contact is None or visitor.contact_id != contact.pk):
        leave(visitor, now=now)
        return None
    if contact is None:
        return visitor
    if not contacts.is_own(contact, account.external_id):
        claim(visitor, email=account.email, phone=account.phone, source="account", now=now)
        return visitor
    return become(visitor, contact, source="log-in", now=now)


def leave(visitor: Visitor, *, now: datetime) -> None:
    """The person has left this browser: log-out, or somebody else came. It is never recognised again."""
    Visitor.objects.filter(pk=visitor.pk, ended_at=None).update(ended_at=now)
    visitor.ended_at = visitor.ended_at or now


def claim(visitor: Visitor, *, email: str = "", phone: str = "", source: str, now: datetime) -> None:
    """Somebody typed an address in this browser. It is kept, and makes nobody of anybody.

    What cannot be an address is dropped without a word, and so is one too many. No row of a contact is read: the work
    is the same whether the address is known or not.
    """
    typed = {
        Channel.EMAIL: rules.normalize_email(email),
        Channel.SMS: rules.normalize_phone(phone, visitor.shop.country),
    }
    for channel, address in typed.items():
        if not address:
            continue
        made = Claim.objects.filter(visitor=visitor, channel=channel)
        if made.exclude(address=address).count() < MAX_CLAIMS:
            made.update_or_create(
                visitor=visitor, channel=channel, address=address, defaults={"source": source[:200], "at": now}
            )


def confirmed(contact: Contact, *, visitor: Visitor | None = None, now: datetime) -> Visitor | None:
    """`contact` has just confirmed its address; answers who `visitor`, the browser in which that was done, is now.

    It becomes the contact only where it had claimed the address too. A claim of any other browser stays one: who typed
    the address there, the confirmation does not say. And who confirms in a browser where nobody typed it may be the
    reader of a forwarded message.
    """
    if visitor is None or visitor.ended_at:
        return visitor
    addresses = {consent.address_of(contact, channel): channel for channel in Channel}
    addresses.pop("", None)
    proven = [
        made
        for made in Claim.objects.filter(visitor=visitor, address__in=addresses)
        if addresses[made.address] == made.channel
    ]
    if not proven:
        return visitor
    with transaction.atomic():
        Claim.objects.filter(pk__in=[made.pk for made in proven], proven_at=None).update(proven_at=now)
        return become(visitor, contact, source="confirmation", now=now)


def reachable_by_sms(visitor: Visitor) -> Contact | None:
    """The contact of a recognised visitor, where it agreed to texts and has a number that may be used."""
    contact = visitor.contact if not visitor.ended_at else None
    contact = (contact.merged_into or contact) if contact else None
    if contact is None or contact.erased_at or not contact.phone:
        return None
    granted = Consent.objects.filter(
        contact=contact, channel=Channel.SMS, purpose=Purpose.MARKETING, state=ConsentState.GRANTED
    )
    if not granted.exists() or consent.is_suppressed(visitor.shop, channel=Channel.SMS, address=contact.phone):
        return None
    return contact


def matched(visitor: Visitor, *, now: datetime) -> Contact | None:
    """`reachable_by_sms`; where that finds nobody and a partner is configured, the person the partner can prove.

    A number that is in the shop's own base already is never reached on a partner's word.
    """
    known = reachable_by_sms(visitor)
    if known or visitor.contact_id or visitor.ended_at or not conf.settings.PARTNER:
        return known
    partner: Partner = import_string(conf.settings.PARTNER)()
    match = partner.match(visitor.pk)
    phone = rules.normalize_phone(match.phone, visitor.shop.country) if match else ""
    if match is None or not phone or contacts.find(visitor.shop, phone=phone):
        return None
    if consent.is_suppressed(visitor.shop, channel=Channel.SMS, address=phone):
        return None
    with transaction.atomic():
        contact = contacts.resolve(visitor.shop, HostIdentity(phone=phone), now=now)
        if contact:
            consent.grant(
                contact,
                channel=Channel.SMS,
                source=match.source,
                wording=match.wording,
                wording_version=match.wording_version,
                proof=match.proof,
                now=now,
            )
    return contact


def granted_to(visitor: Visitor) -> Grant:
    """What the browser's owner allows today, in the words of the newest answer."""
    rows = Consent.objects.filter(visitor=visitor, channel="", state=ConsentState.GRANTED).select_related("record")
    records = {consent.purpose: consent.record for consent in rows}
    newest = max(records.values(), key=lambda record: record.at, default=None)
    return Grant(
        tracking=Purpose.TRACKING in records,
        ads=Purpose.ADS in records,
        measurement=Purpose.MEASUREMENT in records,
        wording=newest.wording_version if newest else "",
        source=newest.source if newest else "",
    )


def _adopt(visitor: Visitor) -> list[Act]:
    """What was seen of the visitor and of nobody is its contact's. Answers what of it shows an interest."""
    seen = Event.objects.filter(visitor=visitor, contact=None)
    acts = interests.shown_by(seen.filter(name__in=TOLD, is_bot=False).order_by("-at")[:MAX_ACTS])
    seen.update(contact=visitor.contact_id)
    return acts
