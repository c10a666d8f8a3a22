"""Flows: shipped, published, turned on and off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import resources
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from retarget_plugin import channels, conf, hosts
from retarget_plugin.domain import content, flow_files, programs
from retarget_plugin.domain import flows as rules
from retarget_plugin.domain import proofs as proofreading
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.lint import Finding
from retarget_plugin.domain.steps import NotifyStep, WebhookStep
from retarget_plugin.domain.vocabulary import Channel, FlowState, Reason, RunState, Trigger
from retarget_plugin.exceptions import ConfigurationError, Refusal
from retarget_plugin.models import Flow, FlowVersion, Shop

from . import coupons, experiments, layouts, proofs, runs

SHIPPED = (
    *("abandoned_checkout", "abandoned_cart"),
    *("browse_abandonment", "visitor_sms", "welcome", "content_upgrade", "cross_sell"),
    *("win_back", "not_seen", "sunset", "back_in_stock", "price_drop", "unpaid_order"),
)


class Inside(StrEnum):
    """What becomes of the people inside when a flow is published anew: they finish on the version they entered, go on by
    the new one from the step where they are, or leave."""

    FINISH = "finish"
    MOVE = "move"
    EXIT = "exit"


@dataclass(frozen=True)
class Change:
    """What loading a flow comes to. `differences`: what the new version changes, in words; empty where nothing does."""

    slug: str
    is_new: bool
    differences: tuple[str, ...]
    inside: int


# -- owner ------------------------------------------------------------------------------------------------------------


def install(shop: Shop, *, now: datetime) -> list[Flow]:
    """The shipped flows in `shop`, off, each with a first version. What is there already is left as it is."""
    return [_install(shop, json.loads(_shipped(f"flows/{name}.json")), now=now) for name in SHIPPED]


def check(definition: Mapping[str, Any], messages: Mapping[str, Any]) -> tuple[Definition, dict[str, Any]]:
    """What would be published: the parsed definition and its compiled messages. No database is asked.

    Raises FlowError naming every wrong step, or TemplateError naming message, line and column.
    """
    parsed, compiled = _compile(definition, messages)
    if wrong := proofreading.errors(parsed, compiled):
        raise rules.FlowError([_sentence(finding) for finding in wrong])
    return parsed, compiled


def _compile(definition: Mapping[str, Any], messages: Mapping[str, Any]) -> tuple[Definition, dict[str, Any]]:
    parsed = rules.parse(definition)
    compiled = content.compile_messages(messages, layouts.shipped(), trigger=parsed.trigger)
    problems = [
        f"Step {step.key!r} sends the message {step.message!r}, and no such message is written."
        for step in parsed.sends
        if step.message not in compiled
    ]
    problems += [
        f"Step {step.key!r} sends by {step.channel}, and its message {step.message!r} is written for another channel."
        for step in parsed.sends
        if step.message in compiled and compiled[step.message]["channel"] != step.channel
    ]
    if problems:
        raise rules.FlowError(problems)
    return parsed, compiled


def advice(definition: Mapping[str, Any], messages: Mapping[str, Any]) -> list[str]:
    """What to mend in what `check` lets pass, in English."""
    return [_sentence(finding) for finding in proofreading.advice(*check(definition, messages))]


def _sentence(finding: Finding) -> str:
    return f"Message {str(finding).removesuffix('.')}."


def publish(
    flow: Flow,
    definition: Mapping[str, Any],
    messages: Mapping[str, Any],
    *,
    inside: str = Inside.FINISH,
    by: Any = None,
    now: datetime,
) -> FlowVersion:
    """Validate, compile and put into use a new version. `inside`: what becomes of the people in the flow.

    Raises as `check` does, and FlowError for coupons that the shop would refuse; then nothing has changed. Of a flow's
    first version the shop is asked when it is turned on.
    """
    parsed, compiled = check(definition, messages)
    if flow.version and (refused := coupons.problems(flow, parsed, now=now)):
        raise rules.FlowError(refused)
    return _put_into_use(flow, definition, parsed, compiled, inside=Inside(inside), by=by, now=now)


def _put_into_use(
    flow: Flow,
    definition: Mapping[str, Any],
    parsed: Definition,
    compiled: Mapping[str, Any],
    *,
    inside: Inside = Inside.FINISH,
    by: Any = None,
    now: datetime,
) -> FlowVersion:
    with transaction.atomic():
        last = flow.versions.aggregate(last=Max("number"))["last"] or 0
        version = FlowVersion.objects.create(
            flow=flow,
            number=last + 1,
            definition=dict(definition),
            content=dict(compiled),
            published_at=now,
            published_by=by,
        )
        flow.version, flow.trigger, flow.stage = version, parsed.trigger, parsed.stage
        flow.topic = parsed.topic or flow.topic
        flow.save(update_fields=["version", "trigger", "stage", "topic"])
        if inside is Inside.MOVE:
            runs.move_all(flow, version, now=now)
        elif inside is Inside.EXIT:
            inside_now = flow.runs.filter(state=RunState.ACTIVE).select_related("flow")
            runs.leave_all(inside_now, Reason.REPUBLISHED, now=now, facts={"version": version.number})
        experiments.review(flow, now=now)
    return version


def compare(shop: Shop, data: Mapping[str, Any], *, now: datetime) -> Change:
    """What `load` would do. Raises as `publish` does."""
    definition, messages = flow_files.parts(data)
    parsed, compiled = check(definition, messages)
    flow = Flow.objects.select_related("version").filter(shop=shop, slug=parsed.slug).first()
    if flow is None or flow.version is None:
        return Change(parsed.slug, True, (), 0)
    ours = {**definition, "messages": flow_files.written(compiled, trigger=parsed.trigger)}
    told = flow_files.differences(dump(flow), ours)
    if told and (refused := coupons.problems(flow, parsed, now=now)):
        raise rules.FlowError(refused)
    return Change(parsed.slug, False, tuple(told), flow.runs.filter(state=RunState.ACTIVE).count())


def load(shop: Shop, data: Mapping[str, Any], *, inside: str = Inside.FINISH, by: Any = None, now: datetime) -> Change:
    """Publish a flow as its file says, where that changes anything; a new one is off. Raises as `publish` does."""
    change = compare(shop, data, now=now)
    definition, messages = flow_files.parts(data)
    with transaction.atomic():
        flow, _is_new = Flow.objects.get_or_create(
            shop=shop, slug=change.slug, defaults={"name": _name(shop, data), "trigger": ""}
        )
        if change.is_new or change.differences:
            publish(flow, definition, messages, inside=inside, by=by, now=now)
    return change


def dump(flow: Flow) -> dict[str, Any]:
    """The flow's version in use as `load` reads it. Raises FlowError where this version of the plugin cannot read it."""
    version = flow.version
    if version is None:
        raise rules.FlowError([_("This flow has no published version.")])
    messages = flow_files.written(version.content, trigger=version.parsed.trigger)
    return {**version.definition, "slug": flow.slug, "messages": messages}


