"""Why did this person get that message, or not: everything known about a contact, in one line of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Q
from django.utils import formats
from django.utils.dateparse import parse_datetime
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from retarget_plugin.domain import contexts
from retarget_plugin.domain.vocabulary import Channel, OutcomeKind, Reason
from retarget_plugin.models import Attempt, Cart, Click, ConsentRecord, Contact, Decision, Message, Order, choices

OUTCOMES: dict[str, Any] = {
    OutcomeKind.ACCEPTED: gettext_lazy("Accepted"),
    OutcomeKind.REJECTED: gettext_lazy("Rejected"),
    OutcomeKind.OPTED_OUT: gettext_lazy("Refused: the person opted out at the provider"),
    OutcomeKind.TRANSIENT: gettext_lazy("Not taken: a passing fault"),
    OutcomeKind.RATE_LIMITED: gettext_lazy("Not taken: too many at once"),
    OutcomeKind.NO_CREDIT: gettext_lazy("Not taken: no credit left"),
    OutcomeKind.MISCONFIGURED: gettext_lazy("Not taken: the account is set up wrongly"),
    OutcomeKind.UNKNOWN: gettext_lazy("Unknown: the answer was lost"),
}
REPORTED = {
    "delivered_at": gettext_lazy("Delivered"),
    "bounced_at": gettext_lazy("Bounced"),
    "complained_at": gettext_lazy("Marked as spam"),
    "opened_at": gettext_lazy("Opened"),
    "unsubscribed_at": gettext_lazy("Unsubscribed"),
}
#: Why somebody never entered a flow, where nobody was turned away (`engine.obstacles`).
NEVER_CAME = {
    "nothing_happened": gettext_lazy("What starts it never happened"),
    "other_trigger": gettext_lazy("It starts on something else"),
    "not_looked_at": gettext_lazy("What starts it happened, and has yet to be looked at"),
    "not_kept": gettext_lazy("It starts on something of which no record is kept"),
    "not_followed": gettext_lazy("This person never agreed that visits to the shop are noted"),
    "not_measured": gettext_lazy("This person never agreed that clicks are noted"),
}
#: What an answer leaves out, since there is no telling.
UNKNOWN = {
    "state_then": gettext_lazy(
        "Whether the flow was on and at work at that time is not recorded: nothing else stood in the way."
    ),
    "browsing": gettext_lazy(
        "What people do in the shop is kept for a time, and only of those who agreed to it: there may have been more."
    ),
    "clicks": gettext_lazy("Clicks are kept for a time, and only of those who agreed to it: there may have been more."),
    "shelves": gettext_lazy("When a product was sold out, and what it cost at an earlier time, is not recorded."),
    "members": gettext_lazy("Who was in a segment at an earlier time is not recorded."),
}
# What the row of the message and the row of the attempt already tell.
TOLD_BY_MESSAGE = {Reason.QUEUED.value}
TOLD_BY_ATTEMPT = {Reason.SENT.value, Reason.RETRYING.value, Reason.OUTCOME_UNKNOWN.value, Reason.REJECTED.value}


class Kind(StrEnum):
    """What an event is about."""

    CONSENT = "consent"
    CART = "cart"
    DECISION = "decision"
    MESSAGE = "message"
    ATTEMPT = "attempt"
    CLICK = "click"
    ORDER = "order"


@dataclass(frozen=True)
class Event:
    """One thing that happened. `title` and `detail` are plain text in the active language, never markup, and hold no
    address, number or link; `message` is the primary key of the message it is about."""

    at: datetime
    kind: Kind
    title: str
    detail: str = ""
    message: int | None = None


def timeline(contact: Contact, *, limit: int = 200) -> list[Event]:
    """What happened to `contact`, newest first, at most `limit` events. Seven queries, however long the history.

    Of each kind of row the newest `limit` are read. Decisions include those about carts that nobody was known for at
    the time and that turned out to be this contact's: that is why a flow was never entered.
    """
    carts = list(Cart.objects.filter(contact=contact).order_by("-touched_at", "-pk")[:limit])
    messages = list(
        Message.objects.filter(contact=contact).select_related("run__flow").order_by("-created_at", "-pk")[:limit]
    )
    attempts = list(
        Attempt.objects.filter(message__contact=contact)
        .select_related("message")
        .order_by("-started_at", "-pk")[:limit]
    )
    theirs = Q(contact=contact) | Q(contact=None, cart__in=[cart.pk for cart in carts])
    decisions = list(Decision.objects.filter(theirs).order_by("-at", "-pk")[:limit])
    clicks = Click.objects.filter(link__message__contact=contact).select_related("link").order_by("-at", "-pk")[:limit]
    orders = Order.objects.filter(contact=contact).order_by("-placed_at", "-pk")[:limit]
    consents = ConsentRecord.objects.filter(contact=contact).order_by("-at", "-pk")[:limit]
    # Of one instant, what follows stands above what it follows from; the sort is stable.
    events = [
        *_each(_order, orders),
        *_each(_click, clicks),
        *_each(_attempt, attempts),
        *_each(_message, messages),
        *_decisions(decisions, messages=messages, attempts=attempts),
        *_each(_cart, carts),
        *_each(_consent, consents),
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)[:limit]


def outcome_label(outcome: str) -> str:
    """An attempt's outcome in words; an empty one means that the answer is still awaited."""
    return str(OUTCOMES.get(outcome, outcome)) if outcome else _("No answer yet")


