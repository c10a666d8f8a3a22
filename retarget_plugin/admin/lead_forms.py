"""LeadForm: where a form is shown, what it asks, its words in each language, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.domain import leads as rules
from retarget_plugin.domain.leads import Ask, FormKind
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.engine import leads
from retarget_plugin.models import LeadForm, Preference, Shop

from . import badges, previews
from .facts import STYLES, CompletedList
from .written import LANGUAGES, WrittenForm, language_fieldsets, written_fields

PERIOD = timedelta(days=30)
WORDS = {
    "title": (gettext_lazy("Title"), forms.TextInput),
    "text": (gettext_lazy("Text"), forms.Textarea),
    "button": (gettext_lazy("Button"), forms.TextInput),
    "done": (gettext_lazy("Thanks"), forms.Textarea),
    "consent_email": (gettext_lazy("Box for e-mail"), forms.Textarea),
    "consent_sms": (gettext_lazy("Box for text messages"), forms.Textarea),
}
WordsOfForm: Any = type("WordsOfForm", (WrittenForm,), written_fields(WORDS))


class LeadFormForm(WordsOfForm):
    """Every refusal names the field it is about."""

    words = WORDS
    consents = forms.MultipleChoiceField(
        label=gettext_lazy("Boxes"),
        required=False,
        choices=[(Channel.EMAIL, gettext_lazy("News by e-mail")), (Channel.SMS, gettext_lazy("News by text message"))],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Never ticked beforehand. Their wording stands with each language below."),
    )
    preferences = forms.MultipleChoiceField(
        label=gettext_lazy("Preferences"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Questions about taste, kept with the person once the address is proven."),
    )

    class Meta:
        help_texts = {
            "slug": gettext_lazy("Names the form in addresses and in data-retarget-form."),
            "is_bundled": gettext_lazy(
                "Nothing is given to who ticks no box. Some countries forbid that; leave it off when in doubt."
            ),
            "wording_version": gettext_lazy("Kept as evidence. Another wording of a box needs another version."),
            "paths": gettext_lazy(
                "One a line, * for anything: /blog/*. A leading ! leaves pages out: !/checkout/*. Empty: every page."
            ),
            "topic": gettext_lazy("Only on pages about this topic. Empty: about anything."),
            "every_days": gettext_lazy("After a visitor has seen or closed it. 0: at every page."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "shop" in self.fields and not self.instance.pk and Shop.objects.count() == 1:
            self.fields["shop"].initial = Shop.objects.get()
        asked = Preference.objects.filter(is_active=True)
        if self.instance.pk:
            asked = asked.filter(shop=self.instance.shop)
        if "preferences" in self.fields:
            self.fields["preferences"].choices = [
                (slug, slug) for slug in asked.values_list("slug", flat=True).distinct()
            ]

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        self._check_addresses(values)
        self._check_words(values)
        self._check_occasion(values)
        self._check_version(values)
        magnet, shop = values.get("magnet"), values.get("shop") or getattr(self.instance, "shop", None)
        if magnet and shop and magnet.shop_id != shop.pk:
            self.add_error("magnet", _("A form and its magnet belong to the same shop."))
        return values

    def _check_addresses(self, values: dict[str, Any]) -> None:
        if values.get("email") == Ask.NO and values.get("phone") == Ask.NO:
            self.add_error("email", _("Ask for an e-mail address, a mobile number, or both."))
        for channel, field in ((Channel.EMAIL, "email"), (Channel.SMS, "phone")):
            if channel in values.get("consents", ()) and values.get(field) == Ask.NO:
                self.add_error(field, _("Its box is shown, so it must be asked for too."))

    def _check_words(self, values: dict[str, Any]) -> None:
        """Each language is complete or empty, and one is complete."""
        texts = values.get("texts", {})
        if not texts:
            self.add_error(f"title_{next(iter(LANGUAGES))}", _("Write the form in at least one language."))
        needed = (*rules.REQUIRED_WORDS, *(f"consent_{channel}" for channel in values.get("consents", ())))
        for language, words in texts.items():
            for name in rules.missing_words(words, needed):
                self.add_error(f"{name}_{language}", _("This language is not complete without it."))

    def _check_occasion(self, values: dict[str, Any]) -> None:
        occasions = (values.get("after_seconds"), values.get("scroll_percent"), values.get("on_exit") or None)
        if values.get("kind") in (FormKind.POPUP, FormKind.BAR) and all(found is None for found in occasions):
            self.add_error("after_seconds", _("Say when it is shown: after seconds, after scrolling, or on leaving."))

    def _check_version(self, values: dict[str, Any]) -> None:
        """What somebody ticked under a version stays what that version says."""
        before, after = (_wordings(texts) for texts in (self.instance.texts, values.get("texts", {})))
        changed = {place for place in before if after.get(place) not in (None, before[place])}
        is_same = values.get("wording_version") == self.initial.get("wording_version")
        if self.instance.pk and changed and is_same and self.instance.leads.exists():
            self.add_error("wording_version", _("A box says something else now: give it another version."))


def _wordings(texts: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (language, name): words[name]
        for language, words in texts.items()
        for name in ("consent_email", "consent_sms")
        if words.get(name)
    }


class LeadFormAdmin(admin.ModelAdmin):
    """Forms are written, turned on and looked at here."""

    form = LeadFormForm
    list_display = ("name", "shop", "state", "kind", "magnet", "shown", "submitted", "confirmed")
    list_filter = ("shop", "kind", "is_on")
    list_select_related = ("shop", "magnet")
    ordering = ("shop__name", "name", "pk")
    prepopulated_fields = {"slug": ("name",)}
    first_fieldsets: Any = (
        (None, {"fields": ("shop", "name", "slug", "is_on")}),
        (gettext_lazy("What it gives"), {"fields": ("magnet", "is_bundled")}),
        (gettext_lazy("What it asks"), {"fields": (("email", "phone", "first_name"), "preferences")}),
        (gettext_lazy("What may be sent"), {"fields": ("consents", "wording_version")}),
    )
    last_fieldsets: Any = (
        (gettext_lazy("Where"), {"fields": ("kind", "paths", "topic", "devices")}),
        (gettext_lazy("When"), {"fields": (("after_seconds", "scroll_percent", "on_exit"), "every_days")}),
    )

    class Media:
        css = {"all": [STYLES]}

    def get_fieldsets(self, request: HttpRequest, obj: LeadForm | None = None) -> Any:
        return (*self.first_fieldsets, *language_fieldsets(WORDS, obj.texts if obj else {}), *self.last_fieldsets)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CompletedList

    def complete(self, rows: Iterable[Any]) -> None:
        """Each form's figures, in two queries for all of them."""
        now = timezone.now()
        found = leads.figures(rows, since=now - PERIOD, until=now)
        for row in rows:
            row.figures = found[row.pk]

    def get_readonly_fields(self, request: HttpRequest, obj: LeadForm | None = None) -> tuple[str, ...]:
        return ("shop", "slug") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: LeadForm | None = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def save_model(self, request: HttpRequest, obj: LeadForm, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.frame_view)
        own = path("<int:object_id>/frame/<str:language>/", view, name="retarget_plugin_leadform_frame")
        return [own, *super().get_urls()]

    def frame_view(self, request: HttpRequest, object_id: int, language: str) -> HttpResponse:
        """The form as a page would show it, without anything that it could do."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=object_id)
        shown = leads.preview(row, language=language)
        if shown is None:
            raise Http404
        return previews.frame(render_to_string("admin/retarget_plugin/frames/lead_form.html", {"form": shown}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            now = timezone.now()
            context["figures"] = leads.figures([row], since=now - PERIOD, until=now)[row.pk]
            context["previews"] = [
                (LANGUAGES[language], self._frame_url(row, language)) for language in rules.written_languages(row.texts)
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _frame_url(self, row: LeadForm, language: str) -> str:
        name = "admin:retarget_plugin_leadform_frame"
        return reverse(name, args=[row.pk, language], current_app=self.admin_site.name)

    # -- columns -------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("state"), ordering="is_on")
    def state(self, row: LeadForm) -> SafeString:
        return badges.badge(_("On"), badges.GOOD) if row.is_on else badges.badge(_("Off"), badges.QUIET)

    @admin.display(description=gettext_lazy("shown"))
    def shown(self, row: Any) -> int:
        return row.figures.shown

    @admin.display(description=gettext_lazy("submitted"))
    def submitted(self, row: Any) -> int:
        return row.figures.submitted

    @admin.display(description=gettext_lazy("confirmed"))
    def confirmed(self, row: Any) -> int:
        return row.figures.confirmed
