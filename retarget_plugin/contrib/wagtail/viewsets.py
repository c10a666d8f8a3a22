"""What Wagtail's admin lists under "Retargeting": each viewset is one of our screens."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.urls import URLPattern, path
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from wagtail.admin.menu import MenuItem
from wagtail.admin.panels import ObjectList
from wagtail.admin.viewsets.base import ViewSet
from wagtail.admin.viewsets.model import ModelViewSet, ModelViewSetGroup

from retarget_plugin.models import Flow, Lead, LeadForm, Message, Shop

from . import forms, screens, views


class ScreenViewSet(ModelViewSet):
    """`routes`: which of Wagtail's own addresses there are; none of the others is offered anywhere."""

    screen: Any
    routes: tuple[str, ...]
    index_view_class = views.ListView
    add_to_reference_index = False
    inspect_view_enabled = True
    copy_view_enabled = False
    list_per_page = 50
    #: Also where nothing is written: Wagtail makes the forms of all its routes before we leave some out.
    form_fields: tuple[str, ...] = ()

    @cached_property
    def url_namespace(self) -> str:
        return screens.NAMESPACES[self.model]

    @cached_property
    def name(self) -> str:
        return self.url_namespace

    @cached_property
    def search_fields(self) -> Any:
        return self.screen.search_fields or self.UNDEFINED

    @cached_property
    def ordering(self) -> Any:
        return self.screen.ordering

    def get_common_view_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_common_view_kwargs(screen=self.screen, **kwargs)
        ours = {f"{route}_url_name" for route in self.routes}
        return {name: value for name, value in found.items() if not name.endswith("_url_name") or name in ours}

    def get_urlpatterns(self) -> list[URLPattern]:
        return [pattern for pattern in super().get_urlpatterns() if pattern.name in self.routes]


class FactViewSet(ScreenViewSet):
    """Rows that are looked at, with the screen's buttons."""

    routes = ("index", "index_results", "inspect")
    inspect_view_class = views.FactView

    def register_admin_url_finder(self) -> None:
        """There is no page to edit such a row on."""

    def get_urlpatterns(self) -> list[URLPattern]:
        buttons = [
            path(f"<int:object_id>/{button.slug}/", partial(self.screen.press, button=button), name=button.slug)
            for button in self.screen.buttons
        ]
        return [*super().get_urlpatterns(), *buttons]


class FlowViewSet(FactViewSet):
    model = Flow
    screen = screens.flows
    icon = "rotate"
    list_filter = ["state", "shop"]

    def get_urlpatterns(self) -> list[URLPattern]:
        version = "<int:object_id>/versions/<int:number>/"
        own = [
            path("<int:object_id>/publish/", self.screen.publish_view, name="publish"),
            path("<int:object_id>/backtest/", self.screen.backtest_view, name="backtest"),
            path(version, self.screen.version_view, name="version"),
            path(f"{version}<str:key>/<str:language>/", self.screen.preview_view, name="preview"),
            path(f"{version}<str:key>/<str:language>/frame/", self.screen.frame_view, name="frame"),
        ]
        return [*super().get_urlpatterns(), *own]


class MessageViewSet(FactViewSet):
    model = Message
    screen = screens.messages
    icon = "mail"
    list_filter = ["state", "channel", "shop"]
    index_view_class = views.MessageListView

    def get_urlpatterns(self) -> list[URLPattern]:
        return [*super().get_urlpatterns(), path("<int:object_id>/frame/", self.screen.frame_view, name="frame")]


class LeadViewSet(FactViewSet):
    model = Lead
    screen = screens.leads
    icon = "user"
    list_filter = ["form", "shop"]


class LeadFormViewSet(ScreenViewSet):
    model = LeadForm
    screen = screens.lead_forms
    icon = "form"
    routes = ("index", "index_results", "add", "edit", "history", "history_results")
    list_filter = ["is_on", "kind", "shop"]
    add_view_class = views.LeadFormAddView

    def get_edit_handler(self) -> ObjectList:
        return forms.lead_form_panels().bind_to_model(self.model)


class ShopViewSet(ScreenViewSet):
    """The settings. Shops come with the hosts of the settings file, and are never deleted."""

    model = Shop
    screen = screens.shops
    icon = "cogs"
    menu_label = _("Settings")
    routes = ("index", "index_results", "edit", "history", "history_results")
    edit_view_class = views.ShopEditView

    def get_edit_handler(self) -> ObjectList:
        return forms.shop_panels().bind_to_model(self.model)


class ReportMenuItem(MenuItem):
    """For whoever may look at shops."""

    def is_shown(self, request: Any) -> bool:
        return bool(screens.shops.has_view_permission(request))


class ReportViewSet(ViewSet):
    """What abandoned carts came to: the page, and its tables as files."""

    name = screens.REPORT
    icon = "table"
    menu_label = _("Report")
    menu_item_class = ReportMenuItem

    def get_urlpatterns(self) -> list[URLPattern]:
        report, file = screens.shops.report_view, screens.shops.report_file_view
        return [
            path("", report, name="report"),
            path("<int:shop_id>/", report, name="report_of"),
            path("<int:shop_id>/<str:table>.csv", file, name="report_file"),
        ]


class RetargetingGroup(ModelViewSetGroup):
    """One entry of the menu, with everything below it."""

    items = (ReportViewSet, FlowViewSet, MessageViewSet, LeadViewSet, LeadFormViewSet, ShopViewSet)
    menu_label = _("Retargeting")
    menu_icon = "mail"
    menu_order = 250
