"""Made-up people and things, for looking at a message before anybody gets it; and what a flow's messages may speak of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from . import contexts, subjects
from .carts import Cart, Item
from .coupons import CouponKind, Offer
from .flows import Definition
from .steps import EventStep
from .subjects import LISTED, LISTS, Magnet, Order, Post, Product, Question, Store, Subject, Topic, listed
from .vocabulary import Exit, MessageKind, Trigger

ORDERS = frozenset({Trigger.ORDER_PLACED, Trigger.ORDER_PAID, Trigger.ORDER_FULFILLED, Trigger.ORDER_UNPAID})
#: What a message may speak of because of what has let its reader into the flow.
SPOKEN_OF: Mapping[str, frozenset[Trigger]] = {
    "cart": frozenset({Trigger.CART_ABANDONED, Trigger.CHECKOUT_ABANDONED}),
    "product": frozenset(
        {
            *ORDERS - {Trigger.ORDER_UNPAID},
            *(Trigger.PRODUCT_VIEWED, Trigger.SITE_LEFT, Trigger.BACK_IN_STOCK, Trigger.PRICE_DROP),
            *(Trigger.INTEREST_SHOWN, Trigger.CUSTOM_EVENT),
        }
    ),
    "order": ORDERS,
    "magnet": frozenset({Trigger.FORM_CONFIRMED, Trigger.MAGNET_DOWNLOADED}),
    "topic": frozenset(
        {*ORDERS, Trigger.FORM_CONFIRMED, Trigger.MAGNET_DOWNLOADED, Trigger.INTEREST_SHOWN, Trigger.PRODUCT_VIEWED}
    ),
}
FIRST_NAME, LAST_NAME = "Camille", "Martin"
CODE = "MERCI-7K2P"
URL, SHORT_URL = "https://shop.example", "https://go.shop.example/Ab3dE9xZ"
UNSUBSCRIBE_URL = f"{URL}/retarget/unsubscribe/token/"
CURRENCY = "EUR"
#: Products that a message shows at the most: the one it is about, and two lists.
PRODUCTS = 1 + 2 * LISTED
NOON = datetime(2026, 12, 9, 12, tzinfo=UTC)

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "scarf": "Grey wool scarf",
        "shirt": "Linen shirt, size M",
        "bag": "Canvas weekend bag",
        "lamp": "Small oak reading lamp",
        "plaid": "Mohair throw",
        "cups": "Two stoneware cups",
        "tray": "Ash serving tray",
        "guide": "How to choose wool that lasts",
        "care": "Washing linen without wearing it out",
        "workshop": "A morning in our workshop",
        "summary": "Five things to look at before you buy, and two you can forget.",
        "topic": "wool",
        "question": "What are you looking for?",
        "women": "For women",
        "men": "For men",
        "home": "For the home",
    },
    "fr": {
        "scarf": "Écharpe en laine grise",
        "shirt": "Chemise en lin, taille M",
        "bag": "Sac de week-end en toile",
        "lamp": "Petite lampe de lecture en chêne",
        "plaid": "Plaid en mohair",
        "cups": "Deux tasses en grès",
        "tray": "Plateau en frêne",
        "guide": "Choisir une laine qui dure",
        "care": "Laver le lin sans l’abîmer",
        "workshop": "Une matinée dans notre atelier",
        "summary": "Cinq choses à regarder avant d’acheter, et deux que vous pouvez oublier.",
        "topic": "la laine",
        "question": "Que cherchez-vous\u202f?",
        "women": "Pour femme",
        "men": "Pour homme",
        "home": "Pour la maison",
    },
    "es": {
        "scarf": "Bufanda de lana gris",
        "shirt": "Camisa de lino, talla M",
        "bag": "Bolsa de viaje de lona",
        "lamp": "Lámpara de lectura de roble",
        "plaid": "Manta de mohair",
        "cups": "Dos tazas de gres",
        "tray": "Bandeja de fresno",
        "guide": "Cómo elegir lana que dure",
        "care": "Lavar el lino sin estropearlo",
        "workshop": "Una mañana en nuestro taller",
        "summary": "Cinco cosas que mirar antes de comprar y dos que puedes olvidar.",
        "topic": "la lana",
        "question": "¿Qué buscas?",
        "women": "Para mujer",
        "men": "Para hombre",
        "home": "Para la casa",
    },
}


def subject(
    trigger: Trigger,
    *,
    language: str,
    currency: str,
    base_url: str,
    own: Sequence[Product] = (),
    names: Collection[str] | None = None,
) -> Subject:
    """Something believable for each thing that a message may speak of; what `trigger` would have told of it.

    `own`: products of the shop itself, shown first. `names`: what the message speaks of; without, everything.
    """
    products = _products(language, currency, base_url, own)
    whole: dict[str, Any] = {
        "cart": _cart(products, currency),
        "product": products[0],
        "recommendations": products[1 : 1 + LISTED],
        "new_products": products[1 + LISTED :],
        "posts": _posts(language, base_url),
        "magnet": Magnet(lead=0, name=_word("guide", language)),
        "order": Order(number="10042", url=base_url, total=Decimal("147.90"), currency=currency),
        "topic": Topic(slug="wool", labels=_labels("topic")),
        "store": Store(id=0, name="Rivoli", address="12 rue de Rivoli, 75004 Paris", distance=3.2),
        "question": Question(
            slug="taste",
            labels=_labels("question"),
            options=[{"value": value, "labels": _labels(value)} for value in ("women", "men", "home")],
        ),
    }
    if trigger is Trigger.PRICE_DROP:
        whole["product"] = _cheaper(products[0])
    return Subject(**{noun: found for noun, found in whole.items() if names is None or noun in names})


def addresses(url: str) -> dict[str, str]:
    """`url` for everything that a sample may lead to."""
    lists = [listed(name, number) for name in LISTS for number in range(LISTED)]
    answers = [f"answer:{value}" for value in ("women", "men", "home")]
    nouns = ["link", "cart", "product", "magnet", "order", "store", "keep", "preferences"]
    return dict.fromkeys([*nouns, *lists, *answers], url)


def never_held(definition: Definition, message: str) -> frozenset[str]:
    """Names that `message` of such a flow never finds in its context, however well they are spelled."""
    nouns = {noun for noun, triggers in SPOKEN_OF.items() if definition.trigger not in triggers}
    if definition.topic or any(isinstance(step, EventStep) for step in definition.steps):
        nouns.discard("topic")
    if Exit.KEEP not in definition.exits:
        nouns.add("keep_url")
    if not any(step.coupon for step in definition.sends if step.message == message):
        nouns.add("coupon")
    return frozenset(nouns)


def context(
    definition: Definition, message: str, *, language: str, names: Collection[str] | None = None
) -> dict[str, Any]:
    """All that `message` may read, of a made-up shop; what it never holds is not there. `names`: as for `subject`."""
    whole = {
        "language": language,
        **contexts.direction(language),
        "shop": shop(language),
        "contact": {"first_name": FIRST_NAME, "last_name": LAST_NAME},
        "unsubscribe_url": "" if is_service(definition, message) else UNSUBSCRIBE_URL,
        "stop": "" if is_service(definition, message) else "STOP 36111",
        "coupon": _coupon(definition, message, language),
        **subjects.context(
            subject(definition.trigger, language=language, currency=CURRENCY, base_url=URL, names=names),
            addresses(SHORT_URL),
            currency=CURRENCY,
            language=language,
            locale=language,
        ),
    }
    absent = never_held(definition, message)
    return {name: value for name, value in whole.items() if name not in absent}


def is_service(definition: Definition, message: str) -> bool:
    """True when `message` is sent as a service and by no step as advertising."""
    kinds = {step.kind for step in definition.sends if step.message == message}
    return kinds == {MessageKind.SERVICE}


def shop(language: str) -> dict[str, Any]:
    return {
        "name": "Maison Lune",
        "url": URL,
        "logo_url": None,
        "sender_name": "Camille",
        "postal_address": "12 rue des Lilas, 35000 Rennes",
        "support_email": "help@shop.example",
        "support_phone": "+33 2 99 00 00 00",
        "currency": CURRENCY,
        "free_shipping_from": contexts.money(Decimal(60), CURRENCY, language),
        "delivery_days": 2,
    }


def coupon(locale: str, *, offer: Offer, currency: str, is_applied: bool = True, now: datetime) -> dict[str, Any]:
    """What a step offers, as its message tells it."""
    is_amount = offer.kind is CouponKind.AMOUNT
    return contexts.coupon_context(
        CODE,
        percent=None if is_amount else offer.value,
        amount=offer.value if is_amount else None,
        currency=currency,
        expires_at=now + offer.valid,
        is_applied=is_applied,
        locale=locale,
    )


def _coupon(definition: Definition, message: str, language: str) -> dict[str, Any] | None:
    offers = (step.coupon for step in definition.sends if step.message == message and step.coupon)
    offer = next(offers, None)
    return coupon(language, offer=offer, currency=CURRENCY, now=NOON) if offer else None


def _products(language: str, currency: str, base_url: str, own: Sequence[Product]) -> tuple[Product, ...]:
    prices = {
        **{"scarf": "39.90", "shirt": "54.00", "bag": "89.00", "lamp": "64.50"},
        **{"plaid": "79.00", "cups": "24.00", "tray": "32.50"},
    }
    made_up = [
        Product(reference=name, title=_word(name, language), url=base_url, price=Decimal(price), currency=currency)
        for name, price in prices.items()
    ]
    return (*own, *made_up)[:PRODUCTS]


def _cart(products: Sequence[Product], currency: str) -> Cart:
    items = [
        Item(
            product_id=one.reference,
            title=one.title,
            quantity=quantity,
            unit_price=one.price or Decimal(),
            image_url=one.image_url,
        )
        for quantity, one in enumerate(products[:2], 1)
    ]
    return Cart(reference="preview", currency=currency, items=items)


def _cheaper(product: Product) -> Product:
    price = product.price or Decimal("39.90")
    values = {**vars(product), "price": price, "old_price": price + max(round(price / 5), 1)}
    return Product(**values)


def _posts(language: str, base_url: str) -> tuple[Post, ...]:
    names = ("guide", "care", "workshop")
    return tuple(Post(title=_word(name, language), url=base_url, summary=_word("summary", language)) for name in names)


def _word(name: str, language: str) -> str:
    best = contexts.match_language(language, _WORDS) or contexts.FALLBACK_LANGUAGE
    return _WORDS[best][name]


def _labels(name: str) -> dict[str, str]:
    return {language: words[name] for language, words in _WORDS.items()}
