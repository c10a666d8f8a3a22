"""What comes back of the e-mails that were sent: the reports of their provider, and people's own mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from retarget_plugin import conf
from retarget_plugin.domain import machines, replies
from retarget_plugin.domain.contacts import normalize_email
from retarget_plugin.domain.messages import DeliveryEvent, InboundEmail
from retarget_plugin.domain.vocabulary import Channel, DeliveryKind, Purpose, SuppressionReason
from retarget_plugin.models import Contact, Message, Shop

from . import consent, receipts, seals

#: So many e-mails in a row bounced, the last so long after the first: the address is given up, though no bounce alone
#: was for good.
BOUNCES_IN_A_ROW, BOUNCING_FOR = 5, timedelta(days=7)
#: Addresses of one mail that are looked at.
MOST_RECIPIENTS = 20

_MEASURED = (DeliveryKind.OPENED, DeliveryKind.CLICKED)


def report(event: DeliveryEvent, *, now: datetime) -> str:
    """Write down what a provider reports of one e-mail. Answers `applied`, `machine`, `unmeasured`, `unmatched` or
    `quarantined`; see `receipts.apply`, which does it, also for what is raised.

    The e-mail is found by our id under our seal, else by the provider's id. `unmeasured`: somebody whose opens and clicks
    may not be told opened or clicked all the same, where the provider cannot leave that out.
    """
    message = _reported(event)
    if message is None:
        return "unmatched"
    told = replace(event, message_id=str(message.pk))
    is_told = True
    if event.kind in _MEASURED:
        told = replace(told, is_machine=event.is_machine or _is_too_soon(event, message))
        is_told = told.is_machine or consent.allows(_person(message), Purpose.MEASUREMENT)
        if not is_told:
            # What remains of it: the provider has the message.
            told = replace(told, kind=DeliveryKind.SENT)
    (word,) = receipts.apply([told], gateway=message.gateway, now=now)
    if event.kind is DeliveryKind.BOUNCED and not event.is_permanent:
        _give_up_if_worn_out(event, message, now=now)
    return word if is_told else "unmeasured"


def hear(mail: InboundEmail, *, now: datetime) -> str:
    """Do what a mail to the shop asks for. Answers `stop`, `automatic`, `other` or `unmatched`.

    A mail to the address of our List-Unsubscribe header (RFC 2369, section 3.2) counts whatever it says and whoever it is
    from, for the seal in that address vouches for it. A mail to a shop's own address counts when its whole subject says
    no, for the people who were written to at the address it is from. The text, where others are quoted, is never read.
    """
    for address in mail.recipients[:MOST_RECIPIENTS]:
        message = _sealed(address)
        if message is not None:
            _stop(message.contact_id, message_id=message.pk, source="unsubscribe address (RFC 2369)", now=now)
            return "stop"
    if mail.is_automatic:
        return "automatic"
    if not replies.asks_to_stop(mail.subject):
        return "other"
    people = list(_written_to(mail))
    for contact in people:
        _stop(contact.pk, message_id=None, source="e-mail that says no", now=now)
    return "stop" if people else "unmatched"


def _reported(event: DeliveryEvent) -> Message | None:
    if event.message_id.isascii() and event.message_id.isdigit() and len(event.message_id) < 19:
        message = _handed_over().filter(pk=int(event.message_id)).first()
        if message is not None and seals.holds(message, event.seal, seals.REPORT):
            return message
    # Some providers take no metadata, and some leave it out of some of their reports.
    gateway_id = event.gateway_id.replace("\0", "")
    found = list(_handed_over().filter(gateway_id=gateway_id)[:2]) if gateway_id else []
    return found[0] if len(found) == 1 else None


def _handed_over() -> QuerySet[Message]:
    rows = Message.objects.filter(channel=Channel.EMAIL).exclude(gateway="")
    return rows.select_related("contact__shop", "contact__merged_into__shop")


def _is_too_soon(event: DeliveryEvent, message: Message) -> bool:
    """Scanners open and follow within seconds of the sending."""
    return event.at is not None and message.sent_at is not None and event.at - message.sent_at < machines.TOO_SOON


def _give_up_if_worn_out(event: DeliveryEvent, message: Message, *, now: datetime) -> None:
    """A passing trouble that does not pass. Counted by e-mails, so that no report counts twice."""
    contact = _person(message)
    if event.recipient and event.recipient.lower() != contact.email.lower():
        return
    sent = Message.objects.filter(contact=message.contact_id, channel=Channel.EMAIL, sent_at__isnull=False)
    last = list(sent.order_by("-sent_at").values_list("sent_at", "bounced_at")[:BOUNCES_IN_A_ROW])
    if len(last) < BOUNCES_IN_A_ROW or not all(bounced_at for _sent_at, bounced_at in last):
        return
    newest, oldest = last[0][0], last[-1][0]
    if newest and oldest and newest - oldest >= BOUNCING_FOR:
        reason = SuppressionReason.BOUNCED
        consent.suppress(contact.shop, channel=Channel.EMAIL, address=contact.email, reason=reason, now=now)


def _sealed(address: str) -> Message | None:
    """The message whose own unsubscribe address this is."""
    found = seals.read_mailbox(address)
    message = Message.objects.filter(pk=found[0], channel=Channel.EMAIL).first() if found else None
    return message if found and message and seals.holds(message, found[1], seals.STOP) else None


def _written_to(mail: InboundEmail) -> QuerySet[Contact]:
    """Whom the shops that this mail is addressed to have written to, at the address it is from."""
    sender = normalize_email(mail.sender)
    if not sender:
        return Contact.objects.none()
    addressed = {address.lower() for address in mail.recipients[:MOST_RECIPIENTS]}
    shops = [shop.pk for shop in Shop.objects.all() if addressed & _addresses(shop)]
    written = Message.objects.filter(contact=OuterRef("pk"), channel=Channel.EMAIL, sent_at__isnull=False)
    return Contact.objects.filter(Exists(written), shop__in=shops, email=sender, erased_at=None)


def _addresses(shop: Shop) -> set[str]:
    """Where a reader of its e-mails may write to, in lower case."""
    sender = shop.sender_email or parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    given = (sender, shop.reply_to, shop.support_email, conf.settings.UNSUBSCRIBE_MAILBOX)
    return {address.lower() for address in given if address}


def _stop(contact_id: int, *, message_id: int | None, source: str, now: datetime) -> None:
    consent.unsubscribe(contact_id, channel=Channel.EMAIL, message_id=message_id, source=source, now=now)


def _person(message: Message) -> Contact:
    return message.contact.merged_into or message.contact
