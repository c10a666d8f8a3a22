"""A message is on its way when something changes that forbids it: the final gate sees it, and nothing leaves."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.conf import settings as django_settings
from django.db import connection

from retarget_plugin import failpoints, hosts
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.engine import delivery, explain, flows, installation
from retarget_plugin.models import (
    Cart,
    Consent,
    ConsentRecord,
    Contact,
    Decision,
    Flow,
    FlowRun,
    Identity,
    Message,
    MessageBody,
)
from retarget_plugin.testing import build_cart, build_shop
from tests.channels import mailers
from tests.channels.test_sms_http import OPTIONS
from tests.fakes.plain_gateway import PlainGatewayServer
from tests.fakes.smtp import SmtpServer
from tests.percentiles import percentile
from tests.promises import length

from .changes import OPEN, Meanwhile, settings_for
from .street import CART_FLOWS

pytestmark = [pytest.mark.slow, pytest.mark.promise, pytest.mark.timeout(length(240, 0))]

NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)  # a Tuesday afternoon in Paris
STEPS = {"email": "reminder", "sms": "sms"}
# Here a dispatch stops; the other process makes its change and commits it; the dispatch goes on.
STOPS = ("after_claim", "after_render", "before_gate")
PEOPLE = 9


@dataclass(frozen=True)
class Change:
    """One of `changes.CHANGES`, and the decision it leads to: its code, and facts it holds among others.

    Without a code the message waits undecided: the halt itself is what staff sees, not one row a message and a round.
    """

    name: str
    code: str
    facts: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("email", "sms")
    is_for_all: bool = False


ORDERED = ("order",)
CHANGES = {
    "G1": (
        Change("ordered_this_cart", "ordered", ORDERED),
        Change("ordered_on_another_device", "ordered", ORDERED),
        Change("ordered_as_a_guest", "ordered", ORDERED),
        Change("ordered_by_phone", "ordered", ORDERED),
        Change("ordered_the_rebuilt_cart", "ordered", ORDERED),
        Change("ordered_and_read_by_another_worker", "ordered", ORDERED),
    ),
    "G2": (
        Change("unsubscribed", "suppressed", ("channel",)),
        Change("unsubscribed_by_an_old_message", "suppressed", ("channel",)),
        Change("turned_the_channel_off", "no_consent", ("channel", "state")),
    ),
    "G3": (
        Change("bounced", "suppressed", ("channel",), channels=("email",)),
        Change("complained", "suppressed", ("channel",), channels=("email",)),
        Change("answered_stop", "suppressed", ("channel",), channels=("sms",)),
    ),
    "G4": (
        Change("erased", "erased"),
        Change("erasure_began", "erased"),
        Change("merged_into_a_suppressed_contact", "merged", ("into",)),
    ),
    "G5": (
        Change("cart_emptied", "subject_empty"),
        Change("cart_sold_out", "subject_empty"),
        Change("cart_deleted", "subject_gone"),
        Change("cart_given_to_another", "subject_reassigned"),
        Change("cart_given_to_a_newcomer", "subject_reassigned"),
        Change("cart_frozen_in_payment", "subject_frozen"),
        Change("cart_in_use_again", "active_again", ("touched_at",)),
    ),
    "G6": (
        Change("hours_ended", "quiet_hours", ("opens", "zone"), is_for_all=True),
        Change("moved_to_where_it_is_night", "quiet_hours", ("opens", "zone")),
        Change("got_another_message", "frequency_cap", ("free_at",)),
    ),
    "G7": (
        Change("step_deleted", "step_gone"),
        Change("higher_flow_entered", "higher_intent", ("stage",)),
        Change("flow_paused", "flow_off", ("flow",), is_for_all=True),
        Change("flow_turned_off", "flow_off", is_for_all=True),
        Change("shop_paused", "shop_paused", is_for_all=True),
        Change("channel_paused", "channel_paused", ("channel",), is_for_all=True),
        Change("everything_halted", "", is_for_all=True),
    ),
    "G8": (
        Change("turned_the_channel_off", "no_consent", ("state",)),
        Change("consent_waits_for_the_second_opt_in", "consent_pending", ("state",)),
    ),
}
HARMLESS = (
    Change("stranger_ordered", "sent"),
    Change("ordered_and_canceled", "sent"),
    Change("stranger_unsubscribed", "sent"),
    Change("turned_the_other_channel_off", "sent"),
    Change("owner_goes_on", "sent"),
)


@dataclass(frozen=True)
class Round:
    """One dispatch to a few people, each overtaken by a change of their own at the same stop."""

    stop: str
    channel: str
    changes: tuple[Change, ...]


def rounds(changes: tuple[Change, ...]) -> list[Round]:
    """Every change at every stop on every channel; what concerns all people at once has a round to itself."""
    found = []
    for stop, channel in itertools.product(STOPS, STEPS):
        fitting = [change for change in changes if channel in change.channels]
        if own := [change for change in fitting if not change.is_for_all]:
            found.append(Round(stop, channel, tuple(itertools.islice(itertools.cycle(own), PEOPLE))))
        found += [Round(stop, channel, (change,) * 3) for change in fitting if change.is_for_all]
    return found


class ClockedGateway(PlainGatewayServer):
    """`arrivals`: our id of a text -> the `time.time()` at which its first byte was here."""

    def __init__(self, **options):
        super().__init__(**options)
        self.arrivals: dict[str, float] = {}

    def answer(self, call):
        self.arrivals[call.document["message"]["ref"]] = call.at
        return super().answer(call)


class Trials:
    """People with a due message each, the other process, and what the two gateways have seen."""

    def __init__(self, host, mailbox, provider, meanwhile):
        self.host, self.mailbox, self.provider, self.meanwhile = host, mailbox, provider, meanwhile
        self.shop = build_shop(**OPEN)
        flows.install(self.shop, now=NOW)
        for flow in Flow.objects.filter(shop=self.shop, slug__in=CART_FLOWS):
            flows.turn_on(flow, now=NOW)
        self.flow = Flow.objects.select_related("version", "shop").get(slug="abandoned-cart")
        self._numbers = itertools.count()

    @property
    def sends(self):
        return len(self.mailbox.messages) + len(self.provider.calls)

    def people(self, count):
        """Contacts who said yes to both channels and have an account in the shop."""
        # The last digit of a number keeps clear of those that the provider refuses.
        people = Contact.objects.bulk_create(
            Contact(
                shop=self.shop,
                email=f"ana{number}@example.com",
                phone=f"+336{10_000_000 + 10 * number + 7}",
                created_at=NOW,
            )
            for number in itertools.islice(self._numbers, count)
        )
        said = [{"contact": who, "channel": channel, "state": "granted"} for who in people for channel in STEPS]
        evidence = ConsentRecord.objects.bulk_create(
            ConsentRecord(**facts, shop=self.shop, source="test", at=NOW) for facts in said
        )
        Consent.objects.bulk_create(
            Consent(**facts, record=record, changed_at=NOW) for facts, record in zip(said, evidence, strict=True)
        )
        Identity.objects.bulk_create(
            Identity(shop=self.shop, contact=who, external_id=f"customer-{who.pk}", created_at=NOW) for who in people
        )
        return people

    def due(self, channel, people, *, flow=None):
        """A message to each of `people` about a cart of their own, due now."""
        left_at = NOW - (timedelta(hours=1, minutes=45) if channel == "sms" else timedelta(hours=4))
        references = [str(number) for number in itertools.islice(self._numbers, len(people))]
        for reference, contact in zip(references, people, strict=True):
            self.host.keep(build_cart(reference, identity=HostIdentity(email=contact.email)))
        carts = Cart.objects.bulk_create(
            Cart(
                shop=self.shop,
                reference=reference,
                state="abandoned",
                contact=contact,
                touched_at=left_at,
                created_at=left_at,
            )
            for reference, contact in zip(references, people, strict=True)
        )
        flow = flow or self.flow
        runs = FlowRun.objects.bulk_create(
            FlowRun(
                shop=self.shop,
                flow=flow,
                version=flow.version,
                contact=cart.contact,
                cart=cart,
                subject=cart.subject,
                anchored_at=left_at,
                entered_at=left_at,
            )
            for cart in carts
        )
        when = {"due_at": NOW, "not_after": NOW + timedelta(minutes=10), "now": left_at}
        return [delivery.queue(run, step=STEPS[channel], channel=channel, **when) for run in runs]

    def overtake(self, turn):
        """One dispatch. At the stop the other process makes each message's change, before anything else happens to it."""
        messages = self.due(turn.channel, self.people(len(turn.changes)))
        waiting = dict(zip(messages, turn.changes, strict=True))
        rendered = iter(messages)
        at_stop = []

        def reached(name):
            if name == "after_claim":
                at_stop.extend(messages if turn.stop == name else [])
            if name == "after_render":
                at_stop.append(next(rendered))
            if name == turn.stop:
                for message in [message for message in at_stop if message in waiting]:
                    self.meanwhile.make(waiting.pop(message).name, message, now=NOW)

        with stopping(reached):
            delivery.dispatch(now=NOW)
        assert waiting == {}, f"the dispatch never came to {turn.stop}"
        # On a machine that is busy otherwise, a worker's turn may end before it has come to all of them.
        dispatch_all(NOW)
        return list(Message.objects.filter(pk__in=[message.pk for message in messages]).order_by("pk"))

    def clear(self):
        """What a round left behind stands in nobody's way."""
        self.meanwhile.make("owner_goes_on", Message.objects.latest("pk"), now=NOW)
        FlowRun.objects.filter(state="active").update(state="finished")
        Message.objects.filter(state="scheduled").update(state="cancelled")


