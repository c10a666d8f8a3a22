"""Who is who: one contact per person and shop, found by the host's id, e-mail address or phone number."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from retarget_plugin.domain import contacts as rules
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.domain.vocabulary import Channel, ConsentState, MessageKind
from retarget_plugin.models import Contact, Identity, Shop

from . import suppressions


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


def resolve(shop: Shop, identity: HostIdentity, *, is_own_act: bool = False, now: datetime) -> Contact | None:
    """The contact for what the host says, created when it is new; None when nothing in it can be used.

    Known people are never merged here: an address or a number that already belongs to another contact stays there.
    Who was erased is made anew only by an act of their own (`is_own_act`), such as a form; never because a shop still
    has a cart or an order of theirs.
    """
    named = _named(shop, identity)
    if not any(named.values()):
        return None
    email, phone = named["email"], named["phone"]
    contact, is_new = find(shop, **named), False
    if contact is None:
        if not is_own_act and is_erased(shop, identity):
            return None
        contact, is_new = _create(shop, identity, email=email, phone=phone, now=now)
    is_own = bool(identity.external_id) and _link(contact, identity, email=email, is_new=is_new, now=now)
    if not is_new:
        _complete(contact, identity, email=email, phone=phone, is_own=is_own)
    return contact


def is_another(contact: Contact, shop: Shop, identity: HostIdentity) -> bool:
    """Whether the shop means another than `contact`: somebody else, somebody new, or somebody who was erased.

    Not where nothing in `identity` can be used. Found as `resolve` finds, but nobody is made.
    """
    named = _named(shop, identity)
    if not any(named.values()):
        return False
    known = find(shop, **named)
    return known is None or known.pk != contact.pk


def is_erased(shop: Shop, identity: HostIdentity) -> bool:
    """Whether the shop speaks of somebody who was erased here and has not come back."""
    named = _named(shop, identity)
    return suppressions.is_erased(shop.pk, email=named["email"], phone=named["phone"], account=named["external_id"])


def is_own(contact: Contact, external_id: str) -> bool:
    """Whether the account is the contact's: it made the contact, or the shop had it prove the address."""
    return Identity.objects.filter(contact=contact, external_id=external_id, is_own=True).exists()


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


def _named(shop: Shop, identity: HostIdentity) -> dict[str, str]:
    """What of `identity` can be used, as `find` asks for it."""
    return {
        "email": rules.normalize_email(identity.email),
        "phone": rules.normalize_phone(identity.phone, identity.country or shop.country),
        "external_id": identity.external_id,
    }


def _link(contact: Contact, identity: HostIdentity, *, email: str, is_new: bool, now: datetime) -> bool:
    """Note that the account is this contact's; answers whether it is its own.

    Whoever registers with somebody else's address must not become that person: an account that joins a contact which
    was there before has proven nothing, unless the shop says so.
    """
    is_proven = is_new or (identity.is_verified and bool(email) and email == contact.email)
    known, _is_added = Identity.objects.get_or_create(
        shop_id=contact.shop_id,
        external_id=identity.external_id,
        defaults={"contact": contact, "is_own": is_proven, "created_at": now},
    )
    if is_proven and not known.is_own:
        Identity.objects.filter(pk=known.pk).update(is_own=True)
    return known.is_own or is_proven


def strangers(keys: list[int]) -> QuerySet[Contact]:
    """Those of `keys` of whom there is nothing but a question that was never answered."""
    marketing = Q(messages__isnull=False) & ~Q(messages__kind=MessageKind.SERVICE)
    answered = Q(consents__isnull=False) & ~Q(consents__state=ConsentState.PENDING)
    known = Contact.objects.filter(
        Q(identities__isnull=False)
        | Q(carts__isnull=False)
        | Q(orders__isnull=False)
        | Q(leads__isnull=False)
        | Q(visitors__isnull=False)
        | Q(runs__isnull=False)
        | Q(product_subscriptions__isnull=False)
        | Q(merged__isnull=False)
        | Q(merged_into__isnull=False)
        | Q(erased_at__isnull=False)
        | marketing
        | answered,
        pk__in=keys,
    )
    return Contact.objects.filter(pk__in=keys).exclude(pk__in=known.values("pk"))


def _create(shop: Shop, identity: HostIdentity, *, email: str, phone: str, now: datetime) -> tuple[Contact, bool]:
    """The contact, and whether it is new."""
    try:
        with transaction.atomic():
            contact = Contact.objects.create(
                shop=shop,
                email=email,
                phone=phone,
                first_name=identity.first_name[:120],
                last_name=identity.last_name[:120],
                locale=identity.locale[:12],
                country=identity.country[:2].upper(),
                born_on=identity.born_on,
                created_at=now,
            )
            return contact, True
    except IntegrityError:
        # Another worker met the same person a moment ago.
        known = find(shop, email=email, phone=phone, external_id=identity.external_id)
        if known is None:
            raise
        return known, False


def _complete(contact: Contact, identity: HostIdentity, *, email: str, phone: str, is_own: bool) -> None:
    """Fill in what was empty; never overwrite, never take what is another contact's.

    A further address or number, and an age, are taken on the word of the contact's own account only: what a stranger types
    beside a known address stays a claim.
    """
    others = Contact.objects.filter(shop_id=contact.shop_id).exclude(pk=contact.pk)
    offered = {
        "email": email if is_own and email and not others.filter(email=email).exists() else "",
        "phone": phone if is_own and phone and not others.filter(phone=phone).exists() else "",
        "first_name": identity.first_name[:120],
        "last_name": identity.last_name[:120],
        "locale": identity.locale[:12],
        "country": identity.country[:2].upper(),
        "born_on": identity.born_on if is_own else None,
    }
    changed = {name: value for name, value in offered.items() if value and not getattr(contact, name)}
    if not changed or contact.erased_at:
        return
    addresses = {name: str(changed[name]) for name in ("email", "phone") if name in changed}
    if addresses and suppressions.is_erased(contact.shop_id, **addresses):
        changed = {name: value for name, value in changed.items() if name not in addresses}
    for name, value in changed.items():
        setattr(contact, name, value)
    contact.save(update_fields=list(changed))
