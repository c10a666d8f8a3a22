"""Report: what a shop's abandoned carts came to, drawn for the owner and ready to download."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from retarget_plugin.engine import reports
from retarget_plugin.engine.effects import Effect
from retarget_plugin.models import Flow, Shop

from . import figures, spreadsheets
from .pages import PagesMixin

TABLES = ("days", "flows", "products")


class ReportPages(PagesMixin):
    """Gives the shop's admin its report: a page and two files, for whoever may view shops."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("report/", view(self.report_view), name="retarget_plugin_shop_report"),
            path("<int:shop_id>/report/", view(self.report_view), name="retarget_plugin_shop_report_of"),
            path(
                "<int:shop_id>/report/<str:table>.csv",
                view(self.report_file_view),
                name="retarget_plugin_shop_report_file",
            ),
        ]
        return own + super().get_urls()

    def report_url(self, shop: Shop) -> str:
        return self.page("report_of", shop.pk)

    def report_view(self, request: HttpRequest, shop_id: int | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shops = list(Shop.objects.order_by("name", "pk"))
        chosen = shop_id if shop_id is not None else request.GET.get("shop", "")
        shop = next((shop for shop in shops if str(shop.pk) == str(chosen)), None)
        if shop is None and shop_id is not None:
            get_object_or_404(Shop, pk=shop_id)
        shop = shop or next(iter(shops), None)
        return self.show(
            request,
            "shop/report.html",
            None,
            title=_("Report"),
            subtitle=shop.name if shop else None,
            shops=shops,
            shop=shop,
            report_url=self.page("report"),
            flows_url=self.page("changelist", model=Flow),
            settings_url=self.page("change", shop.pk) if shop else self.page("changelist"),
            **(self._figures(shop, request) if shop else {}),
        )

    def report_file_view(self, request: HttpRequest, shop_id: int, table: str) -> HttpResponse | StreamingHttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shop = get_object_or_404(Shop, pk=shop_id)
        overview = figures.overview(shop, figures.period_of(request), now=timezone.now())
        first, last = overview.days[0].date, overview.days[-1].date
        name = f"report-{shop.pk}-{table}-{first.isoformat()}-{last.isoformat()}.csv"
        if table not in TABLES:
            return HttpResponse(status=404)
        header, rows = {
            "days": lambda: _day_rows(overview),
            "flows": lambda: _flow_rows(overview, shop),
            "products": lambda: _product_rows(shop, overview),
        }[table]()
        return spreadsheets.download(name, header, rows)

    def _figures(self, shop: Shop, request: HttpRequest) -> dict[str, Any]:
        shown = figures.context(shop, figures.period_of(request), now=timezone.now())
        rows = [replace(row, url=self.page("change", row.line.flow.pk, model=Flow)) for row in shown["rows"]]
        files = [(table, self.page("report_file", shop.pk, table)) for table in TABLES]
        return {**shown, "rows": rows, "files": files}


def _day_rows(overview: reports.Overview) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    header = [
        _("Day"),
        _("Abandoned carts"),
        _("Messaged"),
        _("Recovered orders"),
        _("Recovered revenue"),
        _("Currency"),
        *_rate_names(),
    ]
    rows = (
        [day.date, day.abandoned, day.messaged, day.recovered, day.revenue, overview.currency, *_rates(day)]
        for day in overview.days
    )
    return header, rows


def _product_rows(shop: Shop, overview: reports.Overview) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    header = [
        _("Product"),
        _("Id in the shop"),
        _("Abandoned carts"),
        _("Messaged"),
        _("Recovered orders"),
        *_rate_names(),
    ]
    lines = reports.product_lines(shop, since=overview.since, until=overview.until)
    rows = ([line.title, line.product, line.abandoned, line.messaged, line.recovered, *_rates(line)] for line in lines)
    return header, rows


def _rate_names() -> Sequence[str]:
    return [_("Ordered after all"), _("Bought at once"), _("Abandonment rate"), _("Recovery rate")]


def _rates(row: reports.Day | reports.ProductLine) -> Sequence[Any]:
    """As parts of 1; empty cells where there is no whole."""
    rates = (row.abandonment_rate, row.recovery_rate)
    return [row.returned, row.bought, *("" if rate is None else round(rate, 4) for rate in rates)]


def _flow_rows(overview: reports.Overview, shop: Shop) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    header = [
        _("Shop"),
        _("Flow"),
        _("Entered"),
        _("Sent"),
        _("Clicked"),
        _("Recovered orders"),
        _("Recovered revenue"),
        _("Currency"),
        _("Discounts"),
        _("Orders caused"),
        _("at least"),
        _("at most"),
    ]
    rows = (
        [
            shop.name,
            line.flow.name,
            line.entered,
            line.sent,
            line.clicked,
            line.recovered,
            line.revenue,
            overview.currency,
            line.discount,
            *_caused(line.effect),
        ]
        for line in overview.flows
    )
    return header, rows


def _caused(effect: Effect) -> Sequence[Any]:
    """The orders caused with both ends of their interval; empty cells until that is known."""
    between = effect.caused_orders_between
    if not effect.is_conclusive or between is None or effect.caused_orders is None:
        return ["", "", ""]
    return [round(number, 1) for number in (effect.caused_orders, between.low, between.high)]
