"""Flows for staff: which there are, a new version of one, and holding one where it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import graphene
from django.apps import apps
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from graphql_relay import to_global_id

from retarget_plugin.domain import flow_files
from retarget_plugin.domain.flows import FlowError
from retarget_plugin.domain.vocabulary import FlowState, RunState
from retarget_plugin.engine import flows as engine
from retarget_plugin.exceptions import Refusal, TemplateError
from retarget_plugin.models import Flow

from . import staff, types
from .errors import ErrorCode

RetargetFlowState = graphene.Enum.from_enum(FlowState, name="RetargetFlowState", description="Whether a flow runs.")
RetargetInside = graphene.Enum.from_enum(
    engine.Inside,
    name="RetargetInside",
    description="What becomes of the people inside when a flow is published anew.",
)


class RetargetFlowStanding(graphene.ObjectType):
    """A flow, and where it stands."""

    flow = graphene.Field(types.RetargetFlow, required=True)
    state = graphene.Field(RetargetFlowState, required=True)
    trigger = graphene.String(required=True)
    stage = graphene.String(required=True)
    version = graphene.Int(description="The one in use.")
    published_at = graphene.DateTime()
    inside = graphene.Int(required=True, description="How many are in it now.")


class RetargetPublishFlowInput(graphene.InputObjectType):
    """One flow, as `retarget_flows dump` writes it."""

    definition = graphene.String(required=True, description="YAML or JSON. A flow with a new key is new, and off.")
    shop = graphene.ID(description="May be left out where there is one shop.")
    inside = graphene.InputField(RetargetInside, description="FINISH if not said.")
    is_dry_run = graphene.Boolean(description="Only tell what would change.")


class RetargetPublishFlow(graphene.ObjectType):
    """The outcome: nothing has changed where there are errors."""

    is_new = graphene.Boolean(required=True)
    differences = graphene.List(graphene.NonNull(graphene.String), required=True, description="Empty: nothing changes.")
    inside = graphene.Int(required=True, description="How many people it concerns.")
    errors = graphene.List(graphene.NonNull(types.RetargetError), required=True)


class RetargetPauseFlowInput(graphene.InputObjectType):
    """Hold a flow where it is, or let it go on. Deadlines go on meanwhile."""

    flow = graphene.ID(required=True)
    is_paused = graphene.Boolean(required=True)


class RetargetPauseFlow(graphene.ObjectType):
    """The outcome."""

    state = graphene.Field(RetargetFlowState)
    errors = graphene.List(graphene.NonNull(types.RetargetError), required=True)


def standings(root: Any, info: Any, *, shop: str | None = None) -> list[RetargetFlowStanding]:
    rows = Flow.objects.filter(shop=staff.shop_of(shop)).select_related("version").defer("version__content")
    counted = rows.annotate(inside=Count("runs", filter=Q(runs__state=RunState.ACTIVE)))
    return [
        RetargetFlowStanding(
            flow=types.RetargetFlow(id=to_global_id("RetargetFlow", row.pk), slug=row.slug, name=row.name),
            state=FlowState(row.state),
            trigger=row.trigger,
            stage=row.stage,
            version=row.version.number if row.version else None,
            published_at=row.version.published_at if row.version else None,
            inside=row.inside,
        )
        for row in counted.order_by("slug")
    ]


def publish(root: Any, info: Any, *, input: RetargetPublishFlowInput) -> RetargetPublishFlow:
    shop, now = staff.shop_of(input.get("shop")), timezone.now()
    try:
        found = flow_files.read(input.definition)
        if len(found) != 1:
            raise FlowError(["Write one flow at a time."])
        if input.get("is_dry_run"):
            change = engine.compare(shop, found[0], now=now)
        else:
            inside = input.get("inside") or engine.Inside.FINISH
            change = engine.load(shop, found[0], inside=inside, by=info.context.user, now=now)
    except FlowError as error:
        return _unpublished(error.problems)
    except TemplateError as error:
        return _unpublished([str(error)])
    return RetargetPublishFlow(is_new=change.is_new, differences=change.differences, inside=change.inside, errors=[])


def pause(root: Any, info: Any, *, input: RetargetPauseFlowInput) -> RetargetPauseFlow:
    """A flow that is off stays off."""
    key = staff.key_of(input.flow, "RetargetFlow", argument="flow")
    flow = Flow.objects.filter(pk=key).select_related("shop", "version").first()
    if flow is None:
        raise staff.bad_argument("There is no such flow.")
    if flow.state == FlowState.OFF:
        return RetargetPauseFlow(state=None, errors=_errors(["This flow is off."], field="flow"))
    try:
        if input.is_paused and flow.state == FlowState.ON:
            engine.pause(flow, now=timezone.now())
            _note(info.context.user, flow, _("Pause"))
        elif not input.is_paused and flow.state == FlowState.PAUSED:
            engine.turn_on(flow, now=timezone.now())
            _note(info.context.user, flow, _("Turn on"))
    except Refusal as refusal:
        return RetargetPauseFlow(state=None, errors=_errors([str(refusal)], field="flow"))
    return RetargetPauseFlow(state=FlowState(flow.state), errors=[])


def _note(user: Any, flow: Flow, words: str) -> None:
    """Keep in the flow's history who did it, as the admin's own buttons do; where there is no admin, nobody reads one."""
    if apps.is_installed("django.contrib.admin"):
        from django.contrib.admin.models import CHANGE, LogEntry

        LogEntry.objects.log_actions(str(user.pk), [flow], CHANGE, change_message=words, single_object=True)


def _unpublished(problems: Iterable[str]) -> RetargetPublishFlow:
    return RetargetPublishFlow(is_new=False, differences=[], inside=0, errors=_errors(problems, field="definition"))


def _errors(problems: Iterable[str], *, field: str) -> list[types.RetargetError]:
    return [types.RetargetError(field=field, message=problem, code=ErrorCode.INVALID) for problem in problems]
