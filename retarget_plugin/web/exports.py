"""exports/<token>/: a person's own data, to take along or to have deleted. The link went to the address on file."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from retarget_plugin.engine import privacy
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact

from . import pages

BY = "the person, by a link to the address on file"


# Mail scanners open every link, so that a GET only shows buttons. The POST needs no cookie: the token in the address is
# the proof, and whoever could forge the request could just as well press the button.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what can be done; POST with `act`: download, erase (asks once more), or erase-for-good."""
    try:
        contact = privacy.proven(token)
    except Refusal:
        return pages.not_found(request)
    match request.POST.get("act") if request.method == "POST" else None:
        case "download":
            return _download(contact)
        case "erase":
            return pages.page(request, "data_erase", contact=contact, shop=contact.shop)
        case "erase-for-good":
            return _erase(request, contact)
    return pages.page(request, "data", contact=contact, shop=contact.shop)


def _download(contact: Contact) -> HttpResponse:
    """Made for this answer and kept nowhere."""
    response = HttpResponse(privacy.written(contact, now=timezone.now()), content_type="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return pages.private(response, referrer=pages.REDIRECT_REFERRER)


def _erase(request: HttpRequest, contact: Contact) -> HttpResponse:
    privacy.erase(contact, by=BY, now=timezone.now())
    return pages.page(request, "data_erased", contact=contact, shop=contact.shop)
