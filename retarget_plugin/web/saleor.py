"""saleor/<alias>/: what Saleor reads to install our app, where it hands over the token, and where it tells what happens."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

import retarget_plugin
from retarget_plugin import conf
from retarget_plugin.domain import strict_json
from retarget_plugin.engine import saleor
from retarget_plugin.exceptions import InputError, Refusal, SignatureError
from retarget_plugin.hosts.saleor.payloads import MAX_BYTES
from retarget_plugin.receivers import PASSING

from . import pages

#: Saleor repeats what is answered with 5xx for five minutes, and what is answered with 4xx never.
_STATUS = {"unknown_host": 404, "not_installed": 404, "unavailable": 503}
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{8,200}")
MAX_TOKEN_BYTES = 2_048


@login_not_required
@require_safe
def manifest(request: HttpRequest, alias: str) -> HttpResponse:
    """The app's manifest: its address is what the owner types into Saleor's dashboard."""
    try:
        found = saleor.manifest(
            alias,
            version=retarget_plugin.__version__,
            app_url=_address(request, "saleor_dashboard", alias).rstrip("/"),
            register_url=_address(request, "saleor_register", alias),
            webhook_url=_address(request, "saleor_webhooks", alias),
        )
    except Refusal as refusal:
        return _answer(_STATUS[refusal.reason])
    return _answer(200, found)


# No CSRF token on the next two: a server calls, without a session. Whom to believe is the engine's to say. A transaction
# around them, as ATOMIC_REQUESTS makes one, could not even begin while the database is away.
@csrf_exempt
@login_not_required
@require_POST
@transaction.non_atomic_requests
def register(request: HttpRequest, alias: str) -> HttpResponse:
    """Takes the token of an installation; Saleor shows its owner what is wrong where it is not taken."""
    try:
        data = strict_json.read(_body(request, most=MAX_TOKEN_BYTES), max_bytes=MAX_TOKEN_BYTES, max_depth=2)
        token = data.get("auth_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise InputError("bad_token", "auth_token is missing or no token.")
        saleor.install(alias, api_url=request.headers.get("Saleor-Api-Url", ""), token=token, now=timezone.now())
    except InputError as error:
        return _wrong(error.code, str(error), status=413 if error.code == "too_large" else 400)
    except Refusal as refusal:
        return _wrong(refusal.reason, str(refusal), status=_STATUS.get(refusal.reason, 403))
    except PASSING:
        return _wrong("unavailable", "The database cannot answer now.", status=503)
    return _answer(200, {"success": True})


@csrf_exempt
@login_not_required
@require_POST
@transaction.non_atomic_requests
def webhooks(request: HttpRequest, alias: str) -> HttpResponse:
    """202 when the event is taken in; 400, 403, 404 and 413 for what never will be; 503 for what may be soon."""
    try:
        saleor.take(
            alias,
            api_url=request.headers.get("Saleor-Api-Url", ""),
            signature=request.headers.get("Saleor-Signature", ""),
            body=_body(request, most=MAX_BYTES),
            now=timezone.now(),
        )
    except SignatureError:
        return _answer(403)
    except InputError as error:
        return _answer(413 if error.code == "too_large" else 400)
    except Refusal as refusal:
        return _answer(_STATUS.get(refusal.reason, 403))
    except PASSING:
        return _answer(503)
    return _answer(202)


def _body(request: HttpRequest, *, most: int) -> bytes:
    """Raises InputError. The header is looked at first, so that a long body is not even read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise InputError("bad_length", "The body's length is missing.")
    if len(length) > 9 or int(length) > most:
        raise InputError("too_large", f"At most {most} bytes.")
    try:
        return request.body
    except RequestDataTooBig as error:
        raise InputError("too_large", "More than DATA_UPLOAD_MAX_MEMORY_SIZE.") from error
    except UnreadablePostError as error:
        raise InputError("bad_body", "The body did not come.") from error


def _address(request: HttpRequest, name: str, alias: str) -> str:
    """Where Saleor reaches us from outside: under PUBLIC_URL, whatever a Host header says."""
    path = reverse(f"retarget_plugin:{name}", args=[alias])
    return urljoin(conf.settings.PUBLIC_URL, path) if conf.settings.PUBLIC_URL else request.build_absolute_uri(path)


def _wrong(code: str, message: str, *, status: int) -> HttpResponse:
    return _answer(status, {"error": {"code": code, "message": message}})


def _answer(status: int, document: dict[str, Any] | None = None) -> HttpResponse:
    response = HttpResponse(status=status) if document is None else JsonResponse(document, status=status)
    return pages.private(response, referrer=pages.REDIRECT_REFERRER)
