"""Putting a cart back together in the basket of whoever clicked."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import router, transaction
from django.http import HttpRequest
from django.urls import reverse
from oscar.apps.basket.signals import voucher_addition
from oscar.core.loading import get_model

from retarget_plugin.domain.carts import Item
from retarget_plugin.exceptions import ConfigurationError, Refusal

from . import products

logger = logging.getLogger("retarget_plugin.hosts.oscar")


def restore(request: HttpRequest, items: Sequence[Item], coupon: str = "") -> str:
    """Raise `request.basket` to what `items` say and return the URL of the basket page.

    The old basket is never read, handed over or named in a cookie: two people would share it, and Oscar's middleware
    deletes a basket cookie that a view has set whenever the one that came with the request was stale. The middleware
    itself sets the cookie of the basket that is filled here. Raises ConfigurationError without that middleware.
    """
    basket, model = _basket(request), get_model("basket", "Basket")
    with transaction.atomic(using=router.db_for_write(model)):
        if _is_writable(basket, model):
            _fill(basket, request.strategy, items)  # type: ignore[attr-defined]
            # A used or expired one is no reason to fail.
            if coupon and basket.pk and (voucher := _good_voucher(coupon, user=request.user)):
                _attach(basket, voucher)
    return reverse("basket:summary")


def apply_voucher(request: HttpRequest, code: str) -> bool:
    """Attach the voucher to `request.basket`, which is made where there is none yet; False when it is not good any more.

    As Oscar's own view does, but for one thing: an empty basket keeps it, and Oscar counts it as soon as there is
    something to take it off. Oscar itself carries it over when the shopper logs in. Raises ConfigurationError as `restore`
    does, and Refusal while the basket is being paid for.
    """
    basket, model = _basket(request), get_model("basket", "Basket")
    with transaction.atomic(using=router.db_for_write(model)):
        if not _is_writable(basket, model):
            raise Refusal("basket_frozen")
        voucher = _good_voucher(code, user=request.user)
        if voucher is None:
            return False
        if basket.pk is None:
            basket.save()
        _attach(basket, voucher)
    return True


def _basket(request: HttpRequest) -> Any:
    basket: Any = getattr(request, "basket", None)
    if basket is None:
        raise ConfigurationError(
            'Add "oscar.apps.basket.middleware.BasketMiddleware" to MIDDLEWARE: no basket on the request.'
        )
    return basket


def _is_writable(basket: Any, model: Any) -> bool:
    """Locks the row: two clicks at once must not add twice, and a basket in payment elsewhere stays as it is."""
    if basket.pk is None:
        return True
    statuses = model.objects.select_for_update().filter(pk=basket.pk).values_list("status", flat=True)
    return list(statuses) == [model.OPEN]


def _fill(basket: Any, strategy: Any, items: Sequence[Item]) -> None:
    wanted: Counter[tuple[str, str]] = Counter()
    for item in items:
        wanted[item.product_id, item.variant_id] += item.quantity

    present: Counter[tuple[str, str]] = Counter()
    held: Counter[str] = Counter()
    for line in basket.lines.prefetch_related("attributes__option") if basket.pk else ():
        present[str(line.product_id), products.options_key(line.attributes.all())] += line.quantity
        held[str(line.product_id)] += line.quantity

    sold = products.by_id(product_id for product_id, _ in wanted)
    for key, quantity in wanted.items():
        product_id, variant_id = key
        product = sold.get(product_id)
        missing = quantity - present[key]
        if product is None or missing < 1 or not products.is_sold(product):
            continue
        held[product_id] += _add(basket, strategy, product, missing, held=held[product_id], variant_id=variant_id)


def _add(basket: Any, strategy: Any, product: Any, quantity: int, *, held: int, variant_id: str) -> int:
    """Adds up to `quantity` more and returns how many: what stock, Oscar's basket limit and the options allow."""
    options = _options(product, variant_id)
    info = strategy.fetch_for_product(product)
    if options is None or info.stockrecord is None or not info.price.exists:
        return 0
    room, _ = basket.max_allowed_quantity()
    quantity = _permitted(info.availability, quantity if room is None else min(quantity, room), held=held)
    if quantity < 1:
        return 0
    try:
        basket.add_product(product, quantity, options)
    except ValueError:
        # Oscar's word for "not in this basket", such as another currency. The rest can still be restored.
        logger.warning("Product %s could not be put back into basket %s", product.pk, basket.pk, exc_info=True)
        return 0
    return quantity


def _permitted(availability: Any, quantity: int, *, held: int) -> int:
    """How many more may be bought when `held` are in the basket already."""
    if quantity < 1 or availability.is_purchase_permitted(held + quantity)[0]:
        return quantity
    rest = min(quantity, (getattr(availability, "num_available", None) or 0) - held)
    return rest if rest > 0 and availability.is_purchase_permitted(held + rest)[0] else 0


def _options(product: Any, variant_id: str) -> list[dict[str, Any]] | None:
    """The options that `products.options_key` wrote down; None when the product no longer offers one of them."""
    if not variant_id:
        return []
    chosen = json.loads(variant_id)
    offered = {option.code: option for option in product.options}
    if not set(chosen) <= set(offered):
        return None
    return [{"option": offered[code], "value": value} for code, value in chosen.items()]


def _good_voucher(code: str, *, user: Any) -> Any:
    """The voucher, if it may still be used by this user."""
    voucher = get_model("voucher", "Voucher").objects.filter(code=code.upper()).first()
    is_good = voucher is not None and voucher.is_active() and voucher.is_available_to_user(user=user)[0]
    return voucher if is_good else None


def _attach(basket: Any, voucher: Any) -> None:
    if not basket.contains_voucher(voucher.code):
        basket.vouchers.add(voucher)
        voucher_addition.send(sender=None, basket=basket, voucher=voucher)
