"""What people do in the storefront, and with what they were sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef

from retarget_plugin import conf
from retarget_plugin.domain import events as reported
from retarget_plugin.domain.events import Beacon, EventName
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.interests import CLICKED, Act
from retarget_plugin.domain.machines import Behavior, is_machine
from retarget_plugin.domain.vocabulary import ConsentState, Exit, RunState
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import (
    Click,
    Consent,
    Contact,
    DailyCount,
    Event,
    FlowRun,
    LeadForm,
    Link,
    Message,
    Shop,
    Visitor,
)

from . import allowances, consent, interests, links, runs, sightings, visitors, watches

MINUTE = timedelta(minutes=1)
#: A page that was looked at this long ago still explains what somebody puts into a cart.
VISIT = timedelta(hours=12)
#: A shop's own names are counted together: a stranger could make up any number of them.
OTHER = "other"
#: What of it ends a flow.
ENDING: Mapping[Exit, Collection[str]] = {Exit.VISIT: Behavior.PAGES, Exit.ADD_TO_CART: (EventName.ADD_TO_CART,)}
#: How often a day a browser may change its answer to the consent tool: each is kept as evidence.
ANSWERS_A_DAY = 20


def report(
    shop: Shop, beacon: Beacon, *, visitor: Visitor | None, address: str, is_bot: bool, now: datetime
) -> Visitor | None:
    """Take what a page of `shop` tells; answers who it is from now on, None where that is nobody's business.

    `visitor`: whom the cookie names. `address`: the network it came from. Raises Refusal("limited") when either has told
    enough for now; then nothing is kept. A no to tracking is always heard.
    """
    if beacon.ends_tracking and visitor:
        withdraw(visitor, source=beacon.grant.source if beacon.grant else "script", now=now)
    grant = None if beacon.ends_tracking else beacon.grant
    if grant and visitor:
        # Before the address, so that each beacon of one visitor's flood costs one read.
        _spend("events of visitor", visitor.key, len(beacon.events), conf.settings.EVENTS_PER_VISITOR, MINUTE, now)
    _spend_address(address, max(1, len(beacon.events)), now=now)
    who = visitor if grant else None
    if grant and visitor:
        _hear(visitor, grant, now=now)
    elif grant and not is_bot:
        _spend("visitors of address", address, 1, conf.settings.VISITORS_PER_ADDRESS, timedelta(hours=1), now)
        who = visitors.meet(shop, grant=grant, now=now)
    record(shop, beacon.events, visitor=who, is_bot=is_bot, now=now)
    return who


def record(
    shop: Shop,
    events: Sequence[reported.Event],
    *,
    visitor: Visitor | None,
    contact: Contact | None = None,
    is_bot: bool = False,
    now: datetime,
) -> int:
    """Keep what `visitor` did, in one INSERT; answers the number of rows. Machines' are kept and marked.

    Of who is nobody, or is gone by now, only daily counts remain. `is_bot`: the request said so; how the visitor
    behaves may say so too. Nothing is decided by any of it: of carts and orders the shop itself tells.
    """
    if not events:
        return 0
    _count_forms(shop, events, is_bot=is_bot, now=now)
    with transaction.atomic():
        # Whoever erases, ends or identifies this visitor meanwhile waits for us, or we see what came of it.
        held = _held(visitor) if visitor else None
        whose = held.contact if held else contact.pk if contact and not visitor else None
        if held is None and whose is None:
            _count(shop, events, is_bot=is_bot, now=now)
            return 0
        is_bot = is_bot or (visitor is not None and held is not None and _behavior(visitor, events, now=now).is_machine)
        rows = [_row(shop, event, visitor, whose, is_bot=is_bot, now=now) for event in events]
        Event.objects.bulk_create(rows)
    if is_bot:
        return len(rows)
    # Not under the visitor's lock: whoever confirms an address holds the contact first.
    if held is None or held.is_watched:
        sightings.browsed(shop, rows, visitor=visitor.pk if visitor else None, contact=whose, now=now)
    if whose and (held is None or held.is_inside):
        _leave(whose, rows, now=now)
    if whose:
        interests.add(whose, interests.shown_by(rows), now=now)
    return len(rows)


def _leave(contact: int, rows: Sequence[Event], *, now: datetime) -> None:
    """Being here, or putting something into a cart, is what some flows end on."""
    for exit, names in ENDING.items():
        moments = [row.at for row in rows if row.name in names]
        if moments:
            runs.leave_on(contact, exit, at=max(moments), now=now)


def count(shop: Shop, name: str, *, address: str, is_bot: bool, now: datetime) -> None:
    """Count something of which nobody knows who did it. Raises Refusal("limited")."""
    _spend_address(address, 1, now=now)
    _count(shop, [reported.Event(name=name)], is_bot=is_bot, now=now)


def withdraw(visitor: Visitor, *, source: str, now: datetime) -> None:
    """No more tracking: the visitor ends, and what it did stays as what somebody did, without page, search or item."""
    with transaction.atomic():
        consent.withdraw_visitor(visitor, source=source, now=now)
        visitors.leave(visitor, now=now)
        Event.objects.filter(visitor=visitor).update(visitor=None, contact=None, path="", data={})


def _hear(visitor: Visitor, grant: Grant, *, now: datetime) -> None:
    """A known visitor is here, and says what it allows: with every beacon, while it changes hardly ever."""
    visitors.see(visitor, now=now)
    granted = Consent.objects.filter(visitor=visitor, state=ConsentState.GRANTED)
    known = set(granted.values_list("purpose", "record__wording_version"))
    if known != {(purpose.value, grant.wording) for purpose in grant.purposes}:
        _spend("answers of visitor", visitor.key, 1, ANSWERS_A_DAY, timedelta(days=1), now)
        consent.grant_visitor(
            visitor, purposes=grant.purposes, wording_version=grant.wording, source=grant.source, now=now
        )


def _spend_address(address: str, amount: int, *, now: datetime) -> None:
    _spend("events of address", address, amount, conf.settings.EVENTS_PER_ADDRESS, MINUTE, now)


def _spend(name: str, subject: str, amount: int, most: int, within: timedelta, now: datetime) -> None:
    if not allowances.take(name, subject, most=most, within=within, now=now, amount=amount):
        raise Refusal("limited")


class _Held(NamedTuple):
    """A visitor whose row is locked. `is_watched`: a flow of the shop waits for what browsers tell; `is_inside`: the
    contact is in a flow."""

    contact: int | None
    is_watched: bool
    is_inside: bool


def _held(visitor: Visitor) -> _Held | None:
    rows = Visitor.objects.select_for_update(no_key=True).filter(pk=visitor.pk, ended_at=None)
    inside = Exists(FlowRun.objects.filter(contact=OuterRef("contact"), state=RunState.ACTIVE))
    found = rows.values_list("contact", watches.awaited(OuterRef("shop"), watches.BROWSING), inside).first()
    return _Held(*found) if found else None


def _behavior(visitor: Visitor, events: Sequence[reported.Event], *, now: datetime) -> Behavior:
    """One query, bounded by what counts as too many; a second one where something was put into a cart unseen."""
    lately = Event.objects.filter(visitor=visitor, at__gt=now - MINUTE).values_list("name", flat=True)
    behavior = Behavior.of(events, before=list(lately[: Behavior.MOST_EVENTS]))
    if behavior.lacks_page:
        visit = Event.objects.filter(visitor=visitor, at__gt=now - VISIT, name__in=Behavior.PAGES)
        behavior = behavior.with_page(visit.exists())
    return behavior


def _count_forms(shop: Shop, events: Sequence[reported.Event], *, is_bot: bool, now: datetime) -> None:
    """How often each form was shown, to whomever; nothing is asked where no form was."""
    shown = Counter(event.product for event in events if event.name == EventName.FORM_SHOWN and event.product)
    if shown:
        forms = LeadForm.objects.filter(shop=shop, slug__in=list(shown))
        DailyCount.objects.add(shop, {form.showings: shown[form.slug] for form in forms}, by_machine=is_bot, now=now)


def _count(shop: Shop, events: Sequence[reported.Event], *, is_bot: bool, now: datetime) -> None:
    names = Counter(event.name if event.name in list(EventName) else OTHER for event in events)
    DailyCount.objects.add(shop, names, by_machine=is_bot, now=now)


def _row(
    shop: Shop, event: reported.Event, visitor: Visitor | None, contact_id: int | None, *, is_bot: bool, now: datetime
) -> Event:
    return Event(
        shop=shop,
        visitor=visitor,
        contact_id=contact_id,
        name=event.name,
        product=event.product,
        topic=event.topic,
        path=event.path,
        value=event.value,
        currency=event.currency,
        data=dict(event.data),
        is_bot=is_bot,
        at=now - event.ago,
    )


def click(code: str, *, user_agent: str, method: str, headers: Mapping[str, str], now: datetime) -> str | None:
    """Where the short code leads, or None when it leads nowhere. The click is kept, where the person agreed to that; only
    a person's counts.

    `headers`: names in lower case. Following a link changes nothing else: not the cart, not consent, not who is who.
    """
    link = links.find(code, now=now)
    if link is None:
        return None
    if not link.is_measured:
        return link.destination
    message = link.message
    since_sent = now - message.sent_at if message and message.sent_at else None
    is_human = not is_machine(user_agent=user_agent, method=method, headers=headers, since_sent=since_sent)
    with transaction.atomic():
        tells = is_human and message is not None and _tells_anew(link)
        Click.objects.create(link=link, at=now, is_human=is_human)
        if is_human and message:
            Message.objects.filter(pk=message.pk, clicked_at=None).update(clicked_at=now)
    if is_human and message:
        whose = message.contact.merged_into_id or message.contact_id
        if tells:
            interests.add(whose, [Act(CLICKED, link.topic, now)], now=now)
        if link.topic:
            sightings.clicked(link.shop, whose, now=now)
        runs.leave_on(whose, Exit.CLICK, at=now, topic=link.topic, now=now)
    return link.destination


def _tells_anew(link: Link) -> bool:
    """True for the first click of a person on a link with a topic; who clicks twice is not twice as interested."""
    if not link.topic:
        return False
    # Two clicks of one double-click are told one after the other.
    Link.objects.select_for_update(no_key=True).filter(pk=link.pk).first()
    return not Click.objects.filter(link=link, is_human=True).exists()
