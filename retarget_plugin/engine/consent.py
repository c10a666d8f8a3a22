"""What people allowed: recorded as evidence, readable as today's state, and overruled by suppressions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from retarget_plugin import signals
from retarget_plugin.domain.vocabulary import Channel, ConsentState, Purpose, SuppressionReason, Waiver
from retarget_plugin.models import Consent, ConsentRecord, Contact, Message, Override, Shop, Suppression, Visitor

from . import countries, suppressions

#: Weakest first.
_STRENGTH = [
    SuppressionReason.UNENGAGED,
    SuppressionReason.UNSUBSCRIBED,
    SuppressionReason.BOUNCED,
    SuppressionReason.STOPPED,
    SuppressionReason.COMPLAINED,
    SuppressionReason.ERASED,
]
#: What a person's own new yes lifts.
LIFTED_BY_YES = (SuppressionReason.UNENGAGED, SuppressionReason.UNSUBSCRIBED)


def grant(
    contact: Contact,
    *,
    channel: str,
    purpose: str = Purpose.MARKETING,
    source: str,
    wording: str = "",
    wording_version: str = "",
    proof: Mapping[str, Any] | None = None,
    is_confirmed: bool = False,
    now: datetime,
) -> Consent:
    """Record that `contact` said yes to `purpose` on `channel`. A person's own new yes lifts their own earlier stop.

    `is_confirmed`: the yes came from the address itself. Where a country asks for that, another yes is not relied on.
    """
    record = _record(
        contact,
        channel=channel,
        purpose=purpose,
        state=ConsentState.GRANTED,
        source=source,
        wording=wording,
        wording_version=wording_version,
        proof=proof,
        is_confirmed=is_confirmed,
        now=now,
    )
    if purpose == Purpose.MARKETING and (address := address_of(contact, channel)):
        Suppression.objects.filter(
            shop_id=contact.shop_id,
            channel=channel,
            key__in=suppression_keys(address),
            reason__in=LIFTED_BY_YES,
        ).delete()
    return _state_of(record)


def pend(
    contact: Contact,
    *,
    channel: str,
    purpose: str = Purpose.MARKETING,
    source: str,
    wording: str = "",
    wording_version: str = "",
    proof: Mapping[str, Any] | None = None,
    now: datetime,
) -> Consent | None:
    """Record that somebody asked for `purpose` at this contact's address, and answer today's state.

    Anybody may type anybody's address: what its owner said before, yes or no, stands until the owner confirms. None when
    `channel` does not reach the contact.
    """
    if not address_of(contact, channel):
        return None
    with transaction.atomic():
        _hold(contact)
        said = Consent.objects.filter(contact=contact, channel=channel, purpose=purpose).first()
        record = _record(
            contact,
            channel=channel,
            purpose=purpose,
            state=ConsentState.PENDING,
            source=source,
            wording=wording,
            wording_version=wording_version,
            proof=proof,
            decides=said is None or said.state == ConsentState.PENDING,
            now=now,
        )
        return said if said and said.state != ConsentState.PENDING else _state_of(record)


def confirm(
    contact: Contact,
    *,
    channel: str,
    purpose: str = Purpose.MARKETING,
    source: str,
    proof: Mapping[str, Any] | None = None,
    now: datetime,
) -> Consent | None:
    """The owner of the address says yes to what was asked last, in the wording that was shown then.

    Twice is as good as once. None when there is nothing to confirm: nobody asked, or the owner said no since. An old
    message cannot undo a later no.
    """
    with transaction.atomic():
        _hold(contact)
        history = ConsentRecord.objects.filter(contact=contact, channel=channel, purpose=purpose)
        last = history.order_by("-pk").first()
        if last is None or last.state == ConsentState.WITHDRAWN:
            return None
        if last.state == ConsentState.GRANTED and last.is_confirmed:
            return Consent.objects.get(contact=contact, channel=channel, purpose=purpose)
        return grant(
            contact,
            channel=channel,
            purpose=purpose,
            source=source,
            wording=last.wording,
            wording_version=last.wording_version,
            proof={**last.proof, **(proof or {})},
            is_confirmed=True,
            now=now,
        )


def withdraw(
    contact: Contact, *, channel: str, purpose: str = Purpose.MARKETING, source: str, now: datetime
) -> Consent:
    """Record that `contact` said no. Effective at once: the final gate reads this state."""
    state = ConsentState.WITHDRAWN
    return _state_of(_record(contact, channel=channel, purpose=purpose, state=state, source=source, now=now))


def reopen(contact: Contact, *, channel: str, closed_by: Collection[str], source: str, now: datetime) -> Consent | None:
    """The owner of the address takes a STOP back, from the address itself; or confirms what was asked there meanwhile.

    Only what that STOP closed is open again, in the wording of the yes before it: what the person had not agreed to, said
    no to elsewhere, or what a complaint closed, stays shut. `closed_by`: the sources of such a STOP. None when
    there is nothing to open.
    """
    with transaction.atomic():
        _hold(contact)
        history = ConsentRecord.objects.filter(contact=contact, channel=channel, purpose=Purpose.MARKETING)
        last = history.order_by("-pk").first()
        keys = suppression_keys(address_of(contact, channel))
        suppressed = Suppression.objects.filter(shop_id=contact.shop_id, channel=channel, key__in=keys)
        if last is None or suppressed.exclude(reason=SuppressionReason.STOPPED).exists():
            return None
        said = last
        if last.state == ConsentState.WITHDRAWN:
            before = history.filter(pk__lt=last.pk).order_by("-pk").first()
            if last.source not in closed_by or before is None or before.state != ConsentState.GRANTED:
                return None
            said = before
        suppressed.delete()
        given = {"wording": said.wording, "wording_version": said.wording_version, "source": source}
        return grant(contact, channel=channel, proof=said.proof, is_confirmed=True, now=now, **given)


def grant_visitor(
    visitor: Visitor, *, purposes: Iterable[str], wording_version: str, source: str, now: datetime
) -> frozenset[str]:
    """Record what the owner of a browser allows: `purposes`, and nothing else any more. Answers what is allowed now.

    The same answer to the same wording, given with every event, is written down once.
    """
    wanted = frozenset(purposes)
    granted = Consent.objects.filter(visitor=visitor, state=ConsentState.GRANTED).select_related("record")
    known = {row.purpose: row.record.wording_version for row in granted}
    version = wording_version[:40]
    with transaction.atomic():
        for purpose in sorted(wanted):
            if known.get(purpose) != version:
                state = ConsentState.GRANTED
                _record(visitor, purpose=purpose, state=state, wording_version=version, source=source, now=now)
        withdraw_visitor(visitor, purposes=known.keys() - wanted, source=source, now=now)
    return wanted


def withdraw_visitor(visitor: Visitor, *, purposes: Iterable[str] | None = None, source: str, now: datetime) -> None:
    """Record that the owner of a browser takes back `purposes`, or everything."""
    granted = Consent.objects.filter(visitor=visitor, state=ConsentState.GRANTED)
    if purposes is not None:
        granted = granted.filter(purpose__in=list(purposes))
    with transaction.atomic():
        for row in granted.order_by("purpose"):
            _record(visitor, purpose=row.purpose, state=ConsentState.WITHDRAWN, source=source, now=now)


def state_of(contact: Contact, *, channel: str, purpose: str = Purpose.MARKETING) -> str | None:
    """Today's state; None when nobody ever asked."""
    said = Consent.objects.filter(contact=contact, channel=channel, purpose=purpose)
    return said.values_list("state", flat=True).first()


