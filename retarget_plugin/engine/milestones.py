"""Orders that have come so far, forms that were confirmed and files that were taken, looked at for the flows that wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from retarget_plugin.domain import occasions
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.occasions import Later, Occasion, Standing
from retarget_plugin.domain.triggers import Start
from retarget_plugin.domain.vocabulary import Trigger
from retarget_plugin.models import Flow, Lead, Order, Watch

from . import watches
from .watches import Finding


def orders(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """ORDER_PLACED, ORDER_PAID, ORDER_FULFILLED, ORDER_UNPAID."""
    asked = watches.named(due, "order")
    standing = Order.objects.filter(pk__in=asked, shop=flow.shop_id, contact__isnull=False, cancelled_at=None)
    rows = list(standing)
    who = watches.people(order.contact_id for order in rows if order.contact_id)
    findings = []
    for order in rows:
        found = reached(definition.start, order, now=now)
        contact = who.get(order.contact_id or 0)
        if isinstance(found, Later):
            findings.append(Finding(watch=asked[order.pk], again=found.at))
        elif found and contact:
            findings.append(Finding(watch=asked[order.pk], entries=[(contact, found)]))
    return findings


def reached(start: Start, order: Order, *, now: datetime) -> Occasion | Later | None:
    """Whether an order that stands is where a flow that begins with `start` waits for it."""
    how_far = Standing(
        placed_at=order.placed_at,
        paid_at=order.paid_at,
        fulfilled_at=order.fulfilled_at,
        is_by_staff=order.is_by_staff,
    )
    return occasions.reached(
        start.trigger, how_far, start.values, subject=f"order:{order.pk}", data=_data(order), now=now
    )


def _data(order: Order) -> dict[str, Any]:
    """The order and what was in it, the dearest first."""
    lines = sorted(order.items, key=lambda line: -Decimal(line["unit_price"]))
    products = list(dict.fromkeys(line["product_id"] for line in lines if line["product_id"]))
    return {"order": order.pk, **({"product": products[0], "products": products} if products else {})}


def leads(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """FORM_CONFIRMED, MAGNET_DOWNLOADED: once for each magnet, or each form where there is none."""
    asked = watches.named(due, "lead")
    rows = Lead.objects.select_related("form", "magnet").filter(pk__in=asked, contact__isnull=False)
    known = list(rows.filter(confirmed_at__isnull=False, revoked_at=None))
    who = watches.people(lead.contact_id for lead in known if lead.contact_id)
    findings = []
    for lead in known:
        contact, occasion = who.get(lead.contact_id or 0), asked_by(definition.start, lead)
        if contact and occasion:
            findings.append(Finding(watch=asked[lead.pk], entries=[(contact, occasion)]))
    return findings


def asked_by(start: Start, lead: Lead) -> Occasion | None:
    """Whether a lead whose address is proven is what a flow that begins with `start` waits for."""
    at = lead.downloaded_at if start.trigger is Trigger.MAGNET_DOWNLOADED else lead.confirmed_at
    form, magnet = lead.form, lead.magnet
    told = {
        "lead": lead.pk,
        "form": form.slug if form else "",
        "magnet": magnet.slug if magnet else "",
        "topic": magnet.topic if magnet else "",
    }
    data = {key: value for key, value in told.items() if value}
    if at is None or not occasions.matches(start, data):
        return None
    subject = f"magnet:{magnet.pk}" if magnet else f"form:{form.pk if form else lead.pk}"
    return Occasion(at=at, subject=subject, data=data)
