"""The browser behind a request: who it is by its cookie, and what becomes of the cookie in the answer."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from retarget_plugin.models import Visitor
from retarget_plugin.web import clients, origins, visitors
from retarget_plugin.web.origins import Origin

_COOKIE = "_retarget_cookie"


def is_own(request: HttpRequest) -> bool:
    """Whether the site itself asks. Of a page of any other origin no cookie is read, and none is set in its browser."""
    return origins.of(request) is Origin.OWN


def visitor_of(request: HttpRequest) -> Visitor | None:
    """Who the cookie says it is, in the shop that was asked. Raises Refusal("no_shop")."""
    visitor = visitors.of(request) if is_own(request) else None
    return visitor if visitor and visitor.shop_id == clients.shop_of(request).pk else None


def keep(request: HttpRequest, visitor: Visitor | None) -> None:
    """The answer gives the browser this visitor's cookie; None: it takes the cookie away."""
    setattr(request, _COOKIE, visitor)


def settle(request: HttpRequest, response: HttpResponse) -> None:
    """Write into `response` what `keep` said. A shop that mixes our fields into a view of its own calls this after it."""
    if not hasattr(request, _COOKIE):
        return
    visitor: Visitor | None = getattr(request, _COOKIE)
    if visitor:
        visitors.keep(response, visitor)
    else:
        visitors.forget(response)
