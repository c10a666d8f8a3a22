"""The views of the viewsets: Wagtail's own, told by one of our screens what to show."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst
from wagtail.admin.paginator import WagtailPaginator
from wagtail.admin.ui.tables import Column, TitleColumn
from wagtail.admin.views.generic import CreateView, EditView, IndexView, InspectView

from retarget_plugin.admin import connections, installations
from retarget_plugin.admin.facts import BoundedPaginator
from retarget_plugin.models import LeadForm, Shop

from .screens import MEDIA, Screen

MAY_LOOK = ["view", "change"]


class Paginator(BoundedPaginator, WagtailPaginator):
    """Wagtail's, which counts no further than ours."""


class ListView(IndexView):
    """A list with the columns, the search and the order of `screen`."""

    screen: Any = None
    any_permission_required = MAY_LOOK
    paginator_class = Paginator

    @cached_property
    def columns(self) -> list[Column]:
        first, *others = self.screen.get_list_display(self.request)
        title = TitleColumn(first, label=self.screen.column(first), accessor=self._value(first), get_url=self._url)
        return [title, *(Column(name, label=self.screen.column(name), accessor=self._value(name)) for name in others)]

    def get_base_queryset(self) -> QuerySet[Any]:
        found: QuerySet[Any] = self.screen.get_queryset(self.request)
        return found.select_related(*self.screen.list_select_related or ())

    def search_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found: QuerySet[Any]
        found, _may_repeat = self.screen.get_search_results(self.request, queryset, self.search_query)
        return found

    def paginate_queryset(self, queryset: QuerySet[Any], page_size: int) -> tuple[Any, Any, Any, bool]:
        paginator, page, _rows, has_others = super().paginate_queryset(queryset, page_size)
        page.object_list = rows = list(page.object_list)
        self.screen.complete(rows)
        return paginator, page, rows, has_others

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return {**context, "media": context["media"] + MEDIA}

    def _value(self, name: str) -> partial[Any]:
        return partial(self.screen.value, name)

    def _url(self, row: Any) -> str | None:
        return self.get_edit_url(row) or self.get_inspect_url(row)


class MessageListView(ListView):
    """Above the list: what somebody should look at."""

    template_name = "retarget_plugin/wagtail/messages.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "notices": self.screen.notices(),
            "stopped": installations.halted(),
        }


class FactView(InspectView):
    """One row of facts: its fields, its buttons, and what the screen shows beside them."""

    screen: Any = None
    any_permission_required = MAY_LOOK

    def get_object(self, queryset: QuerySet[Any] | None = None) -> Any:
        rows = self.screen.get_queryset(self.request).select_related(*self.screen.list_select_related)
        return get_object_or_404(rows, pk=self.pk)

    def get_template_names(self) -> list[str]:
        return [f"admin/retarget_plugin/{self.model._meta.model_name}/change_form.html"]

    def get_page_title(self) -> str:
        return capfirst(self.model._meta.verbose_name)

    def get_fields_context(self) -> list[Any]:
        """Nothing by Wagtail's own account, which knows of no permission to see personal data."""
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "frame": "retarget_plugin/wagtail/detail.html",
            "media": MEDIA,
            "original": self.object,
            "sections": list(self.screen.sections(self.request, self.object)),
            **self.screen.details(self.request, self.object),
        }


class LeadFormAddView(CreateView):
    def save_instance(self) -> LeadForm:
        self.form.instance.created_at = timezone.now()
        saved: LeadForm = super().save_instance()
        return saved


class ShopEditView(EditView):
    """The settings, with what the shop is connected to."""

    template_name = "retarget_plugin/wagtail/settings.html"
    screen: Screen | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        shop: Shop = self.object
        return {
            **context,
            "media": context["media"] + MEDIA,
            "connections": connections.of(shop),
            "stopped": installations.halted(),
        }
