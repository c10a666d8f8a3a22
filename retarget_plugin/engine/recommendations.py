"""Recommendations: which products and posts a message may show its reader, chosen for a whole batch at once."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import translation

from retarget_plugin import hosts
from retarget_plugin.domain import interests as tastes
from retarget_plugin.domain import recommend
from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.recommend import Candidate, Picks, Sales, Taste
from retarget_plugin.domain.subjects import LISTED
from retarget_plugin.domain.subjects import Product as Shown
from retarget_plugin.domain.vocabulary import CartState
from retarget_plugin.hosts import Host
from retarget_plugin.models import Cart, Contact, Message, Order, Product, ProductPair, Shop

from . import consent, posts

logger = logging.getLogger("retarget_plugin.recommendations")

#: Products others are looked for to go with: those of the run, of the cart, of the latest orders.
MOST_SEEDS = 5
#: Interests of one person that are looked for, and products that are looked at for each of them.
MOST_TOPICS, MOST_OF_TOPIC = 3, 12
#: Topics that are looked for in one batch: SQLite puts no more than 500 parts together.
MOST_ASKED = 400
#: Picks that are read again from the shop for each that is shown: some will be sold out.
SPARE = 2
NEW_FOR = timedelta(days=recommend.NEW_FOR_DAYS)
NEWEST = 24
OPEN_CARTS = (CartState.ACTIVE, CartState.ABANDONED)


@dataclass
class _Reader:
    """Somebody something is chosen for. `seeds` and `excluded` are references; None as `contact`: nobody is known."""

    key: int
    contact: int | None
    locale: str
    about: str = ""
    seeds: dict[str, None] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    interests: Mapping[str, float] = field(default_factory=dict)
    is_profiled: bool = True

    def taste(self) -> Taste:
        return Taste(
            about=self.about,
            seeds=tuple(self.seeds)[:MOST_SEEDS],
            interests=self.interests,
            excluded=frozenset(self.excluded),
        )


def for_messages(messages: Sequence[Message], *, now: datetime) -> dict[int, Picks]:
    """Message id -> what it may show its reader. A fixed number of indexed queries for each shop among `messages`, and of
    questions to the shop one of each kind for each language.

    Nothing that the reader owns, also inside a bundle, or has in a cart; nothing that cannot be bought now, at the price of
    now. Who objects to profiles gets what is new, and nothing that was chosen for them. A shop that cannot say what it
    sells now has nothing recommended.
    """
    found: dict[int, Picks] = {}
    shops: defaultdict[int, list[Message]] = defaultdict(list)
    for message in messages:
        shops[message.shop_id].append(message)
    for of_shop in shops.values():
        readers = [_reader(message) for message in of_shop]
        found |= _picked(of_shop[0].shop, readers, now=now)
    return found


def for_contact(
    shop: Shop, contact: Contact | None, *, product: str = "", limit: int = LISTED, locale: str = "", now: datetime
) -> tuple[Shown, ...]:
    """At most `limit` products for `contact`, or for anybody, that go with `product`, a reference, where one is given."""
    reader = _Reader(0, contact.pk if contact else None, locale or shop.locale)
    if product:
        reader.seeds[product] = None
        reader.excluded.add(product)
    _know([reader], now=now)
    return _products(shop, [reader], limit=limit, now=now)[0]


def _reader(message: Message) -> _Reader:
    data: Mapping[str, Any] = message.run.data if message.run else {}
    reader = _Reader(message.pk, message.contact_id, message.contact.locale or message.shop.locale)
    reader.about = tastes.topic_of(data.get("topic"))
    named = [data.get("product"), *(data.get("products") or ())]
    reader.seeds = dict.fromkeys(str(reference) for reference in named if reference)
    if data.get("product"):
        # It has a card of its own in the message.
        reader.excluded.add(str(data["product"]))
    return reader


def _picked(shop: Shop, readers: Sequence[_Reader], *, now: datetime) -> dict[int, Picks]:
    _know(readers, now=now)
    chosen = _products(shop, readers, limit=LISTED, now=now)
    fresh = _new(shop, readers, now=now)
    read = {locale: posts.latest(shop, limit=LISTED, language=locale) for locale in {one.locale for one in readers}}
    return {
        one.key: Picks(products=chosen[one.key], new_products=fresh[one.key], posts=read[one.locale]) for one in readers
    }


# -- what is known of the readers -------------------------------------------------------------------------------------


def _know(readers: Sequence[_Reader], *, now: datetime) -> None:
    """Interests, orders and carts of all, in three queries."""
    of: defaultdict[int, list[_Reader]] = defaultdict(list)
    for reader in readers:
        if reader.contact is not None:
            of[reader.contact].append(reader)
    if not of:
        return
    people = consent.profiled(Contact.objects.filter(pk__in=of))
    profiles = dict(people.values_list("pk", "interests"))
    for key, theirs in of.items():
        liked = tastes.strongest(profiles.get(key, {}), most=MOST_TOPICS, now=now)
        for reader in theirs:
            reader.interests, reader.is_profiled = liked, key in profiles
    carts = Cart.objects.filter(contact__in=of, state__in=OPEN_CARTS)
    orders = Order.objects.filter(contact__in=of, cancelled_at=None)
    for rows, latest in ((carts, "-touched_at"), (orders, "-placed_at")):
        for key, items in rows.order_by(latest).values_list("contact_id", "items"):
            inside = _inside(items)
            for reader in of[key or 0]:
                reader.excluded |= inside.keys()
                reader.seeds |= {reference: None for reference, is_bought in inside.items() if is_bought}


def _inside(items: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Reference -> whether it is a line itself; the others came in a bundle."""
    bundled = {str(part): False for item in items for part in item.get("contents", ())}
    return bundled | {item["product_id"]: True for item in items if item.get("product_id")}


