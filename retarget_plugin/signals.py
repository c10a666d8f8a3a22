"""Signals between the shop and this app. They carry ids: the state is read again when it is needed.

A host whose carts vanish may hand over what it has with the event: `snapshot` (domain.carts.Cart or Order, its items a
tuple) as it was at `told_at`; an older one never replaces a newer one.

In, from a host (all take `host`: alias, and `scope`: the shop's key within the host, usually ""):

    cart_changed       reference, snapshot or None, told_at or None
    cart_identified    reference, identity (domain.carts.Identity)
    checkout_started   reference, identity or None
    order_placed       reference, snapshot or None, told_at or None
    order_changed      the same
    contact_changed    identity
    product_viewed     product_id, identity or None
    product_changed    product_id, stock (pieces to sell) or None; news (of ProductNews) is for us to say: without it the
                       product is read
    signed_in          visitor (value of our cookie), identity
    signed_out         visitor
    consent_changed    identity, channel, granted (bool), wording (text shown), wording_version, source (page or form),
                       is_confirmed (True: the shop has had the address confirmed; else we ask where a country wants it)

Out, to a host (sent robustly, after commit; `message`, `contact`, `cart` are primary keys):

    cart_abandoned     cart, contact
    cart_recovered     cart, order, message
    message_sent       message, contact, channel
    message_suppressed message, contact, channel, reason
    contact_unsubscribed contact, channel
    lead_captured      contact, form (primary key or None), lead: an address typed into a form is proven
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
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
signed_in = Signal()
signed_out = Signal()

cart_abandoned = Signal()
cart_recovered = Signal()
message_sent = Signal()
message_suppressed = Signal()
contact_unsubscribed = Signal()
lead_captured = Signal()


@contextmanager
def shielded(said: str, *arguments: Any) -> Iterator[None]:
    """What is raised in this block is logged as `said % arguments` and never reaches the shop.

    That holds for a library's SystemExit and for time-outs that are no Exception, too. KeyboardInterrupt alone passes: it
    is not about the block, but somebody at the keyboard who wants the process to end.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        # A log handler may raise as well, and always does where the stack is used up.
        with suppress(Exception):
            logger.exception(said, *arguments)


@dataclass(frozen=True, eq=True)
class _Emission:
    """One pending send. Compared by value, so that ten line changes of a cart in one transaction send once.

    It never raises: what Django does about a robust hook that did is made for functions, and would raise itself.
    """

    signal: Signal
    sender: Any
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self) -> None:
        with shielded("a receiver of a shop event ended in an uncommon way; the reconcile pass will repeat it"):
            for receiver, answer in self.signal.send_robust(self.sender, **dict(self.arguments)):
                if isinstance(answer, Exception):
                    logger.error(
                        "%r failed on a shop event; the reconcile pass will repeat it", receiver, exc_info=answer
                    )


def emit(signal: Signal, *, sender: Any = None, using: str = DEFAULT_DB_ALIAS, **arguments: Any) -> None:
    """Send `signal` once the shop's transaction has committed; never raise into the shop.

    An equal emission that already waits in the same transaction is not added again. Arguments must be hashable.
    Under `set_autocommit(False)` Django knows no "after the commit": nothing is sent, and the reconcile pass has to find it.
    """
    with shielded("a shop event was lost; the reconcile pass will find it"):
        emission, connection = _Emission(signal, sender, tuple(sorted(arguments.items()))), connections[using]
        if not connection.in_atomic_block:
            transaction.on_commit(emission, using=using, robust=True)
        elif emission not in (waiting := _waiting(connection)):
            transaction.on_commit(emission, using=using, robust=True)
            waiting.add(emission)


_seen: WeakKeyDictionary[BaseDatabaseWrapper, tuple[list[Any], set[Any]]] = WeakKeyDictionary()


def _waiting(connection: BaseDatabaseWrapper) -> set[Any]:
    """The emissions that wait for the commit on `connection`, so that a transaction of ten thousand carts stays quick.

    Django keeps (savepoint ids, function, robust) in a list, and puts another list in its place at every commit and
    whenever a savepoint is rolled back: then what we remember is made again from what is left.
    """
    hooks = connection.run_on_commit
    known = _seen.get(connection)
    if known is None or known[0] is not hooks:
        known = hooks, {entry[1] for entry in hooks if isinstance(entry[1], _Emission)}
        _seen[connection] = known
    return known[1]
