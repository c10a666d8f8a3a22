"""`watch("cart", Model, key)`: events for shops that have no signals of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from retarget_plugin import signals

logger = logging.getLogger("retarget_plugin.hosts")

SIGNALS = {
    "cart": (signals.cart_changed, "reference"),
    "order": (signals.order_placed, "reference"),
    "product": (signals.product_changed, "product_id"),
}


def watch(what: str, model: type[Model], key: Callable[[Any], Any], *, host: str = "default", scope: str = "") -> None:
    """Tell the plugin about every saved or deleted `model`: `key(instance)` names the cart, order or product.

    Events leave after the shop's commit, once per key and transaction. `QuerySet.update()` and raw SQL send none:
    `Host.stale_carts` and `Host.orders_since` are the net under those. A `key` that answers None is no event; one
    that raises is logged and never reaches the shop.
    """
    signal, argument = SIGNALS[what]

    def receive(sender: type[Model], instance: Model, using: str, raw: bool = False, **_: Any) -> None:
        if raw:
            return
        try:
            value = key(instance)
            if value is not None:
                signals.emit(signal, using=using, host=host, scope=scope, **{argument: str(value)})
        except Exception:
            logger.exception("watch(%r, %s): the event was lost; the reconcile pass will find it", what, model.__name__)

    for django_signal in (post_save, post_delete):
        uid = f"retarget_plugin.{what}.{host}.{scope}.{model._meta.label}.{django_signal is post_save}"
        django_signal.connect(receive, sender=model, weak=False, dispatch_uid=uid)
