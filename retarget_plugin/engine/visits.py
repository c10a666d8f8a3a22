"""What people did in the storefront and with what they were sent, looked at for the flows that wait for it.

A look takes a flow, its definition and the watches that are due, and answers findings in a fixed number of queries. A watch
without a finding is done with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q, QuerySet

from retarget_plugin.domain import interests, occasions
from retarget_plugin.domain.events import EventName
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.occasions import Act, Later, Occasion
from retarget_plugin.domain.vocabulary import Channel, ConsentState, Purpose
from retarget_plugin.models import Click, Consent, Contact, Event, Flow, Order, Product, Visitor, Watch

from . import visitors, watches
from .watches import Finding

#: A visit that lasts longer is looked at from here.
LONGEST_VISIT = timedelta(hours=12)


def views(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """PRODUCT_VIEWED."""
    values = definition.start.values
    asked = watches.named(due, "contact")
    who = watches.people(asked)
    seen = Event.objects.filter(contact__in=_ids(who), name=EventName.VIEW_ITEM, at__gt=now - values["within"])
    seen_by = acts(flow.shop_id, seen, by="contact_id")
    found = {pk: occasions.viewed(seen_by[who[pk].pk], values, now=now) for pk in who}
    return [_finding(watch, who.get(pk), found.get(pk)) for pk, watch in asked.items()]


def departures(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """SITE_LEFT: visits that are over, of somebody known, without an order. A flow that only texts asks for a number too."""
    values = definition.start.values
    asked = watches.named(due, "visitor")
    rows = Visitor.objects.select_related("shop", "contact__merged_into").filter(pk__in=asked)
    since = now - LONGEST_VISIT - values["idle"]
    seen_by = acts(flow.shop_id, Event.objects.filter(visitor__in=asked, at__gt=since), by="visitor_id")
    findings, over = [], []
    for visitor in rows:
        found = occasions.left(seen_by[visitor.pk], values, visitor=visitor.pk, now=now)
        if isinstance(found, Occasion):
            over.append((visitor, found))
        else:
            findings.append(_finding(asked[visitor.pk], None, found))
    # Whoever a partner can prove is asked for one by one, and only at the end of a visit that counts.
    who = {visitor.pk: contact for visitor, _found in over if (contact := _person(visitor, now=now))}
    if {step.channel for step in definition.sends} == {Channel.SMS}:
        reached = _may_be_texted(who.values())
        who = {pk: contact for pk, contact in who.items() if contact.pk in reached}
    bought = _last_orders(who.values())
    for visitor, occasion in over:
        contact = who.get(visitor.pk)
        began = datetime.fromisoformat(occasion.data["visit"])
        is_free = contact is not None and bought.get(contact.pk, began) <= began
        findings.append(_finding(asked[visitor.pk], contact if is_free else None, occasion))
    return findings


def own_events(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """CUSTOM_EVENT: a name of the shop's own."""
    who = watches.people(watch.contact_id for watch in due if watch.contact_id)
    findings = []
    for watch in due:
        name, at = watch.data.get("name", ""), watch.data.get("at")
        contact = who.get(watch.contact_id or 0)
        is_it = at and occasions.matches(definition.start, {"name": name})
        data = {key: value for key, value in watch.data.items() if key != "at"}
        occasion = is_it and Occasion(
            at=datetime.fromisoformat(at), subject=f"event:{name}", data=data, is_single=False
        )
        findings.append(_finding(watch, contact, occasion or None))
    return findings


def interest(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """INTEREST_SHOWN: human clicks on what is about a topic."""
    values = definition.start.values
    asked = watches.named(due, "contact")
    who = watches.people(asked)
    rows = Click.objects.filter(link__message__contact__in=_ids(who), is_human=True).exclude(link__topic="")
    clicks: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for contact, at, topic in rows.values_list("link__message__contact", "at", "link__topic"):
        clicks[contact].append((at, topic))
    found = {pk: occasions.shown(clicks[who[pk].pk], values, now=now) for pk in who}
    return [_finding(watch, who.get(pk), found.get(pk)) for pk, watch in asked.items()]


def acts(shop_id: int, seen: QuerySet[Event], *, by: str) -> dict[int, list[Act]]:
    """Whose -> what they did, machines left out. The category is the page's own word, else what the product has."""
    rows = list(seen.filter(is_bot=False).values_list(by, "name", "at", "product", "data"))
    unnamed = {product for _whose, _name, _at, product, data in rows if product and not _category(data)}
    named = Product.objects.filter(shop=shop_id, reference__in=unnamed) if unnamed else Product.objects.none()
    categories = dict(named.values_list("reference", "category"))
    found: dict[int, list[Act]] = defaultdict(list)
    for whose, name, at, product, data in rows:
        category = interests.topic_of(_category(data) or categories.get(product, ""))
        found[whose].append(Act(name=name, at=at, product=product, category=category))
    return found


def _finding(watch: Watch, contact: Contact | None, found: Occasion | Later | None) -> Finding:
    if isinstance(found, Later):
        return Finding(watch=watch, again=found.at)
    return Finding(watch=watch, entries=[(contact, found)] if contact and found else ())


def _ids(who: Mapping[int, Contact]) -> set[int]:
    return {contact.pk for contact in who.values()}


def _category(data: Mapping[str, Any]) -> str:
    items = data.get("items") or [{}]
    return str(items[0].get("item_category", ""))


def _person(visitor: Visitor, *, now: datetime) -> Contact | None:
    contact = visitor.contact or visitors.matched(visitor, now=now)
    contact = contact and (contact.merged_into or contact)
    return contact if contact and contact.erased_at is None else None


def _last_orders(people: Iterable[Contact]) -> dict[int, datetime]:
    """Contact -> when their last order that stands was placed."""
    orders = Order.objects.filter(contact__in=list(people), cancelled_at=None)
    return dict(orders.values_list("contact").annotate(last=Max("placed_at")))


def _may_be_texted(people: Iterable[Contact]) -> set[int]:
    """Those of `people` who have a number and agreed to texts."""
    having = [contact.pk for contact in people if contact.phone]
    granted = Q(channel=Channel.SMS, purpose=Purpose.MARKETING, state=ConsentState.GRANTED)
    return set(Consent.objects.filter(granted, contact__in=having).values_list("contact", flat=True))
