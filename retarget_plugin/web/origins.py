"""Which page a request comes from, as its browser says: the site's own, a storefront that may call, or another."""

from __future__ import annotations

from enum import StrEnum

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from retarget_plugin import conf

PREFLIGHT_SECONDS = 86_400


class Origin(StrEnum):
    OWN = "own"
    ALLOWED = "allowed"
    FOREIGN = "foreign"


def of(request: HttpRequest) -> Origin:
    """OWN for the site itself, its public address, and what is no browser on another site: that cannot be forged by one.

    Every browser sends Origin with a POST to another site, and no page can change it, nor Sec-Fetch-Site.
    """
    origin = request.headers.get("Origin", "")
    if not origin:
        is_foreign = request.headers.get("Sec-Fetch-Site", "") in ("cross-site", "same-site")
        return Origin.FOREIGN if is_foreign else Origin.OWN
    # A proxy may hide from Django that the page came by https.
    own = (f"{request.scheme}://{request.get_host()}", f"https://{request.get_host()}", conf.settings.PUBLIC_URL)
    if _is_among(origin, own):
        return Origin.OWN
    return Origin.ALLOWED if _is_among(origin, conf.settings.ALLOWED_ORIGINS) else Origin.FOREIGN


def admit(response: HttpResponse, request: HttpRequest, *, methods: str) -> HttpResponse:
    """Let an allowed origin's page read `response`, without credentials; for others it stays as it is."""
    if of(request) is Origin.ALLOWED:
        response["Access-Control-Allow-Origin"] = request.headers["Origin"]
        if request.method == "OPTIONS":
            response["Access-Control-Allow-Methods"] = methods
            response["Access-Control-Allow-Headers"] = "Content-Type"
            response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    patch_vary_headers(response, ["Origin"])
    return response


def _is_among(origin: str, known: tuple[str, ...]) -> bool:
    return any(origin == name.rstrip("/") for name in known if name)
