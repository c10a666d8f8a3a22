"""The report of a period, as staff may ask for it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import graphene
from django.utils import timezone

from retarget_plugin.engine import effects, reports
from retarget_plugin.engine.effects import Effect
from retarget_plugin.models import Shop

from . import types
from .staff import bad_argument, flow_node, shop_node, shop_of

REPORT_DAYS = 30
MAX_REPORT_DAYS = 366
#: Days that every time zone can turn into an instant.
EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)


class RetargetReportDay(graphene.ObjectType):
    """One calendar day in the shop's time zone."""

    date = graphene.Date(required=True)
    abandoned = graphene.Int(required=True)
    messaged = graphene.Int(
        required=True, description="Of the carts abandoned this day, whenever the message went out."
    )
    returned = graphene.Int(required=True, description="Of the carts abandoned this day, those ordered after all.")
    bought = graphene.Int(required=True, description="Orders of this day whose cart was never abandoned.")
    recovered = graphene.Int(required=True)
    revenue = graphene.Field(types.RetargetMoney, required=True)


class RetargetEffect(graphene.ObjectType):
    """What was caused, by comparison with people who were held out. Figures are there once it is known."""

    is_measured = graphene.Boolean(required=True, description="Whether anybody was held out.")
    is_known = graphene.Boolean(required=True, description="Whether the 95 % interval lies above zero, or below.")
    orders = graphene.Float(description="Orders that would not have been placed without it.")
    orders_at_least = graphene.Float()
    orders_at_most = graphene.Float()
    revenue = graphene.Field(types.RetargetMoney)
    revenue_at_least = graphene.Field(types.RetargetMoney)
    revenue_at_most = graphene.Field(types.RetargetMoney)
    needed_people = graphene.Int(required=True, description="How many more have to enter until it is known.")
    needed_days = graphene.Int(description="How long that takes at today's pace, if anybody enters.")


class RetargetReportFlow(graphene.ObjectType):
    """What one flow did."""

    flow = graphene.Field(types.RetargetFlow, required=True)
    entered = graphene.Int(required=True, description="Runs that began in the period.")
    sent = graphene.Int(required=True, description="Messages to those who entered.")
    clicked = graphene.Int(required=True, description="Of these, clicked by a human.")
    recovered = graphene.Int(required=True)
    revenue = graphene.Field(types.RetargetMoney, required=True)
    discount = graphene.Field(types.RetargetMoney, required=True, description="What its coupons took off.")
    caused = graphene.Field(RetargetEffect, required=True)


class RetargetReportForeign(graphene.ObjectType):
    """Recovered orders in a currency that is not the shop's. They are in `recovered`, and in no other revenue."""

    recovered = graphene.Int(required=True)
    revenue = graphene.Field(types.RetargetMoney, required=True)


class RetargetReportProduct(graphene.ObjectType):
    """How often a product was left behind, and what became of the carts with it."""

    product = graphene.String(required=True, description="Its id in the shop.")
    title = graphene.String(required=True)
    abandoned = graphene.Int(required=True, description="Carts abandoned with it inside.")
    messaged = graphene.Int(required=True, description="Of these, with at least one message that a provider took.")
    returned = graphene.Int(required=True, description="Of these, ordered after all.")
    recovered = graphene.Int(required=True, description="Of the returned, credited to a message.")
    bought = graphene.Int(required=True, description="Orders with it whose cart was never abandoned.")
    abandonment_rate = graphene.Float()
    recovery_rate = graphene.Float()


class RetargetReport(graphene.ObjectType):
    """What the carts of a period came to."""

    shop = graphene.Field(types.RetargetShop, required=True)
    since = graphene.Date(required=True, description="First day, in the shop's time zone.")
    until = graphene.Date(required=True, description="Last day.")
    abandoned = graphene.Int(required=True, description="Carts abandoned in the period.")
    messaged = graphene.Int(required=True, description="Of these, with at least one message that a provider took.")
    returned = graphene.Int(required=True, description="Of these, the carts that became an order after all.")
    bought = graphene.Int(required=True, description="Orders of the period whose cart was never abandoned.")
    abandonment_rate = graphene.Float(description="Of all carts abandoned or bought, the part abandoned, from 0 to 1.")
    recovery_rate = graphene.Float(description="Of the abandoned carts, the part ordered after all, from 0 to 1.")
    recovered = graphene.Int(required=True, description="Orders of the period that are credited to a message.")
    revenue = graphene.Field(types.RetargetMoney, required=True, description="Their total, in the shop's currency.")
    discount = graphene.Field(types.RetargetMoney, required=True, description="What coupons took off.")
    margin = graphene.Field(
        types.RetargetMoney, description="What the revenue leaves, where the shop has named its margin."
    )
    caused = graphene.Field(RetargetEffect, required=True, description="By all flows together.")
    days = graphene.List(graphene.NonNull(RetargetReportDay), required=True, description="Oldest first.")
    flows = graphene.List(graphene.NonNull(RetargetReportFlow), required=True)
    foreign = graphene.List(graphene.NonNull(RetargetReportForeign), required=True)
    products = graphene.List(
        graphene.NonNull(RetargetReportProduct), required=True, description="Those abandoned most, most often first."
    )

    def resolve_products(self, info: Any) -> list[RetargetReportProduct]:
        # Counted for whoever asks.
        return self.products()


