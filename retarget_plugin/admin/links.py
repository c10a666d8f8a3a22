"""Link: a short address in a message, and how often it was followed."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin.models import Click, Link

from .facts import FactAdmin, moment

# Long enough to be a signed token: who holds one may open the cart it speaks of.
_TOKEN = re.compile(r"[^/]{20,}")


class LinkAdmin(FactAdmin):
    """Short links. Where a destination carries a token, the token is left out: it opens somebody's cart."""

    list_display = ("code", "message_link", "destination_shown", "humans", "machines", "created", "expires")
    list_filter = ("shop", ("created_at", admin.DateFieldListFilter))
    list_select_related = ("shop", "message")
    search_fields = ("code",)
    search_help_text = _("The code of a short link, in full.")
    readonly_fields = ("message_link", "destination_shown", "humans", "machines")
    fields = (
        "code",
        "shop",
        "message_link",
        "purpose",
        "destination_shown",
        "humans",
        "machines",
        "created_at",
        "expires_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Link]:
        clicks = Click.objects.filter(link=OuterRef("pk")).order_by().values("link")
        return (
            super()
            .get_queryset(request)
            .annotate(human_count=_counted(clicks, True), machine_count=_counted(clicks, False))
        )

    created = moment("created_at", _("created"))
    expires = moment("expires_at", _("expires"))

    @admin.display(description=_("message"))
    def message_link(self, row: Link) -> SafeString | str:
        return self.link(row.message)

    @admin.display(description=_("leads to"))
    def destination_shown(self, row: Link) -> str:
        return shown(row.destination)

    @admin.display(description=_("followed by people"))
    def humans(self, row: Any) -> int:
        return row.human_count or 0

    @admin.display(description=_("by machines"))
    def machines(self, row: Any) -> int:
        return row.machine_count or 0


def shown(destination: str) -> str:
    """Host and path of an address, with anything like a token left out."""
    try:
        parts = urlsplit(destination)
    except ValueError:
        return "…"
    path = _TOKEN.sub("…", parts.path)
    return f"{parts.netloc}{path}{'?…' if parts.query else ''}"


def _counted(clicks: QuerySet[Any], is_human: bool) -> Subquery:
    count = clicks.annotate(number=Count("pk", filter=Q(is_human=is_human))).values("number")
    return Subquery(count, output_field=IntegerField())
