"""Flow: what it does as a line of time, whether it does it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retarget_plugin.domain import flows as rules
from retarget_plugin.domain.vocabulary import FlowState, Trigger
from retarget_plugin.engine import composing, flows, reports
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Flow, FlowVersion, choices

from . import badges, previews
from .buttons import Button, ButtonsMixin
from .facts import ReadOnlyAdmin, link
from .money import amount

PERIOD = timedelta(days=30)
TRIGGERS: dict[str, Any] = {
    Trigger.CART_ABANDONED: gettext_lazy("A cart is abandoned"),
    Trigger.CHECKOUT_ABANDONED: gettext_lazy("A checkout is abandoned"),
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


@dataclass(frozen=True)
class StepView:
    """One stop on the line of time. `subjects`: (language, its subject or text as written, URL of its preview)."""

    key: str
    at: str
    deadline: str
    channel: str
    channel_label: str
    is_enabled: bool
    subjects: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


class FlowChangeList(ChangeList):
    """Adds each flow's figures in three queries for the whole page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        now = timezone.now()
        lines = reports.flow_lines(self.result_list, since=now - PERIOD, until=now)
        for flow in self.result_list:
            flow.line = lines[flow.pk]


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
        return FlowChangeList

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "retarget_plugin_flow"
        version = "<int:object_id>/versions/<int:number>/"
        own = [
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

    # -- pages ---------------------------------------------------------------------------------------------------

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        flow = kwargs["obj"]
        now = timezone.now()
        line = reports.flow_lines([flow], since=now - PERIOD, until=now)[flow.pk]
        versions = (
            flow.versions.select_related("published_by")
            .annotate(runs_count=Count("runs"))
            .defer("definition", "content")
        )
        context |= {
            "buttons": self.offered(request, flow),
            "problems": flows.preflight(flow, now=now) if flow.state != FlowState.ON else [],
            "settings_url": link(self.admin_site, flow.shop, _("Open the shop's settings")),
            "line": line,
            "revenue": amount(line.revenue, flow.shop.currency),
            "steps": self._steps(flow.version) if flow.version else [],
            "versions": [
                (version, self.page("version", flow.pk, version.number))
                for version in versions.order_by("-number")[:50]
            ],
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def version_view(self, request: HttpRequest, object_id: int, number: int) -> HttpResponse:
        version = self._version(request, object_id, number)
        title = _("Version %(number)s") % {"number": number}
        return self._render(
            request, "version.html", version, title, {"version": version, "steps": self._steps(version)}
        )

    def preview_view(self, request: HttpRequest, object_id: int, number: int, key: str, language: str) -> HttpResponse:
        version = self._version(request, object_id, number)
        message = _message(version, key, language)
        preview = self._preview(version, key, language, channel=message["channel"])
        others = [
            (other, self.page("preview", object_id, number, key, other)) for other in sorted(message["languages"])
        ]
        context = {"preview": preview, "languages": others, "language": language, "version": version}
        return self._render(request, "preview.html", version, _("Preview: %(message)s") % {"message": key}, context)

    def frame_view(self, request: HttpRequest, object_id: int, number: int, key: str, language: str) -> HttpResponse:
        version = self._version(request, object_id, number)
        _message(version, key, language)
        try:
            composed = composing.preview(version, key, shop=version.flow.shop, language=language, now=timezone.now())
        except Refusal:
            return previews.nothing()
        return previews.frame(composed.html)

    def _version(self, request: HttpRequest, object_id: int, number: int) -> FlowVersion:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(FlowVersion.objects.select_related("flow__shop"), flow=object_id, number=number)

    def _preview(self, version: FlowVersion, key: str, language: str, *, channel: str) -> previews.Preview:
        try:
            composed = composing.preview(version, key, shop=version.flow.shop, language=language, now=timezone.now())
        except Refusal as refusal:
            return previews.Preview(channel=channel, text="", language=language, error=str(refusal))
        return previews.Preview(
            channel=channel,
            text=composed.text,
            subject=composed.subject,
            language=language,
            sender=version.flow.shop.sms_sender or version.flow.shop.name,
            frame_url=self.page("frame", version.flow_id, version.number, key, language),
        )

    def _render(
        self, request: HttpRequest, template: str, version: FlowVersion, title: str, extra: dict[str, Any]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "subtitle": version.flow.name,
            "original": version.flow,
            "back": self.page("change", version.flow_id),
            "media": self.media,
            **extra,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"admin/retarget_plugin/flow/{template}", context)

    def _steps(self, version: FlowVersion) -> list[StepView]:
        try:
            definition = rules.parse(version.definition)
        except rules.FlowError:
            return []
        return [self._step(version, step) for step in definition.steps]

    def _step(self, version: FlowVersion, step: rules.Step) -> StepView:
        languages: Mapping[str, Any] = version.content.get(step.message, {}).get("languages", {})
        subjects = tuple(
            (
                language,
                _first_words(parts),
                self.page("preview", version.flow_id, version.number, step.message, language),
            )
            for language, parts in sorted(languages.items())
        )
        return StepView(
            key=step.key,
            at=duration(step.after),
            deadline=duration(step.deadline),
            channel=step.channel,
            channel_label=str(dict(choices.CHANNELS)[step.channel]),
            is_enabled=step.is_enabled,
            subjects=subjects,
            notes=_notes(step),
        )

    # -- columns -------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, flow: Flow) -> SafeString:
        return badges.state_badge(flow.state, flow.get_state_display())

    @admin.display(description=gettext_lazy("entered"))
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
        return link(self.admin_site, flow.shop)

    @admin.display(description=gettext_lazy("starts when"))
    def trigger_words(self, flow: Flow) -> str:
        return str(TRIGGERS.get(flow.trigger, flow.trigger))


def duration(delta: timedelta) -> str:
    """ "1 h 45 min", "3 d": a wait as people say it, to the minute."""
    minutes = int(delta.total_seconds()) // 60
    parts = (
        (minutes // 1440, _("%(count)s d")),
        (minutes % 1440 // 60, _("%(count)s h")),
        (minutes % 60, _("%(count)s min")),
    )
    return " ".join(words % {"count": count} for count, words in parts if count) or _("at once")


def _message(version: FlowVersion, key: str, language: str) -> dict[str, Any]:
    message = version.content.get(key)
    if message is None or language not in message.get("languages", {}):
        raise Http404
    return message


def _first_words(parts: Any) -> str:
    """What tells a message from another in a list: its subject, else its text, as written."""
    if not isinstance(parts, Mapping):
        return ""
    return str(parts.get("subject") or parts.get("text") or "")


def _notes(step: rules.Step) -> tuple[str, ...]:
    notes = []
    if "shipping_facts" in step.requires:
        notes.append(_("Only when the shipping facts are filled in."))
    if step.may_move:
        notes.append(_("Outside the allowed hours it waits for the next allowed time."))
    else:
        notes.append(_("Outside the allowed hours it is not sent."))
    return tuple(notes)
