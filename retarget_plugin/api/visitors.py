"""The visitor as a storefront may see and change it: by its cookie, without a word about the person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from retarget_plugin import conf
from retarget_plugin.domain import events
from retarget_plugin.domain.events import Beacon
from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import allowances, tracking
from retarget_plugin.engine import visitors as people
from retarget_plugin.exceptions import InputError, Refusal
from retarget_plugin.models import Visitor
from retarget_plugin.web import clients
from retarget_plugin.web import visitors as cookies

from . import browsers, errors, inputs, types

HOUR = timedelta(hours=1)


def visitor(root: Any, info: Any) -> types.RetargetVisitor | None:
    """Who asks, or null where the browser is not recognised."""
    try:
        found = browsers.visitor_of(info.context)
    except Refusal as refusal:
        raise errors.refused(refusal) from refusal
    return _shown(found) if found else None


def track(root: Any, info: Any, *, input: inputs.RetargetTrackInput) -> types.RetargetOutcome:
    """Keep what happened for a visitor, count it for anybody else."""
    try:
        known = browsers.visitor_of(info.context)
        said = people.granted_to(known) if known else Grant()
        _report(info.context, replace(_beacon(input), grant=said if said.tracking else None))
    except (Refusal, InputError) as problem:
        return types.RetargetOutcome(errors=[types.told(problem)])
    return types.RetargetOutcome(errors=[])


def grant(root: Any, info: Any, *, input: inputs.RetargetGrantInput) -> types.RetargetGrant:
    """Note what the browser's owner allowed; with tracking among it the answer carries a cookie, without it none."""
    request = info.context
    said = Grant(
        tracking=input.tracking,
        ads=bool(input.get("ads")),
        measurement=bool(input.get("measurement")),
        wording=input.wording[:40],
        source=input.source[:40],
    )
    try:
        if not browsers.is_own(request):
            raise Refusal("foreign")
        who = _report(request, Beacon(grant=said))
    except Refusal as refusal:
        return types.RetargetGrant(visitor=None, errors=[types.told(refusal)])
    return types.RetargetGrant(visitor=_shown(who) if who else None, errors=[])


def withdraw(root: Any, info: Any) -> types.RetargetOutcome:
    """The end of recognition: the visitor has ended, and the cookie goes."""
    try:
        _report(info.context, Beacon(is_withdrawal=True))
    except Refusal as refusal:
        return types.RetargetOutcome(errors=[types.told(refusal)])
    return types.RetargetOutcome(errors=[])


def identify(root: Any, info: Any, *, input: inputs.RetargetIdentifyInput) -> types.RetargetOutcome:
    """Keep an address as a claim. Whether anybody has it is neither looked up nor told."""
    try:
        spend(info.context)
        found = browsers.visitor_of(info.context)
    except Refusal as refusal:
        return types.RetargetOutcome(errors=[types.told(refusal)])
    if found:
        typed = {"email": input.get("email") or "", "phone": input.get("phone") or ""}
        people.claim(found, **typed, source="storefront", now=timezone.now())
    return types.RetargetOutcome(errors=[])


def spend(request: HttpRequest) -> None:
    """One use of what a network may send of addresses in an hour, by a form or by any other door.

    Raises Refusal("too_many").
    """
    most = conf.settings.FORMS_PER_HOUR
    if not allowances.take("lead forms", clients.address(request), most=most, within=HOUR, now=timezone.now()):
        raise Refusal("too_many")


def _report(request: HttpRequest, told: Beacon) -> Visitor | None:
    """What the script's beacon does, by another door, within the same limits."""
    is_own, known = browsers.is_own(request), browsers.visitor_of(request)
    now = timezone.now()
    who = tracking.report(
        clients.shop_of(request),
        told,
        visitor=known,
        address=clients.address(request),
        is_bot=clients.is_machine(request),
        now=now,
    )
    if who and who != known:
        who = cookies.recognize(request, who, now=now)
    if is_own and (who or told.ends_tracking):
        browsers.keep(request, who)
    return who


def _beacon(input: inputs.RetargetTrackInput) -> Beacon:
    """The same text that the script would send, read by the same reader. Raises InputError."""
    page = {name: text for name, text in input.page.items() if text is not None}
    found = [_event(event) for event in input.events]
    return events.parse(json.dumps({"v": events.VERSION, "page": page, "events": found}).encode())


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "n": event["name"],
        "items": [{name: part for name, part in item.items() if part is not None} for item in event.get("items") or ()],
        "value": event.get("value"),
        "currency": event.get("currency"),
        "q": event.get("query"),
    }
    return {name: value for name, value in told.items() if value is not None}


def _shown(visitor: Visitor) -> types.RetargetVisitor:
    said = people.granted_to(visitor)
    grants = types.RetargetGrants(tracking=said.tracking, ads=said.ads, measurement=said.measurement)
    return types.RetargetVisitor(is_known=visitor.contact_id is not None, grants=grants)
