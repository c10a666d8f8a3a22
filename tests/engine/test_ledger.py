"""Every change of a message's state is one the state machine allows, and is made by nobody else's hand."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest

import retarget_plugin
from retarget_plugin.domain.delivery import FINAL, TRANSITIONS, Consequence, Held
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import MessageState, OutcomeKind, Reason
from retarget_plugin.engine import delivery, ledger
from retarget_plugin.models import Attempt, Decision, Message

from .test_delivery import due_text  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

PACKAGE = Path(retarget_plugin.__file__).parent
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, gateway_id="g1")


def changes_a_message(call: ast.Call) -> bool:
    names_a_state = any(
        keyword.arg == "state" and "MessageState" in ast.unparse(keyword.value) for keyword in call.keywords
    )
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("update", "create") and names_a_state


def test_only_the_ledger_writes_a_state():
    writers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and changes_a_message(node)
    }

    assert writers == {"engine/ledger.py"}


def test_every_state_can_be_reached_and_left_unless_it_is_final():
    reached = {MessageState.SCHEDULED}.union(*TRANSITIONS.values())

    assert set(TRANSITIONS) == set(MessageState) == reached
    assert {state for state, following in TRANSITIONS.items() if following} == (
        set(MessageState) - FINAL | {MessageState.UNKNOWN}
    )


VERBS = {
    "take": lambda message, now: ledger.take(
        message.shop, "sms", gateways=["", "default"], after=None, until=now, limit=5, now=now
    ),
    "put_back": lambda message, now: ledger.put_back([message]),
    "hold until": lambda message, now: ledger.hold([(message, Held(Reason.QUIET_HOURS, now))], now=now),
    "hold for good": lambda message, now: ledger.hold([(message, Held(Reason.ORDERED))], now=now),
    "set_aside": lambda message, now: ledger.set_aside(
        message, MessageState.PARKED, Reason.TEMPLATE_ERROR, "line 1", now=now
    ),
    "retake": lambda message, now: ledger.retake(now=now + timedelta(hours=1)),
    "expire": lambda message, now: ledger.expire(now=now + timedelta(days=9)),
    "accepted": lambda message, now: ledger.settle(
        message, ACCEPTED, Consequence(MessageState.ACCEPTED, Reason.SENT, now), now=now
    ),
    "again": lambda message, now: ledger.settle(
        message,
        Outcome(kind=OutcomeKind.TRANSIENT),
        Consequence(MessageState.SCHEDULED, Reason.RETRYING, now),
        now=now,
    ),
    "resolve": lambda message, now: ledger.resolve(message, MessageState.REJECTED, now=now, facts={}),
    "cancel": lambda message, now: ledger.cancel(Message.objects.filter(pk=message.pk), Reason.STOPPED_BY_STAFF),
    "release": lambda message, now: ledger.release(message, now=now),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", list(MessageState))
def test_a_verb_makes_only_changes_that_are_allowed(shopping, due_text, state, verb):  # noqa: F811
    is_leased = state in (MessageState.CLAIMED, MessageState.ATTEMPTING)
    lease = shopping.clock.now + timedelta(minutes=2) if is_leased else None
    Message.objects.update(state=state, fence=1, leased_until=lease)
    message = Message.objects.all().whole(with_texts=False)[0]

    VERBS[verb](message, shopping.clock.now)

    now = Message.objects.get().state
    assert now == state or MessageState(now) in TRANSITIONS[state]


def test_a_lease_that_was_taken_over_is_nobody_elses_to_hold(shopping, due_text):  # noqa: F811
    claimed = ledger.take(
        shopping.shop, "sms", gateways=[""], after=None, until=shopping.clock.now, limit=5, now=shopping.clock.now
    )
    held = [(Message.objects.filter(pk=claimed[0].pk).whole(with_texts=False)[0], Held(Reason.ORDERED))]
    Message.objects.update(fence=9, leased_until=shopping.clock.now + timedelta(hours=1))

    ledger.hold(held, now=shopping.clock.now)

    assert Message.objects.get().state == "claimed"
    assert not Decision.objects.filter(code="ordered").exists()


def test_a_message_in_doubt_is_never_called_cancelled(shopping, due_text):  # noqa: F811
    """An attempt under its key may have arrived; then an order makes it pointless."""
    Message.objects.update(
        state="claimed",
        fence=1,
        leased_until=shopping.clock.now + timedelta(minutes=2),
        key_until=shopping.clock.now + timedelta(hours=1),
    )
    message = Message.objects.all().whole(with_texts=False)[0]

    ledger.hold([(message, Held(Reason.ORDERED))], now=shopping.clock.now)

    assert Message.objects.get().state == "unknown"
    assert Decision.objects.filter(code="ordered").count() == 1


def test_a_worker_given_up_for_dead_may_still_bring_the_truth(shopping, due_text):  # noqa: F811
    Message.objects.update(
        state="attempting", fence=1, attempts_made=1, gateway="default", leased_until=shopping.clock.now
    )
    Attempt.objects.create(message=due_text, fence=1, gateway="default", started_at=shopping.clock.now)
    frozen = Message.objects.all().whole(with_texts=False)[0]
    delivery.recover(now=shopping.clock.advance(seconds=1))
    assert Message.objects.get().state == "unknown"

    assert delivery.settle(frozen, ACCEPTED, now=shopping.clock.now) == "accepted"

    assert Message.objects.get().gateway_id == "g1"
    assert Attempt.objects.get().outcome == "accepted"


def test_what_nobody_takes_ends_at_its_deadline(shopping, due_text):  # noqa: F811
    shopping.shop.sms_gateway = "gone"
    shopping.shop.save()
    Message.objects.update(gateway="default", key_until=shopping.clock.now)

    delivery.recover(now=shopping.clock.advance(hours=2))

    assert Message.objects.get().state == "unknown"
