"""Publishing a flow anew: its text, what a new one would change, and what becomes of the people inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.domain import flow_files
from retarget_plugin.domain.flows import FlowError
from retarget_plugin.engine import flows
from retarget_plugin.engine.flows import Inside
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Flow

CHOICES = [
    (Inside.FINISH, gettext_lazy("They finish on the version they entered")),
    (Inside.MOVE, gettext_lazy("They go on by the new version, from the step where they are; nothing is sent twice")),
    (Inside.EXIT, gettext_lazy("They leave, and what was scheduled for them is cancelled")),
]


class PublishForm(forms.Form):
    """`differences`: once it is valid, what publishing changes, in words."""

    text = forms.CharField(
        label=gettext_lazy("what it does"),
        max_length=flow_files.MOST_CHARACTERS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 40, "cols": 120, "spellcheck": "false", "class": "rt-code"}),
    )
    inside = forms.ChoiceField(
        label=gettext_lazy("people inside"), choices=CHOICES, initial=Inside.FINISH, widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, flow: Flow, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flow = flow
        self.data_read: Mapping[str, Any] = {}
        self.differences: tuple[str, ...] = ()

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"])
        try:
            found = flow_files.read(text)
            if len(found) != 1 or found[0]["slug"] != self._flow.slug:
                raise ValidationError(_("Write this flow alone, under its key %(slug)s.") % {"slug": self._flow.slug})
            self.data_read = found[0]
            self.differences = flows.compare(self._flow.shop, self.data_read, now=timezone.now()).differences
        except FlowError as error:
            raise ValidationError(error.problems) from error
        except TemplateError as error:
            raise ValidationError(str(error)) from error
        if not self.differences:
            raise ValidationError(_("This is what the flow does already."))
        return text
