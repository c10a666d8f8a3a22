"""The admin's forms with Wagtail's panels around their fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.admin.utils import flatten
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.panels import FieldPanel, MultiFieldPanel, ObjectList

from retarget_plugin.admin import forms, lead_forms, shops
from retarget_plugin.admin.written import LANGUAGES, language_fieldsets


class ShopForm(forms.ShopForm, WagtailAdminModelForm):
    """The settings of a shop."""


class LeadFormForm(lead_forms.LeadFormForm, WagtailAdminModelForm):
    """A lead form. Its shop and its short name stand in addresses and pages: they are chosen once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for name in ("shop", "slug"):
                self.fields[name].disabled = True


def panels(
    form: type[WagtailAdminModelForm], fieldsets: Iterable[tuple[Any, Any]], helps: Mapping[str, Any]
) -> ObjectList:
    """One group of fields for each of an admin's fieldsets."""
    return ObjectList(
        [
            MultiFieldPanel(
                [FieldPanel(name, help_text=helps.get(name, "")) for name in flatten(options["fields"])],
                heading=heading or "",
                help_text=options.get("description", ""),
                classname="collapsed" if "collapse" in options.get("classes", ()) else "",
            )
            for heading, options in fieldsets
        ],
        base_form_class=form,
    )


def shop_panels() -> ObjectList:
    return panels(ShopForm, shops.FIELDSETS, shops.HELP)


def lead_form_panels() -> ObjectList:
    first, last = lead_forms.LeadFormAdmin.first_fieldsets, lead_forms.LeadFormAdmin.last_fieldsets
    said = language_fieldsets(lead_forms.WORDS, LANGUAGES)
    return panels(LeadFormForm, (*first, *said, *last), lead_forms.LeadFormForm.Meta.help_texts)
