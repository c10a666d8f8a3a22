"""The shop's settings form: every field checked, every refusal with an example of what would do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin import conf

_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ._&-]{1,11}|\+?[0-9]{3,15}", re.ASCII)


class SuggestInput(forms.TextInput):
    """A text field that proposes known values as one types, without a script."""

    template_name = "retarget_plugin/widgets/suggest.html"

    def __init__(self, suggestions: Iterable[str], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.suggestions = suggestions

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        list_id = f"{context['widget']['attrs'].get('id', name)}_suggestions"
        context["widget"]["attrs"]["list"] = list_id
        context["suggestions"], context["list_id"] = self.suggestions, list_id
        return context


class CountriesField(forms.CharField):
    """ISO 3166 codes, typed with commas between them; a list of them in the database."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        codes = re.split(r"[\s,;]+", super().clean(value).strip())
        return list(dict.fromkeys(valid_country(code) for code in codes if code))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class ShopForm(forms.ModelForm):
    """What a shop's owner decides; the admin says of which fields. Codes are stored as standards write them: FR, fr-CH."""

    blocked_countries = CountriesField(
        label=gettext_lazy("countries it does not write to"),
        required=False,
        help_text=gettext_lazy("Two-letter codes with commas between them, such as US, CA."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        suggestions = {
            "time_zone": sorted(available_timezones()),
            "currency": sorted(_currencies()),
            "country": sorted(_countries()),
            "host": sorted(conf.settings.HOSTS),
            "sms_gateway": sorted(conf.settings.SMS),
        }
        for name, values in suggestions.items():
            if name in self.fields:
                self.fields[name].widget = SuggestInput(values, attrs=self.fields[name].widget.attrs)
        for name in ("email_from", "email_until", "sms_from", "sms_until"):
            if name in self.fields:
                self.fields[name].widget = forms.TimeInput(attrs={"type": "time", "class": "rt-time"}, format="%H:%M")

    def clean_time_zone(self) -> str:
        name = self.cleaned_data["time_zone"].strip()
        if name not in available_timezones():
            raise ValidationError(
                _("%(value)s is not a time zone. Write it like Europe/Paris.") % {"value": _quoted(name)}
            )
        return name

    def clean_country(self) -> str:
        return valid_country(self.cleaned_data["country"])

    def clean_currency(self) -> str:
        code = self.cleaned_data["currency"].strip().upper()
        if code not in _currencies():
            raise ValidationError(
                _("%(value)s is not a currency. Write its three-letter code, such as EUR.") % {"value": _quoted(code)}
            )
        return code

    def clean_locale(self) -> str:
        from babel import Locale, UnknownLocaleError

        text = self.cleaned_data["locale"].strip()
        try:
            return str(Locale.parse(text.replace("_", "-"), sep="-")).replace("_", "-")
        except (UnknownLocaleError, ValueError) as error:
            message = _("%(value)s is not a language. Write a code such as en, fr or fr-CH.") % {"value": _quoted(text)}
            raise ValidationError(message) from error

    def clean_host(self) -> str:
        return self._known_alias("host", conf.settings.HOSTS, 'RETARGET["HOSTS"]')

    def clean_sms_gateway(self) -> str:
        return self._known_alias("sms_gateway", conf.settings.SMS, 'RETARGET["SMS"]')

    def clean_sms_sender(self) -> str:
        sender = self.cleaned_data["sms_sender"].strip()
        if sender and not _SENDER.fullmatch(sender):
            raise ValidationError(
                _(
                    "%(value)s cannot be shown as a sender. Use up to 11 letters and digits, such as MYSHOP, "
                    "or a number such as +33755530000."
                )
                % {"value": _quoted(sender)}
            )
        return sender

    def _known_alias(self, name: str, entries: Any, setting: str) -> str:
        """An alias from the settings. One that was stored before is let through, so that the rest can still be saved."""
        alias = self.cleaned_data[name].strip()
        if name in self.changed_data and alias not in entries:
            raise ValidationError(
                _("%(value)s is not in %(setting)s. Known are: %(known)s.")
                % {"value": _quoted(alias), "setting": setting, "known": ", ".join(sorted(entries)) or "–"}
            )
        return alias


def valid_country(text: str) -> str:
    """An ISO 3166 code in capitals. Raises ValidationError with an example."""
    code = text.strip().upper()
    if code not in _countries():
        raise ValidationError(
            _("%(value)s is not a country. Write its two-letter code, such as FR.") % {"value": _quoted(code)}
        )
    return code


def _quoted(text: str) -> str:
    return f"“{text}”"


def _currencies() -> set[str]:
    """ISO 4217 codes."""
    from babel.numbers import list_currencies

    return list_currencies()


def _countries() -> set[str]:
    """ISO 3166 two-letter codes, without the groupings and test codes that the locale data lists beside them."""
    from babel import Locale

    territories: set[str] = {str(code) for code in Locale("en").territories}
    return {
        code
        for code in territories
        if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "UN", "QO", "ZZ", "XA", "XB")
    }
