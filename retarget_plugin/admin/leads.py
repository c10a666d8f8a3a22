"""Lead: who asked for what, whether the address is theirs, and what they took."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.engine import downloads
from retarget_plugin.models import Lead

from . import badges, people
from .buttons import Button, ButtonsMixin
from .facts import EMPTY, FactAdmin, moment

BUTTONS = (
    Button(
        slug="revoke",
        label=gettext_lazy("End the download link"),
        question=gettext_lazy(
            "The link in the message stops working at once, for whoever has it. Nothing else changes."
        ),
        done=gettext_lazy("The link no longer works."),
        act="revoke",
        is_offered=lambda lead: bool(lead.magnet_id and lead.confirmed_at and not lead.revoked_at),
        is_grave=True,
    ),
)


class LeadAdmin(ButtonsMixin, FactAdmin):
    """Lists are masked for everybody; what somebody typed is for who may see personal data, and each look is recorded."""

    list_display = ("masked_shown", "shop", "form", "magnet", "state", "submitted", "confirmed", "downloaded")
    list_filter = ("shop", "form", ("confirmed_at", admin.EmptyFieldListFilter))
    list_select_related = ("shop", "form", "magnet")
    search_fields = ("email", "phone")
    search_help_text = gettext_lazy("A complete e-mail address or phone number. Parts of one find nobody.")
    readonly_fields = ("masked_shown", "state", "contact_link", "ticked", "chosen")
    what: tuple[Any, ...] = (gettext_lazy("What was asked for"), {"fields": ("form", "magnet", "page", "language")})
    when: tuple[Any, ...] = (
        gettext_lazy("When"),
        {"fields": ("created_at", "confirmed_at", "downloaded_at", "revoked_at")},
    )
    open_fieldsets = (
        (None, {"fields": ("shop", "state", "masked_shown", "contact_link", "first_name")}),
        what,
        (gettext_lazy("What was agreed and chosen"), {"fields": ("ticked", "chosen", "code")}),
        when,
    )
    masked_fieldsets = ((None, {"fields": ("shop", "state", "masked_shown")}), what, when)
    buttons = BUTTONS

    def get_fieldsets(self, request: HttpRequest, obj: Lead | None = None) -> Any:
        return self.open_fieldsets if people.may_see(request) else self.masked_fieldsets

    def details(self, request: HttpRequest, lead: Lead) -> dict[str, Any]:
        if people.may_see(request):
            people.record_view(request, lead)
        return {"buttons": self.offered(request, lead)}

    def revoke(self, lead: Lead, request: HttpRequest, *, now: datetime) -> None:
        downloads.revoke(lead, now=now)

    # -- columns and fields --------------------------------------------------------------------------------------

    submitted = moment("created_at", gettext_lazy("submitted"))
    confirmed = moment("confirmed_at", gettext_lazy("confirmed"))
    downloaded = moment("downloaded_at", gettext_lazy("downloaded"))

    @admin.display(description=gettext_lazy("who"))
    def masked_shown(self, lead: Lead) -> str:
        return lead.masked

    @admin.display(description=gettext_lazy("state"))
    def state(self, lead: Lead) -> SafeString:
        if lead.confirmed_at is None:
            return badges.badge(_("Not confirmed"), badges.WARN)
        if lead.revoked_at:
            return badges.badge(_("Link ended"), badges.QUIET)
        return badges.badge(_("Confirmed"), badges.GOOD)

    @admin.display(description=gettext_lazy("contact"))
    def contact_link(self, lead: Lead) -> SafeString | str:
        return self.link(lead.contact)

    @admin.display(description=gettext_lazy("boxes ticked"))
    def ticked(self, lead: Lead) -> str:
        return "; ".join(f"{box['wording']} ({box['version']})" for box in lead.consents) or EMPTY

    @admin.display(description=gettext_lazy("preferences"))
    def chosen(self, lead: Lead) -> str:
        return "; ".join(f"{slug}: {', '.join(values)}" for slug, values in lead.answers.items()) or EMPTY
