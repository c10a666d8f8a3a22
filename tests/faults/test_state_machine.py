"""Hypothesis plays shoppers, owner, gateway and dying workers in any order; what may never happen is looked for meanwhile."""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

import retarget_plugin
from retarget_plugin import failpoints, hosts
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.domain.delivery import FINAL, SET_ASIDE
from retarget_plugin.domain.entries import PERIODS
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.steps import BranchStep
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.engine import carts, consent, contacts, delivery, doctor, flows, orders, tick
from retarget_plugin.engine.flows import Inside
from retarget_plugin.models import Contact, Decision, Flow, FlowRun, Message, Shop
from retarget_plugin.models.clock import Stopwatch
from retarget_plugin.testing import Clock, build_cart, build_contact, build_item, build_shop
from tests.promises import length

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.delivery,
    pytest.mark.promise,
    pytest.mark.slow,
    pytest.mark.timeout(0),
]

SHIPPED = Path(retarget_plugin.__file__).parent / "templates" / "retarget_plugin" / "flows"
FLOWS = {"abandoned-cart": "abandoned_cart.json", "abandoned-checkout": "abandoned_checkout.json"}
CARTS = {"1": "ana", "2": "ana", "3": "bob", "4": "eve", "5": "joe", "6": "kim"}
NAMES = tuple(sorted(set(CARTS.values())))
CHANNELS = ("email", "sms")
PAUSES = {"shop": "is_paused", "email": "email_is_paused", "sms": "sms_is_paused"}
# Those of the stops that gateways in memory come to.
STOPS = tuple(stop for stop in failpoints.DELIVERY if stop not in ("before_first_byte", "after_body_sent"))
IDLE = timedelta(hours=1)
#: The shop's own caps: least time between two, and how many a week.
APART = timedelta(hours=1)
CAPS = {"email": (timedelta(hours=16), 3), "sms": (timedelta(hours=24), 2)}
LEFT = (OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN)

names, references = st.sampled_from(NAMES), st.sampled_from(tuple(CARTS))
channels, slugs = st.sampled_from(CHANNELS), st.sampled_from(tuple(FLOWS))


class Killed(BaseException):
    """The worker is gone: nothing after this line is run."""


@dataclass
class Person:
    """What a shopper did, as the shopper tells it."""

    email: str
    phone: str
    has_agreed: dict[str, bool]
    is_barred: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(CHANNELS, False))
    is_erased: bool = False
    received: list[tuple[datetime, str]] = field(default_factory=list)


@dataclass
class Bought:
    """An order, by whom or of which cart."""

    snapshot: OrderSnapshot
    name: str
    cart: str
    at: datetime


