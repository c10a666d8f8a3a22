"""Whom a command is about, by what an operator types."""

from __future__ import annotations

from django.core.management.base import CommandError

from retarget_plugin.domain import contacts as rules
from retarget_plugin.engine import contacts
from retarget_plugin.models import Contact, Shop


def find(who: str, *, shop: int | None) -> Contact:
    """The contact by a complete address, number or id (#17). Raises CommandError unless exactly one shop knows one."""
    shops = Shop.objects.filter(pk=shop) if shop else Shop.objects.all()
    found = {contact.pk: contact for one in shops if (contact := _find(one, who))}
    if not found:
        raise CommandError("Nobody is known by that.")
    if len(found) > 1:
        known = ", ".join(f"--shop {contact.shop_id} ({contact.shop})" for contact in found.values())
        raise CommandError(f"Several shops know somebody by that: {known}.")
    return next(iter(found.values()))


def _find(shop: Shop, who: str) -> Contact | None:
    if who.startswith("#") and who[1:].isdecimal():
        return Contact.objects.filter(shop=shop, pk=int(who[1:]), erased_at=None).first()
    return contacts.find(shop, email=rules.normalize_email(who), phone=rules.normalize_phone(who, shop.country))
