"""Double opt-in: nobody is written to on a stranger's word, and nobody can have others flooded with questions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from retarget_plugin import conf, signals
from retarget_plugin.domain.contacts import fold_email
from retarget_plugin.domain.vocabulary import Channel, ConsentState, MessageState, Purpose
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Claim, Consent, ConsentRecord, Contact, Lead, Message, Shop, Visitor

from . import allowances, answers, consent, contacts, countries, notices, sightings, suppressions, tokens, visitors

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
#: Questions that one address may get, whoever types it and however often: name, how many, within.
QUESTIONS = {
    Channel.EMAIL: (("confirm_email_day", 1, DAY), ("confirm_email_month", 3, 30 * DAY)),
    Channel.SMS: (("confirm_sms_day", 1, DAY),),
}
#: How long a message is of use to somebody who waits for it.
USEFUL = {Channel.EMAIL: DAY, Channel.SMS: HOUR}
#: Purposes that are allowed channel by channel; the others hold for a person as a whole.
OF_A_CHANNEL = {Purpose.MARKETING, Purpose.ALERTS}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a confirmation link is about. `wordings`: the texts that were ticked. `is_open`: it is not answered yet."""

    shop: Shop
    contact: Contact
    channel: Channel
    wordings: tuple[str, ...] = ()
    leads: tuple[Lead, ...] = ()
    is_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """`leads`: what was asked for with it. `is_first`: False when it had been confirmed before.

    `visitor`: who the browser it was confirmed in is from now on.
    """

    shop: Shop
    contact: Contact
    channel: Channel
    leads: tuple[Lead, ...]
    is_first: bool
    visitor: Visitor | None


# -- asked ------------------------------------------------------------------------------------------------------------


def request(
    contact: Contact,
    *,
    channel: str,
    purpose: str,
    source: str,
    wording: str,
    wording_version: str,
    lead: Lead | None = None,
    must_prove: bool = False,
    now: datetime,
) -> bool:
    """Somebody typed `contact`'s address and ticked `wording`: ask whoever reads that address whether it was them.

    With a `lead`, or where the caller says it `must_prove`, the address is proven in any country; else the yes counts at
    once where no double opt-in is asked for. An empty `purpose` asks for nothing but the proof. All that is asked for
    before the question leaves is one question. True when one is on its way: for the caller's records, never for the
    visitor, who gets the same answer in every case.
    """
    with transaction.atomic():
        # One at a time per person, so that two boxes ticked at once become one question.
        Contact.objects.select_for_update(no_key=True, of=("self",)).get(pk=contact.pk)
        records: list[int] = []
        if purpose:
            said: dict[str, Any] = {"channel": channel if purpose in OF_A_CHANNEL else "", "purpose": purpose}
            told: dict[str, Any] = {"source": source, "wording": wording, "wording_version": wording_version}
            must_prove = must_prove or lead is not None
            if not must_prove and not consent.needs_double_opt_in(contact, channel, contact.shop):
                consent.grant(contact, **said, **told, proof={"opt_in": "single"}, now=now)
                return False
            consent.pend(contact, **said, **told, proof={"lead": lead.pk} if lead else {}, now=now)
            records = [ConsentRecord.objects.filter(contact=contact, **said).latest("pk").pk]
        return _ask(contact, Channel(channel), records=records, lead=lead, now=now)


def take(
    contact: Contact,
    *,
    channel: str,
    granted: bool,
    source: str,
    wording: str = "",
    wording_version: str = "",
    is_confirmed: bool = False,
    now: datetime,
) -> None:
    """The shop tells what `contact` ticked there, or took back. `is_confirmed`: the shop has had the address prove it."""
    said: dict[str, Any] = {
        "channel": channel,
        "source": source,
        "wording": wording,
        "wording_version": wording_version,
    }
    if granted and is_confirmed:
        consent.grant(contact, **said, is_confirmed=True, now=now)
    elif granted:
        request(contact, **said, purpose=Purpose.MARKETING, now=now)
    else:
        consent.unsubscribe(contact.pk, channel=channel, message_id=None, source=source, now=now)