# -- what the shop has for them ---------------------------------------------------------------------------------------


def _products(shop: Shop, readers: Sequence[_Reader], *, limit: int, now: datetime) -> dict[int, tuple[Shown, ...]]:
    """What goes with what they have bought or left, and what is bought most of what they like."""
    wishes = {reader.key: reader.taste() for reader in readers if reader.is_profiled}
    both = _bought_together(shop, {seed for taste in wishes.values() for seed in taste.seeds}, now=now)
    references = {*both, *(other for others in both.values() for other in others)}
    known = {row.reference: row for row in Product.objects.filter(shop=shop, reference__in=references)}
    sold = _best_sold(shop, {topic for taste in wishes.values() for topic in (taste.about, *taste.interests) if topic})
    candidates = {
        row.reference: Candidate(
            product=_shown(row), bought=row.bought / recommend.weight(now), first_seen_at=row.first_seen_at
        )
        for row in (*known.values(), *(row for rows in sold.values() for row in rows))
    }
    sales = Sales(both, {reference: one.bought for reference, one in candidates.items()})
    chosen = {}
    for key, taste in wishes.items():
        beside = (other for seed in taste.seeds for other in both.get(seed, ()))
        liked = (row.reference for topic in (taste.about, *taste.interests, "") for row in sold.get(topic, ()))
        pool = [candidates[reference] for reference in dict.fromkeys((*beside, *liked)) if reference in candidates]
        chosen[key] = recommend.choose(pool, taste, sales, most=limit * SPARE, now=now)
    return _as_of_now(shop, readers, chosen, limit=limit)


def _bought_together(shop: Shop, seeds: Collection[str], *, now: datetime) -> dict[str, dict[str, float]]:
    """Seed -> product -> orders with both, as they weigh today. One indexed query."""
    today = recommend.weight(now)
    both: dict[str, dict[str, float]] = {seed: {} for seed in seeds}
    found = ProductPair.objects.filter(shop=shop, product__in=seeds)
    for product, other, weight in found.values_list("product", "other", "weight"):
        both[product][other] = weight / today
    return both


