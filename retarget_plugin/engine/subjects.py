"""What messages speak of, read afresh from the shop: before they are written, and once more at the final gate."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import translation

from retarget_plugin import hosts
from retarget_plugin.domain import content
from retarget_plugin.domain import subjects as spoken
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.delivery import Held
from retarget_plugin.domain.interests import topic_of
from retarget_plugin.domain.stores import nearest
from retarget_plugin.domain.subjects import LISTS, NOTHING, Subject
from retarget_plugin.domain.vocabulary import CartState, Reason
from retarget_plugin.models import Lead, Message, Order, Preference, Product, Store, Topic

from . import authored, contacts, recommendations
from .authored import Written

logger = logging.getLogger("retarget_plugin.delivery")

UNREADABLE_WAIT = timedelta(minutes=5)
FROZEN_WAIT = timedelta(minutes=15)
#: Kilometers within which a store is near.
NEAR = 20.0
#: Why a message does not leave, by what there is nothing of; otherwise its step is skipped.
REASONS = {"product": Reason.SUBJECT_GONE} | dict.fromkeys(LISTS, Reason.NOT_RECOMMENDED)
#: Facts that a step may require, by the noun that answers them.
PROMISED_BY = {"store": {"store_near"}, "order": {"pay_link"}}

#: A message of a flow, and what its step says.
Case = tuple[Message, Written]
#: Message id -> field of Subject -> what is there, or why the message cannot speak of it.
Found = dict[int, dict[str, Any]]
#: Product id -> what the shop says of it; why it cannot be asked now; None: of this shop nothing can be asked.
_Told = Mapping[str, Item] | Held | None


def read(messages: Sequence[Message], *, now: datetime) -> dict[int, Subject | Held]:
    """By message id: what it speaks of as the shop has it this moment, or why it cannot speak of it.

    However many messages: a fixed number of queries, and of questions to the shop one a cart and one a language. Of what
    no message reads, nothing is asked.
    """
    cases = [(message, written) for message in messages if (written := authored.of(message))]
    parts: Found = {message.pk: {} for message in messages}
    for reader in READERS:
        for pk, found in reader(cases, now=now).items():
            parts[pk] |= found
    subjects: dict[int, Subject | Held] = dict.fromkeys(parts, NOTHING)
    for message, written in cases:
        held = next((part for part in parts[message.pk].values() if isinstance(part, Held)), None)
        subjects[message.pk] = held or _whole(_fitting(message, written, Subject(**parts[message.pk])), written)
    return subjects


def _fitting(message: Message, written: Written, subject: Subject) -> Subject:
    """A run about a topic, and about no product, speaks of the one of that topic that fits its reader best, and of no other."""
    topic = topic_of(_data(message).get("topic"))
    if not topic or "product" not in written.names or _data(message).get("product"):
        return subject
    best = next((one for one in subject.recommendations if one.topic == topic), None)
    return replace(subject, product=best, recommendations=())


def _whole(subject: Subject, written: Written) -> Subject | Held:
    """`subject`, unless it lacks what its step requires, or what its texts cannot do without."""
    needed = {*written.step.requires, *written.compiled["needs"]}
    subject = subject.apart(needed)
    for name in sorted(needed):
        if _is_missing(subject, name):
            return Held(REASONS.get(name, Reason.STEP_SKIPPED), facts={"because": name})
    shown = content.SHOWN.get(written.compiled.get("layout", ""), set())
    has_something = written.step.coupon or any(getattr(subject, name) for name in LISTS)
    if shown == set(LISTS) and not has_something:
        return Held(Reason.NOT_RECOMMENDED, facts={"because": "nothing_to_show"})
    return subject


def _is_missing(subject: Subject, name: str) -> bool:
    """True when `name`, which texts read or a step requires, is something that is not there."""
    if name == "pay_link":
        return not (subject.order and subject.order.url)
    noun = next((noun for noun, facts in PROMISED_BY.items() if name in facts), name)
    return hasattr(subject, noun) and not getattr(subject, noun)


# -- noun by noun -----------------------------------------------------------------------------------------------------


def _carts(cases: Sequence[Case], *, now: datetime) -> Found:
    """The carts of all runs about one, read or not: without its cart a message has nothing to come back to."""
    return {
        message.pk: {"cart": _cart(message, message.run.cart, now=now)}
        for message, _written in cases
        if message.run and message.run.cart
    }


def _cart(message: Message, cart: Any, *, now: datetime) -> CartSnapshot | Held:
    try:
        # Titles and addresses in the reader's own language, as far as the shop has them.
        with translation.override(_locale(message)):
            snapshot = hosts.get_host(message.shop.host).get_cart(cart.reference)
    except Exception as error:
        return _unreadable(message, error, now=now)
    if snapshot is None:
        return Held(Reason.ORDERED if cart.state == CartState.ORDERED else Reason.SUBJECT_GONE)
    if snapshot.is_frozen:
        return Held(Reason.SUBJECT_FROZEN, now + FROZEN_WAIT)
    if snapshot.is_empty or not any(item.is_available for item in snapshot.items):
        return Held(Reason.SUBJECT_EMPTY)
    if snapshot.identity and contacts.is_another(message.contact, message.shop, snapshot.identity):
        return Held(Reason.SUBJECT_REASSIGNED)
    return snapshot


def _products(cases: Sequence[Case], *, now: datetime) -> Found:
    """The one product that a run is about, at the price and in the stock of this moment."""
    about = _named(cases, "product")
    known = _rows(Product.objects, "reference", about)
    told = _told(about, now=now)
    return {message.pk: {"product": _product(message, told[message.pk], known.get(message.pk))} for message in about}


def _product(message: Message, told: _Told, known: Product | None) -> spoken.Product | Held:
    """What the shop tells of it; where it can be asked about no product at all, what it told last."""
    if isinstance(told, Held):
        return told
    reference = _data(message)["product"]
    last = _as_told_last(known) if known else None
    item = last if told is None else told.get(reference)
    if item is None or not item.is_available:
        return Held(Reason.SUBJECT_GONE, facts={"product": reference})
    before = _amount(_data(message).get("old_price"))
    return spoken.Product(
        reference=reference,
        title=item.title,
        url=item.url,
        image_url=item.image_url,
        price=item.unit_price or None,
        old_price=before if before and before > item.unit_price else None,
        currency=known.currency if known else "",
        topic=known.topic if known else "",
    )


def _as_told_last(known: Product) -> Item:
    return Item(
        product_id=known.reference,
        title=known.title,
        quantity=1,
        unit_price=known.price or Decimal(),
        url=known.url,
        image_url=known.image_url,
        is_available=known.is_available,
    )


def _told(about: Mapping[Message, str], *, now: datetime) -> dict[int, _Told]:
    """Message id -> what the shop says of the products asked for; asked once for each of its languages."""
    groups: dict[tuple[str, str, str], list[Message]] = defaultdict(list)
    for message in about:
        groups[message.shop.host, message.shop.scope, _locale(message)].append(message)
    found: dict[int, _Told] = {}
    for (alias, scope, locale), messages in groups.items():
        told: _Told = None
        try:
            host = hosts.get_host(alias)
            if host.tells_of_products:
                with translation.override(locale):
                    items = host.products_in(scope, sorted({about[message] for message in messages}))
                told = {item.product_id: item for item in items}
        except Exception as error:
            told = _unreadable(messages[0], error, now=now)
        found |= dict.fromkeys((message.pk for message in messages), told)
    return found


def _picks(cases: Sequence[Case], *, now: datetime) -> Found:
    """What fits the reader of each message, as far as it shows any."""
    asking = {message: written.names & set(LISTS) for message, written in cases if written.names & set(LISTS)}
    picked = recommendations.for_messages(list(asking), now=now)
    found: Found = {}
    for message, names in asking.items():
        picks = picked[message.pk]
        lists = {"recommendations": picks.products, "new_products": picks.new_products, "posts": picks.posts}
        found[message.pk] = {name: lists[name] for name in names}
    return found


def _magnets(cases: Sequence[Case], *, now: datetime) -> Found:
    """What the person was given: the magnet that the run names, else the last one."""
    asking = [message for message, written in cases if "magnet" in written.names]
    if not asking:
        return {}
    given = Lead.objects.filter(contact__in={message.contact_id for message in asking}, magnet__isnull=False)
    leads = list(given.exclude(confirmed_at=None).select_related("magnet").order_by("-pk"))
    found: Found = {}
    for message in asking:
        slug = _data(message).get("magnet")
        mine = (lead for lead in leads if lead.contact_id == message.contact_id)
        lead = next((lead for lead in mine if lead.magnet and slug in (None, lead.magnet.slug)), None)
        if lead and lead.magnet:
            labels = {name: said["title"] for name, said in lead.magnet.texts.items() if said.get("title")}
            found[message.pk] = {"magnet": spoken.Magnet(lead=lead.pk, name=lead.magnet.name, labels=labels)}
    return found


def _orders(cases: Sequence[Case], *, now: datetime) -> Found:
    about = _named(cases, "order")
    rows = _rows(Order.objects, "pk", about)
    found: Found = {}
    for message in about:
        order = rows.get(message.pk)
        if order is None:
            continue
        try:
            is_open = not order.is_paid and order.cancelled_at is None
            url = hosts.get_host(message.shop.host).payment_url(order.reference) if is_open else ""
        except Exception as error:
            found[message.pk] = {"order": _unreadable(message, error, now=now)}
            continue
        told = spoken.Order(number=order.number or order.reference, url=url, total=order.total, currency=order.currency)
        found[message.pk] = {"order": told}
    return found


def _topics(cases: Sequence[Case], *, now: datetime) -> Found:
    about = _named(cases, "topic")
    rows = _rows(Topic.objects, "slug", about)
    return {
        message.pk: {
            "topic": spoken.Topic(slug=slug, labels=rows[message.pk].labels if message.pk in rows else {}),
        }
        for message, slug in about.items()
    }


def _stores(cases: Sequence[Case], *, now: datetime) -> Found:
    """The nearest store that is near enough, where the person's place is known."""
    asking = [message for message, written in cases if {"store", *PROMISED_BY["store"]} & written.names]
    shops = {message.shop_id for message in asking}
    rows = list(Store.objects.filter(shop__in=shops, is_open_to_public=True).order_by("pk")) if shops else []
    found: Found = {}
    for message in asking:
        here = (message.contact.latitude, message.contact.longitude)
        places = {row: (row.latitude, row.longitude) for row in rows if row.shop_id == message.shop_id}
        near = nearest(here, places, within=NEAR)
        if near:
            row, distance = near
            address = ", ".join(filter(None, (row.street, f"{row.postcode} {row.city}".strip())))
            found[message.pk] = {
                "store": spoken.Store(id=row.pk, name=row.name, address=address, distance=round(distance, 1))
            }
    return found


