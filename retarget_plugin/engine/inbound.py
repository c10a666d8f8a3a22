"""Texts that people send to the shop's numbers: STOP counts at once, START re-opens only what STOP closed, HELP is answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from retarget_plugin import conf, signals
from retarget_plugin.domain.keywords import Keyword, read
from retarget_plugin.domain.messages import InboundSms
from retarget_plugin.domain.vocabulary import Channel, ConsentState, DeliveryKind, SuppressionReason
from retarget_plugin.models import Contact, Shop

from . import allowances, consent, notices

STOPPED = "STOP by SMS"
STARTED = "START by SMS"
#: For how long a START that comes again is known by its provider's id.
REMEMBERED = timedelta(days=365)
#: HELP is answered once within this: two machines that answer each other would never end.
HELPED = timedelta(days=1)
#: How long an answer is of use to somebody who waits for it.
USEFUL = timedelta(hours=1)


def hear(texts: Sequence[InboundSms], *, gateway: str, now: datetime) -> Counter[str]:
    """Do what `texts`, received by `gateway`, ask for.

    Answers how many were `stop`, `start`, `help`, `other`, `repeated` (a START heard before) and `unmatched`. A word counts
    for every shop that has texted this number through `gateway`, whatever sender it showed; from a number that was never
    texted it changes nothing, since anybody may pretend to write from it.
    """
    tally: Counter[str] = Counter()
    for text in texts:
        keyword = read(text.text, stop_words=conf.settings.SMS_STOP_WORDS)
        people = list(_texted(text.sender, gateway=gateway)) if keyword else []
        if keyword is None:
            tally["other"] += 1
        elif not people:
            tally["unmatched"] += 1
        else:
            with transaction.atomic():
                is_heard = keyword is Keyword.START and not _is_new(text, gateway=gateway, now=now)
                if not is_heard:
                    _obey(keyword, people, gateway=gateway, now=now)
            tally["repeated" if is_heard else keyword.value] += 1
    return tally


def _texted(number: str, *, gateway: str) -> QuerySet[Contact]:
    """Whom this number belongs to, in every shop that has texted it; whoever was texted last comes first."""
    # The shops are named, so that the index on each one's numbers is used.
    everywhere = Contact.objects.filter(shop__in=list(Shop.objects.values_list("pk", flat=True)))
    handed_over = Q(messages__channel=Channel.SMS, messages__attempts__gateway=gateway)
    texted = everywhere.filter(phone=number, erased_at=None).annotate(
        texted=Max("messages__attempts", filter=handed_over)
    )
    return texted.exclude(phone="").exclude(texted=None).select_related("shop").order_by("-texted")


def _is_new(text: InboundSms, *, gateway: str, now: datetime) -> bool:
    """True where this START has not been heard before, or has no id of its provider's to tell it by: else whoever kept one
    could play it again after a STOP. Every STOP counts, since some providers give all answers to a text its one id."""
    if not text.gateway_id:
        return True
    return allowances.take("start_sms", f"{gateway} {text.gateway_id}", most=1, within=REMEMBERED, now=now)


def _obey(keyword: Keyword, people: Sequence[Contact], *, gateway: str, now: datetime) -> None:
    # The provider may tell of the same STOP in two more ways: see `receipts` and `ledger`.
    closed_by = {STOPPED, f"{DeliveryKind.UNSUBSCRIBED} reported by {gateway}", f"gateway {gateway}"}
    if keyword is Keyword.HELP:
        # Several shops may share a number: the one that wrote last is the one that is asked.
        _help(people[0], gateway=gateway, now=now)
        return
    for contact in people:
        if keyword is Keyword.STOP:
            _stop(contact, now=now)
        else:
            consent.reopen(contact, channel=Channel.SMS, closed_by=closed_by, source=STARTED, now=now)


def _stop(contact: Contact, *, now: datetime) -> None:
    """Said again it changes nothing, also at the same moment."""
    Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)
    if consent.state_of(contact, channel=Channel.SMS) != ConsentState.WITHDRAWN:
        consent.withdraw(contact, channel=Channel.SMS, source=STOPPED, now=now)
        signals.emit(signals.contact_unsubscribed, sender=Contact, contact=contact.pk, channel=Channel.SMS.value)
    consent.suppress(
        contact.shop, channel=Channel.SMS, address=contact.phone, reason=SuppressionReason.STOPPED, now=now
    )


def _help(contact: Contact, *, gateway: str, now: datetime) -> None:
    """Say who writes, where help is and how to stop, unless the gateway says so by itself."""
    answers_itself = not conf.settings.SMS.get(gateway, {}).get("HELP", True)
    is_stopped = consent.is_suppressed(contact.shop, channel=Channel.SMS, address=contact.phone)
    if answers_itself or is_stopped or not allowances.take("help_sms", contact.phone, most=1, within=HELPED, now=now):
        return
    notices.queue(contact.shop, contact, channel=Channel.SMS, template="help", context={}, within=USEFUL, now=now)