def allows(whose: Contact | Visitor, purpose: str, *, channel: str = "") -> bool:
    """True when a contact or a visitor has said yes to `purpose`, and not no since."""
    return _states(whose).filter(channel=channel, purpose=purpose, state=ConsentState.GRANTED).exists()


def profiled(contacts: QuerySet[Contact]) -> QuerySet[Contact]:
    """Those of `contacts` of whom profiles may be made: segments, scores and recommendations begin here.

    Whoever objected (a withdrawal of PROFILING, on no channel) is left out; nobody need be asked first.
    """
    objections = Consent.objects.filter(
        contact=OuterRef("pk"), channel="", purpose=Purpose.PROFILING, state=ConsentState.WITHDRAWN
    )
    return contacts.filter(~Exists(objections))


def needs_double_opt_in(whose: Contact | str, channel: str, shop: Shop) -> bool:
    """True when a yes on `channel` must be confirmed from the address itself: of a contact, or of somebody in a country.

    `whose`: a contact, or an ISO 3166 code ("" when it is not known). What the shop's owner has waived is not asked for.
    """
    if isinstance(whose, Contact):
        codes = countries.candidates(whose, shop, channel)
    else:
        codes = (whose.upper() or shop.country,)
    asking = {code for code in codes if countries.rules_of(code).terms[Channel(channel)].double_opt_in.is_required}
    if not asking:
        return False
    in_force = Override.objects.filter(shop=shop, channel=channel, ended_at=None)
    waived = in_force.filter(waiver__in=(Waiver.UNCONFIRMED, Waiver.OPT_OUT)).values_list("country", flat=True)
    return not asking <= set(waived)


