"""The two views for a URLconf, loaded at the first request: no `manage.py` command should pay for a GraphQL library."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt


# Django's middleware looks for these two marks here, where the address leads, and not at the view behind.
@csrf_exempt
@login_not_required
def storefront(request: HttpRequest) -> HttpResponse:
    """`RetargetGraphQLView`; it says why no CSRF token is asked for."""
    return _view("storefront_view")(request)


@login_not_required
def staff(request: HttpRequest) -> HttpResponse:
    """`RetargetStaffGraphQLView`, which asks for a CSRF token and a member of staff by itself."""
    return _view("staff_view")(request)


@cache
def _view(name: str) -> Callable[[HttpRequest], HttpResponse]:
    return cast("Callable[[HttpRequest], HttpResponse]", import_string(f"retarget_plugin.api.view.{name}"))
