"""News of one product: asked for by somebody recognized, or by a stranger whose address has to be proven first."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from retarget_plugin.domain import contexts
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.domain.contacts import normalize_email
from retarget_plugin.domain.preferences import LANGUAGES
from retarget_plugin.domain.vocabulary import Channel, ProductNews, Purpose
from retarget_plugin.exceptions import InputError
from retarget_plugin.models import Contact, Product, ProductSubscription, Shop

from . import consent, contacts, optin, wordings

logger = logging.getLogger("retarget_plugin.subscriptions")

#: Products that one person may wait for; and those of them that somebody typed an address for, unrecognized.
MOST_PRODUCTS = 50
MOST_UNPROVEN = 5
#: Wishes worked on in one tick, and how long one rests that could not be.
BATCH = 200
LATER = timedelta(minutes=5)


def subscribe(
    shop: Shop,
    product: str,
    *,
    kind: str,
    contact: Contact | None = None,
    email: str = "",
    locale: str = "",
    source: str,
    now: datetime,
) -> None:
    """Ask to be told once, by e-mail, when `product` (the shop's own id) is back in stock or costs less.

    `contact`: the person who is asking, recognized; that is proof enough. Otherwise `email` is a stranger's word: it is
    stored without a look at who is known, so that nobody learns that from the answer or its time, and `ask` goes on.
    Raises InputError for a product, a kind or an address that cannot be one.
    """
    if kind not in list(ProductNews) or contexts.clean_text(product, 120) != product:
        raise InputError("unknown_product", _("There is no such product."))
    price = Product.objects.filter(shop=shop, reference=product).values_list("price", flat=True).first()
    wish = ProductSubscription(shop=shop, product=product, kind=kind, price=price, source=source[:200], at=now)
    if contact and contact.email:
        with transaction.atomic():
            wish.is_proven = True
            _keep(wish, contact)
            if not consent.allows(contact, Purpose.ALERTS, channel=Channel.EMAIL):
                words = wordings.evidence(Purpose.ALERTS)
                consent.grant(contact, channel=Channel.EMAIL, purpose=Purpose.ALERTS, source=source, now=now, **words)
        return
    wish.email, wish.locale, wish.due_at = normalize_email(email), locale[:12], now
    if not wish.email:
        raise InputError("email", _("Please enter a complete e-mail address, such as name@example.com."))
    wish.save()


def ask(now: datetime) -> int:
    """Ask whoever reads the addresses that strangers typed whether it was them; answers for how many that was done.

    A wish that fails rests for a while and holds up no other.
    """
    due = ProductSubscription.objects.filter(due_at__lte=now).order_by("due_at", "pk").values_list("pk", flat=True)
    return sum(_ask_safely(pk, now=now) for pk in list(due[:BATCH]))


def purge_unconfirmed(before: datetime, *, limit: int = 1_000) -> int:
    """Delete what strangers asked for before `before` and nobody confirmed, and whoever is known from nothing else."""
    with transaction.atomic():
        old = ProductSubscription.objects.filter(is_proven=False, at__lt=before).exclude(
            pk__in=ProductSubscription.objects.allowed().values("pk")
        )
        found = list(old.order_by("at").values_list("pk", "contact_id")[:limit])
        ProductSubscription.objects.filter(pk__in=[pk for pk, _contact in found]).delete()
        contacts.strangers([contact for _pk, contact in found if contact]).delete()
    return len(found)


def _ask_safely(pk: int, *, now: datetime) -> bool:
    try:
        with transaction.atomic():
            can_skip = connection.features.has_select_for_update_skip_locked
            rows = ProductSubscription.objects.select_for_update(skip_locked=can_skip, of=("self",))
            wish = rows.select_related("shop").filter(pk=pk, due_at__lte=now).first()
            if wish is None:
                return False
            _ask(wish, now=now)
            return True
    except Exception:
        logger.exception("product subscription %s could not be worked on; it is tried again later", pk)
        ProductSubscription.objects.filter(pk=pk, due_at__isnull=False).update(due_at=now + LATER)
        return False


def _ask(wish: ProductSubscription, *, now: datetime) -> None:
    identity = HostIdentity(email=wish.email, locale=wish.locale)
    # Of somebody known nothing is noted that a stranger says.
    known = contacts.find(wish.shop, email=wish.email)
    person = known or contacts.resolve(wish.shop, identity, is_own_act=True, now=now)
    wish.delete()
    if person is None:
        return
    language = contexts.choose_language([person.locale, wish.shop.locale], LANGUAGES)
    wish.pk, wish.email, wish.locale, wish.due_at = None, "", "", None
    _keep(wish, person)
    with translation.override(language):
        words = wordings.evidence(Purpose.ALERTS)
    optin.request(
        person,
        channel=Channel.EMAIL,
        purpose=Purpose.ALERTS,
        source=wish.source,
        must_prove=True,
        now=now,
        **words,
    )


def _keep(wish: ProductSubscription, contact: Contact) -> None:
    """One row for a contact, product and kind, also when it is asked for again. What is one too many is not kept."""
    mine = contact.product_subscriptions
    others = mine.filter(notified_at=None).exclude(product=wish.product, kind=wish.kind)
    unproven = others.filter(is_proven=False)
    if others.count() >= MOST_PRODUCTS or (not wish.is_proven and unproven.count() >= MOST_UNPROVEN):
        return
    fresh = {name: getattr(wish, name) for name in ("shop", "price", "is_proven", "source", "at")}
    row, is_new = mine.get_or_create(product=wish.product, kind=wish.kind, defaults=fresh)
    if not is_new and (row.notified_at or wish.is_proven):
        mine.filter(pk=row.pk).update(**fresh, notified_at=None)
