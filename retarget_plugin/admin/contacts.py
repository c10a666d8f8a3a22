"""Contact: a person, what they agreed to, and everything that happened to them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain import contacts as rules
from retarget_plugin.engine import explain
from retarget_plugin.models import Contact, Shop

from . import badges, people
from .facts import FactAdmin, link


class ContactAdmin(FactAdmin):
    """Lists are masked for everybody; a person's page is for who may see personal data, and each look is recorded."""

    list_display = ("masked_shown", "shop", "locale", "country", "last_order_at", "created_at")
    list_filter = ("shop", ("last_order_at", admin.DateFieldListFilter))
    list_select_related = ("shop",)
    search_fields = ("email",)
    search_help_text = _("A complete e-mail address, phone number or customer id. Parts of one find nobody.")
    readonly_fields = ("masked_shown", "merged")
    open_fields = (
        (None, {"fields": ("shop", "email", "phone", ("first_name", "last_name"))}),
        (_("Where and how"), {"fields": ("locale", "time_zone", "country", "postcode")}),
        (_("Record"), {"fields": ("created_at", "last_order_at", "merged", "erased_at")}),
    )
    masked_fields = (
        (None, {"fields": ("masked_shown", "shop", "locale", "country", "created_at", "last_order_at", "erased_at")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        return self.open_fields if people.may_see(request) else self.masked_fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Contact], search_term: str
    ) -> tuple[QuerySet[Contact], bool]:
        """Exact matches only, by index: whoever looks for a person knows the address, the number or the id."""
        term = search_term.strip()
        if not term:
            return queryset, False
        countries = {"", *Shop.objects.values_list("country", flat=True)}
        phones = {rules.normalize_phone(term, country) for country in countries} - {""}
        found = Q(identities__external_id=term) | Q(phone__in=phones)
        if email := rules.normalize_email(term):
            found |= Q(email=email)
        return queryset.filter(found), True

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        contact = kwargs["obj"]
        if people.may_see(request):
            people.record_view(request, contact)
            context["identities"] = list(contact.identities.order_by("pk")[:100])
        context["consents"] = [
            (consent, badges.state_badge(consent.state, consent.get_state_display()))
            for consent in contact.consents.select_related("record").order_by("purpose", "channel")
        ]
        context["events"] = explain.timeline(contact)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("contact"))
    def masked_shown(self, contact: Contact) -> str:
        return contact.masked

    @admin.display(description=_("merged into"))
    def merged(self, contact: Contact) -> Any:
        return link(self.admin_site, contact.merged_into)
