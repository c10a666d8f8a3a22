"""SaleorApp: whether our app stands in Saleor, and up to when it has heard from it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin import conf
from retarget_plugin.models import SaleorApp

from . import badges
from .facts import FactAdmin, moment


class SaleorAppAdmin(FactAdmin):
    """Installed, switched on and off in Saleor alone. Its token and its keys are shown to nobody."""

    list_display = ("api_url", "state", "shown_changed", "shown_caught_up")
    fields = ("api_url", "host", "app_id", "state", "shown_changed", "shown_caught_up")
    readonly_fields = ("state", "shown_changed", "shown_caught_up")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """No entry in the menu of a shop that has nothing to do with Saleor."""
        is_wanted = any("saleor" in entry.get("BACKEND", "").lower() for entry in conf.settings.HOSTS.values())
        return (is_wanted or SaleorApp.objects.exists()) and super().has_module_permission(request)

    shown_changed = moment("changed_at", _("changed"))
    shown_caught_up = moment("caught_up_at", _("caught up"))

    @admin.display(description=_("state"))
    def state(self, app: SaleorApp) -> SafeString:
        if app.is_active:
            return badges.badge(_("Installed"), badges.GOOD)
        return badges.badge(_("Switched off in Saleor"), badges.BAD)