def facts_in_words(facts: Mapping[str, Any]) -> str:
    """The facts of a decision as `name: value` pairs, moments in the active time zone."""
    return ", ".join(
        f"{name.replace('_', ' ')}: {_fact(value)}" for name, value in sorted(facts.items()) if value not in ("", None)
    )


def state_label(state: str) -> str:
    """The state of a message in words."""
    return str(dict(choices.message_states()).get(state, state))


def reason_label(code: str) -> str:
    """The code of a decision in words, or that of why nothing came to be decided."""
    return str(dict(choices.REASONS).get(code) or NEVER_CAME.get(code, code))


def unknown_label(code: str) -> str:
    """What an answer leaves out, in words."""
    return str(UNKNOWN.get(code, code))


# -- one kind of row each ---------------------------------------------------------------------------------------------


def _each(tell: Any, rows: Iterable[Any]) -> list[Event]:
    return [event for row in rows for event in reversed(list(tell(row)))]


def _consent(record: ConsentRecord) -> Iterator[Event]:
    what = [str(record.get_purpose_display())]
    if record.channel:
        what.append(str(record.get_channel_display()))
    title = _("Consent for %(what)s: %(state)s") % {"what": ", ".join(what), "state": record.get_state_display()}
    version = _("wording %(version)s") % {"version": record.wording_version} if record.wording_version else ""
    yield Event(record.at, Kind.CONSENT, title, _joined(record.source, version))


def _cart(cart: Cart) -> Iterator[Event]:
    lines = (
        ngettext("%(count)s line", "%(count)s lines", len(cart.items)) % {"count": len(cart.items)}
        if cart.items
        else ""
    )
    rebuilt = _("rebuilt from a message") if cart.restored_by_id else ""
    yield Event(
        cart.created_at, Kind.CART, _("Cart %(cart)s begun") % {"cart": cart.reference}, rebuilt, cart.restored_by_id
    )
    if cart.abandoned_at:
        title = _("Cart %(cart)s abandoned") % {"cart": cart.reference}
        yield Event(cart.abandoned_at, Kind.CART, title, _joined(lines, _amount(cart.total, cart.currency)))


def _message(message: Message) -> Iterator[Event]:
    step = f"{message.run.flow.name}: {message.step}" if message.run else message.step
    written = _("Text scheduled") if message.channel == Channel.SMS else _("E-mail scheduled")
    due = _("due %(moment)s") % {"moment": _moment(message.due_at)}
    state = str(message.get_state_display())
    yield Event(
        message.created_at, Kind.MESSAGE, written, _joined(step, due, state, reason_label(message.reason)), message.pk
    )
    for field, label in REPORTED.items():
        if at := getattr(message, field):
            yield Event(at, Kind.MESSAGE, str(label), step, message.pk)


def _attempt(attempt: Attempt) -> Iterator[Event]:
    title = _("Handed to %(gateway)s: %(outcome)s") % {
        "gateway": attempt.gateway,
        "outcome": outcome_label(attempt.outcome),
    }
    yield Event(
        attempt.ended_at or attempt.started_at,
        Kind.ATTEMPT,
        title,
        _joined(attempt.message.step, attempt.code),
        attempt.message_id,
    )


def _decisions(
    decisions: Iterable[Decision], *, messages: Iterable[Message], attempts: Iterable[Attempt]
) -> Iterator[Event]:
    """Decisions, without those whose message or attempt is on the line itself: nobody wants to read a thing twice."""
    scheduled = {message.pk for message in messages}
    tried = {attempt.message_id for attempt in attempts}
    for decision in decisions:
        if decision.code in TOLD_BY_MESSAGE and decision.message_id in scheduled:
            continue
        if decision.code in TOLD_BY_ATTEMPT and decision.message_id in tried:
            continue
        where = ": ".join(filter(None, (decision.flow_slug, decision.step)))
        detail = _joined(where, facts_in_words(decision.facts))
        yield Event(decision.at, Kind.DECISION, reason_label(decision.code), detail, decision.message_id)


def _click(click: Click) -> Iterator[Event]:
    title = _("Followed the link") if click.is_human else _("A machine followed the link")
    yield Event(click.at, Kind.CLICK, title, "", click.link.message_id)


def _order(order: Order) -> Iterator[Event]:
    number = {"number": order.number or order.reference}
    credited = _("recovered by a message") if order.credited_message_id else ""
    detail = _joined(_amount(order.total, order.currency), credited)
    yield Event(order.placed_at, Kind.ORDER, _("Order %(number)s placed") % number, detail, order.credited_message_id)
    if order.cancelled_at:
        yield Event(order.cancelled_at, Kind.ORDER, _("Order %(number)s cancelled") % number)


# -- words ------------------------------------------------------------------------------------------------------------


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _amount(total: Decimal, currency: str) -> str:
    shown = contexts.money(total, currency, get_language() or "en") if currency else None
    return shown["text"] if shown else ""


def _moment(at: datetime) -> str:
    return formats.date_format(localtime(at), "SHORT_DATETIME_FORMAT")


def _fact(value: Any) -> str:
    if isinstance(value, str) and len(value) >= 19 and (at := _parsed(value)):
        return _moment(at)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _parsed(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None