def _best_sold(shop: Shop, topics: Collection[str]) -> dict[str, list[Product]]:
    """Topic -> the products of it that are bought most, and under "" those of the whole shop.

    One statement of as many short index scans: to rank all products of the topics at once would read them all.
    """
    ours = Product.objects.filter(shop=shop, is_available=True)
    parts = {topic: ours.filter(topic=topic) for topic in sorted(topics)[:MOST_ASKED]} | {"": ours.filter(bought__gt=0)}
    statements: list[str] = []
    values: list[Any] = []
    for number, rows in enumerate(parts.values()):
        statement, given = rows.order_by("-bought")[:MOST_OF_TOPIC].query.sql_with_params()
        statements.append(f"SELECT *, {number} AS part FROM ({statement}) AS part_{number}")  # noqa: S608 - no value in it
        values += given
    found: dict[str, list[Product]] = {topic: [] for topic in parts}
    names = list(parts)
    for row in Product.objects.raw(" UNION ALL ".join(statements), values):
        found[names[row.part]].append(row)  # type: ignore[attr-defined]
    return found


def _new(shop: Shop, readers: Sequence[_Reader], *, now: datetime) -> dict[int, tuple[Shown, ...]]:
    """What came into the shop lately, by its own word; else what was met lately and had not been while we got to know it."""
    host, since = hosts.get_host(shop.host), now - NEW_FOR
    told: dict[str, list[Candidate]] = {}
    if type(host).new_products is not Host.new_products:
        for locale in {reader.locale for reader in readers}:
            items = _asked(host, locale, partial(host.new_products, since, NEWEST))
            # Newest first is the only date they have.
            told[locale] = [
                Candidate(product=_live(item, shop.currency), first_seen_at=now - number * timedelta(seconds=1))
                for number, item in enumerate(items)
            ]
        return {one.key: tuple(recommend.newest(told[one.locale], one.taste(), most=LISTED)) for one in readers}
    met = Product.objects.filter(shop=shop, first_seen_at__gte=max(since, shop.created_at + NEW_FOR), is_available=True)
    ours = [
        Candidate(product=_shown(row), first_seen_at=row.first_seen_at)
        for row in met.order_by("-first_seen_at")[:NEWEST]
    ]
    chosen = {one.key: recommend.newest(ours, one.taste(), most=LISTED * SPARE) for one in readers}
    return _as_of_now(shop, readers, chosen, limit=LISTED)


# -- as the shop has it now -------------------------------------------------------------------------------------------


def _as_of_now(
    shop: Shop, readers: Sequence[_Reader], chosen: Mapping[int, Sequence[Shown]], *, limit: int
) -> dict[int, tuple[Shown, ...]]:
    """At most `limit` of what was chosen for each, at the price and in the stock of this moment, in their language.

    A host that tells of no products at all is taken at what it told last.
    """
    host = hosts.get_host(shop.host)
    if not host.tells_of_products:
        return {one.key: tuple(chosen.get(one.key, ()))[:limit] for one in readers}
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for one in readers:
        wanted[one.locale] |= {product.reference for product in chosen.get(one.key, ())}
    told: dict[str, dict[str, Item]] = {}
    for locale, references in wanted.items():
        asked = sorted(references)
        items = _asked(host, locale, partial(host.products_in, shop.scope, asked)) if asked else ()
        told[locale] = {item.product_id: item for item in items}
    return {one.key: tuple(_told_again(chosen.get(one.key, ()), told[one.locale], shop))[:limit] for one in readers}


def _told_again(chosen: Iterable[Shown], told: Mapping[str, Item], shop: Shop) -> Iterable[Shown]:
    for product in chosen:
        item = told.get(product.reference)
        now = item and replace(_live(item, product.currency or shop.currency), topic=product.topic)
        if now and recommend.is_presentable(now):
            yield now


def _asked(host: Host, locale: str, ask: Callable[[], Sequence[Item]]) -> Sequence[Item]:
    """What the shop answers in a language; nothing where it cannot say now."""
    try:
        with translation.override(locale):
            return list(ask())
    except Exception:
        logger.exception("host %s could not tell about products; messages go without", host.alias)
        return ()


def _shown(row: Product) -> Shown:
    return Shown(
        reference=row.reference,
        title=row.title,
        url=row.url,
        image_url=row.image_url,
        price=row.price,
        currency=row.currency,
        topic=row.topic,
        is_available=row.is_available,
    )


def _live(item: Item, currency: str) -> Shown:
    return Shown(
        reference=item.product_id,
        title=item.title,
        url=item.url,
        image_url=item.image_url,
        price=item.unit_price,
        currency=currency,
        topic=tastes.topic_of(item.category),
        is_available=item.is_available,
    )
