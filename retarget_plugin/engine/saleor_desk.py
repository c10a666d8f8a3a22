"""Our page in Saleor's dashboard: who may see it, what it shows of a shop, and the switches of its flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from retarget_plugin.domain.vocabulary import FlowState
from retarget_plugin.exceptions import Refusal, SignatureError
from retarget_plugin.hosts.saleor import staff
from retarget_plugin.models import Flow, Shop

from . import flows, reports, saleor

#: What a member of staff needs in Saleor to see the figures, and to decide who is written to.
SEE, SWITCH = "MANAGE_ORDERS", "MANAGE_USERS"
PERIODS = (7, 30, 90)


@dataclass(frozen=True)
class Desk:
    """What the page shows: one of the `shops`, in the last `days` days. `problem`: why a flow could not be turned on."""

    shops: Sequence[Shop]
    shop: Shop
    days: int
    overview: reports.Overview
    may_switch: bool
    problem: str = ""


def dashboard_origin(alias: str) -> str:
    """Where the dashboard of this host is at home. Raises Refusal("unknown_host")."""
    return saleor.host_of(alias).settings.dashboard_origin


def admit(alias: str, token: str, *, permission: str, now: datetime) -> staff.Staff:
    """Whom Saleor's dashboard has made `token` for. Raises Refusal: "bad_token", "not_permitted", or as `saleor.keys`."""
    try:
        app, keys = saleor.keys(alias, kid=staff.key_id(token), now=now)
        found = staff.read(token, jwks=keys, api_url=app.api_url, app_id=app.app_id, now=now)
    except SignatureError as error:
        raise Refusal("bad_token") from error
    if not app.is_active:
        raise Refusal("not_installed")
    if not found.may(permission):
        raise Refusal("not_permitted")
    return found


def show(alias: str, who: staff.Staff, *, shop: str = "", days: str = "", problem: str = "", now: datetime) -> Desk:
    """The desk of the shop with the id `shop`, else of the first one. Raises Refusal("unknown_shop") where there is none."""
    shops = list(Shop.objects.filter(host=alias).order_by("pk"))
    chosen = next((each for each in shops if str(each.pk) == shop), shops[0] if shops else None)
    if chosen is None:
        raise Refusal("unknown_shop")
    period = next((each for each in PERIODS if str(each) == days), PERIODS[1])
    overview = reports.overview(chosen, since=now - timedelta(days=period), until=now, now=now)
    return Desk(shops, chosen, period, overview, may_switch=who.may(SWITCH), problem=problem)


def switch(alias: str, flow: int, *, is_on: bool, now: datetime) -> Flow:
    """Turn a flow of this host on, or hold it: whoever is inside waits there. Raises Refusal: "unknown_flow", "not_ready"."""
    found = Flow.objects.select_related("shop", "version").filter(pk=flow, shop__host=alias).first()
    if found is None:
        raise Refusal("unknown_flow")
    if is_on and found.state != FlowState.ON:
        flows.turn_on(found, now=now)
    elif not is_on and found.state == FlowState.ON:
        flows.pause(found, now=now)
    return found
