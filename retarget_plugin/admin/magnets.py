"""Magnet: what is given for an address; its fields are those that its kind asks for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin import conf
from retarget_plugin.domain import calendars, contexts
from retarget_plugin.domain import magnets as rules
from retarget_plugin.domain.magnets import Kind, Option, OptionType
from retarget_plugin.engine import magnets
from retarget_plugin.models import Magnet, MagnetCode, MagnetFile, Shop

from .facts import STYLES
from .written import LANGUAGES, WrittenForm, language_fieldsets, written_fields

WORDS = {
    "title": (gettext_lazy("Title"), forms.TextInput),
    "text": (gettext_lazy("Text"), forms.Textarea),
}
MEGABYTE = 1_000_000
WordsOfMagnet: Any = type("WordsOfMagnet", (WrittenForm,), written_fields(WORDS))


class NewMagnetForm(forms.ModelForm):
    """First what it is; the rest follows from that."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [(name, _(kind.label)) for name, kind in magnets.kinds().items()]
        if Shop.objects.count() == 1:
            self.fields["shop"].initial = Shop.objects.get()


class MagnetForm(WordsOfMagnet):
    """The words of a magnet and the options of its kind; made for a kind by `form_for`."""

    words = WORDS
    kind_of_magnet = Kind()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for option in self.kind_of_magnet.options:
            self.initial.setdefault(f"option_{option.name}", self._saved(option))

    def _saved(self, option: Option) -> Any:
        """The option's value as its field shows it."""
        value = self.instance.options.get(option.name)
        at = rules.moment(self.instance.options, option.name) if option.type is OptionType.MOMENT else None
        return at.astimezone(self._zone()).strftime("%Y-%m-%dT%H:%M") if at else value

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        for language, said in values["texts"].items():
            if not said.get("title"):
                self.add_error(f"title_{language}", _("This language is not complete without it."))
        if not values["texts"]:
            self.add_error(f"title_{next(iter(LANGUAGES))}", _("Write its title in at least one language."))
        values["options"] = {
            option.name: self._given(option, values.get(f"option_{option.name}"))
            for option in self.kind_of_magnet.options
            if f"option_{option.name}" not in self.errors
        }
        for name, problem in magnets.problems(self.kind_of_magnet, values["options"]).items():
            if f"option_{name}" not in self.errors:
                self.add_error(f"option_{name}", problem)
        return values

    def _given(self, option: Option, value: Any) -> Any:
        """What was typed as it is stored, in JSON."""
        if value in (None, ""):
            return ""
        if option.type is OptionType.MOMENT:
            return value.replace(tzinfo=self._zone()).isoformat()
        return str(value)

    def _zone(self) -> Any:
        return calendars.zone(self.instance.shop.time_zone)

    def clean_new_codes(self) -> list[str]:
        codes = [line.strip() for line in self.cleaned_data["new_codes"].splitlines() if line.strip()]
        for code in codes:
            if len(code) > contexts.NAME_LIMIT or contexts.clean_text(code) != code:
                raise ValidationError(
                    _("A code is one line of at most %(most)d characters.") % {"most": contexts.NAME_LIMIT}
                )
        return codes

    def save(self, commit: bool = True) -> Any:
        self.instance.options = self.cleaned_data["options"]
        return super().save(commit)


def form_for(kind: Kind) -> Any:
    """The form of a magnet of `kind`."""
    fields: dict[str, Any] = {f"option_{option.name}": _field(option) for option in kind.options}
    if kind.has_codes:
        fields["new_codes"] = forms.CharField(
            label=_("Add codes"),
            required=False,
            widget=forms.Textarea(attrs={"rows": 5}),
            help_text=_("One a line; each is given once."),
        )
    return type("MagnetForm", (MagnetForm,), {**fields, "kind_of_magnet": kind})


def _field(option: Option) -> forms.Field:
    facts: dict[str, Any] = {
        "label": _(option.label),
        "required": option.is_required,
        "help_text": _(option.help) if option.help else "",
    }
    if option.type is OptionType.NUMBER:
        return forms.DecimalField(max_digits=12, decimal_places=2, **facts)
    if option.type is OptionType.URL:
        return forms.URLField(assume_scheme="https", max_length=500, **facts)
    if option.type is OptionType.MOMENT:
        return forms.DateTimeField(
            widget=forms.DateTimeInput(attrs={"type": "datetime-local", "class": "rt-time"}), **facts
        )
    if option.type is OptionType.CHOICE:
        return forms.ChoiceField(choices=[(value, _(label)) for value, label in option.choices], **facts)
    widget = (
        forms.Textarea(attrs={"rows": 4})
        if option.type is OptionType.LINES
        else forms.TextInput(attrs={"class": "vTextField"})
    )
    return forms.CharField(max_length=2_000, widget=widget, **facts)


