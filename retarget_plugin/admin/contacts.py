"""Contact: a person, what they agreed to, and everything that happened to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain import contacts as rules
from retarget_plugin.engine import explain, merges, privacy
from retarget_plugin.models import Contact, Shop

from . import badges, people, standings, whys
from .buttons import Button, ButtonsMixin
from .facts import FactAdmin

BUTTONS = (
    Button(
        slug="export",
        label=_("Hand over the data"),
        question=_(
            "Everything that is kept about this person, as a JSON file. Be sure that whoever asks is this person: "
            "who knows an address has not proven that it is theirs. The download is kept on record."
        ),
        done="",
        act="hand_over",
        is_offered=lambda contact: contact.erased_at is None,
    ),
    Button(
        slug="part",
        label=_("Undo the merge"),
        question=_(
            "The two contacts become two people again, each with what was theirs. What was seen on the shop's pages since the "
            "merge is kept for neither, because it could be either's."
        ),
        done=_("The two are two again."),
        act="part",
        is_offered=lambda contact: contact.merged_into_id is not None and contact.erased_at is None,
    ),
    Button(
        slug="erase",
        label=_("Erase"),
        question=_(
            "Everything that names this person goes, and nothing is sent to them any more. What stays are sums and a "
            "coded mark, so that nobody adds them again. This cannot be undone."
        ),
        done=_("The person was erased."),
        act="erase",
        is_offered=lambda contact: contact.erased_at is None,
        is_grave=True,
    ),
)


class ContactAdmin(ButtonsMixin, FactAdmin):
    """Lists are masked for everybody; a person's page is for who may see personal data, and each look is recorded."""

    list_display = ("masked_shown", "shop", "locale", "country", "last_order_at", "created_at")
    list_filter = ("shop", ("last_order_at", admin.DateFieldListFilter))
    list_select_related = ("shop",)
    search_fields = ("email",)
    search_help_text = _("A complete e-mail address, phone number or customer id. Parts of one find nobody.")
    readonly_fields = ("masked_shown", "merged")
    open_fields = (
        (None, {"fields": ("shop", "email", "phone", ("first_name", "last_name"))}),
        (_("Where and how"), {"fields": ("locale", "time_zone", "country", "postcode", "born_on")}),
        (_("Record"), {"fields": ("created_at", "last_order_at", "merged", "erased_at")}),
    )
    buttons = BUTTONS
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
            context["standing"] = standings.of(contact, now=timezone.now())
        context["consents"] = [
            (consent, badges.state_badge(consent.state, consent.get_state_display()))
            for consent in contact.consents.select_related("record").order_by("purpose", "channel")
        ]
        context["buttons"] = self.offered(request, contact)
        context["stories"] = whys.of_person(contact, now=timezone.now())
        context["events"] = explain.timeline(contact)
        return super().render_change_form(request, context, *args, **kwargs)

    # -- acting --------------------------------------------------------------------------------------------------

    def may_press(self, request: HttpRequest, button: Button) -> bool:
        """To hand data over, one has to be allowed to see it; to erase, to delete contacts, though none is deleted here."""
        if button.act == "hand_over":
            return self.may_act(request) and people.may_see(request)
        return request.user.has_perm("retarget_plugin.delete_contact")

    def hand_over(self, contact: Contact, request: HttpRequest, *, now: datetime) -> HttpResponse:
        people.record_view(request, contact)
        response = HttpResponse(privacy.written(contact, now=now), content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="contact-{contact.pk}.json"'
        return response

    def part(self, contact: Contact, request: HttpRequest, *, now: datetime) -> None:
        merges.undo(merges.latest(contact), by=f"staff #{request.user.pk}", now=now)

    def erase(self, contact: Contact, request: HttpRequest, *, now: datetime) -> None:
        privacy.erase(contact, by=f"staff #{request.user.pk}", now=now)
        # The history names the row as it is called from now on.
        contact.refresh_from_db()

    # -- fields --------------------------------------------------------------------------------------------------

    @admin.display(description=_("contact"))
    def masked_shown(self, contact: Contact) -> str:
        return contact.masked

    @admin.display(description=_("merged into"))
    def merged(self, contact: Contact) -> Any:
        return self.link(contact.merged_into)
