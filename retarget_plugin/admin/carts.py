"""Cart: what was in it, whose it may be, and what was decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retarget_plugin.engine import explain
from retarget_plugin.models import Cart, Decision

from . import badges, people
from .facts import EMPTY, FactAdmin, moment, web_address
from .money import amount


@dataclass(frozen=True)
class Line:
    """One line as a screen shows it: amounts as text, addresses only when they are http(s)."""

    title: str
    quantity: Any
    price: str
    total: str
    url: str
    image_url: str


@dataclass(frozen=True)
class DecisionView:
    """A decision in words."""

    at: Any
    reason: str
    where: str
    facts: str
    message: Any


class CartAdmin(FactAdmin):
    """Carts as last read from the shop."""

    list_display = (
        "reference",
        "shop",
        "state_badge",
        "stage",
        "contact_masked",
        "total_shown",
        "touched",
        "abandoned",
    )
    list_filter = ("state", "stage", "shop", ("abandoned_at", admin.DateFieldListFilter))
    list_select_related = ("shop", "contact")
    search_fields = ("reference",)
    search_help_text = _("The cart's id in the shop, in full.")
    readonly_fields = ("state_badge", "contact_link", "total_shown", "restored", "claims")
    fieldsets = (
        (None, {"fields": ("reference", "shop", "state_badge", "stage", "contact_link", "claims", "total_shown")}),
        (
            _("When"),
            {
                "fields": (
                    "created_at",
                    "touched_at",
                    "read_at",
                    "held_since",
                    "abandoned_at",
                    "ordered_at",
                    "restored",
                )
            },
        ),
    )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        cart = kwargs["obj"]
        context["lines"] = lines(cart.items, cart.currency)
        context["total"] = amount(cart.total, cart.currency)
        context["decisions"] = decisions(cart.decisions.all())
        return super().render_change_form(request, context, *args, **kwargs)

    touched = moment("touched_at", _("last activity"))
    abandoned = moment("abandoned_at", _("abandoned"))

    @admin.display(description=_("state"))
    def state_badge(self, cart: Cart) -> SafeString:
        return badges.state_badge(cart.state, cart.get_state_display())

    @admin.display(description=_("contact"))
    def contact_masked(self, cart: Cart) -> str:
        return cart.contact.masked if cart.contact else EMPTY

    @admin.display(description=_("contact"))
    def contact_link(self, cart: Cart) -> SafeString | str:
        return self.link(cart.contact)

    @admin.display(description=_("given by the shopper"))
    def claims(self, cart: Cart) -> str:
        return ", ".join(filter(None, (people.masked(email=cart.email), people.masked(phone=cart.phone)))) or EMPTY

    @admin.display(description=_("total"))
    def total_shown(self, cart: Cart) -> str:
        return amount(cart.total, cart.currency) if cart.read_at else EMPTY

    @admin.display(description=_("restored by"))
    def restored(self, cart: Cart) -> SafeString | str:
        return self.link(cart.restored_by)


def lines(items: Any, currency: str) -> list[Line]:
    """The lines of a cart or an order. They were stored from another system: whatever is missing is left blank."""
    return [_line(item, currency) for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def decisions(rows: Any) -> list[DecisionView]:
    """The newest hundred of `rows`, a Decision queryset, in words."""
    return [_decision(row) for row in rows.order_by("-at", "-pk")[:100]]


def _line(item: Mapping[str, Any], currency: str) -> Line:
    try:
        price = Decimal(str(item.get("unit_price")))
        price_shown, total = amount(price, currency), amount(price * int(item.get("quantity", 1)), currency)
    except (ArithmeticError, ValueError, TypeError):
        price_shown = total = ""
    return Line(
        title=str(item.get("title", "")),
        quantity=item.get("quantity", ""),
        price=price_shown,
        total=total,
        url=web_address(item.get("url", "")),
        image_url=web_address(item.get("image_url", "")),
    )


def _decision(row: Decision) -> DecisionView:
    where = ": ".join(filter(None, (row.flow_slug, row.step)))
    return DecisionView(
        row.at, explain.reason_label(row.code), where, explain.facts_in_words(row.facts), row.message_id
    )
