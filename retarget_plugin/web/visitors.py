"""The visitor of a request: a first-party cookie, set only for a browser that allowed it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from retarget_plugin import conf, hosts, signals
from retarget_plugin.engine import visitors
from retarget_plugin.models import Visitor


def of(request: HttpRequest) -> Visitor | None:
    """Who the cookie says it is, if anybody."""
    return visitors.find(request.COOKIES.get(conf.settings.VISITOR_COOKIE, ""))


def recognize(request: HttpRequest, visitor: Visitor, *, now: datetime) -> Visitor:
    """Who somebody just met in this browser is: whoever is logged in to the shop is known from the start."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return visitor
    host = visitor.shop.host
    with signals.shielded("host %s could not say whose account it is", host), transaction.atomic():
        account = hosts.get_host(host).account_of(user)
        return (visitors.sign_in(visitor, account, now=now) if account else None) or visitor
    return visitor


def keep(response: HttpResponse, visitor: Visitor) -> None:
    """Give the browser its cookie, for another VISITOR_DAYS."""
    response.set_cookie(
        conf.settings.VISITOR_COOKIE,
        visitor.key,
        max_age=timedelta(days=conf.settings.VISITOR_DAYS),
        secure=conf.settings.PUBLIC_URL.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )


def forget(response: HttpResponse) -> None:
    """Take the cookie away."""
    response.delete_cookie(conf.settings.VISITOR_COOKIE, samesite="Lax")
