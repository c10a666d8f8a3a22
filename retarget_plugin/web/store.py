"""store/<token>/: a store on a phone: where it is, when it is open, how to get there, and the code for its till."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.views.decorators.http import require_safe

from retarget_plugin.engine import stores
from retarget_plugin.exceptions import Refusal

from . import pages


@login_not_required
@require_safe
def store(request: HttpRequest, token: str) -> HttpResponse:
    """One store's page; it changes nothing and says nothing about who was sent there."""
    try:
        found = stores.show(token, now=timezone.now())
    except Refusal:
        return pages.not_found(request)
    days = [(WEEKDAYS[number], hours, number == found.today) for number, hours in enumerate(found.hours)]
    return pages.page(
        request,
        "store",
        contact=found.contact,
        shop=found.shop,
        store=found.store,
        days=days,
        is_open=found.is_open,
        code=found.code,
    )
