"""Occasions: whether what somebody did, or left undone, lets them into a flow. Values in, decisions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .events import EventName
from .flows import Definition
from .machines import Behavior
from .steps import EventStep, HourStep, PauseStep, SendStep
from .triggers import Start
from .vocabulary import Trigger

#: What was done after so long a pause is another visit.
PAUSE = timedelta(minutes=30)
#: Values of a trigger that an occasion's data must have where a flow names one.
NAMED = ("form", "topic", "segment", "name")


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """Somebody pulls a trigger. `at` is t0 of the run, and `subject` what it is about. `data`: what its messages speak of.

    An occasion that `is_single` lets nobody in twice, however long ago; of any other the flow's re-entry decides.
    """

    at: datetime
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)
    is_single: bool = True


@dataclass(frozen=True)
class Later:
    """Not yet: look again at `at`."""

    at: datetime


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something a person, and no machine, did in the storefront."""

    name: str
    at: datetime
    product: str = ""
    category: str = ""


def matches(start: Start, data: Mapping[str, Any]) -> bool:
    """Whether an occasion is of the form, topic, segment or name that the flow asks for; one that names none takes all."""
    return all(data.get(key) == start.values[key] for key in NAMED if start.values.get(key))


def is_past_use(definition: Definition, at: datetime, *, now: datetime) -> bool:
    """Whether a run with this t0 comes too late for the first message it could send; one that waits first never does."""
    for step in definition.steps:
        if isinstance(step, PauseStep | HourStep | EventStep):
            return False
        if isinstance(step, SendStep) and step.is_enabled:
            return now > at + step.deadline
    return False


def viewed(acts: Sequence[Act], values: Mapping[str, Any], *, now: datetime) -> Occasion | None:
    """The same product looked at `times` within `within`, or so many of one category in the last visit (PRODUCT_VIEWED)."""
    views = sorted(
        (act for act in acts if act.name == EventName.VIEW_ITEM and act.product and act.at > now - values["within"]),
        key=lambda act: act.at,
    )
    times = Counter(view.product for view in views)
    for view in reversed(views):
        if times[view.product] >= values["times"]:
            return Occasion(
                at=view.at, subject=f"product:{view.product}", data={"product": view.product}, is_single=False
            )
    visit = last_visit(views, pause=PAUSE)
    for view in reversed(visit):
        products = list(dict.fromkeys(other.product for other in reversed(visit) if other.category == view.category))
        if view.category and len(products) >= values["or_category"]:
            found = {"product": view.product, "products": products}
            return Occasion(at=view.at, subject=f"category:{view.category}"[:140], data=found, is_single=False)
    return None


def left(acts: Sequence[Act], values: Mapping[str, Any], *, visitor: int, now: datetime) -> Occasion | Later | None:
    """A visit of `pages` or more, or with one product, that is over since `idle` (SITE_LEFT). t0 is its last act."""
    visit = last_visit(sorted(acts, key=lambda act: act.at), pause=values["idle"])
    if not visit:
        return None
    began, ended = visit[0].at, visit[-1].at
    if now < ended + values["idle"]:
        return Later(ended + values["idle"])
    pages = sum(act.name in Behavior.PAGES for act in visit)
    products = [act.product for act in reversed(visit) if act.name == EventName.VIEW_ITEM and act.product]
    if pages < values["pages"] and not products:
        return None
    data = {"visit": began.isoformat(), "pages": pages, **({"product": products[0]} if products else {})}
    return Occasion(at=ended, subject=f"visit:{visitor}:{began.isoformat()}", data=data)


def last_visit(acts: Sequence[Act], *, pause: timedelta) -> list[Act]:
    """The acts after the last pause of that length or more; `acts` in the order of their time."""
    visit: list[Act] = []
    for act in reversed(acts):
        if visit and visit[-1].at - act.at >= pause:
            break
        visit.append(act)
    return visit[::-1]


def shown(clicks: Sequence[tuple[datetime, str]], values: Mapping[str, Any], *, now: datetime) -> Occasion | None:
    """So many human clicks on one topic within the time (INTEREST_SHOWN); of several topics the one clicked last."""
    recent = sorted(click for click in clicks if click[0] > now - values["within"] and click[1])
    times = Counter(topic for _at, topic in recent)
    for at, topic in reversed(recent):
        if times[topic] >= values["clicks"] and values["topic"] in ("", topic):
            return Occasion(at=at, subject=f"topic:{topic}", data={"topic": topic}, is_single=False)
    return None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far an order is. Times are None for what has not happened."""

    placed_at: datetime
    paid_at: datetime | None = None
    fulfilled_at: datetime | None = None
    is_by_staff: bool = False


def reached(
    trigger: Trigger,
    order: Standing,
    values: Mapping[str, Any],
    *,
    subject: str,
    data: Mapping[str, Any],
    now: datetime,
) -> Occasion | Later | None:
    """Whether an order that stands is where the flow waits for it: placed, paid, fulfilled, or unpaid for too long.

    t0 is that moment; of an unpaid order it is the moment it was placed, as of a cart it is the last touch.
    """
    due = due_at = None
    if trigger is Trigger.ORDER_PLACED:
        due = due_at = order.placed_at
    elif trigger is Trigger.ORDER_PAID:
        due = due_at = order.paid_at
    elif trigger is Trigger.ORDER_FULFILLED:
        due = due_at = order.fulfilled_at or (order.paid_at and order.paid_at + values["else_paid"])
    elif order.paid_at is None and not order.is_by_staff:
        due, due_at = order.placed_at + values["after"], order.placed_at
    if due is None or due_at is None:
        return None
    return Later(due) if due > now else Occasion(at=due_at, subject=subject, data=data)


def lapsed(
    last_order: datetime, *, median_days: float | None, values: Mapping[str, Any], now: datetime
) -> Occasion | Later:
    """No order for `for`, or for `median` times what usually lies between two of this person, whichever is longer."""
    usual = timedelta(days=values["median"] * median_days) if median_days else timedelta()
    return _silent(last_order, last_order + max(values["for"], usual), now=now)


def absent(last_visit_at: datetime, values: Mapping[str, Any], *, now: datetime) -> Occasion | Later:
    """Not seen in the shop for `for` (NO_VISIT)."""
    return _silent(last_visit_at, last_visit_at + values["for"], now=now)


def unengaged(
    sign: datetime, delivered: Sequence[datetime], values: Mapping[str, Any], *, now: datetime
) -> Occasion | Later | None:
    """So many messages since the last `sign` of life, and that is `for` ago (UNENGAGED). None while there are too few.

    t0 is when both had come about.
    """
    since = sorted(at for at in delivered if at > sign)
    due = sign + values["for"]
    if due > now:
        return Later(due)
    if len(since) < values["delivered"]:
        return None
    return _silent(sign, max(due, since[values["delivered"] - 1]), now=now)


def _silent(since: datetime, due: datetime, *, now: datetime) -> Occasion | Later:
    return Later(due) if due > now else Occasion(at=due, subject=f"since:{since.isoformat()}")


def is_cheaper(price: Decimal, than: Decimal | None, *, percent: int) -> bool:
    """Whether `price` is at least `percent` below what somebody saw."""
    return than is not None and than > 0 and price <= than * (100 - percent) / 100
