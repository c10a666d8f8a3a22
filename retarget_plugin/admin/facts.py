"""What every screen of facts shares: rows that say what happened are shown, and never written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.timezone import localtime

from retarget_plugin.domain.contexts import clean_url
from retarget_plugin.models import Shop

from .pages import EMPTY, PagesMixin

STYLES = "retarget_plugin/admin.css"


class BoundedPaginator(Paginator):
    """Counts no further than `bound` rows: a list of millions opens as fast as a short one."""

    bound = 10_000

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.bound)

    @property
    def is_capped(self) -> bool:
        """True when there are more rows than are counted and paged through; filters lead to the others."""
        return self._counted > self.bound

    @cached_property
    def _counted(self) -> int:
        return self.object_list[: self.bound + 1].count()


class FoldedFilter(admin.ChoicesFieldListFilter):
    """A filter with many choices: closed until one is chosen."""

    template = "admin/retarget_plugin/filters/folded.html"


class CompletedList(ChangeList):
    """The rows of a page with what its columns show and the rows do not hold: `complete(rows)` of its admin gives it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.model_admin.complete(self.result_list)


class ReadOnlyAdmin(PagesMixin, admin.ModelAdmin):
    """Nothing is added, changed or deleted here; who may look is Django's view permission."""

    actions = None
    empty_value_display = EMPTY
    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    class Media:
        css = {"all": [STYLES]}

    def get_list_display(self, request: HttpRequest) -> Any:
        """Where there is one shop, no list says which."""
        columns = super().get_list_display(request)
        return columns if _has_many_shops(request) else [name for name in columns if name != "shop"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def complete(self, rows: Iterable[Any]) -> None:
        """Give the rows of one page of the list what its columns show and the rows do not hold."""

    def details(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page of `row` shows beside its fields, to whoever may look at it."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= self.details(request, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    def may_act(self, request: HttpRequest) -> bool:
        """The model's own change permission: who may press the buttons, though no field can be edited."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class FactAdmin(ReadOnlyAdmin):
    """A long list, newest first. The primary key is the order of arrival, and the only order that is free at any size.

    A search compares whole values with `search_fields`: by index, and a part of an address finds nobody.
    """

    ordering = ("-pk",)
    sortable_by = ()

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = (Q((field, term)) for field in self.search_fields)
        return queryset.filter(reduce(or_, found)), False


def _has_many_shops(request: HttpRequest) -> bool:
    """Asked several times while one list is made, and looked up once."""
    if not hasattr(request, "retarget_has_many_shops"):
        request.retarget_has_many_shops = Shop.objects.order_by()[:2].count() > 1
    return request.retarget_has_many_shops


def moment(field: str, description: Any) -> Callable[[Any, Any], str]:
    """A column for the moment in `field`, short enough for a list of many columns."""

    @admin.display(description=description)
    def shown(screen: Any, row: Any) -> str:
        at = getattr(row, field)
        return date_format(localtime(at), "SHORT_DATETIME_FORMAT") if at else EMPTY

    return shown


def web_address(url: Any) -> str:
    """`url` when it is an http(s) address, else nothing: what a shop stored may be any text, also a script."""
    return clean_url(url) or ""
