"""Histories: the past carts of a shop, person by person, with what each had allowed, and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from itertools import groupby, islice
from zlib import crc32

from django.db.models import F
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from retarget_plugin import hosts
from retarget_plugin.domain import contacts as rules
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.consent import Evidence
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.domain.vocabulary import ConsentState, Purpose, SuppressionReason
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, ConsentRecord, Contact, Order, Shop, Suppression

from . import consent

#: People whose history is read at once, and our own carts read at once.
BATCH, CHUNK = 500, 2_000

#: (shop, channel, keyed hash of an address).
Key = tuple[int, str, str]


@dataclass(frozen=True)
class Share:
    """The part with this number of all owners, dealt into so many; always the same ones."""

    number: int = 0
    of: int = 1

    def holds(self, owner: str) -> bool:
        return crc32(owner.encode()) % self.of == self.number


EVERYBODY = Share()


@dataclass(frozen=True)
class Said:
    """What a person had said to marketing on a channel from `at` on, and the record that proves it."""

    at: datetime
    evidence: Evidence
    record: int


@dataclass(frozen=True)
class Person:
    """One owner of past carts. `contact` may be no row: somebody whom only the shop knows; None where nobody does.

    `said`: channel -> oldest first; `suppressed`: when, what, why; `orders`: of theirs that came from none of the carts.
    `is_our_record`: the carts are those we have seen ourselves.
    """

    contact: Contact | None
    carts: tuple[PastCart, ...]
    said: Mapping[str, Sequence[Said]]
    suppressed: Sequence[tuple[datetime, Key, str]]
    orders: Sequence[Order]
    is_our_record: bool = False

    def said_by(self, channel: str, at: datetime) -> Said | None:
        """Their last word on `channel` at that time."""
        return next((said for said in reversed(self.said.get(channel, ())) if said.at <= at), None)


def people(
    shop: Shop, *, since: datetime, until: datetime, share: Share = EVERYBODY, most: int | None = None
) -> Iterator[Person]:
    """Those of `share` whose carts began in [since, until), a batch at a time: six queries each, and as much memory for many
    as for few. Carts that nobody is known for come one by one.

    With `most`, all carts are read first. Raises Refusal (too_many) before anybody comes, where there are more.
    """
    told = hosts.get_host(shop.host).past_carts(since, until)
    carts = _own(shop, since=since, until=until) if told is None else told
    owners = _owners(carts if most is None else _at_most(most, carts), share)
    while batch := list(islice(owners, BATCH)):
        yield from _known(shop, batch, is_our_record=told is None)


def _at_most(most: int, carts: Iterable[PastCart]) -> list[PastCart]:
    found = list(islice(carts, most + 1))
    if len(found) > most:
        raise Refusal(
            "too_many",
            _(
                "More than %(most)s carts began in that time. "
                "Choose a shorter one, or play it by the command retarget_backtest."
            )
            % {"most": number_format(most, force_grouping=True)},
        )
    return found


def _owners(carts: Iterable[PastCart], share: Share) -> Iterator[tuple[PastCart, ...]]:
    for owner, theirs in groupby(carts, key=lambda past: past.owner):
        if not owner:
            yield from ((past,) for past in theirs if share.holds(past.cart.reference))
        elif share.holds(owner):
            yield tuple(theirs)


def _own(shop: Shop, *, since: datetime, until: datetime) -> Iterator[PastCart]:
    """What we have seen ourselves: of each cart its last activity only."""
    rows = Cart.objects.filter(shop=shop, created_at__gte=since, created_at__lt=until).select_related("contact")
    for row in rows.prefetch_related("orders").order_by("contact", "touched_at", "pk").iterator(chunk_size=CHUNK):
        who = row.contact
        order = next((order for order in row.orders.all() if order.cancelled_at is None), None)
        snapshot = CartSnapshot(
            reference=row.reference,
            currency=row.currency or shop.currency,
            items=tuple(map(Item.from_data, row.items)),
            identity=HostIdentity(email=who.email, phone=who.phone, external_id="") if who else None,
            total=row.total,
        )
        # An order moves its cart, too; what came before that was the shopper.
        last = min(row.touched_at, row.ordered_at) if row.ordered_at else row.touched_at
        yield PastCart(
            cart=snapshot,
            touched_at=(last,),
            stage=row.stage,
            ordered_at=row.ordered_at,
            order=(order.number or order.reference) if order else "",
        )


# -- whose they are, and what they had allowed -----------------------------------------------------------------------


def _known(shop: Shop, batch: Sequence[tuple[PastCart, ...]], *, is_our_record: bool) -> Iterator[Person]:
    identities = [_normal(shop, carts[0].cart.identity) for carts in batch]
    known = _contacts(shop, identities)
    found = [known.get(who) or _stranger(shop, who) if who else None for who in identities]
    contacts = [contact for contact in found if contact]
    keys = {contact.pk: _keys(contact) for contact in contacts}
    marks = _suppressed(shop, {key for own in keys.values() for key in own})
    said, orders = _said(contacts), _orders(contacts)
    for contact, carts in zip(found, batch, strict=True):
        pk = contact.pk if contact else 0
        theirs = [mark for key in keys.get(pk, ()) for mark in marks.get(key, ())]
        is_erased = any(reason == SuppressionReason.ERASED for _at, _key, reason in theirs)
        if contact and contact.pk < 0 and is_erased:
            # Who was erased is made anew only by an act of their own.
            contact = None
        told = {past.order for past in carts} - {""}
        others = [order for order in orders.get(pk, ()) if not told & {order.number, order.reference}]
        yield Person(contact, carts, said.get(pk, {}), theirs, others, is_our_record)


def _normal(shop: Shop, who: HostIdentity | None) -> HostIdentity | None:
    if who is None or not who.is_reachable:
        return None
    phone = rules.normalize_phone(who.phone, who.country or shop.country)
    return replace(who, email=rules.normalize_email(who.email), phone=phone)


def _contacts(shop: Shop, identities: Iterable[HostIdentity | None]) -> dict[HostIdentity, Contact]:
    """As `contacts.find` would: by the host's id, else the address, else the number."""
    rows = Contact.objects.filter(shop=shop).select_related("merged_into")
    found: dict[HostIdentity, Contact] = {}
    left = {who for who in identities if who}
    for name, column in (("external_id", "identities__external_id"), ("email", "email"), ("phone", "phone")):
        asked = {value for who in left if (value := getattr(who, name))}
        # An account is one contact's, so that nobody comes twice.
        mine = {"identities__shop": shop} if name == "external_id" else {}
        by_value = {row.by: row for row in rows.filter(**mine, **{f"{column}__in": asked}).annotate(by=F(column))}
        found |= {who: by_value[value] for who in left if (value := getattr(who, name)) in by_value}
        left -= found.keys()
    for who, contact in found.items():
        found[who] = contact.merged_into or contact
        found[who].shop = shop
    return found


