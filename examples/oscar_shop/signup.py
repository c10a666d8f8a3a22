"""Stay in touch: how a shop asks for consent and hands it to the plugin. Plain shop code."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from phonenumber_field.formfields import PhoneNumberField

from retarget_plugin import signals
from retarget_plugin.domain.carts import Identity


class SignupForm(forms.Form):
    """Two boxes, neither ticked for the visitor: one for each way to write to them."""

    email = forms.EmailField(label=_("E-mail address"), required=False)
    phone = PhoneNumberField(
        label=_("Mobile number"), required=False, help_text=_("With the country code, such as +33 6 12 34 56 78.")
    )
    by_email = forms.BooleanField(
        label=_(
            "Yes, Lumen may e-mail me news, offers and reminders about a basket I left. "
            "I can stop this at any time with the link in every e-mail."
        ),
        required=False,
    )
    by_sms = forms.BooleanField(
        label=_(
            "Yes, Lumen may text me offers and reminders about a basket I left. "
            "I can stop this at any time by answering STOP."
        ),
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("by_email") and not data.get("email") and "email" not in self.errors:
            self.add_error("email", _("We need an e-mail address to write to."))
        if data.get("by_sms") and not data.get("phone") and "phone" not in self.errors:
            self.add_error("phone", _("We need a mobile number to text to."))
        if not data.get("by_email") and not data.get("by_sms"):
            raise forms.ValidationError(_("Please tick how we may write to you."))
        return data

    def wording(self, name: str) -> str:
        """The sentence beside a box, in the language it was shown in: the evidence of what was agreed to."""
        return str(self.fields[name].label)


def stay_in_touch(request: HttpRequest) -> HttpResponse:
    form = SignupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        hand_over(form, page=request.path)
        return redirect("stay-in-touch-thanks")
    return render(request, "shop/stay_in_touch.html", {"form": form})


def thanks(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/stay_in_touch_thanks.html")


def hand_over(form: SignupForm, *, page: str) -> None:
    """One signal for each ticked box; an empty box says nothing and withdraws nothing."""
    data = form.cleaned_data
    identity = Identity(
        email=data["email"],
        phone=data["phone"].as_e164 if data["phone"] else "",
        locale=get_language() or "",
    )
    for channel, box in (("email", "by_email"), ("sms", "by_sms")):
        if data[box]:
            signals.emit(
                signals.consent_changed,
                host="default",
                scope="",
                identity=identity,
                channel=channel,
                granted=True,
                wording=form.wording(box),
                source=page,
            )