class Shopping(RuleBasedStateMachine):
    """One shop with both flows, a few people and their carts. Each example ends with a rollback.

    It keeps an account of its own of who bought, who said no and what was handed over when. Every text and mail that
    leaves is held against that account, not against what the engine wrote down.
    """

    def __init__(self):
        super().__init__()
        # Left again by `teardown`, whatever happened meanwhile.
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        MemoryGateway.reset()
        mail.outbox.clear()
        self.clock, self.shop, self.host = Clock(), Shop.objects.get(), hosts.get_host("default")
        self.host.carts.clear()
        self.host.orders.clear()
        self.people = {}
        for number, name in enumerate(NAMES):
            who = {"email": f"{name}@example.com", "phone": f"+3361234567{number}"}
            build_contact(self.shop, now=self.clock.now, channels=CHANNELS, **who)
            self.people[name] = Person(**who, has_agreed=dict.fromkeys(CHANNELS, True))
        self.touched_at = {}
        self.bought: list[Bought] = []
        self.calls_read = self.mails_read = 0
        #: What the gateway was told to answer next.
        self.told: list[OutcomeKind] = []
        #: Message -> how the gateway answered the last time.
        self.answers: dict[int, OutcomeKind] = {}
        self.versions: dict[int, int] = {}
        self.rows: list[tuple[int, str, int]] = []

    def teardown(self):
        transaction.set_rollback(True)
        self.rollback.__exit__(None, None, None)

    # -- shoppers ------------------------------------------------------------------------------------------------------

    @rule(reference=references, stage=st.sampled_from(("", "checkout")))
    def fill_a_cart(self, reference, stage):
        self.host.carts[reference] = build_cart(reference, identity=Identity(email=f"{CARTS[reference]}@example.com"))
        self._touch(reference, stage)

    @precondition(lambda self: self.touched_at)
    @rule(reference=references, change=st.sampled_from(("empty", "sold_out", "frozen", "given", "gone")))
    def change_a_cart(self, reference, change):
        """Without an event: the shop knows, and nobody tells us."""
        if (snapshot := self.host.carts.get(reference)) is None:
            return
        changes = {
            "empty": {"items": ()},
            "sold_out": {"items": (build_item(is_available=False),)},
            "frozen": {"is_frozen": not snapshot.is_frozen},
            "given": {"identity": Identity(email="eve@example.com")},
        }
        if change == "gone":
            del self.host.carts[reference]
        else:
            self.host.carts[reference] = replace(snapshot, **changes[change])

    @precondition(lambda self: self.touched_at)
    @rule(name=names, by=st.sampled_from(("cart", "email", "phone")), reference=references)
    def order(self, name, by, reference):
        person = self.people[name]
        facts = {
            "cart": {"cart_reference": reference},
            "email": {"identity": Identity(email=person.email.upper())},
            "phone": {"identity": Identity(phone=person.phone)},
        }
        snapshot = OrderSnapshot(reference=f"o{len(self.bought)}", currency="EUR", total=499, **facts[by])
        is_by_cart = by == "cart"
        self.bought.append(
            Bought(snapshot, "" if is_by_cart else name, reference if is_by_cart else "", self.clock.now)
        )
        self._tell(snapshot)

    @precondition(lambda self: self.bought)
    @rule()
    def cancel_an_order(self):
        bought = self.bought[-1]
        bought.snapshot = replace(bought.snapshot, is_cancelled=True)
        self._tell(bought.snapshot)

    @rule(name=names, channel=channels)
    def agree(self, name, channel):
        if not self.people[name].is_erased:
            consent.grant(self._contact(name), channel=channel, source="form", now=self.clock.now)
            self.people[name].has_agreed[channel] = True

    @rule(
        name=names, channel=channels, how=st.sampled_from(("link", "preferences", "bounced", "complained", "stopped"))
    )
    def object(self, name, channel, how):
        person = self.people[name]
        if how in ("bounced", "complained", "stopped"):
            return self._bar(person, channel, how)
        if person.is_erased:
            return
        contact = self._contact(name)
        if how == "link":
            consent.unsubscribe(contact.pk, channel=channel, message_id=None, source="link", now=self.clock.now)
        else:
            consent.withdraw(contact, channel=channel, source="preferences", now=self.clock.now)
        person.has_agreed[channel] = False

    @precondition(lambda self: len(self.bought) > 1)
    @rule(name=names)
    def erase(self, name):
        person = self.people[name]
        if not person.is_erased:
            blank = {"email": "", "phone": "", "erased_at": self.clock.now}
            Contact.objects.filter(pk=self._contact(name).pk).update(**blank)
            person.is_erased = True
            for channel in CHANNELS:
                self._bar(person, channel, "erased")

    # -- the owner -----------------------------------------------------------------------------------------------------

    @rule(slug=slugs, edit=st.deferred(lambda: st.sampled_from(tuple(EDITS))), inside=st.sampled_from(tuple(Inside)))
    def publish(self, slug, edit, inside):
        data = json.loads((SHIPPED / FLOWS[slug]).read_text())
        data["steps"] = EDITS[edit](data["steps"])
        before = set(FlowRun.objects.filter(flow__slug=slug, state="active").values_list("pk", flat=True))

        version = flows.publish(self._flow(slug), data, data.pop("messages"), inside=inside, now=self.clock.now)

        still_inside = set(FlowRun.objects.filter(flow__slug=slug, state="active").values_list("pk", flat=True))
        assert still_inside == (set() if inside is Inside.EXIT else before)
        if inside is Inside.MOVE:
            self.versions |= dict.fromkeys(before, version.pk)

    @rule(
        slug=slugs, change=st.sampled_from((flows.pause, flows.turn_off, flows.turn_on, "shop", "email", "sms", "on"))
    )
    def decide(self, slug, change):
        if change == "on":
            Shop.objects.update(is_paused=False, email_is_paused=False, sms_is_paused=False)
            Flow.objects.filter(slug__in=FLOWS).update(state="on")
        elif isinstance(change, str):
            Shop.objects.update(**{PAUSES[change]: True})
        else:
            change(self._flow(slug), now=self.clock.now)

    @precondition(lambda self: self.versions)
    @rule()
    def cancel_by_hand(self):
        if message := Message.objects.filter(state="scheduled").first():
            delivery.cancel(message, by="owner", now=self.clock.now)

    # -- time, workers, gateways ---------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from((1, 10, 31, 61)))
    def wait(self, minutes):
        self.clock.advance(minutes=minutes)
        self._tick()

    @rule(hours=st.sampled_from((2, 4, 8, 17, 24)))
    def wait_for_hours(self, hours):
        self.clock.advance(hours=hours)
        self._tick()

    @rule(references=st.sets(references, min_size=1))
    def leave_carts(self, references):
        """People fill carts and go; an hour and three quarters later the first texts are due."""
        for reference in sorted(references):
            self.fill_a_cart(reference, "")
        self.clock.advance(minutes=105)
        self._tick()

    @rule(minutes=st.sampled_from((0, 15, 61, 105, 240)), stop=st.sampled_from(STOPS))
    def worker_dies(self, minutes, stop):
        self.clock.advance(minutes=minutes)

        def die(name):
            if name == stop:
                raise Killed

        failpoints.arm(die)
        try:
            self._tick()
        except Killed:
            self._look_at_what_left()
        finally:
            failpoints.arm(None)

    @precondition(lambda self: not MemoryGateway.answers)
    @rule(kinds=st.lists(st.sampled_from(list(OutcomeKind)), min_size=1, max_size=3))
    def gateway_answers(self, kinds):
        MemoryGateway.answers = [Outcome(kind=kind, gateway_id=uuid.uuid4().hex) for kind in kinds]
        self.told = list(kinds)

    @precondition(lambda self: self.versions)
    @rule()
    def two_weeks_pass(self):
        """Every step has had its time: nothing waits, and nobody was dropped without a word."""
        for hours in (1, 1, 2, 8, 12, *[24] * 13):
            self.clock.advance(hours=hours)
            self._tick()

        assert set(Message.objects.values_list("state", flat=True)) <= FINAL | SET_ASIDE
        assert not FlowRun.objects.filter(state="active").exists()
        finished = FlowRun.objects.filter(state="finished", entered_at__gt=self._remembered_since())
        for run in finished.select_related("version"):
            self._look_at_the_way_of(run)

    # -- what must hold ------------------------------------------------------------------------------------------------

    def _tick(self):
        tally = tick.once(now=self.clock.now)
        assert not tally["failed"]
        self._look_at_what_left()
        rows = list(Message.objects.order_by("pk").values_list("pk", "state", "fence"))
        if rows != self.rows:
            self._look_at_the_rows()
        self.rows = rows

    def _look_at_what_left(self):
        calls, mails = MemoryGateway.calls[self.calls_read :], mail.outbox[self.mails_read :]
        self.calls_read, self.mails_read = len(MemoryGateway.calls), len(mail.outbox)
        for text in calls:
            kind = self.told.pop(0) if self.told else OutcomeKind.ACCEPTED
            self._judge(int(text.message_id), text.to, "sms", kind)
            if kind is OutcomeKind.OPTED_OUT:
                person = next(person for person in self.people.values() if person.phone == text.to)
                person.has_agreed["sms"], person.is_barred["sms"] = False, True
        for letter in mails:
            number = int(letter.extra_headers["Message-ID"].split(".")[1])
            self._judge(number, letter.to[0], "email", OutcomeKind.ACCEPTED)

    def _judge(self, number, to, channel, kind):
        """One hand-over against the account."""
        now = self.clock.now
        message = Message.objects.select_related("run__flow", "run__cart", "run__version").get(pk=number)
        run, person = message.run, next(one for one in self.people.values() if to in (one.email, one.phone))
        assert person.has_agreed[channel] and not person.is_barred[channel]
        assert not [bought for bought in self.bought if self._forbids(bought, person, run)]
        snapshot = self.host.carts[run.cart.reference]
        assert not snapshot.is_frozen and any(item.is_available for item in snapshot.items)
        assert snapshot.identity.email == person.email
        assert now - self.touched_at[run.cart.reference] >= IDLE
        shop = Shop.objects.get()
        assert not (shop.is_paused or getattr(shop, PAUSES[channel]))
        assert run.flow.state == "on"
        step = run.version.parsed.step(message.step)
        assert step.is_enabled and now <= message.not_after
        if not Decision.objects.filter(run=run, code="moved").exists():
            # Who moved keeps the time that the old version gave what was waiting.
            marks = [mark for mark in (run.anchored_at, run.marked_at) if mark]
            assert any(mark + step.after <= now <= mark + step.deadline for mark in marks)
        assert self.answers.get(number) not in LEFT, "handed over again after it had left, or may have"
        self.answers[number] = kind
        if kind in LEFT:
            self._judge_caps(person, channel)

    def _judge_caps(self, person, channel):
        now, (gap, a_week) = self.clock.now, CAPS[channel]
        assert all(now - at >= APART for at, _channel in person.received)
        same = [at for at, other in person.received if other == channel]
        assert all(now - at >= gap for at in same)
        assert sum(now - at < timedelta(days=7) for at in same) < a_week
        person.received.append((now, channel))

    def _forbids(self, bought, person, run):
        is_same = (bought.name and self.people[bought.name] is person) or bought.cart == run.cart.reference
        return is_same and bought.at >= run.anchored_at and not bought.snapshot.is_cancelled

    def _look_at_the_rows(self):
        assert doctor.examine(now=self.clock.now) == []
        told = defaultdict(set)
        for message, run, code in Decision.objects.values_list("message", "run", "code"):
            told["message", message].add(code)
            told["run", run].add(code)
        for message in Message.objects.all():
            if message.state == "scheduled":
                is_late = message.not_after < self.clock.now
                assert not is_late, f"{message.step} waits past its deadline: {message.reason}"
            if message.state == "claimed":
                assert message.leased_until >= self.clock.now, f"{message.step} is left with a dead worker"
            if message.state in ("cancelled", "expired") and message.created_at > self._remembered_since():
                assert message.reason in told["message", message.pk] | told["run", message.run_id]
        # Who is inside a flow goes on by the version that was in use at the door, or the one they were moved to.
        for run in FlowRun.objects.all():
            assert self.versions.setdefault(run.pk, run.version_id) == run.version_id

    def _look_at_the_way_of(self, run):
        """Of the version it ended on, every step on its way was sent or says why not; and none was both, or twice."""
        told = Decision.objects.filter(run=run).order_by("pk")
        steps = Counter(run.messages.values_list("step", flat=True))
        steps += Counter(told.filter(code="step_skipped").values_list("step", flat=True))
        steps += Counter(told.filter(code="waited").values_list("step", flat=True))
        taken = {one.step: one.facts["holds"] for one in told.filter(code="branched")}
        laid = run.version.parsed.steps
        moved = told.filter(code="moved").last()
        keys = [step.key for step in laid]
        position = keys.index(moved.facts["to"]) if moved and moved.facts["to"] else len(laid) if moved else 0
        expected = {}
        while position < len(laid):
            step = laid[position]
            if isinstance(step, BranchStep):
                position = step.then if taken[step.key] else step.otherwise
            else:
                expected[step.key] = 1
                position = step.next
        assert set(steps.values()) <= {1}
        if moved is None:
            assert steps == expected
        else:
            assert expected.keys() <= steps.keys()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _remembered_since(self):
        """What was written down before is forgotten, as it should be: a story may last for years."""
        return self.clock.now - timedelta(days=PERIODS["details"].days)

    def _touch(self, reference, stage):
        carts.touch(host="default", reference=reference, stage=stage, now=self.clock.now)
        self.touched_at[reference] = self.clock.now

    def _tell(self, snapshot):
        self.host.orders[snapshot.reference] = snapshot
        orders.touch(host="default", reference=snapshot.reference, now=self.clock.now)

    def _contact(self, name):
        contact = contacts.find(self.shop, email=self.people[name].email)
        assert contact is not None
        return contact

    def _bar(self, person, channel, reason):
        address = person.phone if channel == "sms" else person.email
        consent.suppress(self.shop, channel=channel, address=address, reason=reason, now=self.clock.now)
        person.is_barred[channel] = True

    def _flow(self, slug):
        return Flow.objects.select_related("shop", "version").get(slug=slug)


