"""saleor/<alias>/dashboard/: our page in the frame of Saleor's dashboard.

The page itself says nothing and is for anybody. What it then asks for carries the dashboard's token of whoever is signed
in there; no cookie is read, and none is set: in a frame of another site browsers send none.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from retarget_plugin.domain.vocabulary import FlowState
from retarget_plugin.engine import effects, saleor_desk
from retarget_plugin.engine.saleor_desk import Desk
from retarget_plugin.exceptions import Refusal

from . import pages

_STATUS = {
    "bad_token": 401,
    "not_permitted": 403,
    "unknown_host": 404,
    "unknown_shop": 404,
    "unknown_flow": 404,
    "not_installed": 404,
    "unavailable": 503,
}
#: The chart, in its own units: bars of one day beside each other.
CHART_HEIGHT, BAR, GAP = 96, 8, 4


@xframe_options_exempt
@login_not_required
@require_safe
def dashboard(request: HttpRequest, alias: str) -> HttpResponse:
    """The empty page and its script. Only the dashboard of this very Saleor may put it into a frame."""
    try:
        origin = saleor_desk.dashboard_origin(alias)
    except Refusal as refusal:
        return pages.private(HttpResponse(status=_STATUS[refusal.reason]), referrer=pages.PAGE_REFERRER)
    response = _page(request, "saleor_dashboard", alias=alias, origin=origin, periods=saleor_desk.PERIODS)
    # A header of its own takes the place of this older one, which knows no origins.
    del response.headers["X-Frame-Options"]
    response.headers["Content-Security-Policy"] = _policy(origin)
    return response


@login_not_required
@require_safe
def report(request: HttpRequest, alias: str) -> HttpResponse:
    """What the page shows, as HTML to put into it; for those who may see the shop's orders."""
    now = timezone.now()
    try:
        who = saleor_desk.admit(alias, _bearer(request), permission=saleor_desk.SEE, now=now)
        desk = saleor_desk.show(alias, who, **_choice(request), now=now)
    except Refusal as refusal:
        return _refused(refusal)
    return _shown(request, desk)


# No CSRF token: the bearer token is in a header that no other site's page can make a browser send.
@csrf_exempt
@login_not_required
@require_POST
def switch(request: HttpRequest, alias: str, flow: int) -> HttpResponse:
    """Turns a flow on, or holds it, and answers as `report` does; 409 with the reasons where a flow is not ready."""
    now, problem = timezone.now(), ""
    try:
        who = saleor_desk.admit(alias, _bearer(request), permission=saleor_desk.SWITCH, now=now)
        try:
            saleor_desk.switch(alias, flow, is_on=request.POST.get("state") == FlowState.ON, now=now)
        except Refusal as refusal:
            if refusal.reason != "not_ready":
                raise
            problem = str(refusal)
        desk = saleor_desk.show(alias, who, **_choice(request), problem=problem, now=now)
    except Refusal as refusal:
        return _refused(refusal)
    return _shown(request, desk, status=409 if problem else 200)


def _bearer(request: HttpRequest) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _choice(request: HttpRequest) -> dict[str, str]:
    return {"shop": request.GET.get("shop", ""), "days": request.GET.get("days", "")}


def _refused(refusal: Refusal) -> HttpResponse:
    response = pages.private(HttpResponse(status=_STATUS[refusal.reason]), referrer=pages.REDIRECT_REFERRER)
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _shown(request: HttpRequest, desk: Desk, *, status: int = 200) -> HttpResponse:
    found, language = desk.overview, pages.language_of(request, None)

    def price(amount: Decimal) -> str:
        return pages.money(amount, found.currency, contact=None, language=language)

    lines = [(line, price(line.revenue), line.flow.state == FlowState.ON) for line in found.flows]
    effect = found.effect
    with translation.override(language):
        said, caused = effects.words(effect), _("Not yet known")
    if effect.is_conclusive and effect.caused_revenue is not None:
        caused = price(effects.cents(effect.caused_revenue))
    return _page(
        request,
        "saleor_report",
        status=status,
        desk=desk,
        revenue=price(found.revenue),
        caused=caused,
        said=said,
        lines=lines,
        bars=_bars(desk),
        width=len(found.days) * (BAR + GAP),
        height=CHART_HEIGHT,
        periods=saleor_desk.PERIODS,
    )


def _bars(desk: Desk) -> list[dict[str, Any]]:
    """A bar for each day: the carts that were left, and in front of it the orders that came back."""
    most = max((max(day.abandoned, day.recovered) for day in desk.overview.days), default=0) or 1

    def height(count: int) -> int:
        return math.ceil(count * CHART_HEIGHT / most)

    return [
        {
            "day": day,
            "x": number * (BAR + GAP) + GAP // 2,
            "width": BAR,
            "left": height(day.abandoned),
            "left_y": CHART_HEIGHT - height(day.abandoned),
            "back": height(day.recovered),
            "back_y": CHART_HEIGHT - height(day.recovered),
        }
        for number, day in enumerate(desk.overview.days)
    ]


def _page(request: HttpRequest, name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    language = pages.language_of(request, None)
    with translation.override(language):
        values = {**context, "language": language}
        response = render(request, f"retarget_plugin/saleor/{name}.html", values, status=status)
    response.headers["Content-Language"] = language
    patch_vary_headers(response, ["Accept-Language", "Authorization"])
    return pages.private(response, referrer=pages.PAGE_REFERRER)


def _policy(origin: str) -> str:
    """Nothing but our own script and style, from wherever the project serves them; in no frame but the dashboard's."""
    served = urlsplit(static("retarget_plugin/saleor_dashboard.js"))
    files = f"'self' {served.scheme}://{served.netloc}" if served.netloc and served.scheme else "'self'"
    rules = {
        "default-src": "'none'",
        "script-src": files,
        "style-src": files,
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": origin,
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
