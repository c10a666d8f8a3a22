"""What the shipped layouts say by themselves, in each language; a message may bring its own `words` instead."""

from __future__ import annotations

from collections.abc import Mapping

from .contexts import FALLBACK_LANGUAGE, match_language
from .vocabulary import Trigger

#: %s is filled by the layout. No-break spaces are written as escapes, so that they can be seen.
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "colon": ":",
        "lines": "What is in your cart",
        "product": "Product",
        "price": "Price",
        "quantity": "Quantity",
        "one_more": "and 1 more item",
        "many_more": "and %s more items",
        "total": "Total",
        "code": "Your code",
        "expires": "Valid until %s",
        "question": "A question?",
        "write": "Write to us",
        "call": "Call %s",
        "before": "before:",
        "also": "You may also like",
        "recommendations": "Picked for you",
        "new_products": "New in the shop",
        "posts": "From our journal",
        "unsubscribe": "Unsubscribe",
        "stop_reply": "Reply STOP to opt out",
        "stop_link": "Stop:",
    },
    "fr": {
        "colon": "\u00a0:",
        "lines": "Dans votre panier",
        "product": "Article",
        "price": "Prix",
        "quantity": "Quantité",
        "one_more": "et 1 autre article",
        "many_more": "et %s autres articles",
        "total": "Total",
        "code": "Votre code",
        "expires": "Valable jusqu’au %s",
        "question": "Une question\u202f?",
        "write": "Nous écrire",
        "call": "Appeler le %s",
        "before": "avant\u00a0:",
        "also": "Vous aimerez peut-être aussi",
        "recommendations": "Choisi pour vous",
        "new_products": "Les nouveautés",
        "posts": "À lire chez nous",
        "unsubscribe": "Se désabonner",
        "stop_reply": "Pour refuser : STOP",
        "stop_link": "Stop :",
    },
    "es": {
        "colon": ":",
        "lines": "En tu carrito",
        "product": "Artículo",
        "price": "Precio",
        "quantity": "Cantidad",
        "one_more": "y 1 artículo más",
        "many_more": "y %s artículos más",
        "total": "Total",
        "code": "Tu código",
        "expires": "Válido hasta el %s",
        "question": "¿Alguna duda?",
        "write": "Escríbenos",
        "call": "Llama al %s",
        "before": "antes:",
        "also": "También te puede gustar",
        "recommendations": "Elegido para ti",
        "new_products": "Novedades de la tienda",
        "posts": "Para leer con calma",
        "unsubscribe": "Darse de baja",
        "stop_reply": "Responde STOP: baja",
        "stop_link": "Baja:",
    },
}


#: Why somebody gets a message, by what let them into its flow.
WHY: dict[str, dict[str, str]] = {
    "en": {
        "cart": "You receive this e-mail because you left a cart at %s.",
        "visit": "You receive this e-mail because you looked at products at %s.",
        "order": "You receive this e-mail because you have ordered at %s.",
        "consent": "You receive this e-mail because you agreed to hear from %s.",
    },
    "fr": {
        "cart": "Vous recevez cet e-mail parce que vous avez laissé un panier chez %s.",
        "visit": "Vous recevez cet e-mail parce que vous avez regardé des articles chez %s.",
        "order": "Vous recevez cet e-mail parce que vous avez commandé chez %s.",
        "consent": "Vous recevez cet e-mail parce que vous avez accepté de recevoir des nouvelles de %s.",
    },
    "es": {
        "cart": "Recibes este correo porque dejaste un carrito en %s.",
        "visit": "Recibes este correo porque miraste artículos en %s.",
        "order": "Recibes este correo porque has hecho un pedido en %s.",
        "consent": "Recibes este correo porque aceptaste recibir noticias de %s.",
    },
}
_BECAUSE: Mapping[Trigger, str] = {
    **dict.fromkeys((Trigger.CART_ABANDONED, Trigger.CHECKOUT_ABANDONED), "cart"),
    **dict.fromkeys((Trigger.PRODUCT_VIEWED, Trigger.SITE_LEFT, Trigger.INTEREST_SHOWN), "visit"),
    **dict.fromkeys((Trigger.BACK_IN_STOCK, Trigger.PRICE_DROP), "visit"),
    **dict.fromkeys((Trigger.ORDER_PLACED, Trigger.ORDER_PAID, Trigger.ORDER_FULFILLED), "order"),
    **dict.fromkeys((Trigger.ORDER_UNPAID, Trigger.NO_ORDER), "order"),
}


def words(language: str, *, trigger: Trigger | None = None) -> dict[str, str]:
    """The words of `language`, or of its family (fr for fr-CA), else the English ones; "why" as `trigger` has it."""
    best = match_language(language, WORDS) or FALLBACK_LANGUAGE
    because = _BECAUSE.get(trigger, "consent") if trigger else "consent"
    return {**WORDS[best], "why": WHY[best][because]}