class MagnetFileForm(forms.ModelForm):
    """An upload: bounded, under a clean name. There is no link to where it lies."""

    class Meta:
        fields = ("file", "name", "position")
        widgets = {"file": forms.FileInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False
        self.fields["name"].help_text = _("Empty: the name of the uploaded file.")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if "file" in self.changed_data and file.size > conf.settings.MAGNET_MAX_MB * MEGABYTE:
            raise ValidationError(_("The file has more than %(most)d MB.") % {"most": conf.settings.MAGNET_MAX_MB})
        return file

    def save(self, commit: bool = True) -> MagnetFile:
        file = self.cleaned_data["file"]
        given = self.cleaned_data["name"] or (file.name if "file" in self.changed_data else self.instance.name)
        self.instance.name, self.instance.size = rules.file_name(given), file.size
        return super().save(commit)


class MagnetFileInline(admin.TabularInline):
    model = MagnetFile
    form = MagnetFileForm
    fields = ("file", "name", "size_shown", "position")
    readonly_fields = ("size_shown",)
    extra = 1

    @admin.display(description=gettext_lazy("size"))
    def size_shown(self, row: MagnetFile) -> str:
        return contexts.file_size(row.size, locale=row.magnet.shop.locale) if row.pk else "–"


class MagnetAdmin(admin.ModelAdmin):
    """Adding one asks what kind it is; its page then asks what that kind needs."""

    list_display = ("name", "shop", "kind_shown", "topic", "given")
    list_filter = ("shop",)
    list_select_related = ("shop",)
    ordering = ("shop__name", "name", "pk")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MagnetFileInline,)

    class Media:
        css = {"all": [STYLES]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Magnet]:
        return super().get_queryset(request).annotate(given_count=Count("leads__confirmed_at"))

    def get_form(self, request: HttpRequest, obj: Magnet | None = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(_kind(obj)) if obj else NewMagnetForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Magnet | None = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("shop", "name", "slug", "topic", "kind")}),)
        kind = _kind(obj)
        names = [f"option_{option.name}" for option in kind.options] + (["new_codes"] if kind.has_codes else [])
        return (
            (None, {"fields": ("shop", "name", "slug", "topic", "kind_shown")}),
            *(
                [(_("What it gives"), {"fields": names, "description": _(kind.help) if kind.help else ""})]
                if names
                else []
            ),
            *language_fieldsets(WORDS, obj.texts),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Magnet | None = None) -> tuple[str, ...]:
        return ("shop", "slug", "kind_shown") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Magnet | None = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def get_inlines(self, request: HttpRequest, obj: Magnet | None) -> Any:
        return self.inlines if obj and _kind(obj).has_files else ()

    def save_model(self, request: HttpRequest, obj: Magnet, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)
        codes = form.cleaned_data.get("new_codes") or ()
        MagnetCode.objects.bulk_create([MagnetCode(magnet=obj, code=code) for code in codes], ignore_conflicts=True)

    def response_add(self, request: HttpRequest, obj: Magnet, post_url_continue: Any = None) -> HttpResponse:
        """What its kind needs is asked on its page."""
        super().response_add(request, obj, post_url_continue)
        address = reverse("admin:retarget_plugin_magnet_change", args=[obj.pk], current_app=self.admin_site.name)
        return redirect(address)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if row := kwargs.get("obj"):
            kind, codes = _kind(row), MagnetCode.objects.filter(magnet=row)
            context["lacks_files"] = kind.has_files and not row.files.exists()
            context["codes_free"] = codes.filter(given_at=None).count()
            context["codes_given"] = codes.filter(given_at__isnull=False).count()
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("kind"))
    def kind_shown(self, row: Magnet) -> str:
        return _(_kind(row).label) if _kind(row).label else row.kind

    @admin.display(description=gettext_lazy("given"))
    def given(self, row: Any) -> int:
        return row.given_count


def _kind(row: Magnet) -> Kind:
    """The kind of `row`; one that asks for nothing where it is gone from the settings."""
    return magnets.kinds().get(row.kind) or Kind()
