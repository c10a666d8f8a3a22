"""Store: where it is and when it is open, as its page shows it to people on their way."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from .facts import STYLES
from .forms import valid_country
from .several import HoursField


class StoreForm(forms.ModelForm):
    hours = HoursField(
        label=capfirst(_("opening hours")),
        required=False,
        help_text=_(
            "Such as 09:30-12:30, 14:00-19:00. An empty day is a day off; seven empty days show no hours at all."
        ),
    )
    latitude = forms.FloatField(label=capfirst(_("latitude")), required=False, min_value=-90, max_value=90)
    longitude = forms.FloatField(label=capfirst(_("longitude")), required=False, min_value=-180, max_value=180)

    def clean_country(self) -> str:
        return valid_country(self.cleaned_data["country"])

    def clean_hours(self) -> list[str]:
        return self.cleaned_data["hours"] or []


class StoreAdmin(admin.ModelAdmin):
    """The shop's stores."""

    form = StoreForm
    fieldsets: Any = (
        (None, {"fields": ("shop", "name", "slug", "is_open_to_public")}),
        (
            _("Where it is"),
            {
                "fields": ("street", ("postcode", "city"), "country", "phone", ("latitude", "longitude")),
                "description": _("With latitude and longitude the way leads to the very door."),
            },
        ),
        (_("When it is open"), {"fields": ("hours", "note")}),
    )
    prepopulated_fields = {"slug": ("name",)}
    list_display = ("name", "shop", "city", "country", "is_open_to_public")
    list_filter = ("shop", "country")
    list_select_related = ("shop",)
    search_fields = ("name", "city", "postcode")
    ordering = ("shop", "name", "pk")

    class Media:
        css = {"all": [STYLES]}
