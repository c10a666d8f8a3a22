"""Products the shop has shown us: remembered for reports, messages and whoever waits for one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db.models import Q

from retarget_plugin import conf, hosts, signals
from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.interests import topic_of
from retarget_plugin.domain.vocabulary import ProductNews
from retarget_plugin.models import Product, Shop

#: What a row can hold.
ID_LIMIT, LARGEST = 120, Decimal(10) ** 12
#: How long one pass through a shop's catalogue may take, and how far back the next one looks again: a change gets its time
#: before it is committed.
ROUND_SECONDS, OVERLAP = 10.0, timedelta(minutes=15)


def catch_up(shop: Shop, *, now: datetime) -> int:
    """Meet every product of the shop, and learn of changes that nobody told, where its host can say; answers how many.

    The first pass goes through the whole catalogue, and each later one on from where the last has stopped.
    """
    since, began, count = shop.products_read_until, time.monotonic(), 0
    told = iter(hosts.get_host(shop.host).products_since(since))
    while some := list(islice(told, conf.settings.BATCH_SIZE)):
        count += _learn(shop, some, now=now)
        until = some[-1][0]
        # Of many that changed at the same moment none is left out: only where time has moved on may it be stopped.
        if time.monotonic() - began > ROUND_SECONDS and (since is None or until > since):
            break
    else:
        until = now - OVERLAP
    Shop.objects.filter(pk=shop.pk).update(products_read_until=until)
    return count


def _learn(shop: Shop, told: Sequence[tuple[datetime, Item]], *, now: datetime) -> int:
    """What has become of products that were met before is news to those who wait for it."""
    changed_at = {item.product_id: at for at, item in told}
    items = [item for _at, item in told if _fits(item)]
    known = Product.objects.filter(shop=shop, reference__in=[item.product_id for item in items])
    before = {row.reference: row for row in known}
    count = 0
    for item in items:
        row = before.get(item.product_id)
        if row is None:
            count += 1
        elif (row.is_available, row.price) != (item.is_available, item.unit_price):
            # What cannot be bought has no price that anybody would wait for.
            price = item.unit_price if item.is_available else None
            stock = item.is_available
            count += change(shop, row.reference, is_available=stock, price=price, currency=shop.currency, at=now)
    remember(shop, items, currency=shop.currency, met_at=changed_at, now=now)
    return count


def _fits(item: Item) -> bool:
    """Whether a row can hold it: one product that none can must not hold up those behind it."""
    has_id = 0 < len(item.product_id) <= ID_LIMIT and "\0" not in item.product_id
    return has_id and item.unit_price.is_finite() and 0 <= item.unit_price < LARGEST


def remember(
    shop: Shop,
    items: Sequence[Item],
    *,
    currency: str,
    met_at: Mapping[str, datetime] | None = None,
    now: datetime,
) -> None:
    """Keep what is known of these products up to date, in one statement. `met_at`: since when the shop has had each, where
    that is not `now`."""
    seen = met_at or {}
    met = sorted((item for item in items if item.product_id), key=lambda item: item.product_id)
    rows = {
        item.product_id: Product(
            shop=shop,
            reference=item.product_id[:120],
            title=item.title[:250],
            url=item.url[:500],
            image_url=item.image_url[:500],
            category=item.category[:200],
            topic=topic_of(item.category),
            price=item.unit_price,
            currency=currency,
            is_available=item.is_available,
            first_seen_at=seen.get(item.product_id, now),
            updated_at=now,
        )
        for item in met
    }
    changing = ["title", "url", "image_url", "category", "topic", "price", "currency", "is_available", "updated_at"]
    Product.objects.bulk_create(
        rows.values(), update_conflicts=True, unique_fields=["shop", "reference"], update_fields=changing
    )


def change(
    shop: Shop,
    reference: str,
    *,
    is_available: bool | None = None,
    price: Decimal | None = None,
    currency: str = "",
    at: datetime,
) -> bool:
    """Note what the shop tells of one product at `at`, and pass it on to whoever listens; True when it was news.

    Only of a product that was met: nobody can wait for another. A price in another currency than the known one says
    nothing about it.
    """
    told: dict[str, Any] = {"updated_at": at}
    if is_available is not None:
        told["is_available"] = is_available
    if price is not None:
        told["price"] = price
    fits = Q(currency__in=("", currency)) if price is not None and currency else Q()
    met = Product.objects.filter(fits, shop=shop, reference=reference, updated_at__lt=at)
    before = met.first()
    if len(told) == 1 or before is None or not met.update(**told):
        return False
    news = []
    if is_available and not before.is_available:
        news.append(ProductNews.BACK_IN_STOCK)
    if price is not None and before.price is not None and price < before.price:
        news.append(ProductNews.PRICE_DROP)
    signals.emit(
        signals.product_changed,
        sender=Product,
        host=shop.host,
        scope=shop.scope,
        product_id=reference,
        news=tuple(news),
    )
    return True
