"""WebhookCall: what a flow had to tell another system, whether it heard it, and when it is tried next."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin.models import WebhookCall

from . import badges
from .facts import EMPTY, FactAdmin, moment
from .links import shown

#: State -> how it is called, its color, and which calls are in it.
STATES: dict[str, tuple[Any, str, Q]] = {
    "waiting": (_("Waiting"), badges.BUSY, Q(due_at__isnull=False, attempts_made=0)),
    "put_off": (_("Failed, tried again"), badges.WARN, Q(due_at__isnull=False, attempts_made__gt=0)),
    "answered": (_("Answered"), badges.GOOD, Q(answered_at__isnull=False)),
    "given_up": (_("Given up"), badges.BAD, Q(given_up_at__isnull=False)),
}


class StateFilter(admin.SimpleListFilter):
    """Calls by what has become of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state, words) for state, (words, *_how) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookCall]) -> QuerySet[WebhookCall]:
        chosen = STATES.get(self.value() or "")
        return queryset.filter(chosen[2]) if chosen else queryset


class WebhookCallAdmin(FactAdmin):
    """Of an address host and path are shown, and nothing in them that may be a key."""

    list_display = (
        "__str__",
        "shop",
        "receiver",
        "flow_link",
        "step",
        "contact_masked",
        "state_badge",
        "error",
        "next",
    )
    list_filter = (StateFilter, "shop", ("created_at", admin.DateFieldListFilter))
    list_select_related = ("shop", "contact", "run__flow")
    search_fields = ("key",)
    search_help_text = _("The call's id, in full, as the other system was told it.")
    readonly_fields = ("receiver", "flow_link", "contact_link", "state_badge", "error")
    fieldsets = (
        (None, {"fields": ("shop", "receiver", "flow_link", "step", "contact_link", "state_badge", "error", "key")}),
        (_("When"), {"fields": ("created_at", "attempts_made", "due_at", "answered_at", "given_up_at")}),
    )

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        try:
            return (queryset.filter(key=UUID(term)) if term else queryset), False
        except ValueError:
            return queryset.none(), False

    next = moment("due_at", _("next try"))

    @admin.display(description=_("told to"))
    def receiver(self, call: WebhookCall) -> str:
        return shown(call.url)

    @admin.display(description=_("flow"))
    def flow_link(self, call: WebhookCall) -> SafeString | str:
        return self.link(call.run.flow)

    @admin.display(description=_("contact"))
    def contact_masked(self, call: WebhookCall) -> str:
        return call.contact.masked

    @admin.display(description=_("contact"))
    def contact_link(self, call: WebhookCall) -> SafeString | str:
        return self.link(call.contact)

    @admin.display(description=_("state"))
    def state_badge(self, call: WebhookCall) -> SafeString:
        words, tone, _which = STATES[_state(call)]
        return badges.badge(words, tone)

    @admin.display(description=_("last error"))
    def error(self, call: WebhookCall) -> str:
        return EMPTY if call.answered_at else call.detail or EMPTY


def _state(call: WebhookCall) -> str:
    if call.answered_at or call.given_up_at:
        return "answered" if call.answered_at else "given_up"
    return "put_off" if call.attempts_made else "waiting"
