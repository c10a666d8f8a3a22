"""What a message speaks of: read for it, in no language yet; and the same as plain data for its texts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from . import contexts
from .carts import Cart
from .preferences import said

#: Products or posts that one list of a message shows.
LISTED = 3
#: The lists of which a message shows what there is.
LISTS = ("recommendations", "new_products", "posts")
SUMMARY_LIMIT = 200
ANSWERS_LIMIT = 8
_METERS_FROM = 1.0


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product as the shop sells it now. `old_price`: what it cost when the person saw it, where that is news.

    `topic`: its category, in the form by which interests are kept.
    """

    reference: str
    title: str
    url: str = ""
    image_url: str = ""
    price: Decimal | None = None
    old_price: Decimal | None = None
    currency: str = ""
    topic: str = ""
    is_available: bool = True


@dataclass(frozen=True, kw_only=True)
class Post:
    """Something to read on the shop's site."""

    title: str
    url: str
    image_url: str = ""
    summary: str = ""
    topic: str = ""


@dataclass(frozen=True, kw_only=True)
class Magnet:
    """What somebody was given for their address. `lead`: the id by which they get it again."""

    lead: int
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order; `url` is where it can be paid, empty where it cannot."""

    number: str
    url: str = ""
    total: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class Topic:
    slug: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Store:
    """The store nearest to the reader; `distance` in kilometers."""

    id: int
    name: str
    address: str
    distance: float


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of taste and its answers: [{"value": slug, "labels": {language: text}}]."""

    slug: str
    labels: Mapping[str, str]
    options: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Everything one message speaks of, as it is this moment. Of what it does not read, nothing is here.

    Two readings are equal unless something has changed that its reader would see.
    """

    cart: Cart | None = None
    product: Product | None = None
    recommendations: tuple[Product, ...] = ()
    new_products: tuple[Product, ...] = ()
    posts: tuple[Post, ...] = ()
    magnet: Magnet | None = None
    order: Order | None = None
    topic: Topic | None = None
    store: Store | None = None
    question: Question | None = None

    def apart(self, needed: Collection[str]) -> Subject:
        """With each product in one of both lists; unless that would leave one empty which is among the `needed`."""
        mine, new = ({one.reference for one in found} for found in (self.recommendations, self.new_products))
        others = tuple(one for one in self.new_products if one.reference not in mine)
        if others or "new_products" not in needed:
            return replace(self, new_products=others)
        rest = tuple(one for one in self.recommendations if one.reference not in new)
        if rest or "recommendations" not in needed:
            return replace(self, recommendations=rest)
        return self


NOTHING = Subject()

#: Address by what it leads to; of a list, one for each. What leads nowhere has none.
Addresses = Mapping[str, str]


def context(subject: Subject, addresses: Addresses, *, currency: str, language: str, locale: str) -> dict[str, Any]:
    """`subject` as the texts of a message read it: of what there is none, None or an empty list.

    `currency` stands in where the shop gave none with a price. Raises TemplateError for a price that is none.
    """

    def products(name: str, found: Sequence[Product]) -> list[dict[str, Any]]:
        urls = [addresses.get(listed(name, number)) for number in range(len(found))]
        return [_product(one, url, currency, locale) for one, url in zip(found, urls, strict=True)]

    return {
        "cart": _cart(subject.cart, addresses.get("cart", ""), currency, locale),
        "product": _product(subject.product, addresses.get("product"), currency, locale) if subject.product else None,
        "recommendations": products("recommendations", subject.recommendations),
        "new_products": products("new_products", subject.new_products),
        "posts": [_post(post, addresses.get(listed("posts", n))) for n, post in enumerate(subject.posts)],
        "magnet": _magnet(subject.magnet, addresses.get("magnet"), language),
        "order": _order(subject.order, addresses.get("order"), currency, locale),
        "topic": _topic(subject.topic, language),
        "store": _store(subject.store, addresses.get("store"), locale),
        "question": _question(subject.question, addresses, language),
        "link": addresses.get("link"),
        "keep_url": addresses.get("keep"),
        "preferences_url": addresses.get("preferences"),
    }


def listed(name: str, number: int) -> str:
    """How the address of one of a list is called: "posts-1" is the first."""
    return f"{name}-{number + 1}"


def destinations(subject: Subject) -> dict[str, str]:
    """The shop's own addresses of what `subject` speaks of, by name."""
    order = {"order": subject.order.url} if subject.order else {}
    found = {**order, **{name: one.url for name, one in shown(subject).items()}}
    return {name: url for name, given in found.items() if (url := contexts.clean_url(given))}


