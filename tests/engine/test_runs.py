"""Runs: who enters, what every step does to the rows, and what becomes of people when a flow is published anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.flows import FlowError
from retarget_plugin.domain.vocabulary import Exit
from retarget_plugin.engine import consent, flows, runs, tick
from retarget_plugin.models import Contact, Decision, Flow, FlowRun, Message, Order, WebhookCall
from retarget_plugin.testing import build_contact, build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

LETTER = {"channel": "email", "layout": "letter", "en": {"subject": "Hello", "body": "Good news."}}
DAY = timedelta(days=1)


def send(key="mail", **changes):
    return {"key": key, "after": "0h", "deadline": "1d", "send": {"channel": "email", "message": "m"}, **changes}


class Journey:
    """A flow of the test's own, which people enter when the test says so."""

    def __init__(self, shop, clock):
        self.shop, self.clock = shop, clock
        shop.email_gap_hours = shop.gap_minutes = 0
        shop.email_per_week = 50
        shop.save()

    def publish(self, *steps, slug="journey", inside="finish", **head):
        flow, _is_new = Flow.objects.get_or_create(
            shop=self.shop, slug=slug, defaults={"name": "Journey", "trigger": "", "state": "on"}
        )
        definition = {"slug": slug, "trigger": "order_fulfilled", "stage": "site", "holdout": 0, **head}
        messages = {"m": LETTER}
        return flows.publish(flow, {**definition, "steps": list(steps)}, messages, inside=inside, now=self.clock.now)

    def person(self, **identity):
        return build_contact(self.shop, now=self.clock.now, channels=("email",), **identity)

    def enter(self, contact, *, subject="thing:1", trigger="order_fulfilled", **changes):
        now = self.clock.now
        return runs.enroll(contact, trigger=trigger, subject=subject, anchored_at=now, now=now, **changes)

    def wait(self, **delta):
        self.clock.advance(**delta)
        for _round in range(10):
            if not tick.once(now=self.clock.now):
                return

    @property
    def sent(self):
        return list(Message.objects.filter(state="accepted").order_by("sent_at", "pk").values_list("step", flat=True))

    def decided(self, *codes):
        found = Decision.objects.filter(code__in=codes).order_by("pk")
        return [(one.code, one.step, one.facts) for one in found]


@pytest.fixture
def journey(db, host, clock):
    return Journey(build_shop(), clock)


# -- entering ---------------------------------------------------------------------------------------------------------


def test_nobody_enters_again_within_the_reentry_time_and_is_told_why_once_a_day(journey):
    journey.publish(send(), reentry="7d")
    ana = journey.person()
    journey.enter(ana, subject="thing:1")
    journey.wait(hours=1)

    for number in range(3):
        assert journey.enter(ana, subject=f"thing:{number + 2}") == []
    journey.wait(days=6)
    assert journey.enter(ana, subject="thing:9") == []
    journey.wait(days=1)

    (again,) = journey.enter(ana, subject="thing:9")
    assert again.subject == "thing:9"
    assert [code for code, _step, _facts in journey.decided("recently_entered")] == ["recently_entered"] * 2


def test_reentry_by_subject_keeps_the_same_subject_out_and_no_other(journey):
    journey.publish(send(), reentry={"subject": "365d"})
    ana = journey.person()
    journey.enter(ana, subject="magnet:1")
    journey.wait(hours=1)

    assert journey.enter(ana, subject="magnet:1") == []
    assert len(journey.enter(ana, subject="magnet:2")) == 1


def test_nobody_enters_soon_after_an_order_unless_it_was_cancelled(journey):
    journey.publish(send(), cooldown={"order": "10d"})
    ana, now = journey.person(), journey.clock.now
    order = Order.objects.create(
        shop=journey.shop,
        contact=ana,
        reference="o1",
        number="1001",
        touched_at=now,
        placed_at=now - 9 * DAY,
        read_at=now,
    )

    assert journey.enter(ana) == []
    assert journey.decided("cooldown") == [("cooldown", "", {"order": "1001"})]
    Order.objects.filter(pk=order.pk).update(cancelled_at=now)
    assert len(journey.enter(ana)) == 1


def test_nobody_is_in_two_flows_that_exclude_each_other(journey):
    journey.publish(send(after="3d", deadline="4d"), slug="one", trigger="no_order", exclusive_with=["other"])
    journey.publish(send(), slug="other", trigger="no_visit", exclusive_with=["one"])
    ana = journey.person()

    assert len(journey.enter(ana, subject="person", trigger="no_order")) == 1
    assert journey.enter(ana, subject="person", trigger="no_visit") == []

    assert journey.decided("exclusive") == [("exclusive", "", {"flow": "one"})]
    assert len(journey.enter(journey.person(), subject="person", trigger="no_visit")) == 1


