"""Flows: shipped, published, turned on and off; runs entering, moving on and leaving."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from retarget_plugin import channels, conf, hosts
from retarget_plugin.domain import content
from retarget_plugin.domain import flows as rules
from retarget_plugin.domain.abandonment import is_higher
from retarget_plugin.domain.vocabulary import CartState, Channel, FlowState, Reason, RunState
from retarget_plugin.exceptions import ConfigurationError, Refusal
from retarget_plugin.models import Cart, Contact, Flow, FlowRun, FlowVersion, Message, Shop
from retarget_plugin.models.claims import claim

from . import composing, decisions, delivery, ledger

logger = logging.getLogger("retarget_plugin.flows")

SHIPPED = ("abandoned_checkout", "abandoned_cart")
LAYOUTS = ("cart.mjml", "cart.txt", "letter.mjml", "letter.txt")


# -- owner ------------------------------------------------------------------------------------------------------------


def install(shop: Shop, *, now: datetime) -> list[Flow]:
    """The shipped flows in `shop`, off, each with a first version. What is there already is left as it is."""
    return [_install(shop, json.loads(_shipped(f"flows/{name}.json")), now=now) for name in SHIPPED]


def publish(
    flow: Flow,
    definition: Mapping[str, Any],
    messages: Mapping[str, Any],
    *,
    by: Any = None,
    now: datetime,
) -> FlowVersion:
    """Validate, compile and put into use a new version; people inside finish on the version they entered.

    Raises FlowError naming every wrong step, or TemplateError naming message, line and column.
    """
    parsed = rules.parse(definition)
    compiled = content.compile_messages(messages, _layouts())
    missing = sorted({step.message for step in parsed.steps} - set(compiled))
    if missing:
        raise rules.FlowError([f"No message {key!r} is written." for key in missing])
    with transaction.atomic():
        last = flow.versions.aggregate(last=Max("number"))["last"] or 0
        version = FlowVersion.objects.create(
            flow=flow,
            number=last + 1,
            definition=dict(definition),
            content=compiled,
            published_at=now,
            published_by=by,
        )
        flow.version, flow.trigger, flow.stage = version, parsed.trigger, parsed.stage
        flow.save(update_fields=["version", "trigger", "stage"])
    return version


def preflight(flow: Flow, *, now: datetime) -> list[str]:
    """What stands in the way of turning `flow` on, in plain words; empty when it is ready."""
    shop, problems = flow.shop, []
    if flow.version is None:
        return [_("This flow has no published version.")]
    used = {step.channel for step in rules.parse(flow.version.definition).steps if step.is_enabled}
    if not conf.settings.PUBLIC_URL:
        problems.append(_('Set RETARGET["PUBLIC_URL"] in the settings: every link in a message starts with it.'))
    problems += _host_problems(shop)
    if Channel.EMAIL in used and not shop.postal_address:
        problems.append(_("Fill in the shop's postal address: marketing e-mail must carry it."))
    if Channel.EMAIL in used and not shop.sender_email and settings.DEFAULT_FROM_EMAIL.endswith("@localhost"):
        problems.append(_("Fill in the shop's sender address: mail from the default one is refused."))
    if Channel.EMAIL in used and not (shop.support_email or shop.reply_to or shop.support_phone):
        problems.append(_("Fill in how customer service is reached: the messages invite people to ask."))
    if Channel.SMS in used:
        problems += _gateway_problems(shop)
    # A variable that nothing fills would park every message that reads it.
    return problems + composing.warnings(flow.version, shop=shop, now=now)


def turn_on(flow: Flow, *, now: datetime) -> None:
    """Let carts enter. Raises Refusal listing what `preflight` found."""
    problems = preflight(flow, now=now)
    if problems:
        raise Refusal("not_ready", " ".join(problems))
    _set_state(flow, FlowState.ON)


def pause(flow: Flow, *, now: datetime) -> None:
    """Hold everything where it is: nobody enters, nothing is sent, deadlines go on."""
    _set_state(flow, FlowState.PAUSED)


def turn_off(flow: Flow, *, now: datetime) -> None:
    """Nobody enters, and everyone inside leaves."""
    _set_state(flow, FlowState.OFF)
    for run in flow.runs.filter(state=RunState.ACTIVE).select_related("flow").iterator():
        leave(run, Reason.FLOW_OFF, now=now)


# -- runs -------------------------------------------------------------------------------------------------------------


def enroll(cart: Cart, contact: Contact, *, trigger: str, anchored_at: datetime, now: datetime) -> list[FlowRun]:
    """Let `contact` enter every flow of the shop that is on and has this trigger; answers the runs entered or re-anchored."""
    runs = []
    for flow in Flow.objects.filter(shop_id=cart.shop_id, trigger=trigger, state=FlowState.ON).select_related(
        "version"
    ):
        _leave_lower(flow, cart, contact, now=now)
        run = (
            flow.runs.filter(contact=contact, subject=cart.subject, state=RunState.ACTIVE)
            .select_related("flow", "version")
            .first()
        )
        if run is not None:
            _reanchor(run, anchored_at, now=now)
        elif (run := _enter(flow, cart, contact, anchored_at=anchored_at, now=now)) is None:
            continue
        runs.append(run)
    return runs


def advance(*, now: datetime, limit: int | None = None) -> int:
    """Move the runs that are due one step on; answers how many were looked at.

    A claim moves `due_at` past the lease, so a run whose worker died is simply due again.
    """
    due = FlowRun.objects.filter(state=RunState.ACTIVE, due_at__lte=now).order_by("due_at", "pk")
    lease = now + timedelta(seconds=conf.settings.LEASE_SECONDS)
    claimed = claim(due, limit=limit or conf.settings.BATCH_SIZE, stamp="due_at", due_at=lease)
    runs = FlowRun.objects.filter(pk__in=[run.pk for run in claimed]).select_related(
        "shop", "flow", "version", "cart", "contact"
    )
    for run in runs:
        try:
            with transaction.atomic():
                _step(run, now=now)
        except DatabaseError:
            raise
        except Exception:
            # It is due again after its lease; the others go on.
            logger.exception("run %s could not be moved on", run.pk)
    return len(claimed)


def leave(run: FlowRun, reason: Reason, *, now: datetime, facts: Mapping[str, Any] | None = None) -> None:
    """End a run early; what it still had waiting is cancelled with the same reason."""
    with transaction.atomic():
        written = FlowRun.objects.filter(pk=run.pk, state=RunState.ACTIVE).update(
            state=RunState.EXITED, reason=reason, ended_at=now, due_at=None
        )
        delivery.cancel_for(run, reason)
        if written:
            decisions.about_run(run, reason, now=now, facts=facts)


def leave_all(runs: Iterable[FlowRun], reason: Reason, *, now: datetime, facts: Mapping[str, Any] | None = None) -> int:
    """`leave` for each; answers how many."""
    count = 0
    for run in runs:
        leave(run, reason, now=now, facts=facts)
        count += 1
    return count


# -- inside -----------------------------------------------------------------------------------------------------------


def _step(run: FlowRun, *, now: datetime) -> None:
    """Do everything that is due, up to the next message: never two messages in one go."""
    cart = run.cart
    if cart and cart.state in (CartState.ORDERED, CartState.CLOSED):
        reason = Reason.ORDERED if cart.state == CartState.ORDERED else Reason.SUBJECT_GONE
        return leave(run, reason, now=now)
    if cart and cart.state == CartState.ACTIVE and cart.touched_at > run.anchored_at:
        # The shopper is back. The sweep re-anchors this run if the cart is left once more.
        return _look_again(run, max(cart.touched_at, now) + run.shop.abandoned_after)
    definition = rules.parse(run.version.definition)
    facts = {"shipping_facts"} if run.shop.states_shipping else set()
    while True:
        action = rules.next_step(definition, run.position, anchored_at=run.anchored_at, now=now, facts=facts)
        if isinstance(action, rules.Wait):
            return _look_again(run, action.until)
        if isinstance(action, rules.Finish):
            return _finish(run, now=now)
        if isinstance(action, rules.Skip):
            decisions.about_run(
                run, Reason.STEP_SKIPPED, now=now, step=action.step.key, facts={"because": action.because}
            )
        run.position += 1
        if isinstance(action, rules.Send):
            step = action.step
            delivery.queue(
                run, step=step.key, channel=step.channel, due_at=action.due_at, not_after=action.not_after, now=now
            )
            return _look_again(run, now)


def _look_again(run: FlowRun, at: datetime) -> None:
    FlowRun.objects.filter(pk=run.pk, state=RunState.ACTIVE).update(position=run.position, due_at=at)


def _finish(run: FlowRun, *, now: datetime) -> None:
    """No step is left; messages that are still waiting go out by themselves."""
    FlowRun.objects.filter(pk=run.pk, state=RunState.ACTIVE).update(
        state=RunState.FINISHED, position=run.position, ended_at=now, due_at=None
    )
    decisions.about_run(run, Reason.FINISHED, now=now)


def _enter(flow: Flow, cart: Cart, contact: Contact, *, anchored_at: datetime, now: datetime) -> FlowRun | None:
    if flow.version is None:
        return None
    reentry = rules.parse(flow.version.definition).reentry
    recent = flow.runs.filter(contact=contact, entered_at__gt=now - reentry).order_by("-entered_at").first()
    if recent is not None:
        facts = {"entered_at": recent.entered_at.isoformat()}
        decisions.about_cart(cart, Reason.RECENTLY_ENTERED, now=now, flow_slug=flow.slug, facts=facts)
        return None
    try:
        with transaction.atomic():
            run = FlowRun.objects.create(
                shop_id=cart.shop_id,
                flow=flow,
                version=flow.version,
                contact=contact,
                cart=cart,
                subject=cart.subject,
                anchored_at=anchored_at,
                entered_at=now,
                due_at=now,
            )
            decisions.about_run(run, Reason.ENTERED, now=now)
            return run
    except IntegrityError:
        # Another worker let the same cart in a moment ago.
        return flow.runs.filter(contact=contact, subject=cart.subject, state=RunState.ACTIVE).first()


def _reanchor(run: FlowRun, anchored_at: datetime, *, now: datetime) -> None:
    """The cart was left once more: every wait starts again, and a step that was sent stays sent."""
    if anchored_at <= run.anchored_at:
        return
    FlowRun.objects.filter(pk=run.pk).update(anchored_at=anchored_at, due_at=now)
    definition = rules.parse(run.version.definition)
    for message in Message.objects.filter(run=run):
        step = definition.step(message.step)
        if step is not None:
            waiting = Message.objects.filter(pk=message.pk)
            ledger.move(waiting, due_at=anchored_at + step.after, not_after=anchored_at + step.deadline)


def _leave_lower(flow: Flow, cart: Cart, contact: Contact, *, now: datetime) -> None:
    """The same cart climbed the intent ladder: the lower flow's run about it ends."""
    open_runs = FlowRun.objects.filter(contact=contact, subject=cart.subject, state=RunState.ACTIVE).exclude(flow=flow)
    lower = [run for run in open_runs.select_related("flow") if is_higher(flow.stage, run.flow.stage)]
    leave_all(lower, Reason.HIGHER_INTENT, now=now, facts={"flow": flow.slug})


