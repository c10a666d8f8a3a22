"""Enquiries: why one person gets the messages of a flow, or does not; whether a channel is open, and by which rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from retarget_plugin.domain.vocabulary import CartState, Channel, LegalBasis, MessageState, Reason
from retarget_plugin.models import Attempt, Cart, Contact, Decision, Flow, FlowRun, Message, Shop

from . import gates, obstacles
from .obstacles import Obstacle

#: What tells of something done, or of a message that goes on.
IN_ORDER = {
    Reason.ENTERED,
    Reason.QUEUED,
    Reason.SENT,
    Reason.RETRYING,
    Reason.BRANCHED,
    Reason.SPLIT,
    Reason.WAITED,
    Reason.TAGGED,
    Reason.CALLED_OUT,
    Reason.SHOP_NOTIFIED,
    Reason.MOVED,
    Reason.FINISHED,
}
IN_THE_WAY = [reason for reason in Reason if reason not in IN_ORDER]


@dataclass(frozen=True)
class Outlook:
    """What the gate says of any marketing to a person on `channel`, now: `reason` why not, or the `basis` it would rely on.

    `facts` name the rule of law, its source and when it was read, where that is what stands in the way. JSON-safe.
    """

    channel: Channel
    basis: LegalBasis
    reason: Reason | None
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One message of a flow: what became of it (`state`), why (`reason`, `facts`), and what a sent one relied on."""

    at: datetime
    step: str
    channel: str
    state: MessageState
    reason: str
    facts: Mapping[str, Any]
    basis: str
    evidence: Mapping[str, int]


@dataclass(frozen=True)
class Passage:
    """Once through a flow; `cart` is our own number of the cart it is about."""

    entered_at: datetime
    state: str
    reason: str
    cart: int | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Story:
    """One flow and one person. Where there is no passage, `obstacles` say why it was never entered: (code, facts), and
    `unknown` of what there is no telling (codes)."""

    flow: Flow
    passages: tuple[Passage, ...]
    obstacles: tuple[Obstacle, ...]
    unknown: tuple[str, ...]


def outlooks(contact: Contact, *, now: datetime) -> list[Outlook]:
    """Whether each channel is open to marketing about the cart that `contact` left last."""
    cart = Cart.objects.filter(contact=contact, state=CartState.ABANDONED).order_by("-abandoned_at", "-pk").first()
    found = []
    for channel in Channel:
        verdict = gates.of_person(contact, channel=channel, cart=cart, now=now)
        found.append(Outlook(channel, verdict.ground.basis, verdict.reason, verdict.facts))
    return found


def stories(contact: Contact, *, flow: str = "", now: datetime) -> list[Story]:
    """Every flow of the contact's shop, or the one with this key: passed through how, or never entered why."""
    flows = Flow.objects.filter(shop=contact.shop_id).order_by("slug")
    return _told(contact, list(flows.filter(slug=flow) if flow else flows), now=now)


def why(contact: Contact, flow: Flow, *, now: datetime) -> Story:
    """How `contact` passed through `flow`, step by step; or why never: what was decided then, else what the rules of entry
    said when the person last did what starts it."""
    (story,) = _told(contact, [flow], now=now)
    return story


def _told(contact: Contact, flows: Sequence[Flow], *, now: datetime) -> list[Story]:
    """A fixed number of queries, however long the person's history."""
    passages = _passages(contact, flows)
    missed = obstacles.of(contact, [flow for flow in flows if flow.pk not in passages], now=now)
    return [
        Story(flow, tuple(passages[flow.pk]), (), ())
        if flow.pk in passages
        else Story(flow, (), missed[flow.pk].obstacles, missed[flow.pk].unknown)
        for flow in flows
    ]


@dataclass(frozen=True)
class Total:
    """So many `carts`, and so many `people`, met `code` on their way into or through the flow with this key; "" stands for
    every flow that a cart starts."""

    flow: str
    code: str
    carts: int
    people: int


def totals(shop: Shop, *, since: datetime, until: datetime) -> list[Total]:
    """What stood in people's way in [since, until), most first, in one query."""
    rows = grouped(shop, since=since, until=until)
    found = [Total(row["flow_slug"], row["code"], row["carts"], row["people"]) for row in rows]
    return sorted(found, key=lambda total: (total.flow, -max(total.carts, total.people), total.code))


def grouped(shop: Shop, *, since: datetime, until: datetime) -> QuerySet[Decision, Any]:
    """The query of `totals`: the index has one stretch of the period for each code."""
    met = Decision.objects.filter(shop=shop, code__in=IN_THE_WAY, at__gte=since, at__lt=until)
    return (
        met.order_by()
        .values("flow_slug", "code")
        .annotate(carts=Count("cart", distinct=True), people=Count("contact", distinct=True))
    )


def _passages(contact: Contact, flows: Sequence[Flow]) -> dict[int, list[Passage]]:
    """By flow, of those that were entered. Four queries."""
    runs = list(FlowRun.objects.filter(contact=contact, flow__in=flows).order_by("entered_at", "pk"))
    messages = Message.objects.filter(run__in=runs)
    # The last of each message stays.
    decided = {row.message_id: row for row in Decision.objects.filter(message__in=messages).order_by("pk")}
    attempted = {row.message_id: row for row in Attempt.objects.filter(message__in=messages).order_by("pk")}
    steps: dict[int | None, list[Step]] = defaultdict(list)
    for message in messages.order_by("due_at", "pk"):
        steps[message.run_id].append(_step(message, decided.get(message.pk), attempted.get(message.pk)))
    found: dict[int, list[Passage]] = defaultdict(list)
    for run in runs:
        found[run.flow_id].append(Passage(run.entered_at, run.state, run.reason, run.cart_id, tuple(steps[run.pk])))
    return found


def _step(message: Message, decision: Decision | None, attempt: Attempt | None) -> Step:
    evidence = {name: getattr(attempt, f"{name}_id") for name in ("consent", "order", "override")} if attempt else {}
    return Step(
        at=decision.at if decision else message.created_at,
        step=message.step,
        channel=message.channel,
        state=MessageState(message.state),
        reason=message.reason or (decision.code if decision else ""),
        facts=decision.facts if decision else {},
        basis=attempt.basis if attempt else "",
        evidence={name: pk for name, pk in evidence.items() if pk},
    )
