"""Texts that people send to the shop's numbers: STOP counts at once, START re-opens only what STOP closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from retarget_plugin import conf, signals
from retarget_plugin.domain.keywords import Keyword, read
from retarget_plugin.domain.messages import InboundSms
from retarget_plugin.domain.vocabulary import Channel, ConsentState, DeliveryKind, SuppressionReason
from retarget_plugin.models import Attempt, Contact

from . import consent

STOPPED = "STOP by SMS"
STARTED = "START by SMS"


def hear(texts: Sequence[InboundSms], *, gateway: str, now: datetime) -> Counter[str]:
    """Do what `texts`, received by `gateway`, ask for. Answers how many were `stop`, `start`, `help`, `other`, `unmatched`.

    A word counts for every shop that has texted this number through `gateway`, whatever sender it showed; from a number
    that was never texted it changes nothing, since anybody may pretend to write from it.
    """
    tally: Counter[str] = Counter()
    # The provider may tell of the same STOP in two more ways: see `receipts` and `ledger`.
    closed_by = {STOPPED, f"{DeliveryKind.UNSUBSCRIBED} reported by {gateway}", f"gateway {gateway}"}
    for text in texts:
        keyword = read(text.text, stop_words=conf.settings.SMS_STOP_WORDS)
        people = list(_texted(text.sender, gateway=gateway)) if keyword in (Keyword.STOP, Keyword.START) else []
        for contact in people:
            with transaction.atomic():
                if keyword is Keyword.STOP:
                    _stop(contact, now=now)
                else:
                    consent.reopen(contact, channel=Channel.SMS, closed_by=closed_by, source=STARTED, now=now)
        if keyword in (Keyword.STOP, Keyword.START) and not people:
            tally["unmatched"] += 1
        else:
            tally[keyword.value if keyword else "other"] += 1
    return tally


def _texted(number: str, *, gateway: str) -> QuerySet[Contact]:
    if not number:
        return Contact.objects.none()
    handed_over = Attempt.objects.filter(message__contact=OuterRef("pk"), message__channel=Channel.SMS, gateway=gateway)
    return Contact.objects.filter(Exists(handed_over), phone=number, erased_at=None).select_related("shop")


def _stop(contact: Contact, *, now: datetime) -> None:
    """Said again it changes nothing."""
    if consent.state_of(contact, channel=Channel.SMS) != ConsentState.WITHDRAWN:
        consent.withdraw(contact, channel=Channel.SMS, source=STOPPED, now=now)
        signals.emit(signals.contact_unsubscribed, sender=Contact, contact=contact.pk, channel=Channel.SMS.value)
    consent.suppress(
        contact.shop, channel=Channel.SMS, address=contact.phone, reason=SuppressionReason.STOPPED, now=now
    )
