"""A made-up past of the camera shop: people, what they had allowed, their baskets, and which of these became orders.

Written in bulk and without an event, as the shop would have it that installs the plugin today.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sites.models import Site
from django.db import transaction
from oscar.core.loading import get_model

from retarget_plugin.domain.vocabulary import Channel, ConsentState, SuppressionReason
from retarget_plugin.engine import consent
from retarget_plugin.models import ConsentRecord, Contact, Identity, Shop, Suppression

SEED, DAYS, AT_ONCE = 20_261_122, 90, 5_000
#: As many people as carts, times this: some come back.
PEOPLE = 0.6
#: Country, the part of the people who live there, and the beginning of their mobile numbers.
COUNTRIES = (("FR", 60, "+336"), ("ES", 12, "+346"), ("DE", 10, "+4915"), ("BE", 8, "+3247"), ("US", 10, "+1212"))
#: A country's own part of a number begins here, and has as many digits as this.
FIRST_NUMBER = {"FR": 10_000_000, "ES": 10_000_000, "DE": 110_000_000, "BE": 1_000_000, "US": 2_000_000}
CURRENCIES = (("EUR", 92), ("GBP", 5), ("CHF", 3))
#: How long after the last change an order was placed, for one basket in so many.
ORDERED_AFTER = ((timedelta(minutes=30), 12), (timedelta(hours=3), 6), (timedelta(days=2), 5), (None, 77))
GUESTS, EMPTY = 0.25, 0.03


@dataclass(frozen=True)
class Span:
    """The days in which it all happened: at full hours where `grain` is an hour."""

    began: datetime
    until: datetime
    grain: timedelta

    def moment(self, dice: random.Random, *, since: datetime | None = None) -> datetime:
        """Some time in these days, or from `since` on."""
        since = since or self.began
        return self.round(since + (self.until - since) * dice.random())

    def round(self, at: datetime) -> datetime:
        return at - (at - self.began) % self.grain


@dataclass(frozen=True)
class Person:
    user: Any
    contact: Contact | None


def fill(shop: Shop, *, carts: int, until: datetime, grain: timedelta = timedelta.resolution) -> None:
    """Write `carts` baskets of the `DAYS` days before `until`, and whose they were. The catalogue has to exist."""
    dice = random.Random(SEED)
    days = Span(until - timedelta(days=DAYS), until, grain)
    shelf = list(get_model("partner", "StockRecord").objects.select_related("product").order_by("pk"))
    for start in range(0, carts, AT_ONCE):
        count = min(AT_ONCE, carts - start)
        with transaction.atomic():
            people = _people(shop, round(count * PEOPLE), dice, days)
            _baskets([people[dice.randrange(len(people))] for _cart in range(count)], shelf, dice, days)


# -- people -----------------------------------------------------------------------------------------------------------


def _people(shop: Shop, count: int, dice: random.Random, days: Span) -> list[Person]:
    """Every fourth is known to the shop alone: the plugin has never heard of them."""
    model = get_user_model()
    first = model._default_manager.count()
    users = [
        model(username=f"p{n}", email=f"p{n}@shop.example", first_name=f"P{n}", password="!")
        for n in range(first, first + count)
    ]
    model._default_manager.bulk_create(users)
    known = [user for n, user in enumerate(users) if n % 4]
    contacts = [_contact(shop, user, dice, at=days.began) for user in known]
    Contact.objects.bulk_create(contacts)
    Identity.objects.bulk_create(
        Identity(shop=shop, contact=contact, external_id=str(user.pk), is_own=True, created_at=days.began)
        for user, contact in zip(known, contacts, strict=True)
    )
    ConsentRecord.objects.bulk_create(said for one in contacts for said in _said(one, dice, days))
    Suppression.objects.bulk_create(
        Suppression(shop=shop, channel=Channel.EMAIL, key=key, reason=SuppressionReason.BOUNCED, at=days.moment(dice))
        for one in contacts
        if dice.random() < 0.02
        for key in consent.suppression_keys(one.email)[:1]
    )
    by_user = dict(zip((user.pk for user in known), contacts, strict=True))
    return [Person(user, by_user.get(user.pk)) for user in users]


def _contact(shop: Shop, user: Any, dice: random.Random, *, at: datetime) -> Contact:
    ((country, _part, prefix),) = dice.choices(COUNTRIES, weights=[part for _name, part, _prefix in COUNTRIES])
    has_number = dice.random() < 0.5
    return Contact(
        shop=shop,
        email=user.email,
        phone=f"{prefix}{FIRST_NUMBER[country] + user.pk}" if has_number else "",
        first_name=user.first_name,
        country=country,
        locale={"FR": "fr", "ES": "es"}.get(country, "en"),
        created_at=at,
    )


def _said(contact: Contact, dice: random.Random, days: Span) -> Iterator[ConsentRecord]:
    """A yes on some channels, mostly from before; some took it back."""
    for channel, part in ((Channel.EMAIL, 0.6), (Channel.SMS, 0.5 if contact.phone else 0.0)):
        if dice.random() >= part:
            continue
        at = days.began if dice.random() < 0.7 else days.moment(dice)
        yield _record(contact, channel, ConsentState.GRANTED, at)
        if dice.random() < 0.1:
            yield _record(contact, channel, ConsentState.WITHDRAWN, days.moment(dice, since=at))


def _record(contact: Contact, channel: str, state: str, at: datetime) -> ConsentRecord:
    return ConsentRecord(
        shop=contact.shop, contact=contact, channel=channel, state=state, wording="Yes, write to me.", source="past",
        is_confirmed=True, at=at,
    )  # fmt: skip


# -- baskets and orders ------------------------------------------------------------------------------------------------


def _baskets(owners: Sequence[Person], shelf: Sequence[Any], dice: random.Random, days: Span) -> None:
    model, line = get_model("basket", "Basket"), get_model("basket", "Line")
    with _dates_as_given(model, line):
        baskets = [_basket(model, person, dice, days) for person in owners]
        model.objects.bulk_create(baskets)
        lines = [row for one in baskets for row in _lines(one, shelf, dice, days)]
        line.objects.bulk_create(lines)
    last: dict[int, Any] = {}
    totals: dict[int, Decimal] = {}
    for one in lines:
        last[one.basket_id] = one
        totals[one.basket_id] = totals.get(one.basket_id, Decimal()) + one.quantity * one.price_incl_tax
    orders = [
        order
        for basket in baskets
        if basket.pk in last and (order := _order(basket, last[basket.pk], totals[basket.pk], dice, days))
    ]
    get_model("order", "Order").objects.bulk_create(orders)
    model.objects.filter(pk__in=[order.basket_id for order in orders]).update(status=model.SUBMITTED)


def _basket(model: Any, person: Person, dice: random.Random, days: Span) -> Any:
    owner = None if dice.random() < GUESTS else person.user
    return model(owner=owner, status=model.OPEN, date_created=days.moment(dice))


def _lines(basket: Any, shelf: Sequence[Any], dice: random.Random, days: Span) -> Iterator[Any]:
    """Some put one thing in, some come back for more within the hour, or the next days."""
    if dice.random() < EMPTY:
        return
    (currency,) = dice.choices([name for name, _part in CURRENCIES], weights=[part for _name, part in CURRENCIES])
    at = basket.date_created
    for stock in dice.sample(shelf, dice.choice((1, 1, 2, 3))):
        yield get_model("basket", "Line")(
            basket=basket,
            line_reference=f"{stock.product_id}_{stock.pk}",
            product=stock.product,
            stockrecord=stock,
            quantity=dice.choice((1, 1, 1, 2)),
            price_currency=currency,
            price_excl_tax=stock.price,
            price_incl_tax=stock.price,
            date_created=days.round(at),
            date_updated=days.round(at),
        )
        at += dice.choice((timedelta(minutes=9), timedelta(minutes=40), timedelta(days=1)))


def _order(basket: Any, last: Any, total: Decimal, dice: random.Random, days: Span) -> Any:
    (after,) = dice.choices([after for after, _part in ORDERED_AFTER], weights=[part for _after, part in ORDERED_AFTER])
    if after is None or last.date_updated + after > days.until:
        return None
    return get_model("order", "Order")(
        number=f"P{basket.pk}",
        basket=basket,
        site=Site.objects.get_current(),
        user=basket.owner,
        guest_email="" if basket.owner else f"guest{basket.pk}@shop.example",
        currency=last.price_currency,
        total_incl_tax=total,
        total_excl_tax=total,
        status="Complete" if dice.random() < 0.97 else "Cancelled",
        date_placed=days.round(last.date_updated + after),
    )


@contextmanager
def _dates_as_given(*models: Any) -> Iterator[None]:
    """Oscar stamps rows with the time of writing. These were written long ago."""
    fields = [field for model in models for field in model._meta.fields if field.name.startswith("date_")]
    kept = [(field, name) for field in fields for name in ("auto_now", "auto_now_add") if getattr(field, name, False)]
    for field, name in kept:
        setattr(field, name, False)
    try:
        yield
    finally:
        for field, name in kept:
            setattr(field, name, True)
