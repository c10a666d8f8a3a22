"""What an owner decides about a shop: the admin's fields in the admin's groups, without the technical ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.db.models import Field, URLField
from django.utils.text import capfirst

from retarget_plugin.admin.forms import ShopForm
from retarget_plugin.admin.shops import FIELDSETS, HELP
from retarget_plugin.models import Shop

#: Which shop of which host a row is, is a developer's business.
TECHNICAL = {"host", "scope", "sms_gateway"}


def _names(fields: Any) -> list[str]:
    """The names in a fieldset, of which some stand beside each other in a tuple."""
    return [name for entry in fields for name in (entry if isinstance(entry, tuple) else (entry,))]


GROUPS = [
    (title, facts.get("description", ""), _names(facts["fields"]))
    for title, facts in FIELDSETS
    if not TECHNICAL & set(_names(facts["fields"]))
]


def _form_field(field: Field[Any, Any], **options: Any) -> forms.Field | None:
    if isinstance(field, URLField):
        options["assume_scheme"] = "https"
    return field.formfield(**options)


class SettingsForm(ShopForm):
    """A shop's settings as the admin checks them."""

    class Meta:
        model = Shop
        fields = [name for _title, _description, names in GROUPS for name in names]
        help_texts = HELP
        formfield_callback = _form_field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # Django's admin does so by itself.
            field.label = capfirst(field.label)

    def groups(self) -> Iterator[tuple[Any, Any, list[forms.BoundField]]]:
        """(title, description, fields), as they stand on the page."""
        for title, description, names in GROUPS:
            yield title, description, [self[name] for name in names]
