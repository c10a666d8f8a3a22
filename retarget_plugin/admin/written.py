"""Words in several languages as fields of their own, stored together in one `texts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import get_language

from retarget_plugin.domain import contexts
from retarget_plugin.domain import leads as rules

NAMES = {"en": "English", "fr": "Français", "es": "Español"}
LANGUAGES = {language: NAMES[language] for language in rules.LANGUAGES}
SHORT, LONG = 120, 1_000

Words = Mapping[str, tuple[Any, type[forms.Widget]]]


def written_fields(words: Words) -> dict[str, forms.Field]:
    """A field for each word in each language: title_en, title_fr, ..."""
    return {
        f"{word}_{language}": forms.CharField(
            label=label,
            required=False,
            max_length=LONG if widget is forms.Textarea else SHORT,
            widget=widget(attrs={"rows": 3, "cols": 60} if widget is forms.Textarea else {"class": "vTextField"}),
        )
        for word, (label, widget) in words.items()
        for language in LANGUAGES
    }


def language_fieldsets(words: Words, texts: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A fieldset for each language, folded while nothing is written in it; for a start the reader's own is open."""
    spoken = contexts.match_language(get_language() or "", LANGUAGES) or next(iter(LANGUAGES))
    return [
        (
            name,
            {
                "fields": [f"{word}_{language}" for word in words],
                "classes": [] if language in (texts or {spoken}) else ["collapse"],
            },
        )
        for language, name in LANGUAGES.items()
    ]


class WrittenForm(forms.ModelForm):
    """`words` names the fields; what is typed into them becomes `texts`, without the languages that were left empty."""

    words: Words = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for language, said in self.instance.texts.items():
            for word, text in said.items():
                self.initial.setdefault(f"{word}_{language}", text)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        texts = {
            language: {word: text for word in self.words if (text := values.get(f"{word}_{language}", ""))}
            for language in LANGUAGES
        }
        values["texts"] = {language: said for language, said in texts.items() if said}
        return values

    def save(self, commit: bool = True) -> Any:
        self.instance.texts = self.cleaned_data["texts"]
        return super().save(commit)