def _set_state(flow: Flow, state: FlowState) -> None:
    flow.state = state
    flow.save(update_fields=["state"])


def _install(shop: Shop, data: dict[str, Any], *, now: datetime) -> Flow:
    language = shop.locale.split("-")[0].split("_")[0].lower()
    name = data["name"].get(language) or data["name"]["en"]
    flow, is_new = Flow.objects.get_or_create(
        shop=shop, slug=data["slug"], defaults={"name": name, "trigger": data["trigger"], "stage": data["stage"]}
    )
    if is_new or flow.version is None:
        publish(flow, {key: value for key, value in data.items() if key != "messages"}, data["messages"], now=now)
    return flow


def _host_problems(shop: Shop) -> list[str]:
    try:
        hosts.get_host(shop.host)
    except ConfigurationError as error:
        return [str(error)]
    return []


def _gateway_problems(shop: Shop) -> list[str]:
    try:
        return channels.get_gateway(shop.sms_gateway).check()
    except ConfigurationError as error:
        return [str(error)]


def _shipped(path: str) -> str:
    return (
        resources.files("retarget_plugin").joinpath("templates", "retarget_plugin", *path.split("/")).read_text("utf-8")
    )


@cache
def _layouts() -> dict[str, str]:
    """The shipped layouts by file name. Read once: they are part of the installed package."""
    return {name: _shipped(f"layouts/{name}") for name in LAYOUTS}
