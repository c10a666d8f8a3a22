"""keep/<token>/: somebody who has not been heard of for long says that they want to stay."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from retarget_plugin.engine import sunset, tokens
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact

from . import pages


# As in web.confirm: the token in the address is the proof, and a link that a scanner opens must change nothing.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def keep(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button; POST lets the messages go on, as often as it is sent."""
    try:
        if request.method != "POST":
            contact = sunset.contact_of(token)
            return pages.page(request, "keep", contact=contact, shop=contact.shop, choices=_choices(contact))
        kept = sunset.keep(token, now=timezone.now())
    except Refusal:
        return pages.not_found(request)
    contact = kept.contact
    return pages.page(request, "kept", contact=contact, shop=contact.shop, is_on=kept.is_on, choices=_choices(contact))


def _choices(contact: Contact) -> str:
    return reverse("retarget_plugin:preferences", args=[tokens.preferences(contact_id=contact.pk)])
