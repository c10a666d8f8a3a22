"""retarget.js: the storefront script, at an address beside those it talks to."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import condition, require_safe

SOURCE = Path(__file__).parents[1] / "static" / "retarget_plugin" / "retarget.js"

# The address has no version in it: browsers ask again after an hour, and get 304 until the plugin is upgraded.
CACHE = "public, max-age=3600, stale-while-revalidate=86400"


@cache
def _source() -> bytes:
    return SOURCE.read_bytes()


def _etag(request: HttpRequest) -> str:
    """Strong: the same file is the same bytes. A server that compresses it weakens the tag by itself."""
    return f'"{hashlib.sha256(_source()).hexdigest()[:32]}"'


@login_not_required
@require_safe
@condition(etag_func=_etag)
def script(request: HttpRequest) -> HttpResponse:
    """The file as it is; 304 for who has it already. The same for everybody: no cookie, no language, no shop in it."""
    response = HttpResponse(_source(), content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = CACHE
    response["X-Content-Type-Options"] = "nosniff"
    # A storefront on another origin may load it too.
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
