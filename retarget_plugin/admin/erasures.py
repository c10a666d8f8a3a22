"""Erasure: who asked that somebody be forgotten, what went, and which processors still have to be told."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin.models import Erasure, ErasureRequest

from . import badges, leaks
from .facts import FactAdmin, moment


class ErasureAdmin(FactAdmin):
    """Nobody can be read out of this list: it holds keyed hashes and the numbers of rows that are empty."""

    list_display = ("erased", "by", "state", "row_count", "shop")
    list_filter = ("shop", ("at", admin.DateFieldListFilter))
    list_select_related = ("shop",)
    fields = ("shop", "by", "at", "state", "row_count", "uuid")
    readonly_fields = ("state", "row_count", "uuid")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Erasure]:
        rows = super().get_queryset(request)
        return rows.annotate(
            waiting=Count("requests", filter=Q(requests__due_at__isnull=False)),
            given_up=Count("requests", filter=Q(requests__due_at=None, requests__done_at=None)),
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(lambda request: leaks.page(self, request))
        return [path("leak/", view, name="retarget_plugin_erasure_leak"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        found = {"leak_url": self.page("leak") if leaks.may_look(request) else ""}
        return super().changelist_view(request, {**(extra_context or {}), **found})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["requests"] = [(row, _standing(row)) for row in kwargs["obj"].requests.order_by("processor")]
        context["removed"] = sorted(kwargs["obj"].removed.items())
        return super().render_change_form(request, context, *args, **kwargs)

    erased = moment("at", _("date"))

    @admin.display(description=_("state"))
    def state(self, erasure: Erasure) -> SafeString:
        if erasure.done_at is None:
            return badges.badge(_("In progress"), badges.BUSY)
        if erasure.given_up:
            return badges.badge(_("A processor could not be told"), badges.BAD)
        if erasure.waiting:
            return badges.badge(_("Processors are being told"), badges.BUSY)
        return badges.badge(_("Done"), badges.GOOD)

    @admin.display(description=_("rows removed or emptied"))
    def row_count(self, erasure: Erasure) -> int:
        return sum(erasure.removed.values())


def _standing(request: ErasureRequest) -> SafeString:
    if request.done_at:
        return badges.badge(_("Told"), badges.GOOD)
    if request.due_at:
        return badges.badge(_("Will be asked again"), badges.BUSY)
    return badges.badge(_("Given up: tell it yourself"), badges.BAD)
