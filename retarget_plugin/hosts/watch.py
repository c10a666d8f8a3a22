"""`watch("cart", Model, key)`: events for shops that have no signals of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections, transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from retarget_plugin import failpoints, signals

SIGNALS = {
    "cart": (signals.cart_changed, "reference"),
    "order": (signals.order_placed, "reference"),
    "product": (signals.product_changed, "product_id"),
}


def watch(what: str, model: type[Model], key: Callable[[Any], Any], *, host: str = "default", scope: str = "") -> None:
    """Tell the plugin about every saved or deleted `model`: `key(instance)` names the cart, order or product.

    Events leave after the shop's commit, once per key and transaction. `QuerySet.update()` and raw SQL send none:
    `Host.stale_carts` and `Host.orders_since` are the net under those. A `key` that answers None is no event; one
    that raises is logged and never reaches the shop, nor does what a failed query of it does to the shop's transaction.
    """
    signal, argument = SIGNALS[what]

    def receive(sender: type[Model], instance: Model, using: str, raw: bool = False, **_: Any) -> None:
        if raw:
            return
        with signals.shielded(
            "watch(%r, %s): the event was lost; the reconcile pass will find it", what, model.__name__
        ):
            with _aside(using):
                value = key(instance)
            if value is not None:
                signals.emit(signal, using=using, host=host, scope=scope, **{argument: str(value)})
                failpoints.reach("in_host_tx")

    for django_signal in (post_save, post_delete):
        uid = f"retarget_plugin.{what}.{host}.{scope}.{model._meta.label}.{django_signal is post_save}"
        django_signal.connect(receive, sender=model, weak=False, dispatch_uid=uid)


@contextmanager
def _aside(using: str) -> Iterator[None]:
    """A query of this block that fails leaves the shop's transaction as it was. A block without queries costs none.

    PostgreSQL refuses everything after an error, whoever catches it, unless a savepoint stands before it: the first
    query makes one.
    """
    connection = connections[using]
    is_first = connection.in_atomic_block
    with ExitStack() as stack:

        def before_the_first(execute: Callable[..., Any], *arguments: Any) -> Any:
            nonlocal is_first
            if is_first:
                is_first = False
                stack.enter_context(transaction.atomic(using=using))
            return execute(*arguments)

        with connection.execute_wrapper(before_the_first):
            yield
