"""Topic and Preference: what people may choose, in their own words, on forms and in the preference centre."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.domain.preferences import said
from retarget_plugin.models import Flow, Preference, Topic

from .facts import STYLES
from .several import LabelsField, OptionsField


class TopicForm(forms.ModelForm):
    """A topic, and the flows whose messages are about it."""

    labels = LabelsField(label=capfirst(gettext_lazy("name")))
    flows = forms.ModelMultipleChoiceField(
        Flow.objects.select_related("shop").order_by("shop__name", "name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=capfirst(gettext_lazy("flows")),
        help_text=gettext_lazy("Whoever turns the topic off gets no more messages of these flows."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            of_shop = Flow.objects.filter(shop=self.instance.shop)
            self.fields["flows"].queryset = of_shop
            self.fields["flows"].initial = of_shop.filter(topic=self.instance.slug)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        shop = values.get("shop") or getattr(self.instance, "shop", None)
        if any(flow.shop_id != getattr(shop, "pk", None) for flow in values.get("flows", ())):
            raise ValidationError({"flows": _("A topic and its flows belong to the same shop.")})
        return values


class ChoicesAdmin(admin.ModelAdmin):
    """What both screens share. The key stays: what people chose is stored under it."""

    list_filter = ("shop",)
    list_select_related = ("shop",)
    list_display_links = ("title",)
    ordering = ("shop", "position", "pk")

    class Media:
        css = {"all": [STYLES]}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("shop", "slug") if obj else ()

    @admin.display(description=gettext_lazy("name"))
    def title(self, row: Topic | Preference) -> str:
        return said(row.labels, row.shop.locale, otherwise=row.slug)


class TopicAdmin(ChoicesAdmin):
    """Topics that people may leave while they keep the rest."""

    form = TopicForm
    fields = ("shop", "slug", "labels", "flows", "position")
    list_display = ("title", "shop", "slug", "position")

    def save_model(self, request: HttpRequest, obj: Topic, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        chosen = form.cleaned_data["flows"]
        Flow.objects.filter(shop=obj.shop, topic=obj.slug).exclude(pk__in=chosen).update(topic="")
        chosen.update(topic=obj.slug)

    def delete_model(self, request: HttpRequest, obj: Topic) -> None:
        Flow.objects.filter(shop=obj.shop, topic=obj.slug).update(topic="")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Topic]) -> None:
        for topic in queryset:
            self.delete_model(request, topic)


class PreferenceForm(forms.ModelForm):
    labels = LabelsField(label=capfirst(gettext_lazy("question")))
    options = OptionsField(
        label=capfirst(gettext_lazy("answers")),
        help_text=gettext_lazy(
            "One a line: a key, and what is shown in English, French and Spanish. Such as: dog = Dog | Chien | Perro"
        ),
    )


class PreferenceAdmin(ChoicesAdmin):
    """Questions about taste: sport, pet, women or men."""

    form = PreferenceForm
    fields = ("shop", "slug", "labels", "options", "takes_several", "is_active", "position")
    list_display = ("title", "shop", "slug", "is_active", "position")
