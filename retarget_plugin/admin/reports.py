"""Report: what a shop's abandoned carts came to, drawn for the owner and ready to download."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from retarget_plugin.domain.vocabulary import FlowState
from retarget_plugin.engine import reports
from retarget_plugin.models import Shop

from . import charts, spreadsheets
from .money import amount

PERIODS = (7, 30, 90)
DEFAULT_PERIOD = 30
TABLES = ("days", "flows")


@dataclass(frozen=True)
class Headline:
    """One of the big numbers, with the sentence that says what it counts."""

    name: str
    label: str
    value: str
    note: str = ""


class ReportPages:
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
        return self._url("report_of", shop.pk)

    def report_view(self, request: HttpRequest, shop_id: int | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shops = list(Shop.objects.order_by("name", "pk"))
        chosen = shop_id if shop_id is not None else request.GET.get("shop", "")
        shop = next((shop for shop in shops if str(shop.pk) == str(chosen)), None)
        if shop is None and shop_id is not None:
            get_object_or_404(Shop, pk=shop_id)
        shop = shop or next(iter(shops), None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Report"),
            "subtitle": shop.name if shop else None,
            "media": self.media,
            "shops": shops,
            "shop": shop,
            "report_url": self._url("report"),
            "flows_url": reverse("admin:retarget_plugin_flow_changelist", current_app=self.admin_site.name),
            "settings_url": self._url("change", shop.pk) if shop else self._url("changelist"),
            **(self._figures(shop, _period(request)) if shop else {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/retarget_plugin/shop/report.html", context)

    def report_file_view(self, request: HttpRequest, shop_id: int, table: str) -> HttpResponse | StreamingHttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shop = get_object_or_404(Shop, pk=shop_id)
        overview = _overview(shop, _period(request))
        first, last = overview.days[0].date, overview.days[-1].date
        name = f"report-{shop.pk}-{table}-{first.isoformat()}-{last.isoformat()}.csv"
        if table not in TABLES:
            return HttpResponse(status=404)
        header, rows = _day_rows(overview) if table == "days" else _flow_rows(overview, shop)
        return spreadsheets.download(name, header, rows)

    def _figures(self, shop: Shop, period: int) -> dict[str, Any]:
        overview = _overview(shop, period)
        return {
            "overview": overview,
            "headlines": _headlines(overview),
            "chart": charts.bars(overview.days),
            "days": [(day, amount(day.revenue, overview.currency)) for day in reversed(overview.days)],
            "lines": [
                (line, amount(line.revenue, overview.currency), self._flow_url(line.flow)) for line in overview.flows
            ],
            "foreign": [(row, amount(row.revenue, row.currency)) for row in overview.foreign],
            "period": period,
            "periods": PERIODS,
            "files": [(table, self._url("report_file", shop.pk, table)) for table in TABLES],
            "is_any_flow_on": any(line.flow.state == FlowState.ON for line in overview.flows),
        }

    def _flow_url(self, flow: Any) -> str:
        return reverse("admin:retarget_plugin_flow_change", args=[flow.pk], current_app=self.admin_site.name)

    def _url(self, name: str, *args: Any) -> str:
        return reverse(f"admin:retarget_plugin_shop_{name}", args=args, current_app=self.admin_site.name)


def _period(request: HttpRequest) -> int:
    """Days asked for; anything but an offered period is the default."""
    text = request.GET.get("days", "")
    return next((period for period in PERIODS if str(period) == text), DEFAULT_PERIOD)


def _overview(shop: Shop, period: int) -> reports.Overview:
    """The last `period` calendar days of the shop, today among them."""
    now = timezone.now()
    zone = ZoneInfo(shop.time_zone)
    first = now.astimezone(zone).date() - timedelta(days=period - 1)
    since = datetime.combine(first, time(), tzinfo=zone)
    return reports.overview(shop, since=since, until=now)


def _headlines(overview: reports.Overview) -> list[Headline]:
    revenue = amount(overview.revenue, overview.currency)
    return [
        Headline(
            "abandoned",
            _("Abandoned carts"),
            number_format(overview.abandoned, force_grouping=True),
            _("left without an order"),
        ),
        Headline(
            "messaged",
            _("Messaged"),
            number_format(overview.messaged, force_grouping=True),
            _share(overview.messaged, overview.abandoned),
        ),
        Headline(
            "recovered",
            _("Recovered orders"),
            number_format(overview.recovered, force_grouping=True),
            _("after a click in a message"),
        ),
        Headline("revenue", _("Recovered revenue"), revenue, _("total of these orders")),
    ]


def _share(part: int, whole: int) -> str:
    if not whole:
        return _("got at least one message")
    return _("%(percent)s%% of the abandoned carts") % {"percent": number_format(100 * part / whole, 0)}


def _day_rows(overview: reports.Overview) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    header = [
        _("Day"),
        _("Abandoned carts"),
        _("Messaged"),
        _("Recovered orders"),
        _("Recovered revenue"),
        _("Currency"),
    ]
    rows = (
        [day.date, day.abandoned, day.messaged, day.recovered, day.revenue, overview.currency] for day in overview.days
    )
    return header, rows


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
        ]
        for line in overview.flows
    )
    return header, rows
