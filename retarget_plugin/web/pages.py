"""What every public page has in common: its language, its headers, and the one answer to a link that leads nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language_from_request

from retarget_plugin.domain import contexts
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Contact, Shop

#: Languages the pages are written in; the first is the last resort.
LANGUAGES = ("en", "fr", "es")

# The address of a page is a bearer token. It may be seen by the shop itself, which Django's CSRF check of a form's
# origin needs (with "no-referrer" browsers say "Origin: null"), and by nobody else.
PAGE_REFERRER = "same-origin"
# The page we send somebody on to must not see it at all: a shop's statistics would pass it to a third party.
REDIRECT_REFERRER = "no-referrer"

Answer = TypeVar("Answer", bound=HttpResponseBase)


class SeeOther(HttpResponseRedirect):
    """303: what follows a POST is a GET, and going back does not send the POST again."""

    status_code = 303


def page(
    request: HttpRequest,
    name: str,
    *,
    contact: Contact | None = None,
    shop: Shop | None = None,
    language: str = "",
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    """The page `name` in `language`, else in the reader's own; `shop` is named on it when it is given."""
    language = language or language_of(request, contact)
    with translation.override(language):
        values = {"shop": shop, "language": language, **context}
        response = render(request, f"retarget_plugin/pages/{name}.html", values, status=status)
    response.headers["Content-Language"] = language
    patch_vary_headers(response, ["Accept-Language"])
    return private(response, referrer=PAGE_REFERRER)


def send_on(destination: str) -> HttpResponse:
    """Lead whoever has pressed a button on to `destination`, which does not learn from where."""
    return private(SeeOther(destination), referrer=REDIRECT_REFERRER)


def not_found(request: HttpRequest) -> HttpResponse:
    """The same page, status and headers for every link that does not work, whatever is wrong with it."""
    return page(request, "not_found", status=404)


def private(response: Answer, *, referrer: str) -> Answer:
    """Keep an answer out of caches, search engines, frames and other sites' logs."""
    headers: Mapping[str, str] = {
        "Cache-Control": "no-store, private",
        "Referrer-Policy": referrer,
        "X-Robots-Tag": "noindex, nofollow",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
    }
    for name, value in headers.items():
        response.headers[name] = value
    return response


def language_of(request: HttpRequest, contact: Contact | None) -> str:
    """The contact's own language, else the browser's, among those the pages are written in."""
    wanted = (contact.locale if contact else "", get_language_from_request(request))
    return next(filter(None, (contexts.match_language(locale, LANGUAGES) for locale in wanted)), LANGUAGES[0])


def money(amount: Decimal, currency: str, *, contact: Contact | None, language: str) -> str:
    """`amount` as messages write it too, such as €12.50 or 12,50 €; "" for what cannot be a price."""
    locale = contexts.choose_locale([contact.locale if contact else ""], language)
    try:
        shown = contexts.money(amount, currency, locale)
    except TemplateError:
        return ""
    return shown["text"] if shown else ""
