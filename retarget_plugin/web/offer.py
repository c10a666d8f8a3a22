"""offer/<token>/: a coupon, applied on whatever device the link was opened on."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from retarget_plugin.domain import contexts
from retarget_plugin.engine import offers
from retarget_plugin.exceptions import Refusal

from . import pages


# As in web.recovery: scanners open every link, so that a GET only shows what the button would do, and no other site may
# press that button for somebody.
@login_not_required
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def offer(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what the coupon is worth and no word about whose it is; POST applies it for whoever asks."""
    now = timezone.now()
    try:
        if request.method != "POST":
            return _show(request, offers.find(token, now=now))
        return pages.send_on(offers.take(request, token, now=now))
    except Refusal as refusal:
        if refusal.reason not in ("over", "unavailable"):
            return pages.not_found(request)
        return _show(request, offers.find(token, now=now), reason=refusal.reason)


def _show(request: HttpRequest, offered: offers.Offered, *, reason: str = "") -> HttpResponse:
    """The coupon with its button; `reason`: why pressing that has not applied it."""
    contact, shop = offered.contact, offered.shop
    if reason == "over" or not offered.code:
        return pages.page(request, "offer_over", contact=contact, shop=shop, destination=offered.destination)
    language = pages.language_of(request, contact)
    return pages.page(
        request,
        "offer",
        contact=contact,
        shop=shop,
        status=503 if reason else 200,
        has_failed=bool(reason),
        coupon=offered.told(contexts.choose_locale([contact.locale, shop.locale], language)),
    )
