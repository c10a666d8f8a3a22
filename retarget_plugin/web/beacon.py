"""t: what a storefront's script reports. p.gif: that somebody without scripts saw a page. Answers have no body."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from retarget_plugin.domain import events
from retarget_plugin.domain.events import Beacon, EventName
from retarget_plugin.engine import tracking
from retarget_plugin.exceptions import InputError, Refusal

from . import clients, origins, pages, visitors
from .origins import Origin

#: As sendBeacon sends a text. It needs no preflight, so that a page that is being closed can still send it.
CONTENT_TYPE = "text/plain"
_STATUS = {"limited": 429}
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


# No CSRF token: a page that is being closed cannot send one. Instead the browser's own word for where it comes from is
# checked, and from another origin nothing is read or set but anonymous counts.
@csrf_exempt
@login_not_required
@require_http_methods(["POST", "OPTIONS"])
def beacon(request: HttpRequest) -> HttpResponse:
    """204 when it was taken; 400, 403 (foreign origin), 413 (too long) or 429 (too much) when it was not."""
    if origins.of(request) is Origin.FOREIGN:
        return _answer(request, 403)
    if request.method == "OPTIONS":
        return _answer(request, 204)
    try:
        return _take(request, events.parse(_body(request)), now=timezone.now())
    except InputError as error:
        return _answer(request, 413 if error.code == "too_large" else 400)
    except Refusal as refusal:
        return _answer(request, _STATUS.get(refusal.reason, 400))


@login_not_required
@require_safe
def pixel(request: HttpRequest) -> HttpResponse:
    """An anonymous count of `n`, one of our names; never a cookie. 400 for any other name, 429 for too much."""
    name = request.GET.get("n", EventName.PAGE_VIEW)
    if name not in list(EventName):
        return _answer(request, 400)
    try:
        shop, address, is_bot = clients.shop_of(request), clients.address(request), clients.is_machine(request)
        if request.method == "GET":
            tracking.count(shop, name, address=address, is_bot=is_bot, now=timezone.now())
    except Refusal as refusal:
        return _answer(request, _STATUS.get(refusal.reason, 400))
    return pages.private(HttpResponse(PIXEL, content_type="image/gif"), referrer=pages.REDIRECT_REFERRER)


def _body(request: HttpRequest) -> bytes:
    """Raises InputError. The header is looked at first, so that a long body is not even read."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if request.content_type != CONTENT_TYPE or request.headers.get("Content-Encoding"):
        raise InputError("bad_type", "The body must be plain text.")
    if not (length.isascii() and length.isdecimal()):
        raise InputError("bad_length", "The body's length is missing.")
    if len(length) > 9 or int(length) > events.MAX_BYTES:
        raise InputError("too_large", f"At most {events.MAX_BYTES} bytes.")
    try:
        return request.body
    except UnreadablePostError as error:
        raise InputError("bad_body", "The body did not come.") from error


def _take(request: HttpRequest, told: Beacon, *, now: datetime) -> HttpResponse:
    """Raises Refusal. Of another origin's page only what is anonymous is taken, and its cookies are not looked at."""
    is_own = origins.of(request) is Origin.OWN
    shop = clients.shop_of(request)
    visitor = visitors.of(request) if is_own else None
    who = tracking.report(
        shop,
        told if is_own else replace(told, grant=None, is_withdrawal=False),
        visitor=visitor if visitor and visitor.shop_id == shop.pk else None,
        address=clients.address(request),
        is_bot=clients.is_machine(request),
        now=now,
    )
    response = _answer(request, 204)
    if who:
        visitors.keep(response, who if who == visitor else visitors.recognize(request, who, now=now))
    elif is_own and told.ends_tracking:
        visitors.forget(response)
    return response


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    response = pages.private(HttpResponse(status=status), referrer=pages.REDIRECT_REFERRER)
    return origins.admit(response, request, methods="POST")
