"""Floor 2: the shops this app can live beside. Door: `get_host(alias)`."""

from __future__ import annotations

from functools import cache

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from retarget_plugin import conf
from retarget_plugin.domain.carts import Cart, CouponSpec, Identity, Item, Order
from retarget_plugin.exceptions import ConfigurationError

from .base import Host
from .watch import watch

__all__ = ["Cart", "CouponSpec", "Host", "Identity", "Item", "Order", "get_host", "watch"]


@cache
def get_host(alias: str = "default") -> Host:
    """The configured host. Cached: its signal receivers are weak and must stay alive.

    Raises ConfigurationError when the alias or its BACKEND is unknown.
    """
    entry = conf.settings.HOSTS.get(alias)
    if entry is None:
        raise ConfigurationError(
            f'No host {alias!r}. Add RETARGET = {{"HOSTS": {{"{alias}": {{"BACKEND": "dotted.path.Shop"}}}}}} to the settings.'
        )
    try:
        backend = import_string(entry["BACKEND"])
    except (KeyError, ImportError) as error:
        raise ConfigurationError(f'RETARGET["HOSTS"]["{alias}"]["BACKEND"] cannot be imported: {error}') from error
    host: Host = backend(alias=alias, **entry.get("OPTIONS", {}))
    return host


def _forget(*, setting: str, **_: object) -> None:
    if setting == "RETARGET":
        get_host.cache_clear()


setting_changed.connect(_forget, dispatch_uid="retarget_plugin.hosts.forget")
