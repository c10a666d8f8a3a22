"""Signals between the shop and this app. They carry ids only: the state is read again when it is needed.

In, from a host (all take `host`: alias, and `scope`: the shop's key within the host, usually ""):

    cart_changed       reference
    cart_identified    reference, identity (domain.carts.Identity)
    checkout_started   reference, identity or None
    order_placed       reference
    order_changed      reference
    contact_changed    identity
    product_viewed     product_id, identity or None
    product_changed    product_id
    consent_changed    identity, channel, granted (bool), wording (text shown), source (page or form)

Out, to a host (sent robustly, after commit; `message`, `contact`, `cart` are primary keys):

    cart_abandoned     cart, contact
    cart_recovered     cart, order, message
    message_sent       message, contact, channel
    message_suppressed message, contact, channel, reason
    contact_unsubscribed contact, channel
    lead_captured      contact, form
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.dispatch import Signal

logger = logging.getLogger("retarget_plugin.signals")

cart_changed = Signal()
cart_identified = Signal()
checkout_started = Signal()
order_placed = Signal()
order_changed = Signal()
contact_changed = Signal()
product_viewed = Signal()
product_changed = Signal()
consent_changed = Signal()

cart_abandoned = Signal()
cart_recovered = Signal()
message_sent = Signal()
message_suppressed = Signal()
contact_unsubscribed = Signal()
lead_captured = Signal()


@dataclass(frozen=True, eq=True)
class _Emission:
    """One pending send. Compared by value, so that ten line changes of a cart in one transaction send once."""

    signal: Signal
    sender: Any
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self) -> None:
        for receiver, answer in self.signal.send_robust(self.sender, **dict(self.arguments)):
            if isinstance(answer, Exception):
                logger.error("%r failed on a shop event; the reconcile pass will repeat it", receiver, exc_info=answer)


def emit(signal: Signal, *, sender: Any = None, using: str = DEFAULT_DB_ALIAS, **arguments: Any) -> None:
    """Send `signal` once the shop's transaction has committed; never raise into the shop.

    An equal emission that already waits in the same transaction is not added again. Arguments must be hashable.
    """
    emission = _Emission(signal, sender, tuple(sorted(arguments.items())))
    # Django keeps (savepoint ids, function, robust) there; entries of a rolled-back savepoint disappear by themselves.
    waiting = getattr(connections[using], "run_on_commit", ())
    if any(entry[1] == emission for entry in waiting):
        return
    transaction.on_commit(emission, using=using, robust=True)
