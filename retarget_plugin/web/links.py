"""r/<code>: a short link in a message, followed."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import DisallowedRedirect
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_safe

from retarget_plugin.engine import tracking

from . import pages


@login_not_required
@require_safe
def short_link(request: HttpRequest, code: str) -> HttpResponse:
    """Leads to the destination that was stored when the message was composed. The request has no say in it."""
    # Codes are letters and digits. Anything else is no business of the database, which cannot even store some of it.
    if not (code.isascii() and code.isalnum()):
        return pages.not_found(request)
    destination = tracking.click(
        code,
        user_agent=request.headers.get("User-Agent", ""),
        method=request.method or "",
        headers={name.lower(): value for name, value in request.headers.items()},
        now=timezone.now(),
    )
    if destination is None or not _is_web_address(destination):
        return pages.not_found(request)
    try:
        response = HttpResponseRedirect(destination)
    except DisallowedRedirect:
        # Longer than browsers take.
        return pages.not_found(request)
    return pages.private(response, referrer=pages.REDIRECT_REFERRER)


def _is_web_address(destination: str) -> bool:
    """True for http(s)://host/...; false for anything a browser would read against this site, mend, or run."""
    if not destination.startswith(("https://", "http://")) or not destination.isprintable() or "\\" in destination:
        return False
    try:
        return bool(urlsplit(destination).hostname)
    except ValueError:
        return False
