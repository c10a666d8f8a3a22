"""The net under lost events: every host is asked what moved lately, and every Saleor what its webhooks did not bring."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta

from retarget_plugin import conf, hosts
from retarget_plugin.exceptions import InputError
from retarget_plugin.hosts.saleor import SaleorHost, catchup
from retarget_plugin.models import SaleorApp

from . import carts, saleor

logger = logging.getLogger("retarget_plugin.reconcile")

#: Saleor tries for 310 seconds before a webhook counts as failed: so far back, and more, each pass looks again.
OVERLAP = timedelta(minutes=15)


def run(*, now: datetime) -> Counter[str]:
    """Answers how much was found of what. A net that tears is counted under "failed" and holds up no other."""
    tally = carts.reconcile(now=now)
    for app in SaleorApp.objects.filter(is_active=True, host__in=list(conf.settings.HOSTS)).order_by("pk"):
        try:
            tally["saleor"] += _catch_up(app, now=now)
        except Exception:
            logger.exception("the Saleor of host %s could not be asked; it is asked again later", app.host)
            tally["failed"] += 1
    return tally


def _catch_up(app: SaleorApp, *, now: datetime) -> int:
    """How many events were new. The next pass begins where this one did, unless it came to its end."""
    host = hosts.get_host(app.host)
    if not isinstance(host, SaleorHost):
        return 0
    since = now - timedelta(days=conf.settings.RECONCILE_DAYS)
    if app.caught_up_at:
        since = max(since, app.caught_up_at - OVERLAP)
    found = 0
    for body in catchup.missed(host.client, since=since):
        try:
            found += saleor.note(app.host, body, now=now)
        except InputError:
            logger.warning("the Saleor of host %s told of something that cannot be noted", app.host)
    SaleorApp.objects.filter(pk=app.pk).update(caught_up_at=now)
    return found
