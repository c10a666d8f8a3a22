"""Trials: one message sent to staff themselves, marked as a test. It leaves no row and counts nowhere."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from retarget_plugin import channels
from retarget_plugin.domain import sms
from retarget_plugin.domain.contexts import FALLBACK_LANGUAGE
from retarget_plugin.domain.messages import Outcome, OutgoingEmail, OutgoingSms
from retarget_plugin.domain.vocabulary import Channel, ConsentState, OutcomeKind, Purpose
from retarget_plugin.exceptions import ConfigurationError, GatewayError, Refusal
from retarget_plugin.models import Consent, Contact, FlowVersion, Shop, Suppression

from . import allowances, consent, gateways, installation, limits, proofs

logger = logging.getLogger("retarget_plugin.trials")

MARK = "[Test]"
#: How many a member of staff may send within HOUR; a text costs money.
MOST = {Channel.EMAIL: 30, Channel.SMS: 10}
HOUR = timedelta(hours=1)


def send(
    version: FlowVersion,
    key: str,
    *,
    shop: Shop,
    to: str,
    by: str,
    contact: Contact | None = None,
    language: str = FALLBACK_LANGUAGE,
    now: datetime,
) -> None:
    """Send the message `key` as `proofs.preview` shows it to `to`, a normalized address or number, for the member of staff
    `by`.

    Its links lead to the shop's front: nothing is bought, answered or unsubscribed by them, and no click is counted. Only
    the segments of a text are taken from the shop's budget, which pays for them.

    Raises Refusal with words for staff where it may not be sent or the provider did not take it; TemplateError as
    `proofs.preview` does.
    """
    composed = proofs.preview(
        version, key, shop=shop, contact=contact, language=language, leads_to=shop.base_url, now=now
    )
    outgoing = _marked(composed.outgoing, to=to)
    channel = Channel.SMS if isinstance(outgoing, OutgoingSms) else Channel.EMAIL
    way = gateways.Way(channel, shop.sms_gateway if channel is Channel.SMS else "")
    _must_be_open(way)
    _must_be_welcome(shop, channel, to)
    if not allowances.take(f"tests by {channel}", by, most=MOST[channel], within=HOUR, now=now):
        raise Refusal("too_many", _("You have sent many tests within this hour. Please wait a little."))
    segments = sms.measure(outgoing.text).segments if isinstance(outgoing, OutgoingSms) else 0
    if segments and not limits.spend(shop, segments, now=now):
        raise Refusal("budget", _("The shop's texts of this month are used up."))
    outcome = _hand_over(way, outgoing)
    if outcome.kind not in (OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN):
        limits.refund(shop, segments, spent_at=now)
    if not outcome.is_accepted:
        words = _("The provider did not take it: %(answer)s") % {
            "answer": outcome.detail or outcome.code or outcome.kind
        }
        raise Refusal(outcome.kind, words)


def _marked(outgoing: OutgoingEmail | OutgoingSms, *, to: str) -> OutgoingEmail | OutgoingSms:
    """To staff, and nothing in it by which a provider's report or a mail program's button could mean a shopper."""
    name = f"test-{uuid.uuid4()}"
    if isinstance(outgoing, OutgoingSms):
        return replace(outgoing, to=to, text=f"{MARK} {outgoing.text}", message_id=name, idempotency_key=name)
    return replace(
        outgoing,
        to=to,
        subject=f"{MARK} {outgoing.subject}",
        message_id=name,
        idempotency_key=name,
        unsubscribe_url="",
        unsubscribe_mailbox="",
        metadata={},
    )


def _must_be_open(way: gateways.Way) -> None:
    if installation.is_halted():
        raise Refusal("halted", _("Sending is stopped, for tests too."))
    if channels.is_barred(way.channel, way.alias):
        raise Refusal("rehearsal", _("This copy runs with DEBUG on, so nothing leaves it."))


def _must_be_welcome(shop: Shop, channel: Channel, to: str) -> None:
    """Whoever said no gets no test either, whatever staff types."""
    marks = Suppression.objects.filter(shop=shop, channel=channel, key__in=consent.suppression_keys(to))
    contacts = Contact.objects.filter(shop=shop, **{"phone" if channel is Channel.SMS else "email": to})
    said = Consent.objects.filter(contact__in=contacts, channel=channel, purpose=Purpose.MARKETING)
    if marks.exists() or said.filter(state=ConsentState.WITHDRAWN).exists():
        words = _("This shop must not write there: somebody said no, or messages came back. Take another one of yours.")
        raise Refusal("unwelcome", words)


def _hand_over(way: gateways.Way, outgoing: OutgoingEmail | OutgoingSms) -> Outcome:
    try:
        return way.door.send(outgoing)  # type: ignore[arg-type]
    except ConfigurationError as error:
        return Outcome(kind=OutcomeKind.MISCONFIGURED, detail=str(error))
    except GatewayError as error:
        return Outcome(kind=OutcomeKind(error.outcome), detail=str(error))
    except Exception as error:
        logger.exception("gateway %s broke its contract over a test", way.name)
        return Outcome(kind=OutcomeKind.UNKNOWN, detail=f"{type(error).__name__} in the gateway")
