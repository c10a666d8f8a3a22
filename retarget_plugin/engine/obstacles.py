"""Obstacles: why somebody never entered a flow, by what was decided then, else by the rules of entry as of that moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from retarget_plugin.domain import abandonment, admission
from retarget_plugin.domain.admission import Past
from retarget_plugin.domain.flows import Definition, FlowError
from retarget_plugin.domain.vocabulary import Channel, FlowState, Reason, Trigger
from retarget_plugin.models import Contact, Decision, Flow, FlowVersion, Order, Watch

from . import distances
from .distances import Moment
from .lives import Life

#: Besides the reasons of decisions: nobody was ever turned away, since nothing came that could have been; or nobody has
#: looked at it yet; or the person did what they had to, and what the shop had to do is not kept.
NOTHING_HAPPENED, OTHER_TRIGGER, NOT_LOOKED_AT, NOT_KEPT = (
    "nothing_happened",
    "other_trigger",
    "not_looked_at",
    "not_kept",
)
#: What they did is not kept, because they never agreed to it.
NOT_FOLLOWED, NOT_MEASURED = "not_followed", "not_measured"
#: What nobody can know any more, or could know at all, and so is not in the answer.
STATE_THEN, BROWSING, CLICKS, SHELVES, MEMBERS = "state_then", "browsing", "clicks", "shelves", "members"
_UNKNOWN: Mapping[str, str] = {
    Trigger.PRODUCT_VIEWED: BROWSING,
    Trigger.SITE_LEFT: BROWSING,
    Trigger.NO_VISIT: BROWSING,
    Trigger.CUSTOM_EVENT: BROWSING,
    Trigger.UNENGAGED: CLICKS,
    Trigger.INTEREST_SHOWN: CLICKS,
    Trigger.BACK_IN_STOCK: SHELVES,
    Trigger.PRICE_DROP: SHELVES,
    Trigger.SEGMENT_ENTERED: MEMBERS,
}
#: A reason, and what it was decided on. JSON-safe.
Obstacle = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Missed:
    """Why a flow was never entered, and of what there is no telling (codes)."""

    obstacles: tuple[Obstacle, ...]
    unknown: tuple[str, ...]


def of(contact: Contact, flows: Sequence[Flow], *, now: datetime) -> dict[int, Missed]:
    """By flow, of those that `contact` never entered. A fixed number of queries, however much there is and however many flows."""
    if not flows:
        return {}
    life = Life(contact)
    turned_away, waiting = _turned_away(life), _waiting(life, flows)
    versions: dict[int, list[FlowVersion]] = defaultdict(list)
    for version in FlowVersion.objects.defer("content").filter(flow__in=flows).order_by("-number"):
        versions[version.flow_id].append(version)
    return {
        flow.pk: _missed(flow, versions[flow.pk], life, turned_away, waiting.get(flow.pk), now=now) for flow in flows
    }


def _missed(
    flow: Flow,
    versions: Sequence[FlowVersion],
    life: Life,
    turned_away: Mapping[str, Sequence[Obstacle]],
    due_at: datetime | None,
    *,
    now: datetime,
) -> Missed:
    found = list(turned_away.get(flow.slug, ()))
    if flow.trigger in abandonment.TRIGGERS:
        found = [*turned_away.get("", ()), *found]
    if flow.state != FlowState.ON:
        found.append((Reason.FLOW_OFF.value, {"flow": flow.state}))
    if life.contact.erased_at or life.contact.merged_into_id:
        found.append(((Reason.ERASED if life.contact.erased_at else Reason.MERGED).value, {}))
    unknown = [_UNKNOWN[flow.trigger]] if flow.trigger in _UNKNOWN else []
    last = _last(versions, life, now=now)
    if last is None:
        return Missed((*found, *_nothing(flow, versions, life, now=now, is_known=bool(found))), tuple(unknown))
    moment, definition = last
    told = {code for code, _facts in found}
    refusal = _refusal(definition, moment, life)
    if refusal is not None:
        found += [refusal] if refusal[0] not in told else []
    elif not found and due_at:
        found.append((NOT_LOOKED_AT, {"due_at": _iso(due_at)}))
    elif not found:
        # The rules would have let them in, so that nobody can have asked: it was off, or not yet what it is.
        found.append((Reason.FLOW_OFF.value, {"flow": "off_then", "at": _iso(moment.at)}))
        unknown.append(STATE_THEN)
    return Missed(tuple(found), tuple(unknown))


def _nothing(
    flow: Flow, versions: Sequence[FlowVersion], life: Life, *, now: datetime, is_known: bool
) -> list[Obstacle]:
    """What is to be said where it never came about; of carts only where nothing else `is_known`."""
    start = versions[0].parsed.start if versions and _is_readable(versions[0]) else None
    told = {"trigger": flow.trigger, **(distances.of(life, start, now=now) if start else {})}
    if flow.trigger in abandonment.TRIGGERS:
        if not any(cart.abandoned_at for cart in life.carts):
            return [(NOTHING_HAPPENED, told)]
        return [] if is_known else [(OTHER_TRIGGER, told)]
    if flow.trigger == Trigger.NO_VISIT and not any(browser.is_followed for browser in life.browsers):
        return [(NOT_FOLLOWED, {})]
    if flow.trigger == Trigger.UNENGAGED and not life.is_measured:
        return [(NOT_MEASURED, {})]
    is_up_to_the_shop = flow.trigger in (Trigger.BACK_IN_STOCK, Trigger.PRICE_DROP) and life.wishes
    is_unkept = is_up_to_the_shop or flow.trigger == Trigger.SEGMENT_ENTERED
    return [(NOT_KEPT if is_unkept else NOTHING_HAPPENED, told)]


def _last(versions: Sequence[FlowVersion], life: Life, *, now: datetime) -> tuple[Moment, Definition] | None:
    """When what starts the flow last came about, by the version that was in use then. `versions`: the newest first."""
    until = now
    for number, version in enumerate(versions):
        is_first = number == len(versions) - 1
        if _is_readable(version):
            for moment in distances.moments(life, version.parsed.start, now=until):
                if moment.at < version.published_at and not is_first:
                    break
                return moment, version.parsed
        until = version.published_at
    return None


def _refusal(definition: Definition, moment: Moment, life: Life) -> Obstacle | None:
    """The rule that would have turned them away at that moment, with what it rests on and when that was."""
    at = moment.at
    placed = [order for order in life.orders if order.placed_at <= at and not _is_over(order.cancelled_at, at)]
    order = placed[-1] if placed else None
    inside = [run.flow.slug for run in life.runs if run.entered_at <= at and not _is_over(run.ended_at, at)]
    past = Past(
        ordered_at=order.placed_at if order else None,
        order=(order.number or order.reference) if order else "",
        inside=next((slug for slug in inside if slug in definition.exclusive_with), ""),
    )
    refusal = admission.refusal(definition, past, now=at)
    if refusal is None and definition.trigger is Trigger.SITE_LEFT:
        refusal = _after_a_visit(definition, moment, life, placed)
    return (refusal[0].value, {**refusal[1], "at": _iso(at)}) if refusal else None


def _after_a_visit(
    definition: Definition, moment: Moment, life: Life, placed: Sequence[Order]
) -> tuple[Reason, Mapping[str, Any]] | None:
    """A visit that led to an order is none that was left; and a flow that only texts asks for a number, and a yes to texts."""
    began = datetime.fromisoformat(moment.occasion.data["visit"])
    if placed and placed[-1].placed_at > began:
        return Reason.ORDERED, {"order": placed[-1].number or placed[-1].reference}
    if {step.channel for step in definition.sends} != {Channel.SMS}:
        return None
    if not life.contact.phone:
        return Reason.NO_ADDRESS, {"channel": Channel.SMS.value}
    return None if life.agreed_to_texts(at=moment.at) else (Reason.NO_CONSENT, {"channel": Channel.SMS.value})


def _turned_away(life: Life) -> dict[str, list[Obstacle]]:
    """Flow's key -> what was decided about the person and their carts, also while nobody was known for them."""
    carts = [cart.pk for cart in life.carts]
    theirs = Q(contact=life.contact) | Q(contact=None, cart__in=carts)
    rows = Decision.objects.filter(theirs, run=None, message=None).order_by("pk")
    found: dict[str, list[Obstacle]] = defaultdict(list)
    for slug, code, facts in rows.values_list("flow_slug", "code", "facts"):
        found[slug].append((code, facts))
    return found


def _waiting(life: Life, flows: Sequence[Flow]) -> dict[int, datetime]:
    """Flow -> when it is looked whether the person enters it, where something is waiting to be looked at."""
    rows = Watch.objects.filter(contact=life.contact, flow__in=flows).order_by("-due_at")
    return dict(rows.values_list("flow", "due_at"))


def _is_readable(version: FlowVersion) -> bool:
    """Whether this version of the plugin can read what an older one has published."""
    try:
        return bool(version.parsed)
    except FlowError:
        return False


def _is_over(ended_at: datetime | None, at: datetime) -> bool:
    return ended_at is not None and ended_at <= at


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
