"""Past baskets and what became of them, in bulk: five queries for each thousand, by keyset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from oscar.core.loading import get_model
from oscar.core.utils import get_default_currency

from retarget_plugin.domain.carts import Cart, Item
from retarget_plugin.domain.histories import PastCart

from . import identities
from .options import Options
from .products import in_cents

AT_ONCE = 1_000


def past_carts(since: datetime, until: datetime, *, options: Options) -> Iterator[PastCart]:
    """Baskets begun in [since, until), those of one owner together, guests' at the end. Lines keep the price at adding.

    Oscar does not keep how far a basket got in the checkout. One that was merged lives on in another; a saved list is none.
    """
    model = get_model("basket", "Basket")
    rows = model.objects.filter(date_created__gte=since, date_created__lt=until)
    rows = rows.exclude(status__in=(model.MERGED, model.SAVED)).values_list("pk", "owner", "date_created", named=True)
    for batch in chain(_owned(rows), _guests(rows)):
        yield from _told(batch, options=options)


def _owned(rows: Any) -> Iterator[Sequence[Any]]:
    after = Q()
    while batch := list(rows.filter(after, owner__isnull=False).order_by("owner", "pk")[:AT_ONCE]):
        yield batch
        last = batch[-1]
        after = Q(owner__gt=last.owner) | Q(owner=last.owner, pk__gt=last.pk)


def _guests(rows: Any) -> Iterator[Sequence[Any]]:
    after = Q()
    while batch := list(rows.filter(after, owner=None).order_by("pk")[:AT_ONCE]):
        yield batch
        after = Q(pk__gt=batch[-1].pk)


def _told(baskets: Sequence[Any], *, options: Options) -> Iterator[PastCart]:
    keys = [basket.pk for basket in baskets]
    owners = get_user_model().objects.in_bulk({basket.owner for basket in baskets} - {None})
    lines, orders = _lines(keys), _orders(keys, options=options)
    categories = _categories({line["product_id"]: line["product__parent_id"] for one in lines.values() for line in one})
    for basket in baskets:
        own = lines.get(basket.pk, ())
        moved = {basket.date_created, *(at for line in own for at in (line["date_created"], line["date_updated"]))}
        number, placed_at = orders.get(basket.pk, ("", None))
        # Oscar writes to the lines once more as it takes the order.
        touched = sorted(at for at in moved if placed_at is None or at < placed_at) or [basket.date_created]
        owner = owners.get(basket.owner)
        cart = Cart(
            reference=str(basket.pk),
            currency=own[0]["price_currency"] if own else get_default_currency(),
            items=tuple(_item(line, categories) for line in own),
            identity=identities.of_user(owner, language_field=options.user_language_field) if owner else None,
        )
        yield PastCart(cart=cart, touched_at=tuple(touched), ordered_at=placed_at, order=number)


def _lines(baskets: Iterable[int]) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    fields = (
        "basket_id",
        "product_id",
        "product__parent_id",
        "product__title",
        "quantity",
        "price_incl_tax",
        "price_excl_tax",
        "price_currency",
        "date_created",
        "date_updated",
    )
    found = defaultdict(list)
    for line in get_model("basket", "Line").objects.filter(basket__in=baskets).order_by("pk").values(*fields):
        found[line["basket_id"]].append(line)
    return found


def _orders(baskets: Iterable[int], *, options: Options) -> Mapping[int, tuple[str, datetime]]:
    rows = get_model("order", "Order").objects.filter(basket__in=baskets)
    rows = rows.exclude(status__in=options.cancelled_statuses).order_by("pk")
    return {basket: (str(number), at) for basket, number, at in rows.values_list("basket", "number", "date_placed")}


def _categories(parents: Mapping[int, int | None]) -> Mapping[int, str]:
    """Product -> the name of its first category; a variant has those of its parent."""
    owners = {product: parent or product for product, parent in parents.items()}
    through = get_model("catalogue", "ProductCategory").objects.filter(product__in=set(owners.values()))
    names: dict[int, str] = {}
    for product, name in through.order_by("pk").values_list("product", "category__name"):
        names.setdefault(product, name)
    return {product: names.get(owner, "") for product, owner in owners.items()}


def _item(line: Mapping[str, Any], categories: Mapping[int, str]) -> Item:
    return Item(
        product_id=str(line["product_id"]),
        title=line["product__title"] or "",
        quantity=line["quantity"],
        unit_price=in_cents(line["price_incl_tax"] or line["price_excl_tax"] or Decimal()),
        category=categories.get(line["product_id"], ""),
    )
