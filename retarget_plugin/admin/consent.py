"""Consent: the evidence, and the addresses that are never used again."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.models import ConsentRecord, Suppression

from . import badges, people
from .facts import EMPTY, FactAdmin, moment


class ConsentRecordAdmin(FactAdmin):
    """Every request, grant and withdrawal as it was given, by a contact or by a visitor whom nobody knows. The proof (form,
    address of the sender) is personal data."""

    list_display = ("given", "whose", "state_badge", "purpose", "channel", "source")
    list_filter = ("state", "purpose", "channel", "shop", ("at", admin.DateFieldListFilter))
    list_select_related = ("shop", "contact")
    readonly_fields = ("contact_link", "state_badge", "proof_shown")

    def get_fieldsets(self, request: HttpRequest, obj: ConsentRecord | None = None) -> Any:
        fields = [
            "shop",
            "contact_link",
            "state_badge",
            "purpose",
            "channel",
            "at",
            "is_confirmed",
            "source",
            "wording_version",
            "wording",
        ]
        if people.may_see(request):
            fields.append("proof_shown")
        return ((None, {"fields": fields}),)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if people.may_see(request):
            people.record_view(request, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    given = moment("at", gettext_lazy("at"))

    @admin.display(description=gettext_lazy("contact"))
    def whose(self, record: ConsentRecord) -> str:
        return record.contact.masked if record.contact else _("Visitor #%(number)d") % {"number": record.visitor_id}

    @admin.display(description=gettext_lazy("contact"))
    def contact_link(self, record: ConsentRecord) -> SafeString | str:
        return self.link(record.contact) if record.contact else self.whose(record)

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, record: ConsentRecord) -> SafeString:
        return badges.state_badge(record.state, record.get_state_display())

    @admin.display(description=gettext_lazy("proof"))
    def proof_shown(self, record: ConsentRecord) -> SafeString | str:
        if not record.proof:
            return EMPTY
        text = json.dumps(record.proof, ensure_ascii=False, indent=2, sort_keys=True)
        return format_html('<pre class="rt-data">{}</pre>', text)


class SuppressionAdmin(FactAdmin):
    """Addresses that must not be used, known by their keyed hash only: nobody can be read out of this list."""

    list_display = ("given", "channel", "reason", "shop", "key_shown")
    list_filter = ("channel", "reason", "shop", ("at", admin.DateFieldListFilter))
    list_select_related = ("shop",)
    fields = ("shop", "channel", "reason", "at", "key")

    given = moment("at", gettext_lazy("at"))

    @admin.display(description=gettext_lazy("keyed hash of the address"))
    def key_shown(self, suppression: Suppression) -> str:
        return f"{suppression.key[:12]}…"
