"""Shops: one row for every shop the settings name, ready for its owner to fill in."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from retarget_plugin import conf
from retarget_plugin.models import Shop

from . import flows


def ensure(*, now: datetime) -> list[Shop]:
    """A shop for each host in the settings that has none yet, with the shipped flows in it, all off.

    Called after `migrate`. What an owner changed is never changed back.
    """
    shops = []
    for alias in conf.settings.HOSTS:
        shop = Shop.objects.filter(host=alias).first() or _create(alias)
        flows.install(shop, now=now)
        shops.append(shop)
    return shops


def _create(alias: str) -> Shop:
    return Shop.objects.create(
        host=alias,
        name=alias.replace("_", " ").title() if alias != "default" else "My shop",
        base_url=conf.settings.PUBLIC_URL,
        locale=settings.LANGUAGE_CODE[:12],
        time_zone=settings.TIME_ZONE if settings.USE_TZ else "UTC",
    )
