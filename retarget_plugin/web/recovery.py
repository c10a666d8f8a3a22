"""recover/<token>/: a cart, brought back on whatever device the link was opened on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from retarget_plugin.domain import contexts
from retarget_plugin.domain.carts import Item
from retarget_plugin.engine import carts
from retarget_plugin.exceptions import Refusal

from . import pages

TITLE_LIMIT = 200


@dataclass(frozen=True)
class Line:
    """One line as the page shows it; prices are written out. `image_url` is http(s) or empty."""

    title: str
    quantity: int
    price: str
    total: str
    image_url: str
    is_available: bool


# The POST is protected although it can only fill the cart of whoever sends it: without that, any page on the web could
# fill a stranger's cart and have the order credited to a message. It costs no shopper anything, because a browser that
# keeps no cookie for the form keeps none for the shop's cart either. The decorator is for shops that run without
# Django's middleware; beside the middleware it does nothing.
@login_not_required
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def recover(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what is in the cart and no word about its owner; POST puts it into the cart of whoever asks."""
    try:
        if request.method == "POST":
            return _restore(request, token)
        return _show(request, carts.recoverable(token))
    except Refusal:
        return pages.not_found(request)


def _restore(request: HttpRequest, token: str) -> HttpResponse:
    try:
        destination = carts.restore(request, token, now=timezone.now())
    except Refusal as refusal:
        if refusal.reason != "unavailable":
            raise
        return _show(request, carts.recoverable(token), status=503)
    return pages.send_on(destination)


def _show(request: HttpRequest, recovery: carts.Recovery, *, status: int = 200) -> HttpResponse:
    """The cart with its button; with status 503 it also says that the shop could not take it back just now."""
    cart, shop, contact = recovery.cart, recovery.cart.shop, recovery.cart.contact
    available = [item for item in recovery.items if item.is_available]
    if not available:
        return pages.page(request, "recover_empty", contact=contact, shop=shop)
    total = sum((item.unit_price * item.quantity for item in available), Decimal())
    price = partial(
        pages.money,
        currency=cart.currency or shop.currency,
        contact=contact,
        language=pages.language_of(request, contact),
    )
    return pages.page(
        request,
        "recover",
        contact=contact,
        shop=shop,
        status=status,
        has_failed=status == 503,
        lines=[_line(item, price) for item in recovery.items],
        total=price(total),
    )


def _line(item: Item, price: Callable[[Decimal], str]) -> Line:
    return Line(
        title=contexts.clean_text(item.title, TITLE_LIMIT) or "–",
        quantity=item.quantity,
        price=price(item.unit_price),
        total=price(item.unit_price * item.quantity),
        image_url=contexts.clean_url(item.image_url) or "",
        is_available=item.is_available,
    )
