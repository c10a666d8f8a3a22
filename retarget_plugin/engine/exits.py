"""What ends a run besides an order: read afresh for a whole batch, since nobody may have told us in time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Max, QuerySet

from retarget_plugin.domain.events import EventName
from retarget_plugin.domain.interests import topic_of
from retarget_plugin.domain.machines import Behavior
from retarget_plugin.domain.vocabulary import CartState, Exit, Reason
from retarget_plugin.models import Cart, Click, Event, FlowRun, Message, Order

#: As `subject_of` names an order. A subject that a shop made up itself may begin like it.
_ORDER = re.compile(r"order:([0-9]{1,18})")
#: Contact -> when they last did it.
Last = Mapping[int, datetime]


@dataclass(frozen=True)
class Met:
    """A run has to end: why, and what it was decided on."""

    reason: Reason
    facts: Mapping[str, Any] = field(default_factory=dict)


def met(runs: Iterable[FlowRun]) -> dict[int, Met]:
    """By run id, of those that must end. One query for each way out that any of `runs` has."""
    asked = list(runs)
    found: dict[int, Met] = {}
    for exit, read in _LAST.items():
        concerned = [run for run in asked if exit in run.version.parsed.exits and run.pk not in found]
        if not concerned:
            continue
        last = read({run.contact_id for run in concerned}, min(run.anchored_at for run in concerned))
        for run in concerned:
            at = last.get(run.contact_id)
            if at and at > run.anchored_at:
                found[run.pk] = Met(Reason.EXITED_ON, {"exit": exit.value, "at": at.isoformat()})
    return _about_orders([run for run in asked if run.pk not in found]) | found


def ends(run: FlowRun, order: Order) -> Exit | None:
    """The way out that an order of the same person, placed since t0, is for `run`; never the order it is about."""
    exits = run.version.parsed.exits
    if run.subject == subject_of(order):
        return None
    if Exit.ORDER in exits:
        return Exit.ORDER
    is_about = Exit.ORDER_IN_TOPIC in exits and run.topic in topics_of(order)
    return Exit.ORDER_IN_TOPIC if is_about else None


def topics_of(order: Order) -> set[str]:
    """What was bought, as interests are called."""
    return {topic for item in order.items if (topic := topic_of(item.get("category")))}


def subject_of(order: Order) -> str:
    """How a run names this order as what it is about."""
    return f"order:{order.pk}"


def _about_orders(runs: Sequence[FlowRun]) -> dict[int, Met]:
    """Runs about an order that is paid, where that was all they were for, or that is no order any more."""
    about = {run.pk: int(named[1]) for run in runs if (named := _ORDER.fullmatch(run.subject))}
    orders = Order.objects.in_bulk(set(about.values())) if about else {}
    exits = {run.pk: run.version.parsed.exits for run in runs}
    found = {}
    for run, pk in about.items():
        order = orders.get(pk)
        why = of_order(order, exits[run]) if order else Met(Reason.SUBJECT_GONE)
        if why:
            found[run] = why
    return found


def of_order(order: Order, exits: frozenset[Exit]) -> Met | None:
    """Whether a run about this order, with these ways out, has to end."""
    if order.cancelled_at:
        is_foreseen = Exit.CANCELLED in exits
        return Met(Reason.EXITED_ON, {"exit": Exit.CANCELLED.value}) if is_foreseen else Met(Reason.SUBJECT_GONE)
    if order.paid_at and Exit.PAID in exits:
        return Met(Reason.EXITED_ON, {"exit": Exit.PAID.value})
    return None


# -- when somebody last did something, since the oldest t0 ---------------------------------------------------------------


def _visited(people: set[int], since: datetime) -> Last:
    return _last(_acts(people, since).filter(name__in=Behavior.PAGES), "contact", "at")


def _added(people: set[int], since: datetime) -> Last:
    """By the page's word, or since a cart of theirs has moved."""
    told = _last(_acts(people, since).filter(name=EventName.ADD_TO_CART), "contact", "at")
    carts = Cart.objects.filter(contact__in=people, touched_at__gt=since).exclude(state=CartState.CLOSED)
    return _later(told, _last(carts, "contact", "touched_at"))


def _clicked(people: set[int], since: datetime) -> Last:
    """Where clicks are kept, and also where only the first of a message is left."""
    clicks = Click.objects.filter(link__message__contact__in=people, is_human=True)
    messages = Message.objects.filter(contact__in=people, clicked_at__gt=since)
    return _later(_last(clicks, "link__message__contact", "at"), _last(messages, "contact", "clicked_at"))


def _acts(people: set[int], since: datetime) -> QuerySet[Event]:
    return Event.objects.filter(contact__in=people, at__gt=since, is_bot=False)


def _last(rows: QuerySet[Any], whose: str, at: str) -> dict[int, datetime]:
    return dict(rows.order_by().values_list(whose).annotate(last=Max(at)))


def _later(one: Last, other: Last) -> Last:
    return {pk: max(filter(None, (one.get(pk), other.get(pk)))) for pk in {*one, *other}}


_LAST: Mapping[Exit, Callable[[set[int], datetime], Last]] = {
    Exit.ADD_TO_CART: _added,
    Exit.VISIT: _visited,
    Exit.CLICK: _clicked,
}
