"""Guests, log-ins and shared browsers, at random: a cart is written about to the person whose it is, and to nobody else."""

from __future__ import annotations

import copy

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, note
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from retarget_plugin import hosts
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.engine import carts, flows, orders, tick
from retarget_plugin.models import FlowRun, Message
from retarget_plugin.testing import Clock, build_cart, build_contact, build_shop
from tests.promises import length

pytestmark = [pytest.mark.delivery, pytest.mark.timeout(900)]

PEOPLE = {
    name: Identity(external_id=f"account-{name}", email=f"{name}@example.com", phone=f"+3361234567{number}")
    for number, name in enumerate(("ana", "bob", "cleo"))
}
BROWSERS = ("phone", "kiosk")


class Counter:
    """A shop at which people type their address, log in and out and buy, each in a browser others use too.

    `keeps_cart`: what the shop does with a guest's cart at log-in. Some hand it to the account; others, as Oscar, pour it
    into the account's own. `owner` is whose each cart is: who last said so in its browser.
    """

    def __init__(self, *, keeps_cart):
        self.keeps_cart, self.clock, self.host = keeps_cart, Clock(), hosts.get_host("default")
        self.browsers, self.accounts, self.owner, self.wrong, self.made = {}, {}, {}, [], 0
        self.host.carts.clear()
        self.host.orders.clear()
        self.seen = set()

    def fill(self, browser, _person):
        reference = self.browsers.get(browser)
        if reference is None:
            self.made += 1
            reference = self.browsers[browser] = f"guest-{self.made}"
        identity = self.host.carts[reference].identity if reference in self.host.carts else None
        self.host.carts[reference] = build_cart(reference, identity=identity, updated_at=self.clock.now)
        carts.touch(host="default", reference=reference, now=self.clock.now)

    def type_address(self, browser, person):
        """At the checkout, as a guest."""
        reference = self.browsers.get(browser)
        if reference and self.host.carts[reference].identity is None:
            who = PEOPLE[person]
            identity = Identity(email=who.email, phone=who.phone)
            self.owner[reference] = person
            carts.touch(host="default", reference=reference, identity=identity, stage="checkout", now=self.clock.now)

    def log_in(self, browser, person):
        reference, who = self.browsers.get(browser), PEOPLE[person]
        account = Identity(external_id=who.external_id, email=who.email)
        if reference and self.host.carts[reference].identity:
            return
        if reference:
            # Told before the shop has done anything with the cart, as at Oscar's log-in signal.
            carts.touch(host="default", reference=reference, identity=account, now=self.clock.now)
        own = self.accounts.get(person)
        if reference and (self.keeps_cart or own is None):
            own = reference
        elif reference:
            del self.host.carts[reference]
            carts.touch(host="default", reference=reference, now=self.clock.now)
        if own is None:
            return
        self.accounts[person] = self.browsers[browser] = own
        self.owner[own] = person
        moved = self.clock.now if reference else self.host.carts[own].updated_at
        self.host.carts[own] = build_cart(own, identity=account, updated_at=moved)
        carts.touch(host="default", reference=own, now=self.clock.now)

    def leave(self, browser, _person):
        """Log out, or close the window: who comes next has an empty cart."""
        self.browsers.pop(browser, None)

    def buy(self, browser, _person):
        reference = self.browsers.pop(browser, None)
        person = self.owner.get(reference)
        if person is None:
            return
        del self.host.carts[reference]
        self.browsers = {name: held for name, held in self.browsers.items() if held != reference}
        self.accounts = {name: held for name, held in self.accounts.items() if held != reference}
        self.host.orders[reference] = OrderSnapshot(
            reference=reference,
            currency="EUR",
            total=499,
            identity=Identity(email=PEOPLE[person].email),
            cart_reference=reference,
            placed_at=self.clock.now,
        )
        carts.touch(host="default", reference=reference, now=self.clock.now)
        orders.touch(host="default", reference=reference, now=self.clock.now)

    def wait(self, _browser, _person):
        """Somewhat more than an hour: a cart is left, and a text about it becomes due."""
        for _part in range(2):
            self.clock.advance(minutes=54)
            tick.once(now=self.clock.now)
            self.look()

    def look(self):
        for message in (
            Message.objects.filter(state="accepted").exclude(pk__in=self.seen).select_related("contact", "run__cart")
        ):
            self.seen.add(message.pk)
            cart, contact = message.run.cart.reference, message.contact
            who = PEOPLE.get(self.owner.get(cart))
            if who is None or contact.email != who.email or contact.phone not in ("", who.phone):
                self.wrong.append((cart, self.owner.get(cart), contact.email, contact.phone))
        pairs = list(FlowRun.objects.filter(state="active").values_list("contact__email", "cart__reference"))
        self.wrong += [pair for pair in set(pairs) if pairs.count(pair) > 1]


