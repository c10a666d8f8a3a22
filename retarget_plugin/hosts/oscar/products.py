"""Products as items: live price, stock, picture and page, read outside a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch, Q, prefetch_related_objects
from oscar.core.loading import get_class, get_model

from retarget_plugin.domain.carts import Item

from .addresses import absolute
from .keys import primary_key

CENT = Decimal("0.01")
#: Products that are read at once from a whole catalogue.
BATCH = 500


def strategy_for(user: Any = None) -> Any:
    """The shop's price and stock strategy for `user`, as its middleware would choose it, but without a request."""
    return get_class("partner.strategy", "Selector")().strategy(user=user or AnonymousUser())


def load_details(rows: Sequence[Any], prefix: str = "") -> None:
    """Fetch whatever `describe` and a strategy read, in a fixed number of queries for any number of rows.

    `prefix` is the way from a row to its product: "product__" for basket and order lines.
    """
    categories = get_model("catalogue", "Category").objects.browsable()
    lookups: list[str | Prefetch[Any]] = []
    for owner in (prefix, f"{prefix}parent__"):
        # Where Oscar's own Product.get_categories() looks first; it would ask once a product otherwise.
        cached = Prefetch(f"{owner}categories", queryset=categories, to_attr="_prefetched_browsable_categories")
        lookups += [f"{owner}product_class", f"{owner}images", cached]
    prefetch_related_objects(list(rows), *lookups, f"{prefix}stockrecords")


def unit_price(price: Any) -> Decimal | None:
    """What the shopper is shown for one piece: with tax where the strategy knows it. None: the shop has no price."""
    if not price.exists:
        return None
    amount = price.incl_tax if price.is_tax_known else price.excl_tax
    return in_cents(amount)


def in_cents(amount: Decimal) -> Decimal:
    return Decimal(amount).quantize(CENT, ROUND_HALF_UP)


def is_sold(product: Any) -> bool:
    """False for products that are hidden now: their page answers 404, so they count as gone."""
    return product.is_public and (product.parent is None or product.parent.is_public)


def describe(
    product: Any,
    *,
    base: str,
    quantity: int,
    price: Decimal,
    is_available: bool,
    sku: str = "",
    variant_id: str = "",
) -> Item:
    """An Item of a product whose details were loaded by `load_details`."""
    categories = list(product.get_categories())
    return Item(
        product_id=str(product.pk),
        variant_id=variant_id,
        title=product.get_title(),
        quantity=quantity,
        unit_price=price,
        sku=sku or product.upc or "",
        url=absolute(product.get_absolute_url(), base=base),
        image_url=absolute(image_path(product), base=base),
        category=categories[0].name if categories else "",
        is_available=is_available,
    )


def image_path(product: Any) -> str:
    """URL path of the product's first picture; empty when it has none.

    Without a picture Oscar's `primary_image()` answers a dict that only looks like one.
    """
    image = product.primary_image()
    if isinstance(image, dict) or not image.original:
        return ""
    return image.original.url


def options_key(attributes: Iterable[Any]) -> str:
    """The options chosen with a basket line (an engraving, a gift card's text) as an `Item.variant_id`.

    JSON of {option code: value}, sorted; empty for the usual line without options.
    """
    chosen = {attribute.option.code: attribute.value for attribute in attributes}
    return json.dumps(chosen, sort_keys=True) if chosen else ""


def read(product_ids: Sequence[str], *, base: str) -> list[Item]:
    """Products as they are now, in the order asked for; unknown ids are left out."""
    found = by_id(product_ids)
    strategy = strategy_for()
    items = []
    for product_id in product_ids:
        product = found.get(product_id)
        if product is None:
            continue
        info = strategy.fetch_for_parent(product) if product.is_parent else strategy.fetch_for_product(product)
        price = unit_price(info.price)
        items.append(
            describe(
                product,
                base=base,
                quantity=1,
                price=price or Decimal(),
                is_available=price is not None and is_sold(product) and info.availability.is_available_to_buy,
                sku=info.stockrecord.partner_sku if info.stockrecord else "",
            )
        )
    return items


def created_since(since: datetime, *, limit: int, base: str) -> list[Item]:
    """The newest products that have a page of their own, newest first."""
    browsable = get_model("catalogue", "Product").objects.browsable()
    newest = browsable.filter(date_created__gte=since).order_by("-date_created", "-pk")[:limit]
    return read([str(key) for key in newest.values_list("pk", flat=True)], base=base)


def changed_since(since: datetime | None, *, base: str) -> Iterator[tuple[datetime, Item]]:
    """All that were saved at or after `since`, the longest ago first, also those that are not shown; a batch at a time."""
    model = get_model("catalogue", "Product")
    rows = model.objects.order_by("date_updated", "pk").values_list("pk", "date_updated")
    here = Q(date_updated__gte=since) if since else Q()
    while batch := list(rows.filter(here)[:BATCH]):
        found = {item.product_id: item for item in read([str(key) for key, _at in batch], base=base)}
        yield from ((at, found[str(key)]) for key, at in batch if str(key) in found)
        key, at = batch[-1]
        # Spelled so that the index on the date is walked.
        here = Q(date_updated__gte=at) & ~Q(date_updated=at, pk__lte=key)


def by_id(product_ids: Iterable[str]) -> dict[str, Any]:
    """Products with their details, by the id that an Item carries."""
    model = get_model("catalogue", "Product")
    keys = {primary_key(model, product_id) for product_id in product_ids} - {None}
    products = list(model.objects.filter(pk__in=keys))
    load_details(products)
    return {str(product.pk): product for product in products}
