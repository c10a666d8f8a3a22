"""assets/<token>/: what somebody gets for a proven address; its files, and the date for their calendar."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from retarget_plugin.domain import calendars, contexts, invitations
from retarget_plugin.engine import downloads
from retarget_plugin.exceptions import Refusal

from . import clients, pages

#: Whatever a file is, a browser saves it and runs nothing of it.
ATTACHMENT = "application/octet-stream"
POLICY = "default-src 'none'; sandbox"


# The page stands between the message and the files, so that what follows every link in a message downloads nothing.
@login_not_required
@require_safe
def assets(request: HttpRequest, token: str) -> HttpResponseBase:
    """What the link is for: a page, a file (`?file=`) or a calendar file (`?calendar`). No say about whose it is."""
    now = timezone.now()
    try:
        if "file" in request.GET:
            return _file(request, token, request.GET["file"], now=now)
        if "calendar" in request.GET:
            return _calendar(token, now=now)
        return _page(request, token, now=now)
    except Refusal:
        return pages.not_found(request)


def _page(request: HttpRequest, token: str, *, now: datetime) -> HttpResponse:
    found = downloads.look(token, now=now)
    language = pages.language_of(request, found.contact)
    locale = contexts.choose_locale([found.contact.locale, found.shop.locale], language)
    zone, given = calendars.zone(found.shop.time_zone), found.gift
    files = [(file, contexts.file_size(file.size, locale=locale)) for file in found.files]
    return pages.page(
        request,
        "gift",
        contact=found.contact,
        shop=found.shop,
        heading=found.title,
        text=found.text,
        code=given.code,
        expires=contexts.day(given.expires_at and given.expires_at.astimezone(zone), locale=locale),
        url=contexts.clean_url(given.url),
        place=given.place,
        starts=contexts.appointment(given.starts_at and given.starts_at.astimezone(zone), locale=locale),
        files=files,
    )


def _file(request: HttpRequest, token: str, number: str, *, now: datetime) -> HttpResponseBase:
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise Refusal("bad_token")
    is_bot = request.method != "GET" or clients.is_machine(request)
    found = downloads.download(token, number=int(number), is_bot=is_bot, now=now)
    response = FileResponse(found.file, as_attachment=True, filename=found.name, content_type=ATTACHMENT)
    return _inert(response)


def _calendar(token: str, *, now: datetime) -> HttpResponseBase:
    response = HttpResponse(downloads.invitation(token, now=now), content_type=invitations.MEDIA_TYPE)
    response["Content-Disposition"] = 'attachment; filename="invitation.ics"'
    return _inert(response)


def _inert(response: HttpResponseBase) -> HttpResponseBase:
    response["Content-Security-Policy"] = POLICY
    return pages.private(response, referrer=pages.REDIRECT_REFERRER)
