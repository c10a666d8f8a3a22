"""What has not happened for long: nothing bought, not seen, nothing answered. Each person is looked at in their own time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet

from retarget_plugin.domain import occasions
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.occasions import Later, Occasion
from retarget_plugin.domain.vocabulary import ConsentState, FlowState, MessageKind, Purpose
from retarget_plugin.models import Click, Consent, Contact, Customer, Flow, Message, Order, Visitor, Watch

from . import watches
from .watches import SILENCES, Finding

EVERYONE = "everyone"
#: People taken into one step of the walk, when the next walk begins, and how old a row is before its number is passed by: a
#: transaction that ends late has an earlier one.
STEP, WALK_EVERY, SETTLED = 1_000, timedelta(days=1), timedelta(hours=1)
#: Whoever has been silent for long enough and has had too few messages is looked at again then.
TOO_FEW = timedelta(days=7)


def begin(*, now: datetime) -> int:
    """Let every flow that waits for a silence walk through the people its shop knows; answers how many walks began.

    One begins when the flow is turned on or published anew, and goes on once a day with who came since.
    """
    flows = dict(Flow.objects.filter(trigger__in=SILENCES, state=FlowState.ON).values_list("pk", "version"))
    if not flows:
        return 0
    rows = Watch.objects.filter(flow__in=flows, subject=EVERYONE)
    walked = {flow: data.get("version") for flow, data in rows.values_list("flow", "data")}
    anew = sorted(flow for flow, version in flows.items() if walked.get(flow) != version)
    return watches.keep(
        [
            Watch(flow_id=flow, subject=EVERYONE, data={"version": flows[flow], "after": 0}, due_at=now, noted_at=now)
            for flow in anew
        ]
    )


def walk(flow: Flow, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """The next step of the walk, where it is among `due`: its people are watched from now on."""
    found = []
    for watch in due:
        if watch.subject != EVERYONE or flow.trigger not in SILENCES:
            continue
        people = Contact.objects.filter(
            shop=flow.shop_id, pk__gt=watch.data["after"], created_at__lte=now - SETTLED, erased_at=None
        )
        keys = list(people.order_by("pk").values_list("pk", flat=True)[:STEP])
        rows = [
            Watch(flow=flow, contact_id=pk, subject=f"contact:{pk}", due_at=now, noted_at=now) for pk in sorted(keys)
        ]
        watches.keep(rows)
        if keys:
            watch.data = {**watch.data, "after": keys[-1]}
        found.append(Finding(watch=watch, again=now if len(keys) == STEP else now + WALK_EVERY))
    return found


# -- looks ------------------------------------------------------------------------------------------------------------


def unbought(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """NO_ORDER: of whom has ordered before."""
    asked, who = _asked(due)
    last = _last(Order.objects.filter(contact__in=_ids(who), cancelled_at=None), "contact", "placed_at")
    customers = Customer.objects.filter(contact__in=last, median_gap_days__isnull=False)
    medians = dict(customers.values_list("contact", "median_gap_days"))
    found = {
        pk: occasions.lapsed(
            last[contact.pk], median_days=medians.get(contact.pk), values=definition.start.values, now=now
        )
        for pk, contact in who.items()
        if contact.pk in last
    }
    return _findings(asked, who, found, period=definition.start.values["for"], now=now)


def unseen(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """NO_VISIT: of whom may be followed."""
    asked, who = _asked(due)
    granted = Consent.objects.filter(visitor=OuterRef("pk"), purpose=Purpose.TRACKING, state=ConsentState.GRANTED)
    seen = Visitor.objects.filter(contact__in=_ids(who))
    followed = set(seen.filter(Exists(granted)).values_list("contact", flat=True))
    last = _last(seen, "contact", "last_seen_at")
    found = {
        pk: occasions.absent(last[contact.pk], definition.start.values, now=now)
        for pk, contact in who.items()
        if contact.pk in followed
    }
    return _findings(asked, who, found, period=definition.start.values["for"], now=now)


def unanswered(flow: Flow, definition: Definition, due: Sequence[Watch], *, now: datetime) -> list[Finding]:
    """UNENGAGED: of whom we would know if they had answered. What a provider took and did not return counts as delivered:
    not every way out reports more."""
    asked, who = _asked(due)
    values, measured = definition.start.values, _measured(who)
    who = {pk: contact for pk, contact in who.items() if contact.pk in measured}
    signs = _signs(who.values())
    since = min(signs.values(), default=now)
    sent = Message.objects.filter(contact__in=signs, sent_at__gt=since, bounced_at=None, kind=MessageKind.MARKETING)
    delivered: dict[int, list[datetime]] = defaultdict(list)
    for contact_id, at in sent.values_list("contact", "sent_at"):
        if at:
            delivered[contact_id].append(at)
    found = {
        pk: occasions.unengaged(signs[contact.pk], delivered[contact.pk], values, now=now) or Later(now + TOO_FEW)
        for pk, contact in who.items()
    }
    unknown = [Finding(watch=watch, again=now + values["for"]) for pk, watch in asked.items() if pk not in who]
    return [*_findings(asked, who, found, period=values["for"], now=now), *unknown]


def _measured(who: Mapping[int, Contact]) -> set[int]:
    """Those who agreed that it is kept what they click."""
    granted = Consent.objects.filter(contact__in=_ids(who), purpose=Purpose.MEASUREMENT, state=ConsentState.GRANTED)
    return set(granted.values_list("contact", flat=True))


def _signs(people: Iterable[Contact]) -> dict[int, datetime]:
    """Contact -> the last sign of life: a human click, a visit, an order, or that they became known."""
    signs = {contact.pk: contact.created_at for contact in people}
    clicks = Click.objects.filter(link__message__contact__in=signs, is_human=True)
    messages = Message.objects.filter(contact__in=signs, clicked_at__isnull=False)
    for found in (
        _last(Order.objects.filter(contact__in=signs, cancelled_at=None), "contact", "placed_at"),
        _last(Visitor.objects.filter(contact__in=signs), "contact", "last_seen_at"),
        _last(clicks, "link__message__contact", "at"),
        # A click outlives its row: that goes with the link.
        _last(messages, "contact", "clicked_at"),
    ):
        for contact, at in found.items():
            signs[contact] = max(signs[contact], at)
    return signs


def _asked(due: Sequence[Watch]) -> tuple[dict[int, Watch], dict[int, Contact]]:
    asked = watches.named(due, "contact")
    return asked, watches.people(asked)


def _ids(who: Mapping[int, Contact]) -> set[int]:
    return {contact.pk for contact in who.values()}


def _last(rows: QuerySet[Any], whose: str, at: str) -> dict[int, datetime]:
    return dict(rows.order_by().values_list(whose).annotate(last=Max(at)))


def _findings(
    asked: Mapping[int, Watch],
    who: Mapping[int, Contact],
    found: Mapping[int, Occasion | Later],
    *,
    period: timedelta,
    now: datetime,
) -> list[Finding]:
    """Whoever may enter is looked at again after one more `period`: by then they may have come back and gone again."""
    findings = []
    for pk, watch in asked.items():
        one = found.get(pk)
        if isinstance(one, Later):
            findings.append(Finding(watch=watch, again=one.at))
        elif one is not None:
            findings.append(Finding(watch=watch, entries=[(who[pk], one)], again=now + period))
    return findings