@contextmanager
def stopping(reached):
    """`reached` is told every stop that is come to."""
    failpoints.arm(reached)
    try:
        yield
    finally:
        failpoints.arm(None)


@pytest.fixture
def trials(transactional_db, settings, tmp_path) -> Iterator[Trials]:
    with SmtpServer(journal=tmp_path / "mail") as mailbox, ClockedGateway(journal=tmp_path / "texts") as provider:
        mailers.over_smtp(settings, mailbox, timeout=10)
        options = {**OPTIONS, "url": f"{provider.url}/v1/messages", "connect_seconds": 10, "read_seconds": 10}
        gateway = {"BACKEND": "retarget_plugin.channels.sms.http.HttpGateway", "OPTIONS": options}
        settings.RETARGET = {
            **django_settings.RETARGET,
            "HOSTS": settings_for(tmp_path),
            "SMS": {"default": gateway},
        }
        with Meanwhile(tmp_path) as meanwhile:
            yield Trials(hosts.get_host("default"), mailbox, provider, meanwhile)


def is_explained(message, change):
    """Whether the message says, and its contact's history tells staff in words, why it was held."""
    if not change.code:
        return message.state == "scheduled" and installation.is_halted() == "stop_button"
    decision = Decision.objects.filter(message=message).latest("pk")
    told = explain.timeline(Contact.objects.get(pk=message.contact_id))
    titles = [event.title for event in told if event.kind == "decision" and event.message == message.pk]
    return (
        message.reason == decision.code == change.code
        and set(change.facts) <= set(decision.facts)
        and explain.reason_label(change.code) in titles
        and change.code not in titles
    )


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_before_the_gate_is_seen_there(trials, promise, name):
    turns, wanted = rounds(CHANGES[name]), length(100, 1000)

    count, unexplained = 0, []
    for number, turn in enumerate(itertools.cycle(turns)):
        if count >= wanted and number >= len(turns):
            break
        for message, change in zip(trials.overtake(turn), turn.changes, strict=True):
            count += 1
            if not is_explained(message, change):
                unexplained.append((turn.stop, change.name, message.channel, message.state, message.reason))
        trials.clear()

    run = f"{count} trials of {name}: {len(CHANGES[name])} changes at {len(STOPS)} stops, {connection.vendor}"
    promise(name, run=run, figure=f"{trials.sends} sends", bar="0 sends", holds=trials.sends == 0)
    assert unexplained == []
    promise("G10", run=run, figure=f"{count} of {count} explained to staff", bar="all", holds=True)


