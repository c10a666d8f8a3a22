"""A crowd in the example shop: each lives a life of its own there, drawn from dice, while the real engine runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import Any

from django.contrib.auth import get_user_model
from oscar.core.loading import get_class, get_model
from oscar.test import factories

from retarget_plugin import signals
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.engine import consent, flows
from retarget_plugin.hosts import get_host
from retarget_plugin.models import Contact, Flow
from retarget_plugin.testing import Scene, Shopper, build_contact

EMAIL, BOTH, NOTHING = ("email",), ("email", "sms"), ()
#: Hours between one hour of acts and the next, over and over: into the evening, the night, and over days.
PAUSES = (9, 2, 10, 26, 5, 14)
#: This flow is off for a while.
SWITCHED = "abandoned-cart"


class Person:
    """Somebody with an account, or a guest who leaves an address. `shopper`: in a browser that may be followed, if any."""

    def __init__(self, number: int, dice: Random, scene: Scene) -> None:
        self.email = f"p{number}@example.com"
        self.phone = f"+336123{number:05d}" if dice.random() < 0.7 else ""
        self.user = (
            get_user_model()._default_manager.create(username=self.email, email=self.email)
            if dice.random() < 0.6
            else None
        )
        self.agreed = dice.choice((NOTHING, EMAIL, BOTH, BOTH)) if self.phone else dice.choice((NOTHING, EMAIL))
        self.shopper = None
        self.basket: Any = None
        contact = build_contact(scene.shop, now=scene.now, channels=self.agreed, **self.identity)
        if dice.random() < 0.5:
            self.shopper = Shopper(scene.shop, contact, clock=scene.clock)
        self.contact = contact

    @property
    def identity(self) -> dict[str, str]:
        who = {"email": self.email, "phone": self.phone, "country": "FR"}
        return who | ({"external_id": str(self.user.pk)} if self.user else {})


class Crowd:
    """`count` people whose acts are drawn from `dice`; `live()` lets `hours` of acts pass, and a quiet time after them."""

    def __init__(self, scene: Scene, products: list[Any], *, count: int, dice: Random) -> None:
        self.scene, self.products, self.dice = scene, products, dice
        self.people = [Person(number, dice, scene) for number in range(count)]
        #: When the switched flow was off.
        self.off: tuple[datetime, datetime] | None = None

    def live(self, *, hours: int, quiet_days: int) -> None:
        for hour in range(hours):
            for person in self.people:
                if self.dice.random() < 0.35:
                    self._act(person)
            self.scene.advance()
            # Whatever is over after an hour is looked at before the next long pause.
            self._pass(hours=1, minutes=10)
            self._pass(hours=PAUSES[hour % len(PAUSES)])
            self._switch(hour)
        for _day in range(quiet_days):
            self._pass(days=1)

    def _pass(self, **delta: float) -> None:
        self.scene.clock.advance(**delta)
        self.scene.advance()

    def _switch(self, hour: int) -> None:
        flow = Flow.objects.get(shop=self.scene.shop, slug=SWITCHED)
        if hour == 1:
            flows.turn_off(flow, now=self.scene.now)
            self.off = (self.scene.now, self.scene.now)
        elif hour == 3 and self.off:
            flows.turn_on(flow, now=self.scene.now)
            self.off = (self.off[0], self.scene.now)

    # -- what people do -----------------------------------------------------------------------------------------------

    def _act(self, person: Person) -> None:
        acts: Mapping[str, Callable[[Person], None]] = {
            "leave": self._leave,
            "check_out": self._check_out,
            "order": self._order,
            "look": self._look,
            "order_and_look": self._order_and_look,
            "visit": self._visit,
            "refuse": self._refuse,
            "bounce": self._bounce,
        }
        (name,) = self.dice.choices(list(acts), weights=[6, 6, 3, 4, 2, 5, 1, 1])
        acts[name](person)

    def _leave(self, person: Person) -> None:
        basket = person.basket
        if basket is None:
            basket = person.basket = get_model("basket", "Basket").objects.create(owner=person.user)
        basket.strategy = get_class("partner.strategy", "Selector")().strategy()
        basket.add_product(self.dice.choice(self.products), 1)
        if person.user is None and self.dice.random() < 0.7:
            self._tell(signals.cart_identified, person, identity=Identity(**person.identity))

    def _check_out(self, person: Person) -> None:
        self._leave(person)
        self._tell(signals.checkout_started, person, identity=Identity(**person.identity))

    def _order(self, person: Person) -> None:
        self._leave(person)
        factories.create_order(basket=person.basket, user=person.user, guest_email="" if person.user else person.email)
        person.basket.submit()
        person.basket = None

    def _look(self, person: Person) -> None:
        items = get_host().get_products([str(self.dice.choice(self.products[:3]).pk)])
        if person.shopper:
            person.shopper.looks_at(*items, *(items if self.dice.random() < 0.5 else ()))

    def _order_and_look(self, person: Person) -> None:
        self._order(person)
        self._look(person)
        self._look(person)

    def _visit(self, person: Person) -> None:
        if person.shopper:
            person.shopper.opens("/", "/about/")

    def _refuse(self, person: Person) -> None:
        contact = Contact.objects.get(pk=person.contact.pk)
        consent.withdraw(contact, channel=Channel.EMAIL, source="unsubscribe page", now=self.scene.now)

    def _bounce(self, person: Person) -> None:
        consent.suppress(
            self.scene.shop, channel=Channel.EMAIL, address=person.email, reason="bounced", now=self.scene.now
        )

    def _tell(self, signal: Any, person: Person, **more: Any) -> None:
        signals.emit(signal, sender=type(self), host="default", scope="", reference=str(person.basket.pk), **more)
