"""Shopper: somebody with a browser of their own, who looks round, reads, asks for things, clicks and buys."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from retarget_plugin.domain.carts import Identity, Item, Order
from retarget_plugin.domain.events import Event, EventName
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.preferences import Changes
from retarget_plugin.engine import downloads, leads, orders, preferences, tokens, tracking, visitors
from retarget_plugin.models import Contact, Lead, LeadForm, Magnet, Shop

from .clock import Clock
from .sent import Sent

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
GRANT = Grant(tracking=True, measurement=True, wording="test", source="test")

_references = count(1)


class Shopper:
    """One contact in one browser that may be followed. What they do, they do at `clock.now`; what comes of it comes when
    the scene advances.
    """

    def __init__(self, shop: Shop, contact: Contact, *, clock: Clock) -> None:
        self.shop, self.contact = shop, contact
        self._clock = clock
        self._browser = Client(headers={"user-agent": BROWSER})
        met = visitors.meet(shop, grant=GRANT, now=clock.now)
        self.visitor = visitors.become(met, contact, source="log-in", now=clock.now)

    def opens(self, *paths: str) -> None:
        """Pages of the shop, one after the other."""
        self._does(*(Event(name=EventName.PAGE_VIEW, path=path) for path in paths))

    def looks_at(self, *items: Item) -> None:
        """The pages of products, one after the other."""
        self._does(*(_about(EventName.VIEW_ITEM, item) for item in items))

    def puts_into_cart(self, item: Item) -> None:
        """As the shop's page tells it; the cart itself is the host's to tell."""
        self._does(_about(EventName.ADD_TO_CART, item))

    def reads(self, *topics: str) -> None:
        """One post on each of `topics`."""
        self._does(*(Event(name=EventName.READ_POST, topic=topic, path=f"/blog/{topic}/") for topic in topics))

    def fills_in(self, form: LeadForm, *, ticks: bool = True, **answers: Any) -> None:
        """Send `form` with the contact's own address, every box ticked or none; `confirms` answers what is asked then."""
        shown = leads.form(self.shop, form.slug, language=self.contact.locale)
        boxes = {box.name: "on" for box in shown.consents if ticks}
        sent = leads.submit(
            self.shop,
            form.slug,
            {"email": self.contact.email, **boxes, **answers},
            visitor=self.visitor,
            address="192.0.2.1",
            language=self.contact.locale,
            page="/",
            now=self._clock.now,
        )
        if not sent.ok:
            raise ValueError(f"The form {form.slug!r} does not take this: {dict(sent.errors)}.")

    def downloads(self, magnet: Magnet) -> None:
        """The first file of what was given for a form."""
        lead = Lead.objects.filter(contact=self.contact, magnet=magnet).latest("pk")
        file = magnet.files.all()[0]
        found = downloads.download(tokens.asset(lead_id=lead.pk), number=file.pk, is_bot=False, now=self._clock.now)
        found.file.close()

    def clicks(self, sent: Sent, words: str = "") -> str:
        """Follow the first link of `sent` that says `words`; answers where it leads."""
        address = sent.link(words)
        answer = self._browser.get(_path(address))
        return answer.headers.get("Location", address)

    def confirms(self, sent: Sent, words: str = "") -> None:
        """Follow a link to a page with one button, and press that."""
        self._browser.post(_path(self.clicks(sent, words)))

    def answers(self, **chosen: str) -> None:
        """Choose in the preference center: the question's key, with `_` for `-`, and the answer."""
        answers = {slug.replace("_", "-"): [value] for slug, value in chosen.items()}
        preferences.update(self.contact, Changes(answers=answers), source="preference center", now=self._clock.now)

    def orders(self, *items: Item, **changes: Any) -> str:
        """Buy `items`, and answer the order's reference. `changes`: fields of `domain.carts.Order`."""
        facts: dict[str, Any] = {
            "reference": f"order-{next(_references)}",
            "currency": self.shop.currency,
            "total": sum((item.unit_price * item.quantity for item in items), Decimal()),
            "identity": Identity(email=self.contact.email, phone=self.contact.phone),
            "items": items,
            "placed_at": self._clock.now,
            **changes,
        }
        order = Order(**facts)
        orders.touch(
            host=self.shop.host, scope=self.shop.scope, reference=order.reference, snapshot=order, now=self._clock.now
        )
        return order.reference

    def _does(self, *events: Event) -> None:
        visitors.see(self.visitor, now=self._clock.now)
        tracking.record(self.shop, events, visitor=self.visitor, now=self._clock.now)


def _about(name: EventName, item: Item) -> Event:
    line = {"item_id": item.product_id, "item_name": item.title, "item_category": item.category, "quantity": 1}
    return Event(
        name=name, product=item.product_id, topic=item.category, path=f"/{item.product_id}/", data={"items": [line]}
    )


def _path(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
