"""Walks: where a run goes next, decided on the row in memory. Runs write it down; a replay of the past does not."""

from __future__ import annotations

from datetime import datetime

from retarget_plugin.domain import flows
from retarget_plugin.domain.facts import Facts
from retarget_plugin.domain.steps import Fork
from retarget_plugin.domain.vocabulary import CartState, Reason
from retarget_plugin.models import FlowRun


def interruption(run: FlowRun, *, now: datetime) -> Reason | datetime | None:
    """Why `run` ends before any step is looked at, or until when it waits; None where its cart lies as it was left."""
    cart = run.cart
    if cart and cart.state in (CartState.ORDERED, CartState.CLOSED):
        return Reason.ORDERED if cart.state == CartState.ORDERED else Reason.SUBJECT_GONE
    if cart and cart.state == CartState.ACTIVE and cart.touched_at > run.anchored_at:
        # The shopper is back. The sweep re-anchors this run if the cart is left once more.
        return max(cart.touched_at, now) + run.shop.abandoned_after
    return None


def decide(run: FlowRun, known: Facts, *, now: datetime) -> flows.Action:
    """What `run` does at `now`: at the step where it stands, or at the next one that it has not had."""
    run.position = flows.onward(run.version.parsed.steps, run.position, run.taken)
    return flows.next_step(
        run.version.parsed,
        run.position,
        anchored_at=run.anchored_at,
        marked_at=run.marked_at,
        reached_at=run.reached_at,
        now=now,
        facts=known,
    )


def move_on(run: FlowRun, action: flows.Skip | flows.Go | flows.Do | flows.Send, *, now: datetime) -> None:
    """Have `run` stand where `action` leads."""
    run.position, run.reached_at = action.step.next, now
    if not isinstance(action.step, Fork):
        run.taken = [*run.taken, action.step.key]
    if not isinstance(action, flows.Go):
        return
    run.position = action.to
    if action.marked_at:
        run.marked_at = run.reached_at = action.marked_at
    if action.topic:
        # It speaks of this from now on, and no more of what it began with.
        run.data = {name: value for name, value in run.data.items() if name not in ("product", "products")}
        run.data["topic"] = action.topic


def anchor(run: FlowRun, at: datetime) -> None:
    """The subject was left once more at `at`: every wait of `run` starts again."""
    run.anchored_at = at
    for name in ("marked_at", "reached_at"):
        if getattr(run, name):
            setattr(run, name, at)
