"""A test of one message, to an address or a number of one's own: the form beside its preview."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.domain.contacts import normalize_email, normalize_phone
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.models import Shop


class TrialForm(forms.Form):
    """`cleaned_data["to"]` is a normalized address, or an E.164 number."""

    to = forms.CharField(label=gettext_lazy("Send a test to"), max_length=254)

    def __init__(self, request: HttpRequest, *, channel: str, shop: Shop) -> None:
        self._is_sms, self._shop = channel == Channel.SMS, shop
        own = "" if self._is_sms else getattr(request.user, "email", "")
        super().__init__(request.POST if request.method == "POST" else None, initial={"to": own})
        widget = self.fields["to"].widget
        widget.input_type = widget.attrs["autocomplete"] = "tel" if self._is_sms else "email"

    def clean_to(self) -> str:
        typed = str(self.cleaned_data["to"])
        if self._is_sms:
            to, words = normalize_phone(typed, self._shop.country), _("This is no mobile number that can get texts.")
        else:
            to, words = normalize_email(typed), _("This is no address that can be written to.")
        if not to:
            raise ValidationError(words)
        return to
