"""What a backtest counts, prints, and says that it cannot know."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO
from time import process_time

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.engine import backtest, carts, explain, parallel, replays
from retarget_plugin.engine.histories import Share
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, Contact, Flow, Message, Shop
from retarget_plugin.models import Order as OrderRow
from retarget_plugin.testing import build_cart, build_contact

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

SLUG = "abandoned-checkout"


def flow(slug=SLUG):
    return Flow.objects.select_related("shop", "version").get(slug=slug)


@pytest.fixture
def left_cart(shop, host, clock):
    """Ana agreed, then left one checkout ten days ago; Bob never agreed; somebody unknown left a cart; Cleo bought."""
    clock.now = now = timezone.now() - timedelta(days=10)
    build_contact(shop, now=now, email="ana@example.com")
    host.past = [
        PastCart(cart=build_cart("1", identity=Identity(email="ana@example.com")), touched_at=(now,)),
        PastCart(cart=build_cart("2", identity=Identity(email="bob@example.com")), touched_at=(now,)),
        PastCart(cart=build_cart("3"), touched_at=(now,)),
        PastCart(
            cart=build_cart("4", identity=Identity(email="cleo@example.com")),
            touched_at=(now,),
            ordered_at=now + timedelta(hours=2),
        ),
    ]
    clock.advance(days=10)
    return host


def test_the_funnel_counts_every_gate(left_cart, shop, clock):
    outcome = backtest.run(flow(), since=clock.now - timedelta(days=11), until=clock.now)

    tally = outcome.tally
    assert (outcome.carts, outcome.people, tally.entered) == (4, 4, 3)
    assert (tally.carts, tally.refused) == (Counter(left=4), Counter(no_identity=1))
    assert outcome.sent == Counter(reminder=1, question=1)
    assert tally.blocked["reminder"] == Counter(no_consent=1)
    assert tally.bought_first == 1
    assert Contact.objects.count() == 1
    assert Message.objects.count() == 0


def test_consent_counts_from_the_moment_it_was_given(left_cart, shop, clock):
    bob = build_contact(shop, now=clock.now - timedelta(days=9, hours=12), email="bob@example.com")

    outcome = backtest.run(flow(), since=clock.now - timedelta(days=11), until=clock.now)

    # The reminder came before, the question after.
    assert outcome.tally.blocked["reminder"] == Counter(no_consent=1)
    assert outcome.sent == Counter(reminder=1, question=2)
    assert bob.runs.count() == 0


def test_questions_to_the_database_do_not_grow_with_the_carts(left_cart, shop, clock):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            backtest.run(flow(), since=clock.now - timedelta(days=11), until=clock.now)
        return len(queries)

    few = asked()
    left_cart.past += [
        PastCart(
            cart=build_cart(f"x{n}", identity=Identity(email=f"x{n}@example.com")),
            touched_at=(clock.now - timedelta(days=9),),
        )
        for n in range(100)
    ]

    assert asked() == few


def test_the_command_prints_the_funnel_and_what_it_cannot_know(left_cart, shop):
    out = StringIO()
    since = (left_cart.past[0].touched_at[0] - timedelta(days=1)).date().isoformat()
    call_command("retarget_backtest", SLUG, "--since", since, stdout=out)

    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert "4 carts of 4 owners" in lines[0]
    assert f"1 not entered: {explain.reason_label('no_identity')}" in lines
    assert "step reminder (email): 1 would be sent" in lines
    assert "1 bought anyway, before any message" in lines
    assert any("a holdout can tell" in line for line in lines)
    assert any("nobody is inside the flow as it begins" in line for line in lines)


def test_a_flow_that_is_not_about_carts_is_refused(shop):
    with pytest.raises(CommandError, match="abandoned cart or checkout"):
        call_command("retarget_backtest", "win-back")
    with pytest.raises(CommandError, match="There is no flow 'x'"):
        call_command("retarget_backtest", "x")


def test_as_json_for_machines(left_cart, shop):
    out = StringIO()
    since = (left_cart.past[0].touched_at[0] - timedelta(days=1)).date().isoformat()
    call_command("retarget_backtest", SLUG, "--since", since, "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert (told["entered"], told["sent"]["reminder"], told["refused"]) == (3, 1, {"no_identity": 1})


# -- several at once ---------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(transactional_db, shop, host, clock):
    """Sixty people, every third of whom the shop alone knows, and twenty carts of nobody."""
    clock.now = now = timezone.now() - timedelta(days=10)
    for number in range(40):
        build_contact(shop, now=now, email=f"p{number}@example.com")
    owners = [Identity(email=f"p{number}@example.com") for number in range(60)] + [None] * 20
    host.past = [
        PastCart(
            cart=build_cart(f"c{number}", identity=owner),
            touched_at=(now,),
            ordered_at=now + timedelta(hours=2) if number % 5 == 0 else None,
        )
        for number, owner in enumerate(owners)
    ]
    clock.advance(days=10)
    return {"since": now - timedelta(days=1), "until": clock.now}


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_play_what_one_does(crowd, count):
    told = []

    together = parallel.run(flow(), **crowd, count=count, watch=told.append)

    alone = backtest.run(flow(), **crowd)
    assert together == alone
    assert (together.people, together.carts, together.tally.entered) == (80, 80, 60)
    assert told == sorted(told) and told[-1] == 80


def test_everybody_is_in_one_share_and_always_in_the_same():
    shares = [Share(number, 3) for number in range(3)]

    held = Counter(share.number for n in range(300) for share in shares if share.holds(f"p{n}@example.com"))

    assert held.total() == 300 and min(held.values()) > 50


def test_inside_a_transaction_that_nobody_else_sees_one_plays(shop):
    assert parallel.processes() == 1


@pytest.mark.parametrize(("processors", "count"), [({0, 1, 2}, 3), (set(range(64)), parallel.MOST)])
def test_as_many_play_as_there_are_processors(transactional_db, monkeypatch, processors, count):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: processors, raising=False)

    assert parallel.processes() == count


def test_a_process_that_is_killed_is_told_of(crowd, monkeypatch):
    monkeypatch.setattr(backtest, "run", lambda *_args, **_options: os.kill(os.getpid(), signal.SIGKILL))

    with pytest.raises(Refusal, match="--processes 1"):
        parallel.run(flow(), **crowd, count=2)


def outcome_of(shop, clock, slug=SLUG, **definition):
    """A backtest of the flow with this changed of its definition; None takes a part of it away."""
    played = flow(slug)
    played.version.definition = {**played.version.definition, **definition}
    return backtest.run(played, since=clock.now - timedelta(days=11), until=clock.now)


def tells(outcome, words):
    return sum(words in sentence for sentence in backtest.limits(outcome))


CLICKED, OF_TODAY, NEAR = "waits for a click", "those of today", "near a store"
SEND = {"key": "reminder", "after": "4h", "deadline": "12h", "send": {"channel": "email", "message": "reminder"}}


@pytest.mark.parametrize(
    ("words", "step"),
    [
        (CLICKED, {"key": "w", "wait": {"event": "click", "for": "2d", "else": "next"}}),
        (CLICKED, {"key": "b", "branch": {"if": {"fact": "downloaded"}, "then": [SEND], "else": []}}),
        (OF_TODAY, {"key": "b", "branch": {"if": {"fact": "tag", "is": "vip"}, "then": [SEND], "else": []}}),
        (NEAR, {**SEND, "requires": ["store_near"]}),
        ("besides sending is not done", {"key": "t", "tag": {"add": ["late"]}}),
    ],
)
def test_it_says_what_it_cannot_know_of_what_a_step_asks(left_cart, shop, clock, words, step):
    others = [one for one in (SEND,) if SEND not in (step, *step.get("branch", {}).get("then", ()))]
    steps = [step] if step["key"] == SEND["key"] else [step, *others]

    assert tells(outcome_of(shop, clock, steps=steps), words) == 1
    assert tells(outcome_of(shop, clock), words) == 0


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("month's SMS budget", {"sms_segments_per_month": 100}),
        ("counts as paid", {"customers_told_since": date(2020, 1, 1)}),
    ],
)
def test_it_says_what_it_cannot_know_of_a_shop(left_cart, shop, clock, words, changes):
    assert tells(outcome_of(shop, clock), words) == 0

    Shop.objects.update(**changes)

    assert tells(outcome_of(shop, clock), words) == 1


def test_it_says_that_nobody_is_held_out_where_somebody_would_be(left_cart, shop, clock, settings):
    assert tells(outcome_of(shop, clock), "Nobody is held out") == 0

    settings.RETARGET = {**settings.RETARGET, "HOLDOUT": True}

    assert tells(outcome_of(shop, clock), "Nobody is held out") == 1
    assert tells(outcome_of(shop, clock, holdout=0), "Nobody is held out") == 0


def test_it_says_what_it_cannot_know_of_coupons(left_cart, shop, clock):
    steps = [{**SEND, "send": {**SEND["send"], "coupon": {"percent": 5, "valid": "72h", "once_per": "90d"}}}]

    assert tells(outcome_of(shop, clock), "coupon") == 0
    assert tells(outcome_of(shop, clock, steps=steps), "coupon budget does not run out") == 1


def test_it_says_what_it_cannot_know_of_the_carts(left_cart, shop, clock):
    guests, stages, inside = "without an account", "How far a cart got", "still inside the flow"
    known = outcome_of(shop, clock)
    left_cart.past = [replace(left_cart.past[0], stage="checkout", touched_at=(clock.now - timedelta(hours=5),))]
    fresh = outcome_of(shop, clock)
    left_cart.past = None
    ours = outcome_of(shop, clock)

    assert [tells(known, words) for words in (guests, stages, inside)] == [1, 1, 0]
    assert [tells(fresh, words) for words in (guests, stages, inside)] == [0, 0, 1]
    assert [tells(one, "taken for one person") for one in (known, ours)] == [1, 0]
    assert ours.carts == 0


def test_our_own_record_knows_only_the_last_activity(left_cart, shop, clock):
    left_cart.past = None
    carts.touch(host="default", reference="5", stage="checkout", now=clock.now - timedelta(days=2))

    ours = outcome_of(shop, clock)

    assert (ours.carts, tells(ours, "only the last activity is known")) == (1, 1)


def test_whoever_has_no_end_of_things_due_is_given_up_and_counted(left_cart, shop, clock, monkeypatch):
    monkeypatch.setattr(replays, "ROUNDS", 0)

    outcome = outcome_of(shop, clock)

    assert outcome.tally.given_up == 4
    assert tells(outcome, "Of 4 people the rest was left out") == 1


def test_an_order_from_elsewhere_counts_also_where_its_cart_is_older(left_cart, shop, clock):
    ana = Contact.objects.get(email="ana@example.com")
    at = left_cart.past[0].touched_at[0]
    cart = Cart.objects.create(
        shop=shop, contact=ana, reference="old", touched_at=at, created_at=at - timedelta(days=90)
    )
    OrderRow.objects.create(
        shop=shop, contact=ana, cart=cart, reference="old", placed_at=at + timedelta(hours=2), touched_at=at
    )

    outcome = outcome_of(shop, clock)

    assert outcome.sent == Counter()
    assert outcome.tally.bought_first == 2


def test_a_person_with_very_many_carts_takes_no_longer_for_each(left_cart, shop, clock):
    def seconds(count):
        left_cart.past = [
            PastCart(
                cart=build_cart(f"x{n}", identity=Identity(email="ana@example.com")),
                touched_at=(clock.now - timedelta(days=9) + timedelta(minutes=n),),
            )
            for n in range(count)
        ]
        began = process_time()
        assert outcome_of(shop, clock).carts == count
        return process_time() - began

    seconds(10)
    few = seconds(300)

    # Ten times as many; with a look at each of the others it would be a hundred times.
    assert seconds(3000) < 30 * few
