"""health/: how the queue and the shop's events are doing, for a monitor that holds the token."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from retarget_plugin import conf
from retarget_plugin.engine import health as engine_health

from . import pages


@login_not_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """JSON for `Authorization: Bearer <HEALTH_TOKEN>`; for everybody else there is no such page.

    The status is 200 as long as the question can be answered; `ok` and `problems` say what the answer is.
    """
    if not _is_allowed(request):
        raise Http404
    status = engine_health.status(timezone.now())
    return pages.private(JsonResponse(asdict(status)), referrer=pages.REDIRECT_REFERRER)


def _is_allowed(request: HttpRequest) -> bool:
    token = conf.settings.HEALTH_TOKEN
    scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and constant_time_compare(given.strip(), token)
