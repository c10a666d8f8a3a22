"""What is known about the people in a batch of runs, in a fixed number of questions to the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.utils.crypto import salted_hmac

from retarget_plugin.domain import calendars, stores
from retarget_plugin.domain.facts import KNOWN_WHEN_WRITTEN, Facts, Happening
from retarget_plugin.models import Click, FlowRun, Lead, Order, Store

#: Kilometers within which a store is near.
NEAR = 20.0


def read(runs: Sequence[FlowRun], *, now: datetime) -> dict[int, Facts]:
    """By run id. What no step of theirs asks of is not looked up."""
    asked = frozenset().union(*(run.version.parsed.facts_needed for run in runs))
    people = {run.contact_id for run in runs}
    clicks = _clicks(people) if "clicks" in asked else {}
    orders = _orders(people) if "orders" in asked else {}
    downloads = _downloads(people) if "downloaded" in asked else {}
    near = _near(runs) if "store_near" in asked else frozenset()
    key = draw_key()
    return {run.pk: of(run, clicks=clicks, orders=orders, downloads=downloads, near=near, draw_key=key) for run in runs}


def of(
    run: FlowRun,
    *,
    clicks: Mapping[int, list[tuple[datetime, str]]],
    orders: Mapping[int, list[datetime]],
    downloads: Mapping[int, set[str]],
    near: frozenset[int],
    draw_key: bytes,
) -> Facts:
    """What is known about the person in one run, from what was looked up. Asks nothing of the database."""
    shop, contact = run.shop, run.contact
    held = {name for name, decide in _HELD.items() if decide(run)} | set(KNOWN_WHEN_WRITTEN)
    return Facts(
        held=frozenset(held | ({"store_near"} if run.pk in near else set())),
        contact=run.contact_id,
        draw_key=draw_key,
        arm=run.arm,
        zone=calendars.zone(contact.time_zone, shop.time_zone),
        country=contact.country or shop.country,
        language=(contact.locale or shop.locale)[:2],
        topic=run.data.get("topic", ""),
        has_phone=bool(contact.phone),
        tags=frozenset(contact.tags),
        answers=contact.preferences,
        interests=contact.interests,
        cart_total=run.cart.total if run.cart else None,
        clicks=clicks.get(run.contact_id, ()),
        orders=orders.get(run.contact_id, ()),
        downloads=frozenset(downloads.get(run.contact_id, ())),
        happened=[
            Happening(entry["name"], datetime.fromisoformat(entry["at"]), entry["topic"]) for entry in run.happened
        ],
    )


_HELD: Mapping[str, Callable[[FlowRun], object]] = {
    "shipping_facts": lambda run: run.shop.states_shipping,
    "support": lambda run: run.shop.support_email or run.shop.reply_to or run.shop.support_phone,
    "answer": lambda run: run.contact.preferences,
    "product": lambda run: run.data.get("product") or run.data.get("products"),
    "pay_link": lambda run: run.data.get("order"),
}


def _clicks(people: set[int]) -> Mapping[int, list[tuple[datetime, str]]]:
    """Contact -> when a human followed a link in a message to them, and what was behind it."""
    found = defaultdict(list)
    clicks = Click.objects.filter(is_human=True, link__message__contact__in=people)
    for contact, at, topic in clicks.values_list("link__message__contact", "at", "link__topic"):
        found[contact].append((at, topic))
    return found


def _orders(people: set[int]) -> Mapping[int, list[datetime]]:
    found = defaultdict(list)
    orders = Order.objects.filter(contact__in=people, cancelled_at=None)
    for contact, at in orders.values_list("contact", "placed_at"):
        found[contact].append(at)
    return found


def _downloads(people: set[int]) -> Mapping[int, set[str]]:
    found = defaultdict(set)
    leads = Lead.objects.filter(contact__in=people, downloaded_at__isnull=False, magnet__isnull=False)
    for contact, slug in leads.values_list("contact", "magnet__slug"):
        found[contact].add(slug)
    return found


def _near(runs: Sequence[FlowRun]) -> frozenset[int]:
    """The runs of people who live near an open store of the shop."""
    shops: dict[int, dict[int, stores.Place]] = defaultdict(dict)
    placed = Store.objects.filter(shop__in={run.shop_id for run in runs}, is_open_to_public=True)
    for shop, pk, latitude, longitude in placed.values_list("shop", "pk", "latitude", "longitude"):
        shops[shop][pk] = (latitude, longitude)
    return frozenset(
        run.pk
        for run in runs
        if stores.nearest((run.contact.latitude, run.contact.longitude), shops[run.shop_id], within=NEAR)
    )


def draw_key() -> bytes:
    """By which people are drawn into paths: known to nobody outside, and the same for ever."""
    return salted_hmac("retarget_plugin.paths.v1", "", algorithm="sha256").digest()
