"""What a message speaks of, read afresh from the shop: before it is written, and once more at the final gate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import translation

from retarget_plugin import hosts
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.delivery import Held
from retarget_plugin.domain.vocabulary import CartState, Reason
from retarget_plugin.models import Message

from . import contacts

logger = logging.getLogger("retarget_plugin.delivery")

UNREADABLE_WAIT = timedelta(minutes=5)
FROZEN_WAIT = timedelta(minutes=15)


def read(messages: Sequence[Message], *, now: datetime) -> dict[int, CartSnapshot | Held | None]:
    """By message id: its cart as the shop has it this moment; why there is nothing left to speak of; or None when it is
    about no cart."""
    return {message.pk: _read(message, now=now) for message in messages}


def _read(message: Message, *, now: datetime) -> CartSnapshot | Held | None:
    run = message.run
    if run is None or run.cart is None:
        return None
    try:
        # Titles and addresses in the reader's own language, as far as the shop has them.
        with translation.override(message.contact.locale or message.shop.locale):
            snapshot = hosts.get_host(message.shop.host).get_cart(run.cart.reference)
    except Exception as error:
        logger.exception("host %s could not tell about a cart; its message waits", message.shop.host)
        return Held(Reason.SUBJECT_UNREADABLE, now + UNREADABLE_WAIT, detail=type(error).__name__)
    if snapshot is None:
        return Held(Reason.ORDERED if run.cart.state == CartState.ORDERED else Reason.SUBJECT_GONE)
    if snapshot.is_frozen:
        return Held(Reason.SUBJECT_FROZEN, now + FROZEN_WAIT)
    if snapshot.is_empty or not any(item.is_available for item in snapshot.items):
        return Held(Reason.SUBJECT_EMPTY)
    owner = snapshot.identity and contacts.find(
        message.shop, external_id=snapshot.identity.external_id, email=snapshot.identity.email.lower()
    )
    if owner and owner.pk != message.contact_id:
        return Held(Reason.SUBJECT_REASSIGNED)
    return snapshot
