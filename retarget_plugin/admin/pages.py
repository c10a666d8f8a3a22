"""The pages an admin has beside Django's own: their addresses, and the frame they are shown in."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

EMPTY = "–"


class PagesMixin:
    """Gives a ModelAdmin its pages. Another site's frame around the same screens overrides these four, and nothing else."""

    def page(self, name: str, *args: Any, model: type[Model] | None = None) -> str:
        """URL of a page of `model`, or of this admin's own, on this site: changelist, change, or a name of our own."""
        opts = (model or self.model)._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=args, current_app=self.admin_site.name)

    def narrowed(self, field: str, value: Any, *, model: type[Model] | None = None) -> str:
        """URL of the list of `model`, or of this admin's own, with only the rows whose `field` is `value` (a row: its key)."""
        key = (f"{field}__id", value.pk) if isinstance(value, Model) else (field, value)
        return f"{self.page('changelist', model=model)}?{key[0]}__exact={key[1]}"

    def link(self, row: Any, text: Any = None) -> SafeString | str:
        """A link to the page of `row` on this site, or a dash."""
        if row is None:
            return EMPTY
        url = self.page("change", row.pk, model=type(row))
        return format_html('<a href="{}">{}</a>', url, row if text is None else text)

    def show(self, request: HttpRequest, template: str, row: Any, *, title: str, **context: Any) -> HttpResponse:
        """One of our templates about `row`, or about no row in particular."""
        request.current_app = self.admin_site.name
        about = {"subtitle": str(row), "original": row, "back": self.page("change", row.pk)} if row else {}
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "media": self.media}
        return TemplateResponse(request, f"admin/retarget_plugin/{template}", {**frame, **about, **context})
