"""Who is who: one contact per person and shop, found by the host's id, e-mail address or phone number."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from retarget_plugin.domain import contacts as rules
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.models import Contact, Identity, Shop


def find(shop: Shop, *, email: str = "", phone: str = "", external_id: str = "") -> Contact | None:
    """The contact with this host id, else this address, else this number; merged ones lead to what they became."""
    contact = None
    if external_id:
        known = Identity.objects.select_related("contact").filter(shop=shop, external_id=external_id).first()
        contact = known.contact if known else None
    if contact is None and email:
        contact = Contact.objects.filter(shop=shop, email=email).first()
    if contact is None and phone:
        contact = Contact.objects.filter(shop=shop, phone=phone).first()
    return contact.merged_into or contact if contact else None


def resolve(shop: Shop, identity: HostIdentity, *, now: datetime) -> Contact | None:
    """The contact for what the host says, created when it is new; None when nothing in it can be used.

    Known people are never merged here: an address or a number that already belongs to another contact stays there.
    """
    email = rules.normalize_email(identity.email)
    phone = rules.normalize_phone(identity.phone, identity.country or shop.country)
    if not (email or phone or identity.external_id):
        return None
    contact = find(shop, email=email, phone=phone, external_id=identity.external_id)
    if contact is None:
        contact = _create(shop, identity, email=email, phone=phone, now=now)
    else:
        _complete(contact, identity, email=email, phone=phone)
    if identity.external_id:
        Identity.objects.get_or_create(
            shop=shop, external_id=identity.external_id, defaults={"contact": contact, "created_at": now}
        )
    return contact


def resolve_for(shop: Shop, identity: HostIdentity, *, channel: str, now: datetime) -> Contact | None:
    """The contact whom a grant for `channel` concerns: the one reached at the very address that was given with it.

    Whoever knows somebody's e-mail address could else have that person's texts sent to a number of their own.
    """
    contact = resolve(shop, identity, now=now)
    if channel == Channel.SMS:
        stated = rules.normalize_phone(identity.phone, identity.country or shop.country)
        alone = HostIdentity(phone=identity.phone, country=identity.country, locale=identity.locale)
    else:
        stated = rules.normalize_email(identity.email)
        alone = HostIdentity(email=identity.email, country=identity.country, locale=identity.locale)
    held = contact and (contact.phone if channel == Channel.SMS else contact.email)
    return contact if not stated or held == stated else resolve(shop, alone, now=now)


def _create(shop: Shop, identity: HostIdentity, *, email: str, phone: str, now: datetime) -> Contact:
    try:
        with transaction.atomic():
            return Contact.objects.create(
                shop=shop,
                email=email,
                phone=phone,
                first_name=identity.first_name[:120],
                last_name=identity.last_name[:120],
                locale=identity.locale[:12],
                country=identity.country[:2].upper(),
                created_at=now,
            )
    except IntegrityError:
        # Another worker met the same person a moment ago.
        contact = find(shop, email=email, phone=phone, external_id=identity.external_id)
        if contact is None:
            raise
        return contact


def _complete(contact: Contact, identity: HostIdentity, *, email: str, phone: str) -> None:
    """Fill in what was empty; never overwrite, never take what is another contact's.

    A further address or number is taken on the word of the shop's own account only: what a stranger types beside a
    known address stays a claim.
    """
    others = Contact.objects.filter(shop_id=contact.shop_id).exclude(pk=contact.pk)
    is_account = bool(identity.external_id)
    offered = {
        "email": email if is_account and email and not others.filter(email=email).exists() else "",
        "phone": phone if is_account and phone and not others.filter(phone=phone).exists() else "",
        "first_name": identity.first_name[:120],
        "last_name": identity.last_name[:120],
        "locale": identity.locale[:12],
        "country": identity.country[:2].upper(),
    }
    changed = {name: value for name, value in offered.items() if value and not getattr(contact, name)}
    if not changed or contact.erased_at:
        return
    for name, value in changed.items():
        setattr(contact, name, value)
    contact.save(update_fields=list(changed))
