"""Form fields of several lines: a text in each language, the hours of each weekday, answers to choose from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from retarget_plugin.domain.preferences import LANGUAGES
from retarget_plugin.domain.stores import parse_hours, write_hours

_OPTION = re.compile(r"([a-z0-9][a-z0-9_-]{0,39})\s*=\s*(.+)", re.ASCII)
MOST_OPTIONS = 30


class SeveralInputs(forms.MultiWidget):
    """One labelled input for each name; the value is a dict by name, or a list in their order."""

    template_name = "retarget_plugin/widgets/several.html"

    def __init__(self, labels: Mapping[str, Any], attrs: dict[str, Any] | None = None) -> None:
        self.labels = labels
        super().__init__({name: forms.TextInput(attrs={"lang": name}) for name in labels}, attrs)

    def decompress(self, value: Any) -> list[str]:
        if isinstance(value, Mapping):
            return [value.get(name, "") for name in self.labels]
        return list(value or ())

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        for label, part in zip(self.labels.values(), context["widget"]["subwidgets"], strict=True):
            part["label"] = label
        return context


class LabelsField(forms.MultiValueField):
    """A short text in English, and where it is given in the other languages: {"en": "Books", "fr": "Livres"}."""

    def __init__(self, *, max_length: int = 120, **kwargs: Any) -> None:
        fields = [forms.CharField(max_length=max_length, required=name == "en") for name in LANGUAGES]
        super().__init__(fields, widget=SeveralInputs(LANGUAGES), require_all_fields=False, **kwargs)

    def compress(self, data_list: Sequence[str]) -> dict[str, str]:
        return {name: text for name, text in zip(LANGUAGES, data_list, strict=False) if text}


class HoursField(forms.MultiValueField):
    """Seven days' hours as the store keeps them, each in its normal form; an empty day is a day off."""

    def __init__(self, **kwargs: Any) -> None:
        fields = [forms.CharField(max_length=120, required=False) for _day in WEEKDAYS]
        labels = {f"day{number}": name for number, name in WEEKDAYS.items()}
        super().__init__(fields, widget=SeveralInputs(labels), require_all_fields=False, **kwargs)

    def compress(self, data_list: Sequence[str]) -> list[str]:
        hours = []
        for number, text in enumerate(data_list):
            try:
                hours.append(write_hours(parse_hours(text)))
            except ValueError as error:
                message = _("%(day)s: write the hours in order, such as 09:30-12:30, 14:00-19:00.")
                raise ValidationError(message % {"day": str(WEEKDAYS[number]).capitalize()}) from error
        return hours


class OptionsField(forms.CharField):
    """Answers to a question, one a line: dog = Dog | Chien | Perro (English, French, Spanish)."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        texts = [" | ".join(option["labels"].get(name, "") for name in LANGUAGES).rstrip(" |") for option in value]
        return "\n".join(f"{option['value']} = {text}" for option, text in zip(value, texts, strict=True))

    def clean(self, value: Any) -> list[dict[str, Any]]:
        options: dict[str, dict[str, str]] = {}
        lines = [line.strip() for line in super().clean(value).splitlines() if line.strip()]
        for number, line in enumerate(lines[: MOST_OPTIONS + 1], start=1):
            found = _OPTION.fullmatch(line)
            texts = [text.strip() for text in found[2].split("|")] if found else []
            if not found or not texts[0] or len(texts) > len(LANGUAGES) or found[1] in options:
                message = _("Line %(line)s: write a key of its own and its texts, such as dog = Dog | Chien | Perro.")
                raise ValidationError(message % {"line": number})
            options[found[1]] = {name: text for name, text in zip(LANGUAGES, texts, strict=False) if text}
        if len(options) > MOST_OPTIONS:
            raise ValidationError(_("At most %(most)s answers can be chosen from.") % {"most": MOST_OPTIONS})
        return [{"value": value, "labels": labels} for value, labels in options.items()]
