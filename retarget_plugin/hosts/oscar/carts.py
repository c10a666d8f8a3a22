"""Baskets as carts: what is in one now, and which ones changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Max, Q, prefetch_related_objects
from oscar.core.loading import get_class, get_model
from oscar.core.utils import get_default_currency

from retarget_plugin.domain.carts import Cart, Item

from . import identities, products
from .addresses import origin
from .keys import primary_key
from .options import Options


def read(reference: str, *, options: Options) -> Cart | None:
    """The basket as its owner would see it now, with live prices and vouchers applied.

    None when it is merged, submitted, saved for later or unknown. A frozen one (the shop takes payment) is marked.
    """
    model = get_model("basket", "Basket")
    basket = (
        model.objects.select_related("owner")
        .filter(pk=primary_key(model, reference), status__in=(model.OPEN, model.FROZEN))
        .first()
    )
    if basket is None:
        return None

    owner = identities.of_user(basket.owner, language_field=options.user_language_field) if basket.owner else None
    with identities.speaking_to(owner):
        lines = _price(basket)
        base = origin(options.base_url)
        items = tuple(_item(line, base=base) for line in lines)
    return Cart(
        reference=str(basket.pk),
        currency=lines[0].price_currency if lines else get_default_currency(),
        items=items,
        identity=owner,
        total=products.in_cents(sum((_total(line) for line in lines), Decimal())),
        updated_at=max([basket.date_created, *(line.date_updated for line in lines)]),
        is_frozen=basket.status == model.FROZEN,
        coupon=_coupon(basket),
    )


def changed_between(since: datetime, until: datetime) -> Iterator[str]:
    """Open baskets with lines, last changed in [since, until).

    Oscar keeps no time of change on a basket: the newest line tells, or the creation where lines came later by a bulk
    write. A removed line moves neither.
    """
    fresh = Q(lines__date_updated__gte=since) | Q(date_created__gte=since, lines__isnull=False)
    stale = (
        get_model("basket", "Basket")
        .open.filter(fresh)
        .annotate(changed=Max("lines__date_updated"))
        .filter(changed__lt=until, date_created__lt=until)
        .order_by("pk")
    )
    for key in stale.values_list("pk", flat=True).iterator():
        yield str(key)


def _price(basket: Any) -> list[Any]:
    """The basket's lines with prices and discounts, as Oscar's middleware prepares them for a request.

    The applicator skips every voucher when it is given no user, so a basket without owner gets an anonymous one.
    """
    user = basket.owner or AnonymousUser()
    basket.strategy = products.strategy_for(user)
    lines = list(basket.all_lines())
    if lines:
        prefetch_related_objects(lines, "attributes__option")
        products.load_details(lines, prefix="product__")
        get_class("offer.applicator", "Applicator")().apply(basket, user, None)
    return lines


def _item(line: Any, *, base: str) -> Item:
    info = line.purchase_info
    price = products.unit_price(info.price)
    # Without a live price the product cannot be bought now; the price at adding is the last one the shopper saw.
    shown = price if price is not None else products.in_cents(line.price_incl_tax or line.price_excl_tax or Decimal())
    return products.describe(
        line.product,
        base=base,
        quantity=line.quantity,
        price=shown,
        is_available=price is not None and products.is_sold(line.product) and info.availability.is_available_to_buy,
        sku=line.stockrecord.partner_sku,
        variant_id=products.options_key(line.attributes.all()),
    )


def _total(line: Any) -> Decimal:
    """After discounts. Oscar's own basket totals raise where one line's tax is unknown; ours counts each by itself."""
    price = line.purchase_info.price
    if not price.exists:
        return Decimal()
    if price.is_tax_known:
        return line.line_price_incl_tax_incl_discounts
    return line.line_price_excl_tax_incl_discounts


def _coupon(basket: Any) -> str:
    """The code that gives a discount in this basket; one that is attached but gains nothing does not count."""
    for application in basket.offer_applications:
        if application["voucher"]:
            return application["voucher"].code
    return ""
