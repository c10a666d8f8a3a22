"""unsubscribe/<token>/: the end of a channel's marketing, by one press or by the mail program (RFC 8058)."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from retarget_plugin.engine import consent, tokens
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact

from . import pages

#: The page's own form adds ?from=page to the address, so that the body never has to be read.
PAGE = "page"


# RFC 8058, section 3.2: the mail provider's POST has no cookie, no referrer and no login, and must not be redirected.
# The token in the address alone says who and what; it does nothing but this, so there is nothing to forge.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what will stop and a button; POST stops it, as often as it is sent, however old the token is."""
    try:
        if request.method == "POST":
            return _stop(request, token)
        return _ask(request, token)
    except Refusal:
        return pages.not_found(request)


def _ask(request: HttpRequest, token: str) -> HttpResponse:
    found = tokens.read_unsubscribe(token, is_page=True)
    contact = Contact.objects.select_related("shop").filter(pk=found.contact_id).first()
    shop = contact.shop if contact else None
    choices = _choices(token, contact)
    return pages.page(request, "unsubscribe", contact=contact, shop=shop, channel=found.channel, choices=choices)


def _stop(request: HttpRequest, token: str) -> HttpResponse:
    found = tokens.read_unsubscribe(token, is_page=False)
    is_page = request.GET.get("from") == PAGE
    contact = consent.unsubscribe(
        found.contact_id,
        channel=found.channel,
        message_id=found.message_id,
        source="unsubscribe page" if is_page else "one-click unsubscribe (RFC 8058)",
        now=timezone.now(),
    )
    if not is_page:
        # Read by a machine: the same few bytes for everybody, known, unknown or long gone.
        response = HttpResponse("Unsubscribed.\n", content_type="text/plain; charset=utf-8")
        return pages.private(response, referrer=pages.REDIRECT_REFERRER)
    shop = contact.shop if contact else None
    choices = _choices(token, contact)
    return pages.page(request, "unsubscribed", contact=contact, shop=shop, channel=found.channel, choices=choices)


def _choices(token: str, contact: Contact | None) -> str:
    """The way to choose what to hear instead; "" where nobody is left to choose, and from a link too old to open a page."""
    try:
        tokens.read_unsubscribe(token, is_page=True)
    except Refusal:
        return ""
    if contact is None or contact.erased_at:
        return ""
    return reverse("retarget_plugin:preferences", args=[tokens.preferences(contact_id=contact.pk)])
