"""Shops: one row for every shop the settings name, ready for its owner to fill in."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

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


def meet(*, host: str, scope: str, currency: str, base_url: str = "", now: datetime) -> Shop:
    """The shop of a scope that its host speaks of, made where it is new.

    The first scope takes the shop that `migrate` has made, with all its owner has filled in there; a further one begins
    as a copy of it. Its flows are all off, so nothing is sent before the owner has looked at it.
    """
    shops = Shop.objects.filter(host=host).order_by("pk")
    if known := shops.filter(scope=scope).first():
        return known
    with transaction.atomic():
        # One at a time: whoever comes second finds what the first has made.
        shop = shops.select_for_update(no_key=True).first() or _create(host)
        if known := shops.filter(scope=scope).first():
            return known
        name = scope.replace("-", " ").title()[:120]
        if shop.scope:
            shop.pk, shop.name, shop._state.adding = None, name, True
        elif shop.name == _name(host):
            shop.name = name
        if base_url and shop.base_url == conf.settings.PUBLIC_URL:
            shop.base_url = base_url
        shop.scope, shop.currency = scope, currency or shop.currency
        shop.save()
    flows.install(shop, now=now)
    return shop


def _create(alias: str) -> Shop:
    return Shop.objects.create(
        host=alias,
        name=_name(alias),
        base_url=conf.settings.PUBLIC_URL,
        locale=settings.LANGUAGE_CODE[:12],
        time_zone=settings.TIME_ZONE if settings.USE_TZ else "UTC",
    )


def _name(alias: str) -> str:
    return alias.replace("_", " ").title() if alias != "default" else "My shop"
