"""Enquiries: why one person gets the messages of a flow, or does not; whether a channel is open, and by which rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from retarget_plugin.domain.vocabulary import CartState, Channel, FlowState, LegalBasis, MessageState, Reason
from retarget_plugin.models import Attempt, Cart, Contact, Decision, Flow, FlowRun, Message

from . import gates


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
    """One flow and one person. Where there is no passage, `obstacles` say why it was never entered: (code, facts)."""

    flow: Flow
    passages: tuple[Passage, ...]
    obstacles: tuple[tuple[str, Mapping[str, Any]], ...]


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
    return [_story(one, contact) for one in (flows.filter(slug=flow) if flow else flows)]


def _story(flow: Flow, contact: Contact) -> Story:
    runs = FlowRun.objects.filter(flow=flow, contact=contact).order_by("entered_at", "pk")
    passages = tuple(_passage(run) for run in runs)
    return Story(flow, passages, () if passages else tuple(_obstacles(flow, contact)))


def _passage(run: FlowRun) -> Passage:
    messages = Message.objects.filter(run=run).order_by("due_at", "pk")
    return Passage(run.entered_at, run.state, run.reason, run.cart_id, tuple(map(_step, messages)))


def _step(message: Message) -> Step:
    decision = Decision.objects.filter(message=message).order_by("-pk").first()
    attempt = Attempt.objects.filter(message=message).order_by("-pk").first()
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


def _obstacles(flow: Flow, contact: Contact) -> list[tuple[str, Mapping[str, Any]]]:
    """What was decided about the person's carts, also while nobody was known for them; else what never happened."""
    carts = list(Cart.objects.filter(contact=contact))
    theirs = Q(contact=contact) | Q(contact=None, cart__in=carts)
    kept_out = Decision.objects.filter(theirs, run=None, message=None, flow_slug__in=("", flow.slug)).order_by("pk")
    found: list[tuple[str, Mapping[str, Any]]] = [(decision.code, decision.facts) for decision in kept_out]
    if flow.state != FlowState.ON:
        found.append((Reason.FLOW_OFF.value, {"flow": flow.state}))
    if not any(cart.abandoned_at for cart in carts):
        found.append(("nothing_happened", {"trigger": flow.trigger, "carts": len(carts)}))
    return found or [("other_trigger", {"trigger": flow.trigger, "carts": len(carts)})]