def test_a_flow_that_is_off_an_erased_contact_and_another_topic_let_nobody_in(journey):
    journey.publish(send(), trigger={"on": "magnet_downloaded", "topic": "macro"})
    ana, erased = journey.person(), journey.person()
    Contact.objects.filter(pk=erased.pk).update(erased_at=journey.clock.now)
    erased.refresh_from_db()

    def enter(contact, topic):
        return journey.enter(contact, trigger="magnet_downloaded", data={"topic": topic})

    assert enter(erased, "macro") == enter(ana, "tripods") == []
    assert len(enter(ana, "macro")) == 1
    Flow.objects.update(state="off")
    assert enter(journey.person(), "macro") == []


def test_the_same_subject_again_starts_the_time_anew_and_sends_no_step_twice(journey):
    journey.publish(send("first"), send("second", after="2d", deadline="3d"))
    ana = journey.person()
    (run,) = journey.enter(ana, data={"product": "a"})
    journey.wait(days=1)

    (same,) = journey.enter(ana, data={"product": "b"})
    journey.wait(days=1, hours=23)
    assert journey.sent == ["first"]
    journey.wait(hours=1)

    run.refresh_from_db()
    assert (same.pk, run.data) == (run.pk, {"product": "b"})
    assert journey.sent == ["first", "second"]


# -- what steps do ----------------------------------------------------------------------------------------------------


def test_waits_split_the_time_and_a_late_worker_does_not_bunch_them(journey):
    journey.publish(
        send("a"), {"key": "w", "wait": {"for": "2d"}}, send("b"), {"key": "v", "wait": {"for": "2d"}}, send("c")
    )
    journey.enter(journey.person())

    journey.wait()
    journey.wait(days=2)
    assert journey.sent == ["a", "b"]
    # Nobody works for five days: what should have gone on the second is too late, and nothing else comes at once.
    journey.wait(days=5)

    assert journey.sent == ["a", "b"]
    assert ("step_skipped", "c", {"because": "deadline"}) in journey.decided("step_skipped")


def test_a_wait_until_an_hour_is_by_the_contacts_own_clock(journey):
    journey.publish({"key": "w", "wait": {"until": "18:00"}}, send())
    ana = journey.person()
    Contact.objects.filter(pk=ana.pk).update(time_zone="America/New_York")

    journey.enter(ana)
    journey.wait()

    # Ten in Paris is four in New York.
    assert FlowRun.objects.get().due_at - journey.clock.now == timedelta(hours=14)


def test_the_second_click_on_one_topic_wakes_the_run_and_the_next_day_it_goes_on(journey):
    clicks = {"event": "click", "topic": "any", "times": 2, "since": "entry", "for": "30d", "else": "stop"}
    journey.publish({"key": "w", "wait": clicks}, {"key": "d", "wait": {"for": "1d"}}, send("offer"), exits=["order"])
    ana = journey.person()
    (run,) = journey.enter(ana)
    journey.wait(days=3)

    def click(topic):
        return runs.leave_on(ana.pk, Exit.CLICK, at=journey.clock.now, now=journey.clock.now, topic=topic)

    for topic in ("macro", "tripods"):
        click(topic)
        # Told twice, it counts once.
        click(topic)
        journey.wait(days=1)
    assert journey.sent == []
    click("macro")
    journey.wait(hours=23)
    assert journey.sent == []
    journey.wait(hours=1)

    run.refresh_from_db()
    assert (journey.sent, run.data["topic"], run.state) == (["offer"], "macro", "finished")


def test_a_wait_for_an_event_that_never_comes_leads_elsewhere(journey):
    journey.publish({"key": "w", "wait": {"event": "click", "for": "3d", "else": "other"}}, send("now"), send("other"))
    journey.enter(journey.person())

    journey.wait(days=2, hours=23)
    assert journey.sent == []
    journey.wait(hours=1)

    assert journey.sent == ["other"]
    assert [facts.get("event") for code, step, facts in journey.decided("waited")] == ["click"]


def test_something_that_happens_while_a_decision_is_taken_is_not_lost(journey, monkeypatch):
    journey.publish({"key": "w", "wait": {"event": "click", "for": "3d", "else": "stop"}}, send())
    ana = journey.person()
    journey.enter(ana)
    read, now = runs.facts.read, journey.clock.now

    def read_then_click(found, *, now):
        known = read(found, now=now)
        runs.note(ana.pk, Exit.CLICK, at=now, now=now)
        return known

    monkeypatch.setattr(runs.facts, "read", read_then_click)
    runs.advance(now=now)
    monkeypatch.undo()
    run = FlowRun.objects.get()

    assert run.due_at == now, "the run is to be looked at again"
    journey.wait()
    assert journey.sent == ["mail"]


