"""Reports of providers: repeated, poisoned, in any order, and late."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import connection, transaction

from retarget_plugin import signals
from retarget_plugin.channels import WebhookRequest
from retarget_plugin.channels.sms.http import HttpGateway
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.engine import delivery, receipts
from retarget_plugin.models import Attempt, Consent, ConsentRecord, Decision, Message, Suppression
from retarget_plugin.testing import Clock, build_contact, build_shop
from tests.engine.handed_over import GATEWAY, event, hand_over
from tests.promises import length

pytestmark = [pytest.mark.promise, pytest.mark.delivery]

KINDS = ["delivered", "opened", "clicked", "bounced", "complained", "unsubscribed"]
COLUMNS = [f"{kind}_at" for kind in KINDS]


@pytest.fixture
def chance():
    seed = int(os.environ.get("RETARGET_TEST_SEED") or random.randrange(2**32))
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shop(db):
    return build_shop()


def facts_of(message):
    """All that reports can change about a message and its person, without ids."""
    message = Message.objects.get(pk=message.pk)
    contact = message.contact
    return {
        "message": [message.state, message.gateway_id, *(getattr(message, column) for column in COLUMNS)],
        "attempt": list(Attempt.objects.filter(message=message).values_list("outcome", flat=True)),
        "consent": Consent.objects.get(contact=contact, channel=message.channel).state,
        "withdrawals": ConsentRecord.objects.filter(contact=contact, state="withdrawn").count(),
        "suppressed": list(Suppression.objects.values_list("reason", flat=True)),
        "decisions": sorted(Decision.objects.filter(message=message).values_list("code", flat=True)),
    }


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_fifty_copies_of_each_report_over_three_days_have_one_effect(clock, chance, promise):
    people, copies, hours = length(2, 20), 50, 72
    shop, start = build_shop(), clock.now
    messages = [hand_over(shop, now=start) for _ in range(people)]
    heard = Counter()
    signals.contact_unsubscribed.connect(
        lambda contact, **_: heard.update([contact]), weak=False, dispatch_uid="counting"
    )
    calls = [
        (message, kind, start + timedelta(hours=hours * chance.random()))
        for message in messages
        for kind in KINDS
        for _copy in range(copies)
    ]
    chance.shuffle(calls)

    def web_worker(call):
        message, kind, now = call
        try:
            return receipts.apply([event(message, kind, is_permanent=True)], gateway=GATEWAY, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        applied = sum(workers.map(web_worker, calls), Counter())

    signals.contact_unsubscribed.disconnect(dispatch_uid="counting")
    first = {
        (message.pk, kind): min(at for m, k, at in calls if (m, k) == (message, kind))
        for message in messages
        for kind in KINDS
    }
    wrong = [
        (message.pk, kind)
        for message in Message.objects.all()
        for kind in KINDS
        if getattr(message, f"{kind}_at") != first[message.pk, kind]
    ]
    once = [
        list(ConsentRecord.objects.filter(state="withdrawn").values_list("contact").order_by("contact")),
        sorted(heard.items()),
        Suppression.objects.filter(reason="complained").count(),
        Decision.objects.count(),
    ]
    contacts = [message.contact_id for message in messages]
    promise(
        "D18",
        run=f"{people} people x {len(KINDS)} reports x {copies} copies over {hours} virtual hours, 8 web workers at once",
        figure=f"{applied['applied']} applied, {len(wrong)} columns wrong; one withdrawal, one signal, "
        f"one suppression each: {once == [[(pk,) for pk in contacts], [(pk, 1) for pk in contacts], people, 0]}",
        bar="one effect each, counters exact",
        holds=applied == {"applied": len(calls)}
        and not wrong
        and once == [[(pk,) for pk in contacts], [(pk, 1) for pk in contacts], people, 0],
    )


def test_one_bad_report_in_a_thousand_costs_itself_only(shop, clock, chance, promise):
    contact = build_contact(shop, now=clock.now, channels=("email",))
    messages = [hand_over(shop, now=clock.now, contact=contact) for _ in range(1000)]
    events = [event(message, chance.choice(["delivered", "opened", "clicked"])) for message in messages]
    bad = chance.randrange(1000)
    # A time without its zone, which no provider of ours writes.
    events[bad] = event(messages[bad], "delivered", at=clock.now.replace(tzinfo=None))

    tally = receipts.apply(events, gateway=GATEWAY, now=clock.now)

    untouched = Message.objects.filter(delivered_at=None, opened_at=None, clicked_at=None)
    set_aside = list(Decision.objects.values_list("message", "code"))
    promise(
        "D19",
        run="one batch of 1,000 reports on 1,000 messages",
        figure=f"{tally['applied']} applied, {tally['quarantined']} set aside and shown",
        bar="999 applied, 1 quarantined, no error to the sender",
        holds=tally == {"applied": 999, "quarantined": 1}
        and list(untouched.values_list("pk", flat=True)) == [messages[bad].pk]
        and set_aside == [(messages[bad].pk, "broken")],
    )


def orderings(steps, *, chance, short):
    """All orderings of `steps`, or in short runs `short` of them."""
    found = list(permutations(steps))
    return chance.sample(found, length(short, len(found)))


def outcomes_of(message, ordering, *, settle, clock):
    """What is left after one ordering; the database is as before afterwards."""
    with transaction.atomic():
        for number, kind in enumerate(ordering):
            now = clock.now + timedelta(minutes=10 + number)
            if kind == "settled":
                settle(message, now)
                continue
            at = clock.now + timedelta(seconds=KINDS.index(kind))
            report = event(message, kind, at=at, gateway_id="g-1", is_permanent=True)
            receipts.apply([report], gateway=GATEWAY, now=now)
        receipts.settle_reported(now=clock.now + timedelta(hours=1))
        found = facts_of(message)
        transaction.set_rollback(True)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_ordering_of_reports_and_our_own_commit_ends_the_same(shop, clock, chance, promise):
    contact = build_contact(shop, now=clock.now, channels=("email",))
    message = hand_over(shop, now=clock.now, contact=contact, state="attempting")
    accepted = Outcome(kind=OutcomeKind.ACCEPTED, gateway_id="g-1")
    chosen = orderings(["settled", *KINDS], chance=chance, short=100)

    different = Counter(
        json.dumps(
            outcomes_of(
                message,
                ordering,
                settle=lambda message, now: delivery.settle(message, accepted, now=now),
                clock=clock,
            ),
            default=str,
        )
        for ordering in chosen
    )

    expected = {
        "message": ["accepted", "g-1", *(clock.now + timedelta(seconds=number) for number in range(len(KINDS)))],
        "attempt": ["accepted"],
        "consent": "withdrawn",
        "withdrawals": 1,
        "suppressed": ["complained"],
        "decisions": ["sent"],
    }
    promise(
        "D20",
        run=f"{len(chosen)} of 5,040 orderings of our own commit and {len(KINDS)} reports",
        figure=f"{len(different)} final state(s); the complaint stands in {different[json.dumps(expected, default=str)]}",
        bar="the same final state for every ordering; complaint and unsubscription always win",
        holds=different == {json.dumps(expected, default=str): len(chosen)},
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_ordering_ends_the_same_when_the_answer_was_lost(shop, clock, chance, promise):
    contact = build_contact(shop, now=clock.now, channels=("email",))
    message = hand_over(shop, now=clock.now, contact=contact, state="attempting")
    lost = Outcome(kind=OutcomeKind.UNKNOWN)
    chosen = orderings(["settled", "delivered", "opened", "complained", "unsubscribed"], chance=chance, short=30)

    states = Counter(
        (found["message"][0], found["consent"], *found["suppressed"])
        for found in (
            outcomes_of(
                message, ordering, settle=lambda message, now: delivery.settle(message, lost, now=now), clock=clock
            )
            for ordering in chosen
        )
    )

    promise(
        "D20",
        run=f"{len(chosen)} of 120 orderings of a lost answer and 4 reports",
        figure=f"accepted, withdrawn and suppressed in {states['accepted', 'withdrawn', 'complained']}",
        bar="the same final state for every ordering",
        holds=states == {("accepted", "withdrawn", "complained"): len(chosen)},
    )


def test_unknown_outcomes_are_settled_by_reports_an_hour_late_and_nothing_is_sent_again(shop, clock, chance, promise):
    count = length(60, 500)
    messages = [hand_over(shop, now=clock.now, state="attempting", channel="sms") for _ in range(count)]
    for message in messages:
        delivery.settle(message, Outcome(kind=OutcomeKind.UNKNOWN, code="no_answer"), now=clock.now)
    gateway = HttpGateway(
        receipts={
            "list_path": "reports",
            "message_id": "ref",
            "gateway_id": "id",
            "status": "state",
            "statuses": {"delivered": ["arrived"], "failed": ["lost"]},
        }
    )
    truth = {message.pk: chance.choice(["arrived", "lost"]) for message in messages}
    reports = [{"ref": str(pk), "id": f"g-{pk}", "state": state} for pk, state in truth.items()]
    body = json.dumps({"reports": reports}).encode()
    call = WebhookRequest(
        method="POST", url="https://shop.example/x", body=body, headers={"Content-Type": "application/json"}
    )
    clock.advance(minutes=30)
    delivery.recover(now=clock.now)
    delivery.dispatch(now=clock.now)
    waited = Message.objects.filter(state="unknown").count()
    clock.advance(minutes=30)

    receipts.apply(gateway.parse_events(call), gateway=GATEWAY, now=clock.now)

    settled = dict(Message.objects.values_list("pk", "state"))
    right = sum(settled[pk] == {"arrived": "accepted", "lost": "rejected"}[state] for pk, state in truth.items())
    tries = set(Message.objects.values_list("attempts_made", flat=True))
    promise(
        "D23",
        run=f"{count} unknown outcomes, reported an hour later through the gateway's own parser",
        figure=f"{right / count:.1%} settled as they were, {waited} had waited, {sum(tries) - 1} sent again",
        bar=">= 95 % settled, none sent again before",
        holds=right >= 0.95 * count and waited == count and tries == {1},
    )