def test_what_concerns_somebody_else_stops_nothing(trials):
    """The trials above would see a send, if there was one."""
    turns = rounds(HARMLESS)

    states = Counter(message.state for turn in turns for message in trials.overtake(turn))

    assert states == {"accepted": len(turns) * PEOPLE}
    assert trials.sends == len(turns) * PEOPLE


def test_nothing_of_an_erased_person_comes_back(trials):
    (erased, *_others) = CHANGES["G4"]

    for stop, channel in itertools.product(STOPS, STEPS):
        trials.overtake(Round(stop, channel, (erased, erased)))
    delivery.recover(now=NOW)
    delivery.dispatch(now=NOW + timedelta(minutes=5))

    known = Contact.objects.values_list("email", "phone", "first_name", "last_name")
    assert set(known) == {("", "", "", "")}
    assert MessageBody.objects.count() == 0
    assert trials.sends == 0


# -- the cap ----------------------------------------------------------------------------------------------------------

WORKERS = 8


def test_eight_workers_never_exceed_a_cap(trials, promise):
    """Two to four messages are due to each person at the same moment; the gap between any two allows one."""
    chance, people = seeded(), length(40, 1000)
    rivals = [trials.flow, *(_twin(trials.flow, number) for number in range(3))]
    contacts = trials.people(people)
    for number, flow in enumerate(rivals):
        # Everybody has two, and about half of them each one more.
        crowd = contacts if number < 2 else chance.sample(contacts, people // 2)
        trials.due(chance.choice(tuple(STEPS)), crowd, flow=flow)
    due = Message.objects.count()

    # The longer between a gate's go and its attempt, the more workers hold a go for the same person.
    with stopping(lambda name: time.sleep(0.02) if name == "after_gate" else None):
        for now in until_settled():
            together(WORKERS, partial(dispatch_all, now))

    sent = Counter(Message.objects.filter(state="accepted").values_list("contact", flat=True))
    promise(
        "G6",
        run=f"{due} messages due to {people} people at once, {WORKERS} workers, {connection.vendor}",
        figure=f"{sum(count > 1 for count in sent.values())} people over their cap, {trials.sends} sends",
        bar="nobody, one each",
        holds=set(sent.values()) == {1} and trials.sends == len(sent) == people,
    )
    held = Message.objects.exclude(state="accepted")
    assert set(held.values_list("reason", flat=True)) == {"frequency_cap"}


def until_settled():
    """Instants at which to dispatch until nothing waits: a worker that was held up tries again half a minute later."""
    now = NOW
    while Message.objects.filter(state="scheduled").exists():
        yield now
        now += timedelta(seconds=31)


def dispatch_all(now):
    while any(delivery.dispatch(now=now).values()):
        pass


def together(count, work):
    """Run `work` in `count` threads with connections of their own; what one of them raises is raised here."""

    def alone(_number):
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(alone, range(count)))


