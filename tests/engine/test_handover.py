"""From the final gate to the provider's answer: one commit a send, and never on an answer that has grown old."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin import failpoints
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.engine import composing, delivery, gates, installation, subjects
from retarget_plugin.models import Breaker, Decision, Flow, FlowRun, Message
from retarget_plugin.models.clock import Stopwatch
from retarget_plugin.testing import build_cart, build_contact

from .test_delivery import due_text  # noqa: F401
from .test_story import place_order

pytestmark = [pytest.mark.delivery]

TROUBLE = Outcome(kind=OutcomeKind.TRANSIENT, code="not_reached")


@pytest.fixture
def at_stop():
    """Runs something once when a stop is reached."""
    waiting = {}

    def hook(name):
        if action := waiting.pop(name, None):
            action()

    failpoints.arm(hook)
    yield waiting.__setitem__
    failpoints.arm(None)


def crowd(shopping, count):
    """So many people, each with a text that is due now."""
    flow = Flow.objects.get(slug="abandoned-cart")
    for number in range(count):
        phone = f"+336123450{number:02}"
        contact = build_contact(shopping.shop, now=shopping.clock.now, channels=["sms"], phone=phone)
        shopping.leave_cart(f"c{number}", identity=Identity(phone=phone))
        cart = shopping.shop.carts.get(reference=f"c{number}")
        shopping.shop.carts.filter(pk=cart.pk).update(contact=contact, state="abandoned")
        run = FlowRun.objects.create(
            shop=shopping.shop, flow=flow, version=flow.version, contact=contact, cart=cart, subject=cart.subject,
            anchored_at=shopping.clock.now, entered_at=shopping.clock.now,
        )  # fmt: skip
        delivery.queue(
            run, step="sms", channel="sms", due_at=shopping.clock.now,
            not_after=shopping.clock.now + timedelta(hours=1), now=shopping.clock.now,
        )  # fmt: skip


def states():
    return sorted(Message.objects.values_list("state", flat=True))


@pytest.mark.django_db(transaction=True)
def test_one_send_costs_one_commit(shopping):
    crowd(shopping, 12)
    with CaptureQueriesContext(connection) as few:
        delivery.dispatch(now=shopping.clock.now)
    assert states() == ["accepted"] * 12
    Message.objects.all().delete()
    FlowRun.objects.all().delete()
    crowd(shopping, 22)
    shopping.clock.advance(days=9)
    FlowRun.objects.update(anchored_at=shopping.clock.now)
    Message.objects.update(due_at=shopping.clock.now, not_after=shopping.clock.now + timedelta(hours=1))

    with CaptureQueriesContext(connection) as many:
        delivery.dispatch(now=shopping.clock.now)

    def commits(queries):
        return sum(query["sql"] == "COMMIT" for query in queries)

    assert states() == ["accepted"] * 22
    # Ten more sends; and two more for the portion that they are written in.
    assert commits(many) - commits(few) <= 10 + 2


@pytest.fixture
def asleep(monkeypatch):
    """Lets five seconds pass for this worker and nobody else; counts how often the gate is asked."""
    passed, asked, verdicts = [0.0], [], gates.verdicts
    monkeypatch.setattr(Stopwatch, "steady", staticmethod(lambda: passed[0]))
    monkeypatch.setattr(gates, "verdicts", lambda *args, **kwargs: asked.append(1) or verdicts(*args, **kwargs))

    def sleep():
        passed[0] += 5.0

    sleep.asked = asked
    return sleep


@pytest.mark.django_db
@pytest.mark.parametrize("stop", ["after_gate", "after_attempt_commit"])
def test_a_worker_that_was_held_up_after_the_gate_asks_again(shopping, due_text, at_stop, asleep, stop):  # noqa: F811
    at_stop(stop, asleep)

    delivery.dispatch(now=shopping.clock.now)

    assert (len(asleep.asked), states()) == (3, ["accepted"])


@pytest.mark.django_db
def test_what_changed_while_it_was_held_up_still_counts(shopping, due_text, at_stop, asleep):  # noqa: F811
    def ordered_meanwhile():
        asleep()
        place_order(shopping, cart="")

    at_stop("after_attempt_commit", ordered_meanwhile)

    delivery.dispatch(now=shopping.clock.now)
    # The attempt was written down and never made; it is due again, and then there is a reason.
    assert (states(), Message.objects.get().detail) == (["scheduled"], "held_up The worker was held up.")
    delivery.dispatch(now=shopping.clock.advance(seconds=10))

    assert (states(), Message.objects.get().reason, MemoryGateway.calls) == (["cancelled"], "ordered", [])


@pytest.mark.django_db
def test_a_cart_that_changed_since_it_was_written_about_is_written_about_anew(shopping, due_text, at_stop):  # noqa: F811
    shopping.host.carts["17"] = build_cart(identity=Identity(email="ana@example.com"))
    written = []
    compose = composing.compose

    def cheaper():
        cart = shopping.host.carts["17"]
        shopping.host.carts["17"] = replace(cart, items=[replace(cart.items[0], unit_price=Decimal("399.00"))])

    at_stop("after_render", cheaper)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            composing,
            "compose",
            lambda message, **facts: written.append(facts["subject"].cart.amount) or compose(message, **facts),
        )
        delivery.dispatch(now=shopping.clock.now)

    assert written == [Decimal("499.00"), Decimal("399.00")]
    assert states() == ["accepted"]


@pytest.mark.django_db
def test_a_gateway_in_trouble_is_left_alone_but_for_one_probe(shopping):
    crowd(shopping, 12)
    MemoryGateway.answers = [TROUBLE] * 7

    delivery.dispatch(now=shopping.clock.now)
    assert len(MemoryGateway.calls) == 5
    delivery.dispatch(now=shopping.clock.advance(seconds=9))
    assert len(MemoryGateway.calls) == 5
    delivery.dispatch(now=shopping.clock.advance(seconds=2))
    delivery.dispatch(now=shopping.clock.now)
    assert len(MemoryGateway.calls) == 6
    assert Breaker.objects.get().failures == 6

    MemoryGateway.answers.clear()
    delivery.dispatch(now=shopping.clock.advance(seconds=11))
    assert len(MemoryGateway.outbox) == 1
    delivery.dispatch(now=shopping.clock.now)
    assert Breaker.objects.get().open_until is None
    # Those the gateway refused wait out their own back-off.
    assert states().count("accepted") == 6


@pytest.mark.django_db
def test_a_text_says_no_in_the_words_of_the_gateway_that_stands_in(shopping, due_text, settings, monkeypatch):  # noqa: F811
    memory = {"BACKEND": "retarget_plugin.channels.sms.memory.MemoryGateway"}
    own = {**memory, "STOP": "STOP au 36111", "FALLBACK": "other"}
    monkeypatch.setitem(settings.RETARGET["SMS"], "default", own)
    monkeypatch.setitem(settings.RETARGET["SMS"], "other", {**memory, "STOP": "STOP au 36222"})
    now = shopping.clock.now
    Breaker.objects.create(name="sms:default", open_until=now + timedelta(minutes=10), changed_at=now)

    delivery.dispatch(now=now)

    [text] = MemoryGateway.outbox
    assert text.text.endswith(" STOP au 36222")


def test_a_gateway_that_asks_for_time_gets_it_from_everybody(shopping):
    crowd(shopping, 4)
    MemoryGateway.answers = [Outcome(kind=OutcomeKind.RATE_LIMITED, retry_after=60.0)]

    delivery.dispatch(now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.advance(seconds=50))
    assert len(MemoryGateway.calls) == 1
    shopping.clock.advance(seconds=11)
    delivery.dispatch(now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.now)

    assert states() == ["accepted"] * 4


@pytest.mark.django_db
def test_a_definite_failure_brings_a_new_key_and_an_unknown_one_keeps_it(shopping, due_text, monkeypatch):  # noqa: F811
    monkeypatch.setattr(MemoryGateway, "has_idempotency_keys", True)
    monkeypatch.setattr(MemoryGateway, "idempotency_key_life", 900.0)
    MemoryGateway.answers = [TROUBLE, Outcome(kind=OutcomeKind.UNKNOWN)]

    delivery.dispatch(now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.advance(seconds=31))
    delivery.dispatch(now=shopping.clock.advance(seconds=61))

    first, second, third = [call.idempotency_key for call in MemoryGateway.calls]
    assert first != second == third
    assert states() == ["accepted"]


@pytest.mark.django_db
def test_a_key_is_never_used_beyond_its_life(shopping, due_text, monkeypatch):  # noqa: F811
    monkeypatch.setattr(MemoryGateway, "has_idempotency_keys", True)
    monkeypatch.setattr(MemoryGateway, "idempotency_key_life", 900.0)
    MemoryGateway.answers = [Outcome(kind=OutcomeKind.UNKNOWN)]
    delivery.dispatch(now=shopping.clock.now)
    assert states() == ["scheduled"]

    delivery.dispatch(now=shopping.clock.advance(minutes=20))

    assert (len(MemoryGateway.calls), states()) == (1, ["unknown"])


@pytest.mark.django_db
def test_staff_may_prefer_doubles_to_misses_and_each_is_flagged(shopping, due_text, settings, monkeypatch):  # noqa: F811
    monkeypatch.setitem(settings.RETARGET["SMS"]["default"], "RETRY_UNKNOWN", True)
    MemoryGateway.answers = [Outcome(kind=OutcomeKind.UNKNOWN)]

    delivery.dispatch(now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.advance(seconds=31))

    message = Message.objects.get()
    assert (message.state, message.may_be_double, message.attempts_made) == ("accepted", True, 2)


def lose_three_workers(shopping):
    """Three end at a message, the first with others in its hands, the next with it alone; then one does what is left."""
    for _worker in range(3):
        with pytest.raises(SystemExit):
            for _round in range(4):
                delivery.dispatch(now=shopping.clock.now)
        delivery.recover(now=shopping.clock.advance(seconds=121))
    for _round in range(2):
        delivery.dispatch(now=shopping.clock.now)


@pytest.mark.django_db
def test_a_message_that_workers_die_with_is_taken_alone_and_then_set_aside(shopping, monkeypatch):
    crowd(shopping, 3)
    deadly = Message.objects.order_by("pk").first()

    compose = composing.compose

    def deadly_to_write(message, **facts):
        if message.pk == deadly.pk:
            raise SystemExit
        return compose(message, **facts)

    monkeypatch.setattr(composing, "compose", deadly_to_write)
    lose_three_workers(shopping)

    deadly.refresh_from_db()
    assert (deadly.state, deadly.reason, deadly.strikes) == ("quarantined", "worker_died", 3)
    assert states() == ["accepted", "accepted", "quarantined"]
    assert Decision.objects.filter(message=deadly, code="worker_died").count() == 1


@pytest.mark.django_db
def test_a_cart_that_workers_die_reading_is_set_aside_also_where_the_person_is_held_out(shopping, monkeypatch):
    crowd(shopping, 2)
    deadly = Message.objects.order_by("pk").first()
    FlowRun.objects.filter(pk=deadly.run_id).update(arm="holdout")

    read = subjects.read

    def deadly_to_read(messages, **facts):
        if deadly in messages:
            raise SystemExit
        return read(messages, **facts)

    monkeypatch.setattr(subjects, "read", deadly_to_read)
    lose_three_workers(shopping)

    deadly.refresh_from_db()
    assert (deadly.state, deadly.reason, deadly.strikes) == ("quarantined", "worker_died", 3)
    assert states() == ["accepted", "quarantined"]


@pytest.mark.django_db
@pytest.mark.parametrize("stop", ["after_claim", "after_render", "before_gate", "after_gate"])
def test_workers_that_end_while_they_prepare_nothing_say_nothing_against_what_they_hold(shopping, at_stop, stop):
    crowd(shopping, 2)

    def end():
        raise SystemExit

    for _worker in range(4):
        at_stop(stop, end)
        with pytest.raises(SystemExit):
            delivery.dispatch(now=shopping.clock.now)
        delivery.recover(now=shopping.clock.advance(seconds=121))
        assert set(Message.objects.values_list("state", "strikes")) == {("scheduled", 0)}

    delivery.dispatch(now=shopping.clock.now)
    assert states() == ["accepted"] * 2


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_while_a_message_is_prepared_is_no_strike_against_it(shopping, due_text, monkeypatch):  # noqa: F811
    Message.objects.update(strikes=2)

    read = subjects.read

    def broken(messages, **facts):
        if messages:
            raise OperationalError("the connection is gone")
        return read(messages, **facts)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(subjects, "read", broken)
        for _round in range(3):
            delivery.dispatch(now=shopping.clock.now)
            assert Message.objects.values_list("state", "strikes").get() == ("scheduled", 2)

    delivery.dispatch(now=shopping.clock.now)
    assert Message.objects.values_list("state", "strikes").get() == ("accepted", 0)


@pytest.mark.django_db
def test_nothing_is_claimed_while_all_sending_is_stopped(shopping, due_text):  # noqa: F811
    installation.stop(by="owner", now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.now)
    assert (states(), due_text.fence) == (["scheduled"], 0)

    installation.resume(by="owner", now=shopping.clock.now)
    delivery.dispatch(now=shopping.clock.now)
    assert states() == ["accepted"]


@pytest.mark.django_db
def test_the_stop_button_pressed_during_a_turn_stops_the_rest_of_it(shopping, at_stop):
    crowd(shopping, 3)
    at_stop("before_gate", lambda: installation.stop(by="owner", now=shopping.clock.now))

    delivery.dispatch(now=shopping.clock.now)

    assert (states(), MemoryGateway.calls) == (["scheduled"] * 3, [])


@pytest.mark.django_db
def test_a_gap_lies_between_any_two_messages_of_a_person(shopping, due_text):  # noqa: F811
    """An e-mail went out half an hour ago; the text waits until an hour has passed."""
    Message.objects.create(
        shop=shopping.shop, contact=due_text.contact, step="other", channel="email", state="accepted",
        due_at=shopping.clock.now, not_after=shopping.clock.now, created_at=shopping.clock.now,
        sent_at=shopping.clock.now - timedelta(minutes=30), key="0" * 32,
    )  # fmt: skip

    delivery.dispatch(now=shopping.clock.now)

    due_text.refresh_from_db()
    assert (due_text.state, due_text.reason) == ("scheduled", "frequency_cap")
    assert due_text.due_at == shopping.clock.now + timedelta(minutes=30)


@pytest.mark.django_db
def test_a_months_budget_holds_texts_back(shopping):
    crowd(shopping, 3)
    shopping.shop.sms_segments_per_month = 2
    shopping.shop.save()

    delivery.dispatch(now=shopping.clock.now)

    assert states() == ["accepted", "accepted", "cancelled"]
    assert Decision.objects.filter(code="budget").count() == 1


@pytest.mark.django_db
def test_late_messages_go_out_at_the_shops_own_rate(shopping):
    crowd(shopping, 9)
    shopping.shop.catch_up_per_minute = 24
    shopping.shop.save()
    shopping.clock.advance(minutes=20)

    delivery.dispatch(now=shopping.clock.now)
    assert states().count("accepted") == 4
    delivery.dispatch(now=shopping.clock.now)
    assert states().count("accepted") == 4
    delivery.dispatch(now=shopping.clock.advance(seconds=5))
    assert states().count("accepted") == 6