def _slower(steps):
    later = {"1h45m": "3h", "2h": "5h", "4h": "6h", "12h": "16h", "24h": "28h", "36h": "40h"}
    return [
        {**s, "after": later.get(s["after"], s["after"]), "deadline": later.get(s["deadline"], "14d")} for s in steps
    ]


def _swapped(steps):
    """The first two change places, and take each other's time."""
    first, second, *others = steps
    times = ("after", "deadline")
    return [
        {**second, **{name: first[name] for name in times}},
        {**first, **{name: second[name] for name in times}},
        *others,
    ]


def _branched(steps):
    """All but the first stand in a branch, before a pause and what comes last."""
    first, *others, last = steps
    rule = {"any": [{"fact": "has_phone"}, {"fact": "orders", "at_least": 2}]}
    # What it would replace is said on the other path.
    send = {name: value for name, value in last["send"].items() if name != "replaces"}
    fork = {"key": "fork", "branch": {"if": rule, "then": others, "else": [{**last, "key": "instead", "send": send}]}}
    return [first, fork, {"key": "pause", "wait": {"for": "2h"}}, last]


EDITS = {
    "branched": _branched,
    "as_shipped": lambda steps: steps,
    "first_gone": lambda steps: steps[1:],
    "first_off": lambda steps: [{**steps[0], "enabled": False}, *steps[1:]],
    "slower": _slower,
    "swapped": _swapped,
    "one_more": lambda steps: [
        *steps,
        {**steps[-1], "key": "farewell", "after": "5d", "deadline": "6d", "enabled": True},
    ],
}