def suppress(shop: Shop, *, channel: str, address: str, reason: str, now: datetime) -> None:
    """Never use `address` on `channel` for `shop` again. Of several reasons the strongest stands, whichever came first."""
    if not address:
        return
    keys = suppression_keys(address)
    Suppression.objects.get_or_create(shop=shop, channel=channel, key=keys[0], defaults={"reason": reason, "at": now})
    weaker = _STRENGTH[: _STRENGTH.index(SuppressionReason(reason))]
    rows = Suppression.objects.filter(shop=shop, channel=channel, key__in=keys)
    rows.filter(reason__in=weaker).update(reason=reason)


def is_suppressed(shop: Shop, *, channel: str, address: str) -> bool:
    return Suppression.objects.filter(shop=shop, channel=channel, key__in=suppression_keys(address)).exists()


def unsubscribe(contact_id: int, *, channel: str, message_id: int | None, source: str, now: datetime) -> Contact | None:
    """End marketing on `channel` for a contact, by its own wish. Twice is as good as once; None when it is unknown."""
    contact = Contact.objects.select_related("shop", "merged_into__shop").filter(pk=contact_id).first()
    # An old message names who was merged since; the wish is the person's, wherever the address went.
    contact = contact.merged_into or contact if contact else None
    if contact is None or channel not in list(Channel):
        return None
    state = Consent.objects.filter(contact=contact, channel=channel, purpose=Purpose.MARKETING).first()
    if state is not None and state.state == ConsentState.WITHDRAWN:
        return contact
    with transaction.atomic():
        withdraw(contact, channel=channel, source=source, now=now)
        if address := address_of(contact, channel):
            suppress(contact.shop, channel=channel, address=address, reason=SuppressionReason.UNSUBSCRIBED, now=now)
        if message_id:
            Message.objects.filter(pk=message_id, shop=contact.shop, unsubscribed_at=None).update(unsubscribed_at=now)
        signals.emit(signals.contact_unsubscribed, sender=Contact, contact=contact.pk, channel=channel)
    return contact


def address_of(contact: Contact, channel: str) -> str:
    """Where `channel` reaches the contact, or ""."""
    return contact.phone if channel == Channel.SMS else contact.email


def suppression_keys(address: str) -> list[str]:
    """Keyed hashes of a normalised address, today's key first: see `engine.suppressions.keys`."""
    return suppressions.keys(address)


def _hold(contact: Contact) -> None:
    """One word at a time: a confirmation and a no that arrive together are told one after the other."""
    Contact.objects.select_for_update(no_key=True).filter(pk=contact.pk).first()


def _states(whose: Contact | Visitor) -> QuerySet[Consent]:
    if isinstance(whose, Contact):
        return Consent.objects.filter(contact=whose)
    return Consent.objects.filter(visitor=whose)


def _state_of(record: ConsentRecord) -> Consent:
    return Consent.objects.select_related("record").get(
        contact=record.contact_id, visitor=record.visitor_id, channel=record.channel, purpose=record.purpose
    )


def _record(
    whose: Contact | Visitor,
    *,
    channel: str = "",
    purpose: str,
    state: str,
    source: str,
    wording: str = "",
    wording_version: str = "",
    proof: Mapping[str, Any] | None = None,
    is_confirmed: bool = False,
    decides: bool = True,
    now: datetime,
) -> ConsentRecord:
    """Write down what was said; unless it `decides` nothing, it is today's state as well."""
    owner: dict[str, Any] = {"contact": whose} if isinstance(whose, Contact) else {"visitor": whose}
    with transaction.atomic(savepoint=False):
        record = ConsentRecord.objects.create(
            shop_id=whose.shop_id,
            **owner,
            channel=channel,
            purpose=purpose,
            state=state,
            wording=wording,
            wording_version=wording_version[:40],
            source=source[:200],
            proof=dict(proof or {}),
            is_confirmed=is_confirmed,
            at=now,
        )
        if decides:
            _decide(record)
    return record


def _decide(record: ConsentRecord) -> None:
    """What `record` says is today's state."""
    said: dict[str, Any] = {"channel": record.channel, "purpose": record.purpose}
    state: dict[str, Any] = {"state": record.state, "record": record, "changed_at": record.at}
    if record.visitor_id:
        # Unique only among visitors' rows, a condition for which ON CONFLICT has no words in Django.
        Consent.objects.update_or_create(visitor_id=record.visitor_id, **said, defaults=state)
    else:
        Consent.objects.bulk_create(
            [Consent(contact_id=record.contact_id, **said, **state)],
            update_conflicts=True,
            unique_fields=["contact", "channel", "purpose"],
            update_fields=list(state),
        )