def shown(subject: Subject) -> dict[str, Product | Post]:
    """Every product and post of `subject`, by the name of its address."""
    found: dict[str, Product | Post] = {"product": subject.product} if subject.product else {}
    for name in LISTS:
        found |= {listed(name, number): one for number, one in enumerate(getattr(subject, name))}
    return found


def distance(kilometers: float, *, locale: str) -> str:
    """ "800 m", "12 km": as far as anybody cares."""
    if kilometers < _METERS_FROM:
        return f"{max(round(kilometers * 10) * 100, 100)}\u00a0m"
    return f"{contexts.number(round(kilometers), locale=locale)}\u00a0km"


def _cart(cart: Cart | None, url: str, currency: str, locale: str) -> dict[str, Any] | None:
    return contexts.cart_context(cart, url=url, currency=currency, locale=locale) if cart else None


def _product(product: Product, url: str | None, currency: str, locale: str) -> dict[str, Any]:
    currency = product.currency or currency
    return {
        "title": contexts.clean_text(product.title),
        "short_title": contexts.short_title(product.title),
        "url": url,
        "image_url": contexts.clean_url(product.image_url),
        "price": contexts.money(product.price, currency, locale),
        "old_price": contexts.money(product.old_price, currency, locale),
        "is_available": product.is_available,
    }


def _post(post: Post, url: str | None) -> dict[str, Any]:
    return {
        "title": contexts.clean_text(post.title),
        "url": url,
        "image_url": contexts.clean_url(post.image_url),
        "summary": contexts.clean_text(post.summary, SUMMARY_LIMIT),
    }


def _magnet(magnet: Magnet | None, url: str | None, language: str) -> dict[str, Any] | None:
    if magnet is None:
        return None
    return {"name": contexts.clean_text(said(magnet.labels, language, otherwise=magnet.name)), "url": url}


def _order(order: Order | None, url: str | None, currency: str, locale: str) -> dict[str, Any] | None:
    if order is None:
        return None
    total = contexts.money(order.total, order.currency or currency, locale)
    return {"number": contexts.clean_text(order.number), "url": url, "total": total}


def _topic(topic: Topic | None, language: str) -> dict[str, Any] | None:
    if topic is None:
        return None
    name = said(topic.labels, language, otherwise=topic.slug.replace("-", " "))
    return {"name": contexts.clean_text(name), "slug": topic.slug}


def _store(store: Store | None, url: str | None, locale: str) -> dict[str, Any] | None:
    if store is None:
        return None
    return {
        "name": contexts.clean_text(store.name),
        "address": contexts.clean_text(store.address, 250),
        "distance": distance(store.distance, locale=locale),
        "url": url,
    }


def _question(question: Question | None, addresses: Addresses, language: str) -> dict[str, Any] | None:
    if question is None:
        return None
    choices = [
        {"label": contexts.clean_text(said(option["labels"], language, otherwise=option["value"])), "url": url}
        for option in question.options[:ANSWERS_LIMIT]
        if (url := addresses.get(f"answer:{option['value']}"))
    ]
    return {"text": contexts.clean_text(said(question.labels, language, otherwise=question.slug)), "choices": choices}
