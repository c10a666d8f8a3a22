"""The doctor names what is wrong in the records, each by its rule and its messages, and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from retarget_plugin.admin.messages import NOTICES
from retarget_plugin.domain.vocabulary import ConsentState, MessageState, OutcomeKind, Reason
from retarget_plugin.engine import consent, doctor, installation
from retarget_plugin.management.commands import retarget_doctor
from retarget_plugin.models import (
    Attempt,
    Consent,
    ConsentRecord,
    Contact,
    Decision,
    Flow,
    FlowRun,
    Message,
    Order,
)
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.conftest import clock, host, shop, shopping  # noqa: F401

#: Ten o'clock on a Tuesday in Paris.
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = NOW - timedelta(hours=2)
BEFORE = NOW - timedelta(days=3)


def later(moment, **delta):
    return moment + timedelta(**delta)


# -- sound records ----------------------------------------------------------------------------------------------------


@pytest.fixture
def records(db):
    """records(state) makes a message whose records agree with each other, for a person of its own."""
    lumen = build_shop()

    def make(state=MessageState.ACCEPTED, *, channel="email", sent_at=SENT_AT, contact=None, run=None):
        number = Message.objects.count()
        contact = contact or build_contact(
            lumen, now=BEFORE, channels=[channel], email=f"p{number}@example.com", phone=f"+33612345{number:03}"
        )
        was_attempted = state in (MessageState.ATTEMPTING, MessageState.ACCEPTED, MessageState.UNKNOWN)
        reason = {"unknown": Reason.OUTCOME_UNKNOWN, "parked": Reason.TEMPLATE_ERROR, "cancelled": Reason.ORDERED}
        message = Message.objects.create(
            shop=lumen,
            contact=contact,
            run=run,
            step="reminder",
            channel=channel,
            state=state,
            reason=reason.get(state, ""),
            due_at=sent_at,
            not_after=later(NOW, hours=8),
            leased_until=later(NOW, minutes=1) if state in ("claimed", "attempting") else None,
            fence=1,
            attempts_made=int(was_attempted),
            key=uuid.uuid4(),
            gateway="email" if was_attempted else "",
            gateway_id=f"<{number}@shop.example>" if state == MessageState.ACCEPTED else "",
            created_at=later(sent_at, minutes=-1),
            sent_at=sent_at if was_attempted else None,
        )
        if was_attempted:
            record = Consent.objects.get(contact=contact, channel=channel).record
            outcome = "" if state == MessageState.ATTEMPTING else OutcomeKind(state)
            ended_at = later(sent_at, seconds=1) if outcome else None
            Attempt.objects.create(
                message=message, fence=1, consent=record, gateway="email", outcome=outcome, started_at=sent_at,
                ended_at=ended_at,
            )  # fmt: skip
        if message.reason:
            decide(message, message.reason)
        return message

    return make


def decide(message, code, **facts):
    Decision.objects.create(
        shop=message.shop, contact=message.contact, message=message, code=code, facts=facts, at=SENT_AT
    )


def change(message, **values):
    Message.objects.filter(pk=message.pk).update(**values)


def change_attempt(message, **values):
    Attempt.objects.filter(message=message).update(**values)


def run_of(message):
    flow = Flow.objects.get(shop=message.shop, slug="abandoned-cart")
    return FlowRun.objects.create(
        shop=message.shop, flow=flow, version=flow.version, contact=message.contact, subject="17",
        anchored_at=BEFORE, entered_at=BEFORE,
    )  # fmt: skip


# -- what is planted --------------------------------------------------------------------------------------------------

PLANTS: dict[str, Callable] = {}


def plant(function):
    """`function` makes the records wrong in one way, breaks the rule of its name, and answers the messages concerned."""
    PLANTS[function.__name__] = function
    return function


@plant
def same_step(records):
    first, second = records(), records()
    run = run_of(first)
    change(first, run=run)
    change(second, run=run)
    return first, second


@plant
def same_key(records):
    first, second = records(), records()
    change(second, key=first.key)
    return first, second


@plant
def held_without_lease(records):
    message = records("claimed")
    change(message, leased_until=None)
    return [message]


@plant
def lease_without_holder(records):
    message = records("scheduled")
    change(message, leased_until=NOW)
    return [message]


@plant
def fence_fell(records):
    message = records()
    change_attempt(message, fence=2)
    return [message]


@plant
def attempt_left_open(records):
    message = records("unknown")
    change_attempt(message, ended_at=None)
    return [message]


@plant
def accepted_without_id(records):
    records()
    message = records()
    change(message, gateway_id="")
    return [message]


@plant
def shared_id(records):
    first, second = records(), records()
    change(second, gateway_id=first.gateway_id)
    return first, second


@plant
def accepted_twice(records):
    message = records()
    attempt = Attempt.objects.get(message=message)
    attempt.pk, attempt.fence = None, 0
    attempt.save()
    change(message, attempts_made=2)
    return [message]


@plant
def no_attempt(records):
    accepted, unknown = records(), records("unknown")
    for message in (accepted, unknown):
        Attempt.objects.filter(message=message).delete()
        change(message, attempts_made=0)
    return accepted, unknown


@plant
def other_fence(records):
    message = records("attempting")
    change(message, fence=2)
    return [message]


@plant
def miscounted(records):
    more, fewer = records(), records("scheduled")
    change(more, attempts_made=0)
    change(fewer, attempts_made=1)
    return more, fewer


@plant
def sent_without_moment(records):
    message = records()
    change(message, sent_at=None)
    return [message]


@plant
def held_too_long(records):
    claimed, attempting = records("claimed"), records("attempting")
    for message in (claimed, attempting):
        change(message, leased_until=later(NOW, seconds=-121))
    return claimed, attempting


@plant
def waits_too_long(records):
    message = records("scheduled")
    change(message, not_after=later(NOW, minutes=-61))
    return [message]


@plant
def no_evidence(records):
    message = records()
    change_attempt(message, consent=None)
    return [message]


@plant
def wrong_consent(records):
    another, later_yes, no, other_channel = records(), records(), records(), records()
    change_attempt(another, consent=Consent.objects.exclude(contact=another.contact).first().record)
    for message, lie in (
        (later_yes, {"at": later(SENT_AT, minutes=1)}),
        (no, {"state": ConsentState.PENDING}),
        (other_channel, {"channel": "sms"}),
    ):
        said = ConsentRecord.objects.filter(contact=message.contact, channel="email").values(
            "shop_id", "contact_id", "channel", "state", "source", "at"
        )
        # The database refuses to rewrite the true one.
        change_attempt(message, consent=ConsentRecord.objects.create(**{**said[0], **lie}))
    return another, later_yes, no, other_channel


@plant
def withdrawn(records):
    message = records()
    consent.withdraw(message.contact, channel="email", source="test", now=later(SENT_AT, minutes=-1))
    return [message]


@plant
def ordered(records):
    message = records()
    change(message, run=run_of(message))
    moment = later(SENT_AT, minutes=-1)
    Order.objects.create(
        shop=message.shop, contact=message.contact, reference="o1", touched_at=moment, read_at=moment, placed_at=moment
    )
    return [message]


@plant
def ended_and_accepted(records):
    message = records()
    decide(message, Reason.ORDERED, state="cancelled")
    return [message]


@plant
def quiet_hours(records):
    return [records(channel="sms", sent_at=datetime(2026, 11, 24, 2, 0, tzinfo=UTC))]


@plant
def erased(records):
    message = records()
    Contact.objects.filter(pk=message.contact_id).update(erased_at=later(SENT_AT, minutes=-1))
    return [message]


@plant
def suppressed(records):
    message = records()
    moment = later(SENT_AT, minutes=-1)
    consent.suppress(message.shop, channel="email", address=message.contact.email, reason="bounced", now=moment)
    return [message]


@plant
def unknown_word(records):
    state, channel = records("scheduled"), records("scheduled")
    change(state, state="limbo")
    change(channel, channel="fax")
    return state, channel


@plant
def no_reason(records):
    cancelled, strange = records("cancelled"), records("cancelled")
    change(cancelled, reason="")
    change(strange, reason="mood")
    return cancelled, strange


@plant
def untold(records):
    unknown, parked = records("unknown"), records("parked")
    Decision.objects.filter(message__in=[unknown, parked]).delete()
    return unknown, parked


@plant
def unfounded(records):
    message = records("unknown")
    change_attempt(message, outcome=OutcomeKind.REJECTED)
    return [message]


# -- the tests --------------------------------------------------------------------------------------------------------


@pytest.fixture
def lawless(transactional_db):
    """The table without the constraints that make two of the rules unbreakable."""
    key = Message._meta.get_field("key")
    lax = copy(key)
    lax._unique = False
    # Remembered where a form has asked for it before.
    lax.__dict__.pop("unique", None)
    (once,) = [constraint for constraint in Message._meta.constraints if constraint.name == "retarget_message_once"]
    with connection.schema_editor() as editor:
        # SQLite makes the table anew for this, with the constraints of the model.
        editor.alter_field(Message, key, lax)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Message, once)
    with connection.cursor() as cursor:
        laws = connection.introspection.get_constraints(cursor, Message._meta.db_table)
    assert [name for name, law in laws.items() if law["unique"] and law["columns"] == ["key"]] == []
    yield
    Message.objects.all().delete()
    with connection.schema_editor() as editor:
        editor.add_constraint(Message, once)
    with connection.schema_editor() as editor:
        editor.alter_field(Message, lax, key)


def found():
    return {finding.rule: finding.messages for finding in doctor.examine(now=NOW)}


@pytest.mark.django_db
def test_sound_records_are_clean(records):
    for state in MessageState:
        if state not in (MessageState.REJECTED, MessageState.EXPIRED, MessageState.QUARANTINED):
            records(state)
    records(channel="sms", sent_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC))

    assert found() == {}


@pytest.mark.parametrize("name", [name for name in PLANTS if name not in ("same_step", "same_key")])
@pytest.mark.django_db
def test_each_planted_fault_is_named_and_nothing_else(records, name):
    records()

    planted = PLANTS[name](records)

    assert found() == {name: tuple(message.pk for message in planted)}


@pytest.mark.promise
def test_all_planted_faults_are_named_at_once(lawless, records, promise):
    planted = {name: tuple(m.pk for m in PLANTS[name](records)) for name in PLANTS}

    named = found()

    missed = [name for name in planted if not set(planted[name]) <= set(named.get(name, ()))]
    broken = {rule.invariant for rule in doctor.RULES if rule.offenders.__name__ in named}
    promise(
        "O4",
        run=f"{len(planted)} inconsistencies planted against {len(broken)} invariants, {connection.vendor}",
        figure=f"the doctor named {len(planted) - len(missed)}, missed {missed or 'none'}",
        bar="100 % of at least 20, of all ten invariants",
        holds=not missed and len(planted) >= 20 and len(broken) == 10,
    )


def test_every_rule_has_a_planted_fault():
    assert set(PLANTS) == {rule.offenders.__name__ for rule in doctor.RULES}


def test_a_whole_story_is_clean(shopping):  # noqa: F811
    """Messages that were sent, postponed, cancelled by an order and refused, as the engine itself wrote them."""
    shopping.consent("email", "sms")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=1)
    shopping.wait(minutes=45)
    shopping.wait(hours=3)
    shopping.wait(days=2)
    shopping.wait(days=3)

    assert ("reminder", "accepted") in shopping.sent
    assert doctor.examine(now=shopping.clock.now) == []


@pytest.mark.django_db
def test_what_waits_while_everything_is_stopped_is_not_late(records):
    waits_too_long(records)
    installation.stop(by="staff #1", now=NOW)

    assert found() == {}


@pytest.mark.django_db
def test_what_a_restored_backup_left_unknown_needs_no_attempt(records):
    message = records("scheduled")
    change(message, state="unknown", reason=Reason.RESTORED)
    decide(message, Reason.RESTORED)

    assert found() == {}


@pytest.mark.django_db
def test_twenty_messages_are_named_and_all_are_counted(records):
    planted = [held_without_lease(records)[0].pk for _time in range(22)]

    (finding,) = doctor.examine(now=NOW)

    assert (finding.invariant, finding.count) == ("I2", 22)
    assert finding.messages == tuple(planted[:20])


@pytest.mark.django_db
def test_what_is_older_than_asked_for_is_left_alone(records):
    held_without_lease(records)

    assert doctor.examine(now=later(NOW, days=8), days=7) == []
    assert doctor.examine(now=later(NOW, days=8), days=9) != []


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_messages(records, django_assert_max_num_queries):
    for name in PLANTS:
        if name not in ("same_step", "same_key"):
            PLANTS[name](records)

    with django_assert_max_num_queries(len(doctor.RULES) + 3):
        doctor.examine(now=NOW)


def test_every_unknown_is_in_the_list_that_staff_see():
    assert {MessageState.UNKNOWN, MessageState.PARKED, MessageState.QUARANTINED} == set(NOTICES)


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_now(monkeypatch):
    monkeypatch.setattr(retarget_doctor, "database_now", lambda: NOW)


@pytest.mark.django_db
def test_the_command_says_that_all_is_well(at_now, records, capsys):
    records()

    call_command("retarget_doctor")

    assert capsys.readouterr().out == f"All is well: {len(doctor.RULES)} rules, messages of the last 30 days.\n"


@pytest.mark.django_db
def test_the_command_names_what_is_wrong_and_what_to_do(at_now, records, capsys):
    first, second = held_too_long(records)

    with pytest.raises(SystemExit) as ended:
        call_command("retarget_doctor")

    assert ended.value.code == 1
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "I5        2 messages: each has been in a worker's hands for more than twice the lease.",
        f"#{first.pk}, #{second.pk}",
        "Start a worker (retarget_tick --loop, or Celery); it takes over what others left.",
    ]


@pytest.mark.django_db
def test_the_command_speaks_json(at_now, records, capsys):
    (message,) = fence_fell(records)

    with pytest.raises(SystemExit):
        call_command("retarget_doctor", "--json")

    (told,) = json.loads(capsys.readouterr().out)
    assert (told["invariant"], told["rule"], told["messages"], told["count"]) == ("I2", "fence_fell", [message.pk], 1)