def _ask(contact: Contact, channel: Channel, *, records: list[int], lead: Lead | None, now: datetime) -> bool:
    """Add to the question that waits to be sent, or send one if the address may get one."""
    is_reached = lead is not None and lead.contact_id == contact.pk
    asked: dict[str, Any] = {"records": records, "leads": [lead.pk] if lead and is_reached else []}
    waiting = Message.objects.filter(contact=contact, channel=channel, template="confirm", not_after__gt=now)
    # One that may have arrived already must say the same when it is repeated under its key.
    waiting = waiting.filter(state=MessageState.SCHEDULED, key_until=None)
    for message in waiting.order_by("-pk")[:1]:
        both = {name: list(dict.fromkeys(message.context[name] + added)) for name, added in asked.items()}
        # A worker may have taken it this moment; what it has written already says nothing of the new wish.
        if waiting.filter(pk=message.pk).update(context={**message.context, **both}):
            return True
    if not _may_ask(contact, channel, now=now):
        return False
    address = consent.address_of(contact, channel)
    question = {**asked, "address": consent.suppression_keys(address)[0], "language": lead.language if lead else ""}
    queued = notices.queue(
        contact.shop, contact, channel=channel, template="confirm", context=question, within=USEFUL[channel], now=now
    )
    return queued is not None


def _may_ask(contact: Contact, channel: Channel, *, now: datetime) -> bool:
    """Whether one more question may go to this address, which is then counted."""
    address = consent.address_of(contact, channel)
    blocked = {str(code).upper() for code in contact.shop.blocked_countries}
    if not address or not blocked.isdisjoint(countries.candidates(contact, contact.shop, channel)):
        return False
    is_text = channel is Channel.SMS
    subject = address if is_text else fold_email(address)
    limits = [(name, subject, most, within) for name, most, within in QUESTIONS[channel]]
    limits += [("confirm_sms_all", "", conf.settings.OPTIN_SMS_PER_HOUR, HOUR)] if is_text else []
    with transaction.atomic():
        for name, whose, most, within in limits:
            if not allowances.take(name, whose, most=most, within=within, now=now):
                # What is not sent uses nothing up: neither a day of this address nor an hour of all.
                transaction.set_rollback(True)
                return False
    return True


# -- answered ---------------------------------------------------------------------------------------------------------


def look(token: str) -> Question:
    """What `token` is about. Raises Refusal("bad_token"), also when its address is no longer the contact's."""
    message, contact = _asked(token)
    leads = tuple(_leads(message))
    return Question(
        shop=message.shop,
        contact=contact,
        channel=Channel(message.channel),
        wordings=tuple(dict.fromkeys(record.wording for record in _records(message) if record.wording)),
        leads=leads,
        is_open=any(lead.confirmed_at is None for lead in leads) or any(_is_open(one) for one in _records(message)),
    )


def confirm(token: str, *, visitor: Visitor | None = None, now: datetime) -> Confirmed:
    """The reader of the address said yes: what was ticked is granted, and what was asked for is sent.

    Twice is as good as once, and an old link brings back nothing that was withdrawn since. `visitor`: the browser that it
    is said in, which becomes the contact's where the address was typed too. Raises Refusal("bad_token").
    """
    with transaction.atomic():
        message, contact = _asked(token, is_held=True)
        channel = Channel(message.channel)
        suppressions.welcome_back(contact.shop_id, consent.address_of(contact, channel))
        proof = {"message": message.pk, "address": message.context["address"]}
        granted = [_grant(record, contact, proof=proof, now=now) for record in _records(message)]
        waiting = list(_leads(message).filter(confirmed_at=None).select_for_update(of=("self",)))
        for lead in waiting:
            _welcome(lead, contact, channel=channel, now=now)
        return Confirmed(
            shop=message.shop,
            contact=contact,
            channel=channel,
            leads=tuple(_leads(message)),
            is_first=bool(waiting) or any(granted),
            visitor=visitors.confirmed(contact, visitor=visitor, now=now),
        )