@pytest.fixture
def shop(db, settings, monkeypatch):
    """Ready before the first example, and the same for each: no time passes while a message is handed over."""
    monkeypatch.setattr(Stopwatch, "steady", staticmethod(lambda: 0.0))
    settings.RETARGET = {
        **django_settings.RETARGET,
        "HOSTS": {"default": {"BACKEND": "retarget_plugin.testing.FakeHost"}},
    }
    shop, now = build_shop(), Clock().now
    for flow in flows.install(shop, now=now):
        if flow.slug in FLOWS:
            flows.turn_on(flow, now=now)
    return shop


PARTS = length(1, 16)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_order_of_events_breaks_a_rule(shop, promise, part):
    examples, steps = length((15, 25), (125, 50))

    run_state_machine_as_test(
        Shopping,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )

    promise(
        "O3",
        run=f"{examples} stories of up to {steps} events, part {part + 1} of {PARTS}, {connection.vendor}",
        figure="0 steps twice, 0 people dropped silently",
        bar="0 and 0",
        holds=True,
    )


def test_a_message_that_a_dead_worker_held_waits_anew_once_its_cart_was_left_again(shop):
    story = Shopping()
    try:
        story.leave_carts({"1"})
        story.worker_dies(minutes=240, stop="after_claim")
        story.leave_carts({"1"})
    finally:
        story.teardown()


def test_what_dead_workers_held_does_not_wait_for_its_turn_past_its_deadline(shop):
    story = Shopping()
    try:
        story.leave_carts({"1", "3", "5"})
        story.worker_dies(minutes=240, stop="after_claim")
        held = Message.objects.filter(state="claimed")
        assert len(held) == 3, "each comes alone from now on"
        story.clock.now = held.latest("not_after").not_after
        story.wait(minutes=1)
        assert set(Message.objects.filter(step="reminder").values_list("state", flat=True)) == {"expired"}
    finally:
        story.teardown()


def test_what_a_dead_worker_holds_past_its_deadline_ends_with_its_lease(shop):
    story = Shopping()
    try:
        story.gateway_answers([OutcomeKind.RATE_LIMITED])
        story.leave_carts({"1"})
        story.worker_dies(minutes=15, stop="after_gate")
        text = Message.objects.filter(step="sms")
        assert text.get().not_after == story.clock.now
        story.wait(minutes=1)
        assert text.get().state == "claimed", "another worker may be alive and hold it"
        story.wait(minutes=10)
        assert text.get().state == "expired"
    finally:
        story.teardown()
