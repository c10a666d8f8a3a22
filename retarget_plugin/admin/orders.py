"""Order: what was bought, and which message earned it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin.models import Order

from . import badges, people
from .carts import lines
from .facts import EMPTY, FactAdmin, moment
from .money import amount


class RecoveredFilter(admin.SimpleListFilter):
    """Orders by whether a message is credited for them."""

    title = _("recovered")
    parameter_name = "recovered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Recovered by a message")), ("no", _("Without a message"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(credited_message__isnull=self.value() == "no")


class OrderAdmin(FactAdmin):
    """Orders as the shop told them."""

    list_display = ("__str__", "shop", "state_badge", "contact_masked", "total_shown", "placed", "credited")
    list_filter = (RecoveredFilter, "shop", ("placed_at", admin.DateFieldListFilter))
    list_select_related = ("shop", "contact", "credited_message")
    search_fields = ("number", "reference")
    search_help_text = _("The order's number, in full.")
    readonly_fields = ("state_badge", "contact_link", "total_shown", "credited", "cart_link", "given", "coupons")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "number",
                    "reference",
                    "shop",
                    "state_badge",
                    "contact_link",
                    "given",
                    "cart_link",
                    "total_shown",
                    "coupons",
                )
            },
        ),
        (_("When"), {"fields": ("placed_at", "cancelled_at", "read_at", "settled_at", "credited")}),
    )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        order = kwargs["obj"]
        context["lines"] = lines(order.items, order.currency)
        context["total"] = amount(order.total, order.currency)
        return super().render_change_form(request, context, *args, **kwargs)

    placed = moment("placed_at", _("placed"))

    @admin.display(description=_("state"))
    def state_badge(self, order: Order) -> SafeString:
        if order.cancelled_at:
            return badges.badge(_("Cancelled"), badges.BAD)
        if order.read_at is None:
            return badges.badge(_("Not read yet"), badges.BUSY)
        return badges.badge(_("Paid"), badges.GOOD) if order.is_paid else badges.badge(_("Not paid yet"), badges.WARN)

    @admin.display(description=_("contact"))
    def contact_masked(self, order: Order) -> str:
        return order.contact.masked if order.contact else EMPTY

    @admin.display(description=_("contact"))
    def contact_link(self, order: Order) -> SafeString | str:
        return self.link(order.contact)

    @admin.display(description=_("given by the buyer"))
    def given(self, order: Order) -> str:
        return ", ".join(filter(None, (people.masked(email=order.email), people.masked(phone=order.phone)))) or EMPTY

    @admin.display(description=_("cart"))
    def cart_link(self, order: Order) -> SafeString | str:
        return self.link(order.cart)

    @admin.display(description=_("total"))
    def total_shown(self, order: Order) -> str:
        return amount(order.total, order.currency) if order.read_at else EMPTY

    @admin.display(description=_("coupon codes"))
    def coupons(self, order: Order) -> str:
        return ", ".join(map(str, order.coupon_codes)) or EMPTY

    @admin.display(description=_("recovered by"))
    def credited(self, order: Order) -> SafeString | str:
        return self.link(order.credited_message)
