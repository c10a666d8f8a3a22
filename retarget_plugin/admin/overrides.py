"""Override: where the owner departs from a country's strictest reading, with a warning before and a record after."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.engine import overrides
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Override

from . import badges
from .buttons import Button, ButtonsMixin
from .facts import FactAdmin, moment
from .forms import valid_country

WARNING = gettext_lazy(
    "This sets aside a rule of law as this app reads it, and the shop answers for it. Ask a lawyer first. "
    "Whoever said no is left alone all the same. Who made it, when and why is kept for ever and cannot be changed; "
    "every message that relies on it names it."
)
BUTTONS = (
    Button(
        slug="end",
        label=gettext_lazy("End it"),
        question=gettext_lazy("The country's own rule counts again, for every message from now on."),
        done=gettext_lazy("The override has ended."),
        act="end",
        is_offered=lambda row: row.ended_at is None,
    ),
)


class OverrideForm(forms.ModelForm):
    """What is waived where, and why. Nothing is saved here: the engine makes it."""

    is_understood = forms.BooleanField(label=gettext_lazy("I have read the warning and answer for this"))

    def clean_country(self) -> str:
        return valid_country(self.cleaned_data["country"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        same = {name: cleaned.get(name) for name in ("shop", "country", "channel", "waiver")}
        if Override.objects.filter(**same, ended_at=None).exists():
            raise forms.ValidationError(_("The same override is in force already."))
        return cleaned


class OverrideAdmin(ButtonsMixin, FactAdmin):
    """Made and ended, never changed or deleted."""

    form = OverrideForm
    add_form_template = "admin/change_form.html"
    list_display = ("made", "shop", "country", "channel", "waiver", "state", "made_by")
    list_filter = ("country", "channel", "waiver", "shop")
    list_select_related = ("shop", "made_by")
    buttons = BUTTONS

    made = moment("made_at", gettext_lazy("made"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fieldsets(self, request: HttpRequest, obj: Override | None = None) -> Any:
        fields = ["shop", "country", "channel", "waiver", "reason"]
        fields += ["is_understood"] if obj is None else ["made_by", "made_at", "ended_by", "ended_at"]
        return ((None, {"fields": fields, "description": WARNING}),)

    def save_model(self, request: HttpRequest, obj: Override, form: Any, change: bool) -> None:
        facts = {name: form.cleaned_data[name] for name in ("shop", "country", "channel", "waiver", "reason")}
        made = overrides.make(facts.pop("shop"), **facts, by=request.user, now=timezone.now())
        obj.pk, obj.made_at, obj.made_by = made.pk, made.made_at, made.made_by

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (row := kwargs.get("obj")) is not None:
            context["buttons"] = self.offered(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def end(self, row: Override, request: HttpRequest, *, now: datetime) -> None:
        if not overrides.end(row, by=request.user, now=now):
            raise Refusal("ended", _("It had ended before."))

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Override) -> SafeString:
        if row.ended_at:
            return badges.badge(_("Ended"), badges.QUIET)
        return badges.badge(_("In force"), badges.WARN)
