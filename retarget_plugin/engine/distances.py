"""Distances: when somebody last did what lets them into a flow, or how far they are from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from retarget_plugin.domain import abandonment, occasions, rfm
from retarget_plugin.domain.events import EventName
from retarget_plugin.domain.occasions import Later, Occasion
from retarget_plugin.domain.triggers import Start
from retarget_plugin.domain.vocabulary import Trigger

from . import milestones
from .lives import Life

Values = Mapping[str, Any]
#: Views of products at which it is asked whether they were enough, the latest.
MOST_VIEWS = 300


@dataclass(frozen=True)
class Moment:
    """At `at` somebody had done what lets them into a flow."""

    at: datetime
    occasion: Occasion


def moments(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    """When a flow that begins with `start` would have found somebody, latest first, by the rules by which it looks; as far
    back as what they rest on is kept. None of what is not kept at all: who was in a segment, what was in stock."""
    find = _MOMENTS.get(start.trigger)
    for moment in find(life, start, now=now) if find else ():
        if moment.at <= now:
            yield moment


def of(life: Life, start: Start, *, now: datetime) -> dict[str, Any]:
    """What the person has done of what `start` asks, beside what it asks. JSON-safe; empty where nothing can be counted."""
    measure = _MEASURES.get(start.trigger)
    return measure(life, start.values, now=now) if measure else {}


# -- when it last came about ------------------------------------------------------------------------------------------


def _carts(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    left = [cart for cart in life.carts if abandonment.trigger_for(cart.stage) == start.trigger]
    found = [
        Moment(cart.abandoned_at, Occasion(at=cart.touched_at, subject=cart.subject))
        for cart in left
        if cart.abandoned_at
    ]
    yield from _latest_first(found)


def _views(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    views = [act for act in life.acts if act.name == EventName.VIEW_ITEM and act.at <= now]
    for view in views[: -MOST_VIEWS - 1 : -1]:
        until_then = [act for act in views if act.at <= view.at]
        if occasion := occasions.viewed(until_then, start.values, now=view.at):
            yield Moment(view.at, occasion)


def _departures(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    found, idle = [], start.values["idle"]
    for visitor, acts in life.visits.items():
        left = [act for act in acts if act.at <= now]
        while visitor and left:
            over_at = left[-1].at + idle
            occasion = occasions.left(left, start.values, visitor=visitor, now=over_at)
            if isinstance(occasion, Occasion):
                found.append(Moment(over_at, occasion))
            del left[-len(occasions.last_visit(left, pause=idle)) :]
    yield from _latest_first(found)


def _clicks(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    for at, _topic in reversed(life.clicks):
        if occasion := occasions.shown([click for click in life.clicks if click[0] <= at], start.values, now=at):
            yield Moment(at, occasion)


def _own_events(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    name = start.values["name"]
    for act in reversed(life.acts):
        if act.name == name:
            yield Moment(act.at, Occasion(at=act.at, subject=f"event:{name}", data={"name": name}))


def _orders(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    found = []
    for order in life.orders:
        occasion = milestones.reached(start, order, now=now) if order.cancelled_at is None else None
        if isinstance(occasion, Occasion):
            due = order.placed_at + start.values["after"] if start.trigger is Trigger.ORDER_UNPAID else occasion.at
            found.append(Moment(due, occasion))
    yield from _latest_first(found)


def _leads(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    found = [Moment(occasion.at, occasion) for lead in life.leads if (occasion := milestones.asked_by(start, lead))]
    yield from _latest_first(found)


def _unbought(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    placed = _standing(life)
    for number, (since, until) in _silences(placed, now=now):
        median = rfm.median_gap_days(placed[: number + 1]) if life.has_rhythm else None
        yield from _broken(occasions.lapsed(since, median_days=median, values=start.values, now=until))


def _unseen(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    if not any(browser.is_followed for browser in life.browsers):
        return
    seen = sorted({*(browser.at for browser in life.browsers), *(act.at for act in life.acts)})
    for _number, (since, until) in _silences(seen, now=now):
        yield from _broken(occasions.absent(since, start.values, now=until))


def _unanswered(life: Life, start: Start, *, now: datetime) -> Iterator[Moment]:
    if not life.is_measured:
        return
    for _number, (since, until) in _silences(life.signs, now=now):
        sent = [at for at in life.received if at <= until]
        yield from _broken(occasions.unengaged(since, sent, start.values, now=until))


def _silences(times: Iterable[datetime], *, now: datetime) -> list[tuple[int, tuple[datetime, datetime]]]:
    """From each of `times` to the next, the last to `now`: its number and its ends, latest first."""
    past = [at for at in times if at <= now]
    return list(enumerate(pairwise([*past, now])))[::-1]


def _broken(found: Occasion | Later | None) -> Iterator[Moment]:
    """A silence that lasted long enough before it was broken."""
    if isinstance(found, Occasion):
        yield Moment(found.at, found)


def _latest_first(found: Iterable[Moment]) -> list[Moment]:
    return sorted(found, key=lambda moment: moment.at, reverse=True)


_MOMENTS: Mapping[Trigger, Callable[..., Iterator[Moment]]] = {
    Trigger.CART_ABANDONED: _carts,
    Trigger.CHECKOUT_ABANDONED: _carts,
    Trigger.PRODUCT_VIEWED: _views,
    Trigger.SITE_LEFT: _departures,
    Trigger.FORM_CONFIRMED: _leads,
    Trigger.MAGNET_DOWNLOADED: _leads,
    Trigger.ORDER_PLACED: _orders,
    Trigger.ORDER_PAID: _orders,
    Trigger.ORDER_FULFILLED: _orders,
    Trigger.ORDER_UNPAID: _orders,
    Trigger.NO_ORDER: _unbought,
    Trigger.NO_VISIT: _unseen,
    Trigger.UNENGAGED: _unanswered,
    Trigger.INTEREST_SHOWN: _clicks,
    Trigger.CUSTOM_EVENT: _own_events,
}


# -- how far they are from it -----------------------------------------------------------------------------------------


def _left_carts(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    """How many carts there are, and how many in each state."""
    return {"carts": len(life.carts), **Counter(cart.state for cart in life.carts)}


def _looks(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    seen = [act.product for act in life.acts if act.name == EventName.VIEW_ITEM and act.at > now - values["within"]]
    return {"views": max(Counter(filter(None, seen)).values(), default=0), "asked": values["times"]}


def _interest(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    topics = Counter(topic for at, topic in life.clicks if topic and at > now - values["within"])
    reached = topics[values["topic"]] if values["topic"] else max(topics.values(), default=0)
    return {"clicks": reached, "asked": values["clicks"]}


def _order(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    return {"orders": len(_standing(life))}


def _last_order(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    placed = _standing(life)
    if not placed:
        return {"orders": 0}
    median = rfm.median_gap_days(placed) if life.has_rhythm else None
    found = occasions.lapsed(placed[-1], median_days=median, values=values, now=placed[-1])
    return {"last_order": placed[-1].isoformat(), "not_before": found.at.isoformat()}


def _last_visit(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    if not life.browsers:
        return {"visits": 0}
    last = life.browsers[-1].at
    return {"last_visit": last.isoformat(), "not_before": (last + values["for"]).isoformat()}


def _received(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    """Since the last sign of life."""
    last = max((at for at in life.signs if at <= now), default=life.contact.created_at)
    told = {"received": sum(at > last for at in life.received), "asked": values["delivered"]}
    return {**told, "last_sign": last.isoformat(), "not_before": (last + values["for"]).isoformat()}


def _wished(life: Life, values: Values, *, now: datetime) -> dict[str, Any]:
    return {"products": len(life.wishes)}


def _standing(life: Life) -> list[datetime]:
    """When the orders that were not cancelled were placed."""
    return [order.placed_at for order in life.orders if order.cancelled_at is None]


_MEASURES: Mapping[Trigger, Callable[..., dict[str, Any]]] = {
    Trigger.CART_ABANDONED: _left_carts,
    Trigger.CHECKOUT_ABANDONED: _left_carts,
    Trigger.PRODUCT_VIEWED: _looks,
    Trigger.INTEREST_SHOWN: _interest,
    Trigger.ORDER_PLACED: _order,
    Trigger.ORDER_PAID: _order,
    Trigger.ORDER_FULFILLED: _order,
    Trigger.ORDER_UNPAID: _order,
    Trigger.NO_ORDER: _last_order,
    Trigger.NO_VISIT: _last_visit,
    Trigger.UNENGAGED: _received,
    Trigger.BACK_IN_STOCK: _wished,
    Trigger.PRICE_DROP: _wished,
}
