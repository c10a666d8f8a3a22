"""Shop: the owner's settings, what the shop is connected to, and the door to its report."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminURLFieldWidget
from django.db.models import Count, Q, QuerySet, URLField
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.vocabulary import FlowState
from retarget_plugin.engine import flows
from retarget_plugin.models import Flow, Shop

from . import badges, connections, installations
from .facts import STYLES, web_address
from .forms import ShopForm
from .reports import ReportPages

FIELDSETS: Any = (
    (None, {"fields": ("name", "base_url")}),
    (
        _("Stop"),
        {
            "fields": ("is_paused", ("email_is_paused", "sms_is_paused")),
            "description": _("Works within seconds. What is due waits, and is not sent later once it is too old."),
        },
    ),
    (
        _("Where the shop is"),
        {
            "fields": ("country", "locale", "time_zone", "currency"),
            "description": _(
                "They decide public holidays, the language of messages, the hours below, and how prices are written."
            ),
        },
    ),
    (
        _("Sender of e-mails"),
        {
            "fields": ("sender_name", "sender_email", "reply_to", "postal_address", "logo_url"),
            "description": _(
                "Marketing e-mail must say who sends it and where they are: without a postal address no flow can be turned on."
            ),
        },
    ),
    (_("Sender of texts"), {"fields": ("sms_sender",)}),
    (
        _("Customer service"),
        {
            "fields": ("support_email", "support_phone"),
            "description": _("Shown in messages, so that a question can be asked before an order is given up."),
        },
    ),
    (
        _("Shipping facts"),
        {
            "fields": ("free_shipping_from", "delivery_days"),
            "description": _(
                "The message about shipping promises only what stands here. While one is empty, it is not sent."
            ),
        },
    ),
    (
        _("Whom it writes to"),
        {
            "fields": ("customers_told_since", "blocked_countries", "minimum_age"),
            "description": _(
                "Without consent, only customers are written to, about similar goods, and only where their country allows it."
            ),
        },
    ),
    (
        _("When a cart counts as abandoned"),
        {"fields": ("abandoned_after_minutes",)},
    ),
    (
        _("Allowed hours"),
        {
            "fields": (("email_from", "email_until"), ("sms_from", "sms_until"), "sms_on_sundays", "sms_on_holidays"),
            "description": _(
                "In each person's own time zone, or the shop's where theirs is not known. "
                "Outside these hours messages wait or are dropped."
            ),
        },
    ),
    (
        _("Not too often"),
        {
            "fields": (("email_gap_hours", "email_per_week"), ("sms_gap_hours", "sms_per_week"), "gap_minutes"),
            "description": _("For each person, over all flows together."),
        },
    ),
    (
        _("Not too fast and not too dear"),
        {"fields": ("catch_up_per_minute", "sms_segments_per_month"), "description": _("For the whole shop.")},
    ),
    (
        _("Coupons"),
        {
            "fields": ("coupons_per_contact", "discount_per_contact"),
            "description": _("For each person, over all flows. What a flow may give is written in the flow."),
        },
    ),
    (_("Report"), {"fields": ("attribution_days", "margin_percent")}),
    (
        _("Technical"),
        {
            "classes": ("collapse",),
            "fields": ("host", "scope", "sms_gateway"),
            "description": _(
                "Which shop system and which gateway of the settings this shop uses. Ask your developer before changing them."
            ),
        },
    ),
)
HELP = {
    "country": _("Two letters, such as FR."),
    "locale": _("Such as en, fr or es. Used for people whose language is not known."),
    "time_zone": _("Such as Europe/Paris."),
    "currency": _("Three letters, such as EUR. The report adds up orders in this currency."),
    "sender_name": _("What the inbox shows. Empty: the shop's name."),
    "sender_email": _("An address your mail provider may send from. Empty: the site's default."),
    "reply_to": _("Where answers go. Empty: the sender address."),
    "postal_address": _("Street, postcode, town, country, in one line."),
    "logo_url": _("An image of at most 400 pixels in width, on the public web."),
    "sms_sender": _(
        "Up to 11 letters and digits, such as MYSHOP, or a number such as +33755530000. Some countries need it registered."
    ),
    "free_shipping_from": _("Order value from which shipping is free, in the shop's currency; 0 when it always is."),
    "delivery_days": _("Working days until a parcel usually arrives."),
    "abandoned_after_minutes": _(
        "Minutes without any change, from 1 to 10,080 (a week). Messages are timed from the last change."
    ),
    "email_from": _("Same start and end: all day."),
    "sms_from": _("Many countries forbid advertising texts in the evening and at night."),
    "sms_on_sundays": _("Forbidden for advertising in some countries, such as France."),
    "sms_on_holidays": _("The public holidays of the shop's country."),
    "attribution_days": _(
        "An order is recovered when the person followed a link in a message at most this many days before."
    ),
    "margin_percent": _(
        "What is left of a full price once the goods are paid. The report then says what it leaves. Empty: it does not."
    ),
    "gap_minutes": _("Between an e-mail and a text, for example. 0: no such gap."),
    "catch_up_per_minute": _(
        "After an outage, messages that have waited for more than a quarter of an hour go out no faster than this."
    ),
    "sms_segments_per_month": _("A long text counts as several segments. Empty: no limit; 0: no texts."),
    "coupons_per_contact": _("Empty: no limit; 0: no coupons."),
    "discount_per_contact": _("In the shop's currency, as expected when the coupon is made. Empty: no limit."),
    "is_paused": _("Nothing is sent while this is on. What becomes too old meanwhile is not sent later."),
    "email_is_paused": _("No e-mail is sent while this is on."),
    "sms_is_paused": _("No text is sent while this is on."),
}


class ShopAdmin(ReportPages, admin.ModelAdmin):
    """The settings screen. Shops are never deleted here: that would take the evidence of consent with them."""

    form = ShopForm
    formfield_overrides = {URLField: {"assume_scheme": "https", "widget": AdminURLFieldWidget}}
    fieldsets = FIELDSETS
    list_display = ("name", "state", "report", "flows_on", "country", "currency", "storefront")
    search_fields = ("name", "base_url")
    ordering = ("name", "pk")

    class Media:
        css = {"all": [STYLES]}

    def has_delete_permission(self, request: HttpRequest, obj: Shop | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shop]:
        return super().get_queryset(request).annotate(on=Count("flows", filter=Q(flows__state=FlowState.ON)))

    def get_form(self, request: HttpRequest, obj: Shop | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change=change, help_texts=HELP, **kwargs)

    def save_model(self, request: HttpRequest, obj: Shop, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            flows.install(obj, now=timezone.now())

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        halt = installations.stopped(request, self.admin_site)
        return super().changelist_view(request, {**halt, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        shop = kwargs.get("obj")
        context |= installations.stopped(request, self.admin_site)
        if shop is not None:
            context["connections"] = connections.of(shop)
            context["report_url"] = self.report_url(shop)
            context["flows_url"] = self.narrowed("shop", shop, model=Flow)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("state"), ordering="is_paused")
    def state(self, shop: Shop) -> SafeString:
        if shop.is_paused or (shop.email_is_paused and shop.sms_is_paused):
            return badges.badge(_("Paused"), badges.WARN)
        if shop.email_is_paused:
            return badges.badge(_("E-mail paused"), badges.WARN)
        if shop.sms_is_paused:
            return badges.badge(_("SMS paused"), badges.WARN)
        return badges.badge(_("Open"), badges.GOOD)

    @admin.display(description=_("flows on"))
    def flows_on(self, shop: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', self.narrowed("shop", shop, model=Flow), shop.on)

    @admin.display(description=_("storefront"))
    def storefront(self, shop: Shop) -> SafeString | str:
        address = web_address(shop.base_url)
        return format_html('<a href="{0}" rel="noreferrer">{0}</a>', address) if address else shop.base_url

    @admin.display(description=_("report"))
    def report(self, shop: Shop) -> SafeString:
        return format_html('<a href="{}">{}</a>', self.report_url(shop), _("Report"))