def preflight(flow: Flow, *, now: datetime) -> list[str]:
    """What stands in the way of turning `flow` on, in plain words; empty when it is ready."""
    shop, problems = flow.shop, []
    if flow.version is None:
        return [_("This flow has no published version.")]
    try:
        definition = flow.version.parsed
    except rules.FlowError as error:
        return [_("Publish this flow anew: %(problems)s") % {"problems": " ".join(error.problems)}]
    used = {step.channel for step in definition.sends if step.is_enabled}
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
    if any(isinstance(step, WebhookStep) for step in definition.steps) and not conf.settings.WEBHOOK_SECRET:
        problems.append(
            _('Set RETARGET["WEBHOOK_SECRET"] in the settings: this flow tells other systems, and signs it.')
        )
    if any(isinstance(step, NotifyStep) for step in definition.steps) and not (shop.support_email or shop.reply_to):
        problems.append(_("Fill in the customer service address: this flow writes to it."))
    problems += _hasty(definition, shop)
    problems += coupons.problems(flow, definition, now=now)
    # A variable that nothing fills would park every message that reads it.
    return problems + proofs.warnings(flow.version)


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
        runs.leave(run, Reason.FLOW_OFF, now=now)


# -- inside -----------------------------------------------------------------------------------------------------------


def _set_state(flow: Flow, state: FlowState) -> None:
    flow.state = state
    flow.save(update_fields=["state"])


def _install(shop: Shop, data: dict[str, Any], *, now: datetime) -> Flow:
    flow, is_new = Flow.objects.get_or_create(
        shop=shop,
        slug=data["slug"],
        defaults={"name": _name(shop, data), "trigger": "", "stage": data["stage"]},
    )
    if is_new or flow.version is None:
        # Proof-read by the tests: no shop has to wait for it.
        definition, messages = flow_files.parts(data)
        _put_into_use(flow, definition, *_compile(definition, messages), now=now)
    return flow


def _name(shop: Shop, data: Mapping[str, Any]) -> str:
    """What the flow is called in the shop's own language."""
    names = data.get("name") or {}
    language = shop.locale.split("-")[0].split("_")[0].lower()
    return str(names.get(language) or names.get("en") or data["slug"])[:120]


def _host_problems(shop: Shop) -> list[str]:
    try:
        hosts.get_host(shop.host)
    except ConfigurationError as error:
        return [str(error)]
    return []


def _hasty(definition: Definition, shop: Shop) -> list[str]:
    """Steps about a cart that are over before this shop calls a cart left."""
    if definition.trigger not in (Trigger.CART_ABANDONED, Trigger.CHECKOUT_ABANDONED):
        return []
    told = _(
        "Step '%(step)s': its deadline is over before a cart counts as left behind, which takes %(minutes)d minutes."
    )
    return [
        told % {"step": step.key, "minutes": shop.abandoned_after.total_seconds() // 60}
        for step in programs.unwaited(definition.steps)
        if step.is_enabled and step.deadline <= shop.abandoned_after
    ]


def _gateway_problems(shop: Shop) -> list[str]:
    try:
        return channels.get_gateway(shop.sms_gateway).check()
    except ConfigurationError as error:
        return [str(error)]


def _shipped(path: str) -> str:
    return (
        resources.files("retarget_plugin").joinpath("templates", "retarget_plugin", *path.split("/")).read_text("utf-8")
    )