def _twin(flow, number):
    """Another flow that does the same."""
    return Flow.objects.create(
        shop=flow.shop,
        slug=f"twin-{number}",
        name=f"Twin {number}",
        trigger=flow.trigger,
        stage=flow.stage,
        state="on",
        version=flow.version,
    )


# -- the window that remains ------------------------------------------------------------------------------------------

WINDOW_SECONDS = 0.25
LONGEST_STALL_SECONDS = 0.6
CROWD = 10


@dataclass(frozen=True)
class Stalled:
    """What came of one worker that stalled past the gate.

    `held` texts could not leave before the window had passed; `ages` are the seconds by which the others left after the
    change.
    """

    held: int
    ages: tuple[float, ...]


class Stallers:
    """Workers that stall after the gate or after an attempt's commit, while everybody they hold says no."""

    def __init__(self, trials, chance):
        self._trials, self._chance = trials, chance
        self._claiming = threading.Lock()
        self._here = threading.local()

    def reached(self, name):
        self._here.reached(name)

    def stall_once(self):
        trials, chance = self._trials, self._chance
        stop = chance.choice(("after_gate", "after_attempt_commit"))
        passing = chance.randrange(3) if stop == "after_attempt_commit" else 0
        stall = chance.uniform(0.1, LONGEST_STALL_SECONDS)
        past = Counter()
        committed_at = []

        def reached(name):
            past[name] += 1
            if name == "after_claim":
                self._claiming.release()
            if name == stop and past[name] == passing + 1:
                committed_at.append(trials.meanwhile.make("turned_the_channel_off", *crowd, now=NOW))
                time.sleep(stall)

        self._here.reached = reached
        # What is due is this worker's own: the others wait until it has claimed it.
        self._claiming.acquire()
        try:
            crowd = trials.due("sms", trials.people(CROWD))
            delivery.dispatch(now=NOW)
        finally:
            if not past["after_claim"]:
                self._claiming.release()
        arrived = [trials.provider.arrivals.get(str(message.pk), 0.0) - committed_at[0] for message in crowd]
        held = past["after_render"] - passing if stall >= WINDOW_SECONDS else 0
        return Stalled(held=held, ages=tuple(age for age in arrived if age > 0))


def test_a_change_older_than_the_window_stops_the_send(trials, promise):
    stallers, found = Stallers(trials, seeded()), []
    wanted, until = length(300, 10_000), time.monotonic() + length(40, 440)

    def work():
        while sum(one.held for one in found) < wanted and time.monotonic() < until:
            found.append(stallers.stall_once())

    with stopping(stallers.reached):
        together(4, work)

    held, ages = sum(one.held for one in found), [age for one in found for age in one.ages]
    late = sum(age >= WINDOW_SECONDS for age in ages)
    promise(
        "G9",
        run=f"{held} texts whose worker stalled, {connection.vendor}; none late in n proves a rate below 3/n",
        figure=f"{late} sent {WINDOW_SECONDS} s or more after the change; the last {max(ages, default=0):.3f} s after it",
        bar="0 sent",
        holds=late == 0 and held > 0,
    )


@pytest.mark.alone
def test_the_first_byte_follows_the_gate_closely(trials, promise):
    count = length(300, 1000)
    trials.due("sms", trials.people(count))
    passed = []

    with stopping(lambda name: passed.append(time.time()) if name == "after_gate" else None):
        for now in until_settled():
            dispatch_all(now)

    arrivals = trials.provider.arrivals.values()
    waits = [at - max(gate for gate in passed if gate <= at) for at in arrivals]
    p99 = percentile(waits, 0.99)
    promise(
        "G9",
        run=f"{len(waits)} texts in one queue, {connection.vendor}",
        figure=f"p99 from gate to first byte {p99 * 1000:.0f} ms",
        bar=f"{WINDOW_SECONDS * 1000:.0f} ms",
        holds=len(waits) == count and p99 <= WINDOW_SECONDS,
    )


def seeded() -> random.Random:
    seed = int(os.environ.get("RETARGET_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"RETARGET_TEST_SEED={seed}")
    return random.Random(seed)
