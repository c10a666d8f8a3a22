"""Writing down why: every step that did or did not send leaves a Decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import Cart, Contact, Decision, FlowRun, Message


def about_message(message: Message, code: Reason, *, now: datetime, facts: Mapping[str, Any] | None = None) -> Decision:
    """Record `code` for a message and the run it belongs to."""
    decision = _of_message(message, code, now=now, facts=facts or {})
    decision.save(force_insert=True)
    return decision


def _of_message(message: Message, code: Reason, *, now: datetime, facts: Mapping[str, Any]) -> Decision:
    run = message.run
    return Decision(
        shop_id=message.shop_id,
        contact_id=message.contact_id,
        cart_id=run.cart_id if run else None,
        run=run,
        message=message,
        flow_slug=run.flow.slug if run else "",
        step=message.step,
        code=code,
        facts=dict(facts),
        at=now,
    )


def about_messages(entries: Sequence[tuple[Message, Reason, Mapping[str, Any]]], *, now: datetime) -> None:
    """`about_message` for a batch, in one statement: (message, code, facts) each."""
    Decision.objects.bulk_create([_of_message(message, code, now=now, facts=facts) for message, code, facts in entries])


def about_runs(entries: Sequence[tuple[FlowRun, Reason, Mapping[str, Any]]], *, now: datetime) -> None:
    """`about_run` for many, in one statement: (run, code, facts) each."""
    Decision.objects.bulk_create([_of_run(run, code, now=now, facts=facts) for run, code, facts in entries])


def about_run(
    run: FlowRun, code: Reason, *, now: datetime, step: str = "", facts: Mapping[str, Any] | None = None
) -> Decision:
    """Record `code` for a run, at `step` where it is about one."""
    decision = _of_run(run, code, now=now, step=step, facts=facts or {})
    decision.save(force_insert=True)
    return decision


def _of_run(run: FlowRun, code: Reason, *, now: datetime, step: str = "", facts: Mapping[str, Any]) -> Decision:
    return Decision(
        shop_id=run.shop_id,
        contact_id=run.contact_id,
        cart_id=run.cart_id,
        run=run,
        flow_slug=run.flow.slug,
        step=step,
        code=code,
        facts=dict(facts),
        at=now,
    )


def about_cart(
    cart: Cart, code: Reason, *, now: datetime, flow_slug: str = "", facts: Mapping[str, Any] | None = None
) -> Decision:
    """Record why a cart did not enter a flow."""
    return Decision.objects.create(
        shop_id=cart.shop_id,
        contact_id=cart.contact_id,
        cart=cart,
        flow_slug=flow_slug,
        code=code,
        facts=dict(facts or {}),
        at=now,
    )


def about_contact(
    contact: Contact, code: Reason, *, now: datetime, flow_slug: str = "", facts: Mapping[str, Any] | None = None
) -> Decision:
    """Record why somebody did not enter a flow that is about no cart."""
    return Decision.objects.create(
        shop_id=contact.shop_id, contact=contact, flow_slug=flow_slug, code=code, facts=dict(facts or {}), at=now
    )


def was_told(contact: Contact, code: Reason, *, flow_slug: str, since: datetime) -> bool:
    """Whether `code` has been recorded for `contact` and this flow after `since`."""
    return Decision.objects.filter(contact=contact, at__gt=since, code=code, flow_slug=flow_slug).exists()
