"""From a due row to a provider's answer, and what is left behind by workers that end on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin import conf
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.engine import composing, delivery, orders
from retarget_plugin.models import Attempt, Consent, FlowRun, Message, Suppression

from .test_story import codes, place_order

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture
def due_text(shopping):
    """A text that is due now and not sent yet."""
    shopping.consent("email", "sms")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=1)
    run = FlowRun.objects.get()
    return delivery.queue(
        run,
        step="sms",
        channel="sms",
        due_at=shopping.clock.now,
        not_after=shopping.clock.now + timedelta(hours=1),
        now=shopping.clock.now,
    )


def answer(kind, **facts):
    MemoryGateway.answers = [Outcome(kind=kind, **facts)]


def test_an_accepted_text_leaves_its_proof(shopping, due_text):
    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    attempt = Attempt.objects.get()
    assert (due_text.state, due_text.segments, due_text.sent_at) == ("accepted", 1, shopping.clock.now)
    assert due_text.gateway_id
    assert (attempt.outcome, attempt.fence, attempt.consent.channel) == ("accepted", due_text.fence, "sms")
    assert due_text.body.text == MemoryGateway.outbox[0].text
    assert codes(message=due_text) == ["queued", "sent"]


def test_asked_twice_it_is_queued_once(shopping, due_text):
    again = delivery.queue(
        due_text.run,
        step="sms",
        channel="sms",
        due_at=due_text.due_at,
        not_after=due_text.not_after,
        now=shopping.clock.now,
    )

    assert again.pk == due_text.pk


@pytest.mark.parametrize(
    ("kind", "facts", "state", "wait"),
    [
        (OutcomeKind.TRANSIENT, {}, "scheduled", 30),
        (OutcomeKind.RATE_LIMITED, {"retry_after": 90.0}, "scheduled", 90),
        (OutcomeKind.NO_CREDIT, {}, "scheduled", 30),
        (OutcomeKind.MISCONFIGURED, {}, "scheduled", 30),
        (OutcomeKind.RATE_LIMITED, {"retry_after": 7200.0}, "expired", None),  # an hour is already past the deadline
        (OutcomeKind.REJECTED, {"code": "21211"}, "rejected", None),
        (OutcomeKind.UNKNOWN, {}, "unknown", None),
    ],
)
def test_an_answer_leads_to(shopping, due_text, kind, facts, state, wait):
    shopping.clock.advance(seconds=1)
    answer(kind, **facts)

    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert due_text.state == state
    if wait:
        assert due_text.due_at == shopping.clock.now + timedelta(seconds=wait)
        assert due_text.sent_at is None


def test_an_unknown_outcome_is_never_sent_again_by_itself(shopping, due_text):
    answer(OutcomeKind.UNKNOWN)

    delivery.dispatch(now=shopping.clock.now)
    shopping.wait(minutes=30)
    shopping.wait(hours=5)

    due_text.refresh_from_db()
    assert due_text.state == "unknown"
    assert Attempt.objects.filter(message=due_text).count() == 1


def test_a_gateway_that_breaks_its_contract_leaves_the_outcome_unknown(shopping, due_text, monkeypatch, caplog):
    monkeypatch.setattr(MemoryGateway, "send", lambda self, sms: 1 / 0)

    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert (due_text.state, due_text.detail) == ("unknown", "ZeroDivisionError in the gateway")


def test_an_opt_out_at_the_gateway_is_honored_here(shopping, due_text):
    answer(OutcomeKind.OPTED_OUT, code="21610")

    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert due_text.state == "rejected"
    assert Suppression.objects.get().reason == "stopped"
    assert Consent.objects.get(channel="sms").state == "withdrawn"


def test_it_gives_up_after_the_last_attempt(shopping, due_text, monkeypatch):
    monkeypatch.setattr(conf.Settings, "MAX_ATTEMPTS", 2)
    MemoryGateway.answers = [Outcome(kind=OutcomeKind.TRANSIENT)] * 3

    delivery.dispatch(now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.advance(seconds=31))
    delivery.dispatch(now=shopping.clock.advance(seconds=61))

    due_text.refresh_from_db()
    assert (due_text.state, due_text.attempts_made) == ("rejected", 2)


def test_an_order_between_claim_and_send_stops_the_message(shopping, due_text, monkeypatch):
    """The order is placed while the message is being rendered, after everything else was read."""
    compose = composing.compose

    def ordered_meanwhile(*args, **kwargs):
        composed = compose(*args, **kwargs)
        place_order(shopping, cart="")
        return composed

    monkeypatch.setattr(composing, "compose", ordered_meanwhile)

    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert (due_text.state, due_text.reason) == ("cancelled", "ordered")
    assert MemoryGateway.outbox == []
    assert Attempt.objects.count() == 0


def test_an_order_the_host_cannot_read_yet_still_stops_its_cart(shopping, due_text):
    orders.touch(host="default", reference="1001", now=shopping.clock.now)
    shopping.host.carts.clear()

    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert due_text.reason == "subject_gone"


def test_a_dead_workers_claim_is_due_again(shopping, due_text):
    Message.objects.update(state="claimed", fence=1, leased_until=shopping.clock.now)

    delivery.recover(now=shopping.clock.advance(seconds=1))
    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert (due_text.state, due_text.fence) == ("accepted", 3)


def test_a_dead_workers_attempt_is_unknown_without_a_key(shopping, due_text):
    hang(due_text, shopping)

    delivery.recover(now=shopping.clock.advance(seconds=1))

    due_text.refresh_from_db()
    assert due_text.state == "unknown"
    assert Attempt.objects.get().outcome == "unknown"


def test_a_dead_workers_attempt_is_repeated_with_the_same_key_where_the_gateway_knows_keys(
    shopping, due_text, monkeypatch
):
    monkeypatch.setattr(MemoryGateway, "has_idempotency_keys", True)
    monkeypatch.setattr(MemoryGateway, "idempotency_key_life", 3600.0)
    hang(due_text, shopping, key_until=shopping.clock.now + timedelta(minutes=54))

    delivery.recover(now=shopping.clock.advance(seconds=1))
    delivery.dispatch(now=shopping.clock.advance(seconds=31))

    due_text.refresh_from_db()
    assert due_text.state == "accepted"
    assert MemoryGateway.outbox[0].idempotency_key == str(due_text.key)


def test_a_worker_that_wakes_up_late_changes_nothing(shopping, due_text):
    hang(due_text, shopping)
    late = Message.objects.filter(pk=due_text.pk).whole(with_texts=False)[0]
    delivery.recover(now=shopping.clock.advance(seconds=1))
    Message.objects.update(state="attempting", fence=9)

    delivery.settle(late, Outcome(kind=OutcomeKind.ACCEPTED, gateway_id="late"), now=shopping.clock.now)

    due_text.refresh_from_db()
    assert (due_text.state, due_text.gateway_id) == ("attempting", "")


def test_staff_cancels_what_has_not_left(shopping, due_text):
    assert delivery.cancel(due_text, by="owner", now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert (due_text.state, due_text.reason) == ("cancelled", "stopped_by_staff")
    assert MemoryGateway.outbox == []
    assert not delivery.cancel(due_text, by="owner", now=shopping.clock.now)


def test_an_unexpected_error_sets_its_message_aside_until_staff_releases_it(shopping, due_text, monkeypatch, caplog):
    monkeypatch.setattr(composing, "compose", lambda *args, **kwargs: {}["gone"])
    delivery.dispatch(now=shopping.clock.now)
    due_text.refresh_from_db()
    assert (due_text.state, due_text.detail) == ("quarantined", "KeyError: 'gone'")
    monkeypatch.undo()

    delivery.dispatch(now=shopping.clock.advance(minutes=1))
    assert MemoryGateway.outbox == []

    assert delivery.release(due_text, now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.now)
    assert len(MemoryGateway.outbox) == 1


def test_a_missing_gateway_holds_the_message_and_says_so(shopping, due_text):
    shopping.shop.sms_gateway = "nosuch"
    shopping.shop.save()

    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert (due_text.state, due_text.reason) == ("scheduled", "no_gateway")
    assert "nosuch" in due_text.detail


def hang(message, shopping, **changes):
    """As a worker leaves it that is killed between the attempt's commit and the provider's answer."""
    Message.objects.update(
        state="attempting",
        fence=1,
        attempts_made=1,
        leased_until=shopping.clock.now,
        sent_at=shopping.clock.now,
        **changes,
    )
    Attempt.objects.create(message=message, fence=1, gateway="default", started_at=shopping.clock.now)
