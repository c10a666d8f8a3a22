"""The tick: everything that is due, once. Any number may run at a time, on any number of machines."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from . import (
    abandonment,
    attribution,
    coupons,
    customers,
    delivery,
    erasures,
    experiments,
    leads,
    orders,
    receipts,
    retention,
    runs,
    subscriptions,
    triggers,
    webhooks,
)

logger = logging.getLogger("retarget_plugin.tick")


def once(*, now: datetime, with_messages: bool = True) -> Counter[str]:
    """Do what is due at `now`, in order: first who was erased and who has bought, so that neither is written to.

    `with_messages`: false where messages have threads of their own. Answers what was done, by name. A stage that fails
    is logged and counted under "failed"; the others still run.
    """
    stages: dict[str, Callable[[], int | Mapping[str, int]]] = {
        "erasures": lambda: erasures.catch_up(now=now),
        "orders": lambda: orders.read_new(now=now),
        "settled": lambda: attribution.settle_new(now=now),
        "customers": lambda: customers.keep(now=now),
        "carts": lambda: abandonment.sweep(now=now),
        "triggers": lambda: triggers.sweep(now=now),
        "runs": lambda: runs.advance(now=now),
        "webhooks": lambda: webhooks.send(now=now),
        "leads": lambda: leads.ask(now),
        "subscriptions": lambda: subscriptions.ask(now),
        "recovered": lambda: delivery.recover(now=now),
        "coupons": lambda: coupons.settle(now=now),
        "reported": lambda: receipts.settle_reported(now=now),
    }
    if with_messages:
        stages["messages"] = lambda: delivery.dispatch(now=now)
    stages["experiments"] = lambda: experiments.renew(now=now)
    stages["purged"] = lambda: retention.purge_daily(now=now)
    tally: Counter[str] = Counter()
    for name, stage in stages.items():
        try:
            done = stage()
        except Exception:
            logger.exception("%s failed in this tick; the next one repeats it", name)
            tally["failed"] += 1
            continue
        if isinstance(done, Mapping):
            tally.update({f"{name}.{what}": count for what, count in done.items() if count})
        elif done:
            tally[name] = done
    return tally