def test_a_branch_and_tags_decide_on_what_is_known_at_that_moment(journey):
    journey.publish(
        {"key": "t", "tag": {"add": ["vip", "macro"], "remove": ["new"]}},
        {"key": "b", "branch": {"if": {"fact": "tag", "is": "vip"}, "then": [send("yes")], "else": [send("no")]}},
    )
    ana = journey.person()
    Contact.objects.filter(pk=ana.pk).update(tags=["new", "old"])

    journey.enter(ana)
    journey.wait()

    ana.refresh_from_db()
    assert (ana.tags, journey.sent) == (["macro", "old", "vip"], ["yes"])
    assert journey.decided("tagged", "branched") == [
        ("tagged", "t", {"add": ["vip", "macro"], "remove": ["new"]}),
        ("branched", "b", {"rule": "tag (is vip)", "holds": True}),
    ]


def test_a_channel_that_is_ended_gets_nothing_more_and_the_contact_stays(journey):
    journey.publish({"key": "u", "suppress": {"channel": "email"}}, send())
    ana = journey.person(email="ana@example.com")

    journey.enter(ana)
    journey.wait()

    assert journey.sent == []
    assert list(Message.objects.values_list("state", "reason")) == [("cancelled", "suppressed")]
    ana.refresh_from_db()
    assert ana.email == "ana@example.com"
    assert consent.is_suppressed(journey.shop, channel="email", address="ana@example.com")


def test_the_shop_is_told_by_a_mail_of_its_own_without_the_persons_address(journey):
    journey.shop.support_email = "help@shop.example"
    journey.shop.save()
    told = {"subject": {"en": "A good customer waits"}, "text": {"en": "Please call, and mention the lens."}}
    journey.publish({"key": "n", "notify": told}, send())

    journey.enter(journey.person(email="ana@example.com"))
    journey.wait()

    (note,) = [letter for letter in mail.outbox if letter.to == ["help@shop.example"]]
    assert note.subject == "A good customer waits"
    assert "Please call, and mention the lens." in note.body
    assert "an***@example.com has come to this point" in note.body
    assert "ana@example.com" not in note.body
    assert journey.sent == ["note", "mail"]


def test_whoever_is_held_out_is_not_told_to_anybody(journey):
    journey.publish({"key": "c", "webhook": {"url": "https://crm.example/hook"}}, send())
    (run,) = journey.enter(journey.person())
    FlowRun.objects.filter(pk=run.pk).update(arm="holdout")

    journey.wait()

    assert not WebhookCall.objects.exists()
    assert journey.decided("step_skipped") == [("step_skipped", "c", {"because": "holdout"})]
    assert journey.sent == []


# -- leaving ----------------------------------------------------------------------------------------------------------


def test_an_exit_ends_the_runs_that_have_it_and_began_before(journey):
    journey.publish(send(after="3d", deadline="4d"), exits=["visit"])
    journey.publish(send(after="3d", deadline="4d"), slug="other", exits=["order"])
    ana, now = journey.person(), journey.clock.now
    journey.enter(ana)

    before = runs.leave_on(ana.pk, Exit.VISIT, at=now - DAY, now=now)
    after = runs.leave_on(ana.pk, Exit.VISIT, at=now + DAY, now=now + DAY)

    assert (before, after) == (0, 1)
    states = FlowRun.objects.order_by("flow__slug").values_list("flow__slug", "state", "reason")
    assert list(states) == [("journey", "exited", "exited_on"), ("other", "active", "")]


def test_an_order_in_another_topic_keeps_the_run(journey):
    journey.publish(send(after="3d", deadline="4d"), exits=["order_in_topic"])
    ana, later = journey.person(), journey.clock.now + DAY
    journey.enter(ana, data={"topic": "macro"})

    other = runs.leave_on(ana.pk, Exit.ORDER_IN_TOPIC, at=later, now=later, topic="tripods")
    same = runs.leave_on(ana.pk, Exit.ORDER_IN_TOPIC, at=later, now=later, topic="macro")

    assert (other, same) == (0, 1)
    assert FlowRun.objects.get().reason == "ordered"


# -- publishing with people inside ------------------------------------------------------------------------------------

OLD = (send("a"), send("b", after="2d", deadline="3d"), send("c", after="4d", deadline="5d"))
NEW = (
    send("a"),
    send("x", after="1d", deadline="3d"),
    send("b", after="3d", deadline="4d"),
    send("d", after="6d", deadline="7d"),
)


