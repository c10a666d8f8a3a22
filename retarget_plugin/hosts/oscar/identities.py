"""Who a basket, an order or a login belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.utils.translation import get_language, override

from retarget_plugin.domain.carts import Identity


def of_user(user: Any, *, language_field: str = "", language: str = "", address: Any = None) -> Identity:
    """What a user row in memory says; costs no query. `language` is the fallback where the user has none stored."""
    stored = getattr(user, language_field, "") if language_field else ""
    return Identity(
        external_id=str(user.pk),
        email=getattr(user, "email", "") or "",
        phone=phone_of(address),
        first_name=getattr(user, "first_name", "") or "",
        last_name=getattr(user, "last_name", "") or "",
        locale=str(stored or language),
        country=country_of(address),
    )


def of_order(order: Any, *, language_field: str = "") -> Identity:
    """The buyer: the account where there is one, completed by the shipping address; guests have only the latter."""
    address = order.shipping_address
    if order.user is not None:
        return of_user(order.user, language_field=language_field, address=address)
    return Identity(
        email=order.guest_email or "",
        phone=phone_of(address),
        first_name=getattr(address, "first_name", "") or "",
        last_name=getattr(address, "last_name", "") or "",
        country=country_of(address),
    )


def phone_of(address: Any) -> str:
    """E.164, or empty when the address has no number or one that cannot be dialled."""
    number = getattr(address, "phone_number", None)
    if not number:
        return ""
    return number.as_e164 if number.is_valid() else ""


def country_of(address: Any) -> str:
    """ISO 3166-1 alpha-2: the primary key of Oscar's countries."""
    return getattr(address, "country_id", "") or ""


def current_language() -> str:
    return get_language() or settings.LANGUAGE_CODE


@contextmanager
def speaking_to(identity: Identity | None) -> Iterator[None]:
    """Activate the customer's stored language, else keep the active one.

    Oscar's URLs may carry a language prefix (i18n_patterns) and its titles may be translated, so whoever reads a
    basket for a message activates the contact's language first.
    """
    with override((identity and identity.locale) or current_language()):
        yield
