"""Flow: what it does as a line of time, whether it does it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.domain import flow_files
from retarget_plugin.domain import flows as rules
from retarget_plugin.domain.vocabulary import FlowState, RunState, Trigger
from retarget_plugin.engine import backtest, composing, flows, funnels, proofs, trials
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Flow, FlowVersion, Shop

from . import backtests, badges, figures, people, previews, steps, whys
from .buttons import Button, ButtonsMixin
from .facts import CompletedList, ReadOnlyAdmin
from .money import amount
from .publishing import PublishForm
from .trials import TrialForm

PERIOD = timedelta(days=30)
TRIGGERS: dict[str, Any] = {
    Trigger.CART_ABANDONED: gettext_lazy("A cart is abandoned"),
    Trigger.CHECKOUT_ABANDONED: gettext_lazy("A checkout is abandoned"),
    Trigger.PRODUCT_VIEWED: gettext_lazy("A product is looked at again, or several of one category"),
    Trigger.SITE_LEFT: gettext_lazy("A visitor has looked around and left"),
    Trigger.FORM_CONFIRMED: gettext_lazy("A form is sent and the address confirmed"),
    Trigger.MAGNET_DOWNLOADED: gettext_lazy("A lead magnet is downloaded"),
    Trigger.ORDER_PLACED: gettext_lazy("An order is placed"),
    Trigger.ORDER_PAID: gettext_lazy("An order is paid"),
    Trigger.ORDER_FULFILLED: gettext_lazy("An order has arrived"),
    Trigger.ORDER_UNPAID: gettext_lazy("An order stays unpaid"),
    Trigger.NO_ORDER: gettext_lazy("A customer has not ordered for long"),
    Trigger.NO_VISIT: gettext_lazy("Somebody has not visited for long"),
    Trigger.UNENGAGED: gettext_lazy("Somebody takes no notice of the messages"),
    Trigger.BACK_IN_STOCK: gettext_lazy("A product is back in stock"),
    Trigger.PRICE_DROP: gettext_lazy("A product costs less than before"),
    Trigger.SEGMENT_ENTERED: gettext_lazy("Somebody enters a segment"),
    Trigger.INTEREST_SHOWN: gettext_lazy("Somebody shows interest in a topic"),
    Trigger.CUSTOM_EVENT: gettext_lazy("An event of the shop's own"),
}
BUTTONS = (
    Button(
        slug="turn-on",
        label=gettext_lazy("Turn on"),
        question=gettext_lazy(
            "From now on, carts that are abandoned enter this flow and people who agreed get its messages."
        ),
        done=gettext_lazy("The flow is on."),
        act="turn_on",
        is_offered=lambda flow: flow.state != FlowState.ON,
    ),
    Button(
        slug="pause",
        label=gettext_lazy("Pause"),
        question=gettext_lazy(
            "Nobody enters and nothing is sent while the flow is paused. "
            "Everybody stays where they are; what becomes too old meanwhile is not sent later."
        ),
        done=gettext_lazy("The flow is paused."),
        act="pause",
        is_offered=lambda flow: flow.state == FlowState.ON,
    ),
    Button(
        slug="turn-off",
        label=gettext_lazy("Turn off"),
        question=gettext_lazy(
            "Nobody enters any more, everybody inside leaves, and what was scheduled for them is cancelled."
        ),
        done=gettext_lazy("The flow is off."),
        act="turn_off",
        is_offered=lambda flow: flow.state != FlowState.OFF,
        is_grave=True,
    ),
)


class FlowAdmin(ButtonsMixin, ReadOnlyAdmin):
    """Flows are shown and switched; what they do changes by publishing another version."""

    list_display = ("name", "shop", "state_badge", "entered", "sent", "recovered", "revenue")
    list_filter = ("shop", "state")
    list_select_related = ("shop", "version")
    ordering = ("shop__name", "name", "pk")
    sortable_by = ("name", "shop")
    fieldsets = ((None, {"fields": ("shop_link", "state_badge", "trigger_words", "stage")}),)
    readonly_fields = ("shop_link", "state_badge", "trigger_words")
    buttons = BUTTONS

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CompletedList

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "retarget_plugin_flow"
        version = "<int:object_id>/versions/<int:number>/"
        own = [
            path("<int:object_id>/publish/", view(self.publish_view), name=f"{name}_publish"),
            path("<int:object_id>/backtest/", view(self.backtest_view), name=f"{name}_backtest"),
            path(version, view(self.version_view), name=f"{name}_version"),
            path(f"{version}<str:key>/<str:language>/", view(self.preview_view), name=f"{name}_preview"),
            path(f"{version}<str:key>/<str:language>/frame/", view(self.frame_view), name=f"{name}_frame"),
        ]
        return own + super().get_urls()

    # -- switching -----------------------------------------------------------------------------------------------

    def obstacles(self, button: Button, row: Flow) -> list[str]:
        return flows.preflight(row, now=timezone.now()) if button.act == "turn_on" else []

    def turn_on(self, flow: Flow, request: HttpRequest, *, now: datetime) -> None:
        flows.turn_on(flow, now=now)

    def pause(self, flow: Flow, request: HttpRequest, *, now: datetime) -> None:
        flows.pause(flow, now=now)

    def turn_off(self, flow: Flow, request: HttpRequest, *, now: datetime) -> None:
        flows.turn_off(flow, now=now)

    def publish_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """GET: the flow as text. POST: the next version, where it is in order and changes anything."""
        if not self.may_act(request):
            raise PermissionDenied
        flow = get_object_or_404(Flow.objects.select_related("shop", "version"), pk=object_id, version__isnull=False)
        form = PublishForm(request.POST or None, flow=flow, initial={"text": _written(flow)})
        if form.is_valid():
            now, inside = timezone.now(), form.cleaned_data["inside"]
            flows.load(flow.shop, form.data_read, inside=inside, by=request.user, now=now)
            self.log_change(request, flow, "; ".join(form.differences)[:500])
            messages.success(request, _("Published: %(changes)s.") % {"changes": "; ".join(form.differences)})
            return redirect(self.page("change", flow.pk))
        inside_now = flow.runs.filter(state=RunState.ACTIVE).count()
        return self.show(request, "flow/publish.html", flow, title=_("Publish anew"), form=form, inside=inside_now)

    # -- pages ---------------------------------------------------------------------------------------------------

    def complete(self, rows: Iterable[Any]) -> None:
        """Each flow's figures, in three queries for all of them."""
        now = timezone.now()
        lines = funnels.flow_lines(rows, since=now - PERIOD, until=now)
        for flow in rows:
            flow.line = lines[flow.pk]

    def details(self, request: HttpRequest, flow: Flow) -> dict[str, Any]:
        now = timezone.now()
        line = funnels.flow_lines([flow], since=now - PERIOD, until=now)[flow.pk]
        versions = (
            flow.versions.select_related("published_by")
            .annotate(runs_count=Count("runs"))
            .defer("definition", "content")
        )
        return {
            "buttons": self.offered(request, flow),
            "publish_url": self.page("publish", flow.pk) if self.may_act(request) and flow.version_id else "",
            "backtest_url": self.page("backtest", flow.pk) if backtest.is_playable(flow) else "",
            "problems": flows.preflight(flow, now=now) if flow.state != FlowState.ON else [],
            "settings_url": self.link(flow.shop, _("Open the shop's settings")),
            "line": line,
            "revenue": amount(line.revenue, flow.shop.currency),
            "funnel": figures.funnel(flow, since=now - PERIOD, until=now),
            "in_the_way": whys.of_flow(flow, since=now - PERIOD, until=now),
            "steps": self._steps(flow, flow.version) if flow.version else [],
            "versions": [
                (version, self.page("version", flow.pk, version.number))
                for version in versions.order_by("-number")[:50]
            ],
        }

    def backtest_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The form, and once asked for some days what the flow would have done in them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        flow = get_object_or_404(Flow.objects.select_related("shop", "version"), pk=object_id)
        days = figures.period_of(request)
        played = backtests.play(flow, days=days, now=timezone.now()) if "days" in request.GET else {}
        about = {"period": days, "periods": figures.PERIODS, **played}
        return self.show(request, "flow/backtest.html", flow, title=_("What would have happened"), **about)

    def version_view(self, request: HttpRequest, object_id: int, number: int) -> HttpResponse:
        version = self._version(request, object_id, number)
        return self.show(
            request,
            "flow/version.html",
            version.flow,
            title=_("Version %(number)s") % {"number": number},
            version=version,
            steps=self._steps(version.flow, version),
        )

    def preview_view(self, request: HttpRequest, object_id: int, number: int, key: str, language: str) -> HttpResponse:
        """GET: a message as its reader gets it. POST: the same, sent to staff themselves as a test."""
        version = self._version(request, object_id, number)
        message = _message(version, key, language)
        look = previews.look(request, version.flow.shop)
        form = TrialForm(request, channel=message["channel"], shop=version.flow.shop) if self.may_act(request) else None
        if request.method == "POST":
            if form is None:
                raise PermissionDenied
            if form.is_valid() and self._try_out(
                request, version, key, language, to=form.cleaned_data["to"], look=look
            ):
                return redirect(self.page("preview", object_id, number, key, language) + look.query)
        preview = self._preview(version, key, language, channel=message["channel"], look=look)
        others = [
            (other, self.page("preview", object_id, number, key, other) + look.query)
            for other in sorted(message["languages"])
        ]
        title = _("Preview: %(message)s") % {"message": key}
        about = {
            "preview": preview,
            "languages": others,
            "language": language,
            "version": version,
            "look": look,
            "may_choose_contact": people.may_see(request),
            "trial": form,
        }
        return self.show(request, "flow/preview.html", version.flow, title=title, **about)

    def _try_out(
        self, request: HttpRequest, version: FlowVersion, key: str, language: str, *, to: str, look: previews.Look
    ) -> bool:
        """Whether the test left; if not, the page says why."""
        flow = version.flow
        by, now = str(request.user.pk), timezone.now()
        try:
            trials.send(version, key, shop=flow.shop, contact=look.contact, language=language, to=to, by=by, now=now)
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return False
        self.log_change(request, flow, _("Test of %(message)s sent.") % {"message": key})
        messages.success(request, _("The test is on its way to %(address)s.") % {"address": to})
        return True

    def frame_view(self, request: HttpRequest, object_id: int, number: int, key: str, language: str) -> HttpResponse:
        version = self._version(request, object_id, number)
        _message(version, key, language)
        look = previews.look(request, version.flow.shop)
        try:
            composed = _composed(version, key, language, look)
        except Refusal:
            return previews.nothing()
        return previews.frame(look.seen(composed.html))

    def _version(self, request: HttpRequest, object_id: int, number: int) -> FlowVersion:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(FlowVersion.objects.select_related("flow__shop"), flow=object_id, number=number)

    def _preview(
        self, version: FlowVersion, key: str, language: str, *, channel: str, look: previews.Look
    ) -> previews.Preview:
        shop = version.flow.shop
        try:
            composed = _composed(version, key, language, look)
        except Refusal as refusal:
            return previews.Preview(channel=channel, text="", language=language, error=str(refusal))
        price = proofs.price(composed, shop=shop, now=timezone.now())
        return previews.Preview(
            channel=channel,
            text=composed.text,
            subject=composed.subject,
            language=language,
            sender=shop.sms_sender or shop.name,
            frame_url=self.page("frame", version.flow_id, version.number, key, language) + look.query,
            advice=proofs.advice(composed, shop=shop),
            cost=amount(*price) if price else "",
        )

    def _steps(self, flow: Flow, version: FlowVersion) -> list[steps.StepView]:
        now = timezone.now()
        try:
            return steps.views(
                version,
                first_words=partial(_first_words, flow.shop, version, now=now),
                preview=lambda key, language: self.page("preview", flow.pk, version.number, key, language),
            )
        except rules.FlowError:
            return []

    # -- columns -------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, flow: Flow) -> SafeString:
        return badges.state_badge(flow.state, flow.get_state_display())

    @admin.display(description=gettext_lazy("Entered"))
    def entered(self, flow: Any) -> int:
        return flow.line.entered

    @admin.display(description=gettext_lazy("sent"))
    def sent(self, flow: Any) -> int:
        return flow.line.sent

    @admin.display(description=gettext_lazy("recovered"))
    def recovered(self, flow: Any) -> int:
        return flow.line.recovered

    @admin.display(description=gettext_lazy("revenue"))
    def revenue(self, flow: Any) -> str:
        return amount(flow.line.revenue, flow.shop.currency)

    @admin.display(description=gettext_lazy("shop"))
    def shop_link(self, flow: Flow) -> SafeString | str:
        return self.link(flow.shop)

    @admin.display(description=gettext_lazy("starts when"))
    def trigger_words(self, flow: Flow) -> str:
        return str(TRIGGERS.get(flow.trigger, flow.trigger))


def _written(flow: Flow) -> str:
    try:
        return flow_files.write(flows.dump(flow))
    except rules.FlowError:
        # Published by a version of the plugin that read it otherwise: it is to be written anew.
        return ""


def _first_words(shop: Shop, version: FlowVersion, key: str, language: str, *, now: datetime) -> str:
    return proofs.first_words(version, key, shop=shop, language=language, now=now)


def _message(version: FlowVersion, key: str, language: str) -> dict[str, Any]:
    message = version.content.get(key)
    if message is None or language not in message.get("languages", {}):
        raise Http404
    return message


def _composed(version: FlowVersion, key: str, language: str, look: previews.Look) -> composing.Composed:
    return proofs.preview(
        version, key, shop=version.flow.shop, contact=look.contact, language=language, now=timezone.now()
    )
