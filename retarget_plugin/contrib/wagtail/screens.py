"""Our admin's screens at Wagtail's addresses and in Wagtail's frame. What they show, mask and allow is the admin's to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field, display_for_value, flatten, label_for_field, lookup_field
from django.db.models import Model
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from retarget_plugin.admin import FlowAdmin, LeadAdmin, LeadFormAdmin, MessageAdmin, ShopAdmin
from retarget_plugin.admin.facts import STYLES
from retarget_plugin.admin.pages import EMPTY, PagesMixin
from retarget_plugin.models import Flow, Lead, LeadForm, Message, Shop

MEDIA = Media(css={"all": [STYLES, "retarget_plugin/wagtail.css"]})
HOME = {"url": reverse_lazy("wagtailadmin_home"), "label": _("Home")}
NAMESPACES: dict[type[Model], str] = {
    Flow: "retarget_flows",
    Message: "retarget_messages",
    Lead: "retarget_leads",
    LeadForm: "retarget_lead_forms",
    Shop: "retarget_shops",
}
#: What is written here has a form; facts are only looked at.
WRITTEN = (Shop, LeadForm)
REPORT = "retarget_report"


class Screen(PagesMixin, admin.ModelAdmin):
    """Mixed into one of our ModelAdmins before it is."""

    def page(self, name: str, *args: Any, model: type[Model] | None = None) -> str:
        model = model or self.model
        if name.startswith("report"):
            return reverse(f"{REPORT}:{name}", args=args)
        view = {"changelist": "index", "change": "edit" if model in WRITTEN else "inspect"}.get(name, name)
        return reverse(f"{NAMESPACES[model]}:{view}", args=args)

    def narrowed(self, field: str, value: Any, *, model: type[Model] | None = None) -> str:
        key = value.pk if isinstance(value, Model) else value
        return f"{self.page('changelist', model=model)}?{field}={key}"

    def link(self, row: Any, text: Any = None) -> SafeString | str:
        """A row that has no screen in Wagtail is named and leads nowhere."""
        if row is None:
            return EMPTY
        if type(row) not in NAMESPACES:
            return str(row)
        url = self.page("change", row.pk, model=type(row))
        return format_html('<a href="{}">{}</a>', url, row if text is None else text)

    def show(self, request: HttpRequest, template: str, row: Any, *, title: str, **context: Any) -> HttpResponse:
        about = {"original": row, "back": self.page("change", row.pk)} if row else {}
        trail = [{"url": about["back"], "label": str(row)}] if row else []
        frame = {
            "frame": "retarget_plugin/wagtail/page.html",
            "title": title,
            "header_title": title,
            "media": MEDIA,
            "breadcrumbs_items": [HOME, *self.trail(), *trail, {"url": "", "label": title}],
        }
        return TemplateResponse(request, f"admin/retarget_plugin/{template}", {**frame, **about, **context})

    def trail(self) -> list[dict[str, Any]]:
        """The way from Wagtail's home to this screen's rows."""
        return [{"url": self.page("changelist"), "label": capfirst(self.opts.verbose_name_plural)}]

    def column(self, name: str) -> str:
        """The words above a column of the list, and beside a field."""
        return capfirst(label_for_field(name, self.model, self, return_attr=False))

    def value(self, name: str, row: Any) -> SafeString | str:
        """What stands under `name` for `row`, as Django's admin writes it."""
        field, _attribute, value = lookup_field(name, row, self)
        return display_for_value(value, EMPTY) if field is None else display_for_field(value, field, EMPTY)

    def sections(self, request: HttpRequest, row: Any) -> Iterator[tuple[Any, list[tuple[str, Any]]]]:
        """(heading, [(label, value)]): the fields that `request.user` may see of `row`."""
        for heading, options in self.get_fieldsets(request, row):
            names: Iterable[str] = flatten(options["fields"])
            yield heading or "", [(self.column(name), self.value(name, row)) for name in names]


class FlowScreen(Screen, FlowAdmin):
    """Flows, their versions and previews."""


class MessageScreen(Screen, MessageAdmin):
    """Messages, with why each was or was not sent."""


class LeadScreen(Screen, LeadAdmin):
    """Who answered a lead form."""


class LeadFormScreen(Screen, LeadFormAdmin):
    """The list of lead forms; writing one is the viewset's."""


class ShopScreen(Screen, ShopAdmin):
    """The list of shops, and their report."""

    def get_list_display(self, request: HttpRequest) -> Any:
        return ("name", "state", "report", "flows_on", "country", "currency")

    def complete(self, rows: Iterable[Any]) -> None:
        """Every column is the row's own."""

    def trail(self) -> list[dict[str, Any]]:
        return []


flows = FlowScreen(Flow, admin.site)
messages = MessageScreen(Message, admin.site)
leads = LeadScreen(Lead, admin.site)
lead_forms = LeadFormScreen(LeadForm, admin.site)
shops = ShopScreen(Shop, admin.site)