def refuse(token: str, *, now: datetime) -> Question | None:
    """The reader of the address says that it was not them: what was typed is deleted, what was ticked is withdrawn.

    Somebody of whom nothing else is known is forgotten altogether; None when that has been done before. Raises
    Refusal("bad_token").
    """
    found = tokens.read_confirm(token)
    with transaction.atomic():
        if not Message.objects.filter(pk=found.message_id, contact=found.contact_id).exists():
            return None
        message, contact = _asked(token, is_held=True)
        answered = Question(shop=message.shop, contact=contact, channel=Channel(message.channel))
        address = consent.address_of(contact, message.channel)
        Claim.objects.filter(address=address, visitor__shop=message.shop_id, proven_at=None).delete()
        _leads(message).delete()
        if contacts.strangers([contact.pk]).delete()[0]:
            return answered
        for record in _records(message):
            said = {"channel": record.channel, "purpose": record.purpose}
            if ConsentRecord.objects.filter(contact=contact, **said).latest("pk").state != ConsentState.WITHDRAWN:
                consent.withdraw(contact, **said, source="it was not me", now=now)
    return answered


def _asked(token: str, *, is_held: bool = False) -> tuple[Message, Contact]:
    """The message that asked, and who is asked: with the contact's row locked when `is_held`."""
    found = tokens.read_confirm(token)
    asked = Message.objects.filter(pk=found.message_id, contact=found.contact_id, template="confirm")
    message = asked.select_related("shop", "contact").first()
    if message is None:
        raise Refusal("bad_token")
    people = Contact.objects.select_related("shop")
    if is_held:
        people = people.select_for_update(no_key=True, of=("self",))
    contact = people.get(pk=message.contact.merged_into_id or message.contact_id)
    address = consent.address_of(contact, message.channel)
    is_same = bool(address) and message.context.get("address") in consent.suppression_keys(address)
    if contact.erased_at or not is_same:
        raise Refusal("bad_token")
    return message, contact


def _records(message: Message) -> Iterable[ConsentRecord]:
    """What was ticked before the question left."""
    return ConsentRecord.objects.filter(pk__in=message.context["records"]).select_related("contact").order_by("pk")


def _leads(message: Message) -> QuerySet[Lead]:
    """What was asked for before the question left."""
    leads = Lead.objects.filter(pk__in=message.context["leads"], shop=message.shop_id)
    return leads.select_related("shop", "contact", "form", "magnet").order_by("pk")


def _is_open(record: ConsentRecord) -> bool:
    """True while nobody has said yes or no to what `record` asks."""
    said = {"contact": record.contact_id, "channel": record.channel, "purpose": record.purpose}
    return ConsentRecord.objects.filter(**said).latest("pk").state == ConsentState.PENDING


def _grant(record: ConsentRecord, contact: Contact, *, proof: dict[str, Any], now: datetime) -> bool:
    """True when something has come of it."""
    said = {"channel": record.channel, "purpose": record.purpose}
    was = Consent.objects.filter(contact=contact, **said).values_list("record", flat=True).first()
    proof = {**proof, "record": record.pk}
    granted = consent.confirm(contact, **said, source="confirmation link", proof=proof, now=now)
    return granted is not None and granted.record_id != was


def _welcome(lead: Lead, contact: Contact, *, channel: Channel, now: datetime) -> None:
    """The address of `lead` is proven: what was typed counts, what was asked for is sent, and the host is told."""
    Lead.objects.filter(pk=lead.pk).update(confirmed_at=now)
    lead.confirmed_at = now
    answers.keep(lead, now=now)
    if lead.magnet_id:
        gift = {"lead": lead.pk, "language": lead.language}
        notices.queue(
            lead.shop, contact, channel=channel, template="magnet", context=gift, within=USEFUL[channel], now=now
        )
    sightings.asked(lead, now=now)
    signals.emit(signals.lead_captured, sender=Lead, contact=contact.pk, form=lead.form_id, lead=lead.pk)