def report(
    root: Any, info: Any, *, shop: str | None = None, since: date | None = None, until: date | None = None
) -> RetargetReport:
    """The figures of one shop for whole days in its time zone, both ends included; the last thirty without a period."""
    owner = shop_of(shop)
    zone = ZoneInfo(owner.time_zone)
    now = timezone.now()
    last = until or now.astimezone(zone).date()
    if not EARLIEST <= last <= LATEST:
        raise bad_argument(f"until must be between {EARLIEST} and {LATEST}.")
    first = since or last - timedelta(days=REPORT_DAYS - 1)
    if not EARLIEST <= first <= last or (last - first).days >= MAX_REPORT_DAYS:
        raise bad_argument(f"since must not be after until, and at most {MAX_REPORT_DAYS} days may be asked for.")
    end = _midnight(last + timedelta(days=1), zone)
    overview = reports.overview(owner, since=_midnight(first, zone), until=end, now=now)
    return _report(owner, overview, first=first, last=last)


def _report(shop: Shop, overview: reports.Overview, *, first: date, last: date) -> RetargetReport:
    currency = overview.currency
    return RetargetReport(
        shop=shop_node(shop),
        since=first,
        until=last,
        abandoned=overview.abandoned,
        messaged=overview.messaged,
        returned=overview.returned,
        bought=overview.bought,
        abandonment_rate=overview.abandonment_rate,
        recovery_rate=overview.recovery_rate,
        recovered=overview.recovered,
        revenue=types.money(overview.revenue, currency),
        discount=types.money(overview.discount, currency),
        margin=None if overview.margin is None else types.money(overview.margin, currency),
        caused=_effect(overview.effect, currency),
        days=[
            RetargetReportDay(
                date=day.date,
                abandoned=day.abandoned,
                messaged=day.messaged,
                returned=day.returned,
                bought=day.bought,
                recovered=day.recovered,
                revenue=types.money(day.revenue, currency),
            )
            for day in overview.days
        ],
        flows=[
            RetargetReportFlow(
                flow=flow_node(line.flow),
                entered=line.entered,
                sent=line.sent,
                clicked=line.clicked,
                recovered=line.recovered,
                revenue=types.money(line.revenue, currency),
                discount=types.money(line.discount, currency),
                caused=_effect(line.effect, currency),
            )
            for line in overview.flows
        ],
        foreign=[
            RetargetReportForeign(recovered=line.recovered, revenue=types.money(line.revenue, line.currency))
            for line in overview.foreign
        ],
        products=partial(_products, shop, overview),
    )


def _products(shop: Shop, overview: reports.Overview) -> list[RetargetReportProduct]:
    return [
        RetargetReportProduct(**asdict(line), abandonment_rate=line.abandonment_rate, recovery_rate=line.recovery_rate)
        for line in reports.product_lines(shop, since=overview.since, until=overview.until)
    ]


def _effect(effect: Effect, currency: str) -> RetargetEffect:
    known: dict[str, Any] = {}
    orders, revenue = effect.caused_orders_between, effect.caused_revenue_between
    if effect.is_conclusive and orders and revenue:
        paid = {
            "revenue": effect.caused_revenue or 0.0,
            "revenue_at_least": revenue.low,
            "revenue_at_most": revenue.high,
        }
        known = {name: types.money(effects.cents(amount), currency) for name, amount in paid.items()}
        known |= {"orders": effect.caused_orders, "orders_at_least": orders.low, "orders_at_most": orders.high}
    return RetargetEffect(
        is_measured=effect.is_measured,
        is_known=effect.is_conclusive,
        needed_people=effect.needed_entrants,
        needed_days=effect.needed_days,
        **known,
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone)