def _stranger(shop: Shop, who: HostIdentity) -> Contact:
    """Somebody whom only the shop knows, under a number below zero that is always theirs."""
    name = (who.external_id or who.email or who.phone).encode()
    return Contact(
        pk=-1 - int.from_bytes(blake2b(name, digest_size=7).digest()),
        shop=shop,
        email=who.email,
        phone=who.phone,
        first_name=who.first_name,
        last_name=who.last_name,
        locale=who.locale[:12],
        country=who.country[:2].upper(),
        born_on=who.born_on,
    )


def _said(contacts: Iterable[Contact]) -> dict[int, dict[str, list[Said]]]:
    """Contact -> channel -> their words. Being asked changes nothing of a yes or a no, as in `consent.pend`."""
    rows = ConsentRecord.objects.filter(
        contact__in=[contact.pk for contact in contacts if contact.pk > 0], purpose=Purpose.MARKETING
    )
    columns = ("contact_id", "channel", "state", "is_confirmed", "wording", "wording_version", "at", "pk")
    found: dict[int, dict[str, list[Said]]] = defaultdict(lambda: defaultdict(list))
    for contact, channel, state, is_confirmed, wording, version, at, pk in rows.order_by("pk").values_list(*columns):
        words = found[contact or 0][channel]
        if state == ConsentState.PENDING and words and words[-1].evidence.state != ConsentState.PENDING:
            continue
        evidence = Evidence(state=state, is_confirmed=is_confirmed, is_written=bool(wording or version))
        words.append(Said(at, evidence, pk))
    return found


def _keys(contact: Contact) -> list[str]:
    addresses = filter(None, (contact.email, contact.phone))
    return [key for address in addresses for key in consent.suppression_keys(address)]


def _suppressed(shop: Shop, keys: Iterable[str]) -> dict[str, list[tuple[datetime, Key, str]]]:
    found: dict[str, list[tuple[datetime, Key, str]]] = defaultdict(list)
    for row in Suppression.objects.filter(shop=shop, key__in=keys):
        found[row.key].append((row.at, (row.shop_id, row.channel, row.key), row.reason))
    return found


def _orders(contacts: Iterable[Contact]) -> dict[int, list[Order]]:
    """Contact -> orders that stand, also of before: who has bought once may be a customer, or rest from a flow."""
    rows = Order.objects.filter(contact__in=[contact.pk for contact in contacts if contact.pk > 0], cancelled_at=None)
    found: dict[int, list[Order]] = defaultdict(list)
    for row in rows.order_by("placed_at"):
        found[row.contact_id or 0].append(row)
    return found
