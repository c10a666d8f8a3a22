"""Triggers: what happened, or failed to happen, lets people into flows. Watches say what to look at and when."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from retarget_plugin import conf
from retarget_plugin.domain.flows import Definition, FlowError
from retarget_plugin.domain.occasions import Occasion, is_past_use, matches
from retarget_plugin.domain.vocabulary import FlowState, Trigger
from retarget_plugin.models import Contact, Flow, FlowRun, Shop, Watch
from retarget_plugin.models.claims import claim

from . import batches, lapses, milestones, restocks, runs, visits
from .watches import Finding

logger = logging.getLogger("retarget_plugin.triggers")

Look = Callable[..., list[Finding]]
#: Trigger -> how its watches are looked at. Carts have a sweep of their own, and who enters a segment is told by `fire`.
LOOKS: Mapping[str, Look] = {
    Trigger.PRODUCT_VIEWED: visits.views,
    Trigger.SITE_LEFT: visits.departures,
    Trigger.CUSTOM_EVENT: visits.own_events,
    Trigger.INTEREST_SHOWN: visits.interest,
    Trigger.FORM_CONFIRMED: milestones.leads,
    Trigger.MAGNET_DOWNLOADED: milestones.leads,
    Trigger.ORDER_PLACED: milestones.orders,
    Trigger.ORDER_PAID: milestones.orders,
    Trigger.ORDER_FULFILLED: milestones.orders,
    Trigger.ORDER_UNPAID: milestones.orders,
    Trigger.NO_ORDER: lapses.unbought,
    Trigger.NO_VISIT: lapses.unseen,
    Trigger.UNENGAGED: lapses.unanswered,
    Trigger.BACK_IN_STOCK: restocks.news,
    Trigger.PRICE_DROP: restocks.news,
}
#: Watches of flows that are not on any more, taken away in one go.
AT_ONCE = 1_000


def fire(
    shop: Shop,
    contact: Contact,
    trigger: Trigger,
    *,
    subject: str,
    data: Mapping[str, Any] | None = None,
    at: datetime,
    now: datetime,
) -> list[FlowRun]:
    """`contact` pulled `trigger` at `at`: let them into every flow of `shop` that waits for it, and that is of use still.

    `subject` is what it is about; a second call about the same one is left to each flow's re-entry. Answers the runs.
    """
    found = []
    occasion = Occasion(at=at, subject=subject, data=data or {}, is_single=False)
    for flow in Flow.objects.filter(shop=shop, trigger=trigger, state=FlowState.ON).select_related("version"):
        if flow.version is not None and matches(flow.version.parsed.start, occasion.data):
            found += _enter(flow, flow.version.parsed, contact, occasion, now=now)
    runs.note(contact.pk, trigger, at=at, topic=str(occasion.data.get("topic", "")), now=now)
    return found


def sweep(*, now: datetime) -> Counter[str]:
    """Look at what is due, a batch of it; answers how many "looked" at and how many "entered".

    A claim moves `due_at` past the lease: what a worker that died has left is simply due again, and whoever it had let in
    is not let in twice.
    """
    _forget()
    lapses.begin(now=now)
    due = Watch.objects.filter(due_at__lte=now).order_by("due_at", "pk")
    lease = now + timedelta(seconds=conf.settings.LEASE_SECONDS)
    claimed = claim(due, limit=conf.settings.BATCH_SIZE, stamp="due_at", due_at=lease)
    watched: dict[int, list[Watch]] = defaultdict(list)
    for watch in claimed:
        watched[watch.flow_id].append(watch)
    flows = Flow.objects.select_related("shop", "version").defer("version__content").in_bulk(watched)
    tally = Counter(looked=len(claimed))

    def look(pk: int) -> None:
        tally["entered"] += _look(flows[pk], watched[pk], now=now)

    batches.each(
        sorted(watched),
        look,
        otherwise=lambda pk: logger.exception("what flow %s waits for could not be looked at", pk),
    )
    return +tally


def _look(flow: Flow, batch: Sequence[Watch], *, now: datetime) -> int:
    """Nothing is held while a look reads, so that it may ask a host."""
    definition = _definition(flow)
    look = LOOKS.get(flow.trigger)
    if definition is None or look is None:
        _settle([Finding(watch=watch) for watch in batch])
        return 0
    findings = [*look(flow, definition, batch, now=now), *lapses.walk(flow, batch, now=now)]
    entered = 0
    for finding in findings:
        for contact, occasion in finding.entries:
            entered += len(_enter(flow, definition, contact, occasion, now=now))
    answered = {finding.watch.pk for finding in findings}
    _settle([*findings, *(Finding(watch=watch) for watch in batch if watch.pk not in answered)])
    return entered


def _enter(flow: Flow, definition: Definition, contact: Contact, occasion: Occasion, *, now: datetime) -> list[FlowRun]:
    """Nobody enters when even the first message would be too late, nor twice by what happens but once."""
    if contact.shop_id != flow.shop_id or is_past_use(definition, occasion.at, now=now):
        return []
    if occasion.is_single and flow.runs.filter(contact=contact, subject=occasion.subject).exists():
        return []
    with transaction.atomic():
        return runs.enroll(
            contact,
            trigger=definition.trigger,
            subject=occasion.subject,
            anchored_at=occasion.at,
            data=occasion.data,
            flow=flow,
            now=now,
        )


def _settle(findings: Sequence[Finding]) -> None:
    """When each is due again, if ever; not of what something has happened to while we looked."""
    over = [finding.watch for finding in findings if finding.again is None]
    for finding in findings:
        watch = finding.watch
        ours = Watch.objects.filter(pk=watch.pk, due_at=watch.due_at, noted_at=watch.noted_at)
        if finding.again is not None:
            ours.update(due_at=finding.again, data=watch.data)
    for noted_at in {watch.noted_at for watch in over}:
        keys = [watch.pk for watch in over if watch.noted_at == noted_at]
        Watch.objects.filter(pk__in=keys, noted_at=noted_at).delete()


def _forget() -> None:
    """A flow that is not on watches nobody. Turned on again, it begins anew."""
    # Their numbers and not a condition: PostgreSQL would read all watches to find that none of a few flows is left.
    idle = list(Flow.objects.exclude(state=FlowState.ON).values_list("pk", flat=True))
    keys = list(Watch.objects.filter(flow__in=idle).values_list("pk", flat=True)[:AT_ONCE])
    Watch.objects.filter(pk__in=keys).delete()


def _definition(flow: Flow) -> Definition | None:
    try:
        return flow.version.parsed if flow.version else None
    except FlowError:
        logger.exception("flow %s cannot be read by this version of the plugin", flow.pk)
        return None