STEP = st.tuples(
    st.sampled_from(("fill", "type_address", "log_in", "leave", "buy", "wait", "wait")),
    st.sampled_from(BROWSERS),
    st.sampled_from(sorted(PEOPLE)),
)


@pytest.fixture
def host_in_memory(settings):
    changed = copy.deepcopy(settings.RETARGET)
    changed["HOSTS"] = {"default": {"BACKEND": "retarget_plugin.testing.FakeHost"}}
    settings.RETARGET = changed


class Undo(Exception):
    """Ends an example without a trace in the database."""


@pytest.fixture
def people(transactional_db, host_in_memory):
    """A shop without caps, and three people who agreed to be written to."""
    now = Clock().now
    shop = build_shop(abandoned_after_minutes=60, gap_minutes=0, email_gap_hours=0, sms_gap_hours=0, email_per_week=99)
    for flow in flows.install(shop, now=now):
        flows.turn_on(flow, now=now)
    for who in PEOPLE.values():
        facts = {"external_id": who.external_id, "email": who.email, "phone": who.phone}
        build_contact(shop, now=now, channels=("email", "sms"), **facts)


def play(steps, *, keeps_cart):
    counter = Counter(keeps_cart=keeps_cart)
    for name, browser, person in [*steps, *[("wait", "", "")] * 3]:
        getattr(counter, name)(browser, person)
    return counter


def story(*steps):
    """(what, who) pairs at one browser."""
    return [(what, "kiosk", who) for what, who in steps]


SHARED_BROWSER = story(("fill", "ana"), ("type_address", "ana"), ("wait", ""), ("fill", "bob"), ("type_address", "bob"))
ACCOUNT_AFTER_GUEST = story(("fill", "ana"), ("type_address", "ana"), ("wait", ""), ("log_in", "bob"))
ANOTHER_DEVICE = [
    *story(("fill", "ana"), ("log_in", "ana"), ("wait", "")),
    ("log_in", "phone", "ana"),
    ("fill", "phone", "ana"),
]


@pytest.mark.promise
@pytest.mark.parametrize("keeps_cart", [True, False], ids=["handed over", "poured together"])
def test_a_cart_is_written_about_to_its_owner_only(people, keeps_cart, promise):
    examples, sent = 0, 0

    @given_settings(
        max_examples=length(15, 300),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEP, min_size=3, max_size=10))
    @example(SHARED_BROWSER)
    @example(ACCOUNT_AFTER_GUEST)
    @example(ANOTHER_DEVICE)
    def hold(steps):
        nonlocal examples, sent
        examples += 1
        try:
            with transaction.atomic():
                counter = play(steps, keeps_cart=keeps_cart)
                sent += len(counter.seen)
                note(f"wrong: {counter.wrong}")
                wrong.extend(counter.wrong)
                raise Undo
        except Undo:
            pass
        assert not counter.wrong

    wrong = []
    try:
        hold()
    except AssertionError as error:
        found = "; ".join(error.__notes__)
    else:
        found = ""
    promise(
        "C8",
        run=f"{examples} stories of 3 people at 2 browsers, carts {'handed over' if keeps_cart else 'poured together'}",
        figure=f"{sent} messages, {len(wrong)} about another's cart or doubled {found}".strip(),
        bar="0, of some that were sent",
        holds=not wrong and sent > 0,
    )
