"""Installation: the stop button for everything, and what stands still because of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.vocabulary import Halt, MessageState
from retarget_plugin.engine import erasures, installation
from retarget_plugin.models import Installation, Message

from . import badges
from .buttons import Button, ButtonsMixin
from .facts import ReadOnlyAdmin

#: No more are counted: that many say the same.
MOST_COUNTED = 10_000
BUTTONS = (
    Button(
        slug="stop",
        label=_("Stop all sending"),
        question=_("No message leaves any more, for any shop, until somebody starts it again. What is due waits."),
        done=_("All sending is stopped."),
        act="stop",
        is_offered=lambda row: not row.halted_because,
        is_grave=True,
    ),
    Button(
        slug="resume",
        label=_("Send again"),
        question=_(
            "Messages leave again. After a restored backup, what was due until now may have been sent before: "
            "it is not sent again, and is listed as unknown."
        ),
        done=_("Messages are sent again."),
        act="resume",
        is_offered=lambda row: bool(row.halted_because),
    ),
    Button(
        slug="resume-original",
        label=_("This is the original: send everything"),
        question=_(
            "Say so only when nothing was sent from anywhere else since, as after a move to another server. "
            "What was due meanwhile is sent."
        ),
        done=_("Messages are sent again."),
        act="resume_original",
        is_offered=lambda row: row.halted_because == Halt.RESTORED,
        is_grave=True,
    ),
)


def halted() -> Installation | None:
    """The installation while everything stands still."""
    return Installation.objects.exclude(halted_because="").first()


def stopped(request: HttpRequest, site: admin.AdminSite) -> Mapping[str, Any]:
    """What a page shows on top while everything stands still: nothing, or since when, why, and where to change that."""
    row = halted()
    if row is None:
        return {}
    may_see = request.user.has_perm("retarget_plugin.view_installation")
    may_see = may_see or request.user.has_perm("retarget_plugin.change_installation")
    url = reverse("admin:retarget_plugin_installation_change", args=[row.pk], current_app=site.name)
    return {"stopped": row, "stopped_url": url if may_see else ""}


class InstallationAdmin(ButtonsMixin, ReadOnlyAdmin):
    """One row, so its list is its page."""

    fieldsets = (
        (None, {"fields": ("state", "waiting", "halted_at", "halted_by")}),
        (_("Technical"), {"fields": ("heartbeat_at", "lost_from", "lost_until", "uuid")}),
    )
    readonly_fields = ("state", "waiting", "uuid")
    buttons = BUTTONS

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if self.has_view_permission(request):
            # Nobody should have to wait for a first worker to be able to stop it.
            installation.beat(now=timezone.now())
        row = self.get_queryset(request).first() if self.has_view_permission(request) else None
        return redirect(self.page("change", row.pk)) if row else super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Installation]:
        return super().get_queryset(request).order_by("pk")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["buttons"] = self.offered(request, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    # -- acting --------------------------------------------------------------------------------------------------

    def stop(self, row: Installation, request: HttpRequest, *, now: datetime) -> None:
        installation.stop(by=f"staff #{request.user.pk}", now=now)

    def resume(self, row: Installation, request: HttpRequest, *, now: datetime) -> None:
        self._resume(request, now=now)

    def resume_original(self, row: Installation, request: HttpRequest, *, now: datetime) -> None:
        self._resume(request, now=now, is_original=True)

    def _resume(self, request: HttpRequest, *, now: datetime, is_original: bool = False) -> None:
        # What a backup has brought back of people who were erased is gone before anything can leave.
        erasures.catch_up(now=now)
        installation.resume(by=f"staff #{request.user.pk}", now=now, is_original=is_original)

    # -- fields --------------------------------------------------------------------------------------------------

    @admin.display(description=_("sending"))
    def state(self, row: Installation) -> SafeString:
        if row.halted_because:
            return badges.badge(row.get_halted_because_display(), badges.BAD)
        return badges.badge(_("On"), badges.GOOD)

    @admin.display(description=_("messages that are due and wait"))
    def waiting(self, row: Installation) -> str:
        due = Message.objects.filter(state=MessageState.SCHEDULED, due_at__lte=timezone.now()).order_by()
        count = due[: MOST_COUNTED + 1].count()
        return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count)