@pytest.mark.parametrize(
    ("inside", "sent"),
    [("finish", ["a", "b", "c"]), ("move", ["a", "b", "d"]), ("exit", ["a"])],
)
def test_people_inside_finish_move_or_leave_when_a_flow_is_published_anew(journey, inside, sent):
    journey.publish(*OLD)
    journey.enter(journey.person())
    journey.wait(hours=1)

    journey.publish(*NEW, inside=inside)
    for _day in range(8):
        journey.wait(days=1)

    assert journey.sent == sent
    told = {"finish": [], "move": ["moved"], "exit": ["republished"]}
    assert [code for code, _step, _facts in journey.decided("moved", "republished")] == told[inside]
    # Whoever comes from now on goes the new way.
    (run,) = journey.enter(journey.person())
    assert run.version.number == 2


def test_whoever_is_moved_to_another_order_of_steps_has_none_of_them_twice(journey):
    off, late = {"enabled": False}, {"after": "2d", "deadline": "5d"}
    journey.publish(send("sent"), send("off", **off), {"key": "pause", "wait": {"for": "1h"}}, send("ahead", **late))
    journey.enter(journey.person())
    for _hour in range(2):
        journey.wait(hours=1)

    again = [send("off", **late), {"key": "pause", "wait": {"for": "1h"}}, send("sent"), send("new", **late)]
    journey.publish(send("ahead", **late), *again, inside="move")
    for _day in range(4):
        journey.wait(days=1)

    assert journey.sent == ["sent", "ahead", "new"]
    told = journey.decided("step_skipped", "waited", "moved", "finished")
    assert [(code, step) for code, step, _facts in told] == [
        ("step_skipped", "off"),
        ("waited", "pause"),
        ("moved", ""),
        ("finished", ""),
    ]


def test_a_worker_that_decided_by_the_old_version_changes_nothing_after_the_move(journey, monkeypatch):
    journey.publish(*OLD)
    journey.enter(journey.person())
    read = runs.facts.read

    def read_then_publish(found, *, now):
        known = read(found, now=now)
        journey.publish(*NEW[1:], inside="move")
        return known

    monkeypatch.setattr(runs.facts, "read", read_then_publish)
    runs.advance(now=journey.clock.now)
    monkeypatch.undo()

    run = FlowRun.objects.get()
    assert (run.version.number, run.position, Message.objects.count()) == (2, 1, 0)
    for _day in range(8):
        journey.wait(days=1)
    assert journey.sent == ["b", "d"]


def test_what_waits_is_sent_as_the_new_version_says_or_ends_with_its_step(journey):
    journey.publish(send("a"), send("b"), send("c", after="9d", deadline="10d"))
    journey.shop.email_is_paused = True
    journey.shop.save()
    journey.enter(journey.person())
    journey.wait(hours=1)

    journey.publish(send("b"), send("c", after="9d", deadline="10d"), inside="move")
    journey.shop.email_is_paused = False
    journey.shop.save()
    journey.wait(hours=1)

    assert journey.sent == ["b"]
    assert list(Message.objects.filter(step="a").values_list("state", "reason")) == [("cancelled", "step_gone")]


def test_a_message_that_is_not_written_or_for_another_channel_is_refused_and_nothing_changes(journey):
    journey.publish(*OLD)

    with pytest.raises(FlowError, match="sends the message 'gone', and no such message is written"):
        journey.publish(send(send={"channel": "email", "message": "gone"}))
    with pytest.raises(FlowError, match="sends by sms, and its message 'm' is written for another channel"):
        journey.publish(send(send={"channel": "sms", "message": "m"}))

    assert Flow.objects.get(slug="journey").versions.count() == 1


# -- in numbers -------------------------------------------------------------------------------------------------------

ASKING = {
    "any": [
        {"fact": "clicks", "at_least": 5},
        {"fact": "orders", "at_least": 5},
        {"fact": "downloaded"},
        {"fact": "store_near"},
        {"fact": "interest", "topic": "macro"},
    ]
}


def test_a_batch_of_branches_asks_as_many_questions_as_one(journey):
    journey.publish(
        {"key": "b", "branch": {"if": ASKING, "then": [send()], "else": []}},
        {"key": "w", "wait": {"for": "9d"}},
        send("z"),
    )

    def questions(count):
        for _person in range(count):
            journey.enter(journey.person())
        with CaptureQueriesContext(connection) as queries:
            assert runs.advance(now=journey.clock.now) == count
        return sum(query["sql"].startswith("SELECT") for query in queries)

    one, many = questions(1), questions(60)

    assert one == many
    assert FlowRun.objects.filter(position=2).count() == 61
