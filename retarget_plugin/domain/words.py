"""What the shipped layouts say by themselves, in each language; a message may bring its own `words` instead."""

from __future__ import annotations

from .contexts import FALLBACK_LANGUAGE, match_language

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
        "why": "You receive this e-mail because you left a cart at %s.",
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
        "why": "Vous recevez cet e-mail parce que vous avez laissé un panier chez %s.",
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
        "why": "Recibes este correo porque dejaste un carrito en %s.",
        "unsubscribe": "Darse de baja",
        "stop_reply": "Responde STOP: baja",
        "stop_link": "Baja:",
    },
}


def words(language: str) -> dict[str, str]:
    """The words of `language`, or of its family (fr for fr-CA), else the English ones."""
    return dict(WORDS[match_language(language, WORDS) or FALLBACK_LANGUAGE])