def _questions(cases: Sequence[Case], *, now: datetime) -> Found:
    """The owner's first question that the person has not answered."""
    asking = [message for message, written in cases if "question" in written.names]
    shops = {message.shop_id for message in asking}
    rows = list(Preference.objects.filter(shop__in=shops, is_active=True)) if shops else []
    found: Found = {}
    for message in asking:
        given = message.contact.preferences
        open_ones = (row for row in rows if row.shop_id == message.shop_id and row.slug not in given)
        row = next(open_ones, None)
        if row:
            question = spoken.Question(slug=row.slug, labels=row.labels, options=tuple(row.options))
            found[message.pk] = {"question": question}
    return found


READERS: Sequence[Callable[..., Found]] = (_carts, _products, _picks, _magnets, _orders, _topics, _stores, _questions)


# -- inside -----------------------------------------------------------------------------------------------------------


def _named(cases: Sequence[Case], noun: str) -> dict[Message, Any]:
    """Message -> the `noun` that its run is about, for those that speak of one."""
    asking = [message for message, written in cases if {noun, *PROMISED_BY.get(noun, ())} & written.names]
    named = {message: _data(message).get(noun) for message in asking}
    return {message: name for message, name in named.items() if name}


def _rows(rows: Any, field: str, about: Mapping[Message, Any]) -> dict[int, Any]:
    """Message id -> the row of its shop whose `field` is what it is about, in one query."""
    if not about:
        return {}
    shops = {message.shop_id for message in about}
    found = {
        (row.shop_id, getattr(row, field)): row
        for row in rows.filter(shop__in=shops, **{f"{field}__in": set(about.values())})
    }
    return {
        message.pk: found[message.shop_id, value]
        for message, value in about.items()
        if (message.shop_id, value) in found
    }


def _data(message: Message) -> Mapping[str, Any]:
    """What the run is about. Of several products it is the first that has a card of its own."""
    data: Mapping[str, Any] = message.run.data if message.run else {}
    several = data.get("products") or [""]
    return {"product": str(several[0]), **data}


def _locale(message: Message) -> str:
    return message.contact.locale or message.shop.locale


def _amount(value: object) -> Decimal | None:
    try:
        return Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None


def _unreadable(message: Message, error: Exception, *, now: datetime) -> Held:
    logger.exception("host %s could not tell what a message speaks of; it waits", message.shop.host)
    return Held(Reason.SUBJECT_UNREADABLE, now + UNREADABLE_WAIT, detail=type(error).__name__)
