"""What happened, or failed to happen, lets people into flows: once each, humans only, and never too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from retarget_plugin.domain.events import Event
from retarget_plugin.domain.vocabulary import FlowState, Trigger
from retarget_plugin.engine import downloads, tokens, triggers, visitors
from retarget_plugin.models import Contact, Flow, FlowRun, Message, Order, Watch
from retarget_plugin.testing import Clock

from .street import Street

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
SECOND = timedelta(seconds=1)


@pytest.fixture
def street(host):
    return Street()


def confirm(street):
    street.fills_in()
    street.confirms()


def download(street, is_bot=False):
    lead = street.fills_in()
    street.confirms()
    number = lead.magnet.files.get().pk
    with_token = tokens.asset(lead_id=lead.pk)
    downloads.download(with_token, number=number, is_bot=is_bot, now=street.now).file.close()


def pay_later(street):
    street.orders(is_paid=False)
    street.tick(minutes=1)
    street.orders(is_paid=True)


def ship(street):
    street.orders(is_fulfilled=True, fulfilled_at=street.now)


def be_silent(street, sent=5):
    for minutes in range(1, sent + 1):
        street.mailed(minutes=-minutes)


@dataclass(frozen=True)
class Case:
    """`do` pulls the trigger; it counts `after` so long. `nearly` does not. `machine`: the same by a machine."""

    trigger: object
    do: Callable[[Street], object]
    nearly: Callable[[Street], object]
    after: timedelta = timedelta()
    machine: Callable[[Street], object] | None = None


CASES = {
    "product_viewed": Case(
        "product_viewed",
        do=lambda s: s.views("1", "1"),
        nearly=lambda s: s.views("1", "2"),
        machine=lambda s: s.views("1", "1", is_bot=True),
    ),
    "category_viewed": Case(
        "product_viewed",
        do=lambda s: s.views("1", "2", "3", category="Lenses"),
        nearly=lambda s: s.views("1", "2", category="Lenses"),
        machine=lambda s: s.views("1", "2", "3", category="Lenses", is_bot=True),
    ),
    "site_left": Case(
        "site_left",
        do=lambda s: s.opens(2),
        nearly=lambda s: s.opens(1),
        after=timedelta(hours=1),
        machine=lambda s: s.opens(2, is_bot=True),
    ),
    "site_left_after_a_product": Case(
        "site_left", do=lambda s: s.views("1"), nearly=lambda s: s.opens(1), after=timedelta(hours=1)
    ),
    "form_confirmed": Case("form_confirmed", do=confirm, nearly=lambda s: s.fills_in()),
    "magnet_downloaded": Case(
        "magnet_downloaded", do=download, nearly=confirm, machine=lambda s: download(s, is_bot=True)
    ),
    "order_placed": Case("order_placed", do=lambda s: s.orders(is_paid=False), nearly=lambda s: s.views("1")),
    "order_paid": Case("order_paid", do=pay_later, nearly=lambda s: s.orders(is_paid=False)),
    "order_fulfilled": Case("order_fulfilled", do=ship, nearly=lambda s: s.orders()),
    "order_paid_and_nothing_said": Case(
        "order_fulfilled",
        do=lambda s: s.orders(),
        nearly=lambda s: s.orders(is_paid=False),
        after=timedelta(days=5),
    ),
    "order_unpaid": Case(
        "order_unpaid",
        do=lambda s: s.orders(is_paid=False),
        nearly=lambda s: s.orders(is_paid=False, is_by_staff=True),
        after=timedelta(hours=2),
    ),
    "no_order": Case(
        "no_order", do=lambda s: s.orders(), nearly=lambda s: s.orders(is_cancelled=True), after=timedelta(days=60)
    ),
    "no_visit": Case(
        "no_visit", do=lambda s: visitors.see(s.visitor, now=s.now), nearly=lambda s: None, after=timedelta(days=90)
    ),
    "unengaged": Case("unengaged", do=be_silent, nearly=lambda s: be_silent(s, sent=4), after=timedelta(days=180)),
    "interest_shown": Case(
        "interest_shown",
        do=lambda s: s.clicks("macro-lenses", "macro-lenses"),
        nearly=lambda s: s.clicks("macro-lenses", "bags"),
        machine=lambda s: s.clicks("macro-lenses", "macro-lenses", is_bot=True),
    ),
    "custom_event": Case(
        {"on": "custom_event", "name": "quiz_done"},
        do=lambda s: s.does(Event(name="quiz_done")),
        nearly=lambda s: s.does(Event(name="quiz_begun")),
        machine=lambda s: s.does(Event(name="quiz_done"), is_bot=True),
    ),
}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
TIMED = pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.after], ids=[n for n, c in CASES.items() if c.after]
)
BY_BROWSER = pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.machine], ids=[n for n, c in CASES.items() if c.machine]
)


@ALL
def test_whoever_pulls_the_trigger_enters(street, case):
    street.open(case.trigger)
    case.do(street)

    street.tick(seconds=case.after.total_seconds() + 60)

    assert FlowRun.objects.values_list("contact", "state").get() == (street.ana.pk, "active")


@TIMED
def test_a_second_before_its_time_nobody_enters(street, case):
    street.open(case.trigger)
    case.do(street)
    began = street.now

    street.tick(seconds=case.after.total_seconds() - 1)
    assert street.inside == []
    street.tick(seconds=1)

    assert street.now == began + case.after
    assert len(street.inside) == 1


@ALL
def test_just_below_the_bar_nobody_enters(street, case):
    if case.trigger == "no_visit":
        visitors.leave(street.visitor, now=street.now)
        street.visitor.contact.visitors.update(contact=None)
    street.open(case.trigger)
    case.nearly(street)

    for _time in range(3):
        street.tick(seconds=case.after.total_seconds() / 2 + 60)

    assert street.inside == []


@BY_BROWSER
def test_no_machine_enters(street, case):
    street.open(case.trigger)
    case.machine(street)

    street.tick(seconds=case.after.total_seconds() + 60)

    assert street.inside == []


@ALL
def test_who_was_erased_does_not_enter(street, case):
    street.open(case.trigger)
    case.do(street)
    Contact.objects.update(erased_at=street.now)

    street.tick(seconds=case.after.total_seconds() + 60)

    assert street.inside == []


@ALL
def test_twice_is_once(street, case):
    street.open(case.trigger)
    case.do(street)
    street.tick(seconds=case.after.total_seconds() + 60)
    (entered,) = street.inside

    Watch.objects.update(due_at=street.now)
    street.tick(seconds=1)
    Order.objects.update(read_at=None)
    street.tick(seconds=1)

    assert street.inside == [entered]


@ALL
def test_a_worker_that_died_after_it_let_somebody_in_lets_nobody_in_twice(street, case):
    street.open(case.trigger)
    case.do(street)
    street.tick(seconds=max(case.after.total_seconds() - 1, 0))
    street.clock.advance(seconds=1)
    before = list(Watch.objects.values())
    street.tick()
    (entered,) = street.inside
    FlowRun.objects.update(state="finished", ended_at=street.now)

    Watch.objects.all().delete()
    Watch.objects.bulk_create(Watch(**row) for row in before)
    street.tick(minutes=3)

    assert street.inside == [entered]


@ALL
def test_after_an_outage_of_three_days_nobody_enters_whose_first_message_is_past_its_time(street, case):
    street.open(case.trigger)
    case.do(street)

    street.tick(seconds=case.after.total_seconds() + timedelta(days=3).total_seconds())

    assert street.inside == []


@ALL
def test_a_flow_that_is_off_watches_nobody(street, case):
    flow = street.open(case.trigger)
    Flow.objects.update(state=FlowState.OFF)
    case.do(street)

    street.tick(seconds=case.after.total_seconds() + 60)

    assert Watch.objects.filter(flow=flow).count() == 0
    assert street.inside == []


def test_what_is_watched_is_forgotten_when_the_flow_is_turned_off(street):
    street.open("order_unpaid")
    street.orders(is_paid=False)
    street.tick()
    assert len(street.watched()) == 1

    Flow.objects.update(state=FlowState.PAUSED)
    street.tick(hours=3)

    assert street.watched() == []
    assert street.inside == []


def test_one_flow_that_cannot_be_looked_at_does_not_hold_up_another(street, caplog):
    broken = street.open({"on": "custom_event", "name": "quiz_done"}, slug="broken")
    street.open("site_left", slug="whole")
    street.does(Event(name="quiz_done"))
    street.views("1", "1")
    assert Watch.objects.filter(flow=broken).update(data={"name": "quiz_done", "at": "of an older version"}) == 1

    street.tick(hours=2)

    assert [subject.partition(":")[0] for subject, _at in street.inside] == ["visit"]
    assert "could not be looked at" in caplog.text


def test_what_happens_while_somebody_looks_is_looked_at_again(street):
    flow = street.open("product_viewed")
    street.views("1")
    (watch,) = Watch.objects.all()
    triggers.sweep(now=street.now)
    assert street.watched() == []

    Watch.objects.bulk_create([watch])
    street.clock.advance(minutes=1)
    street.views("1")

    assert list(Watch.objects.values_list("flow", "noted_at")) == [(flow.pk, street.now)]
    street.tick()
    assert street.inside == [("product:1", street.now)]


# -- visits -----------------------------------------------------------------------------------------------------------


def test_a_new_page_puts_the_end_of_a_visit_off(street):
    street.open("site_left")
    street.opens(2)
    street.tick(minutes=45)
    street.opens(1)

    street.tick(minutes=59)
    assert street.inside == []
    street.tick(minutes=1)

    assert [at for _subject, at in street.inside] == [street.now - timedelta(hours=1)]


def test_an_order_in_the_visit_ends_it_otherwise(street):
    street.open("site_left")
    street.opens(3)
    street.clock.advance(minutes=5)
    street.orders()

    street.tick(hours=2)

    assert street.inside == []


def test_a_flow_that_only_texts_asks_for_a_number_that_may_be_used(street):
    street.open("site_left")
    street.ana.consents.filter(channel="sms").update(state="withdrawn")
    street.opens(2)
    street.tick(hours=2)
    assert street.inside == []

    street.ana.consents.filter(channel="sms").update(state="granted")
    street.opens(2)
    street.tick(hours=2)

    assert len(street.inside) == 1


def test_a_flow_that_mails_does_not_ask_for_a_number(street):
    written = {"subject": "Hello", "heading": "Hello", "body": ["Hi."], "button": "Go"}
    mail = {"key": "m", "after": "3h", "deadline": "24h", "send": {"channel": "email", "message": "m"}}
    street.open("site_left", messages={"m": {"channel": "email", "layout": "letter", "en": written}}, steps=[mail])
    street.ana.consents.filter(channel="sms").update(state="withdrawn")
    street.opens(2)

    street.tick(hours=2)

    assert len(street.inside) == 1


def test_who_turns_out_to_be_somebody_later_is_looked_at_then(street):
    street.open("product_viewed", slug="views")
    street.open("site_left", slug="visits")
    stranger = street.meet()
    street.does(Event(name="view_item", product="1"), Event(name="view_item", product="1"), visitor=stranger)
    street.tick(hours=2)
    assert street.inside == []

    visitors.become(stranger, street.ana, source="log-in", now=street.now)
    street.tick()

    assert {subject.partition(":")[0] for subject, _at in street.inside} == {"product", "visit"}


def test_a_second_visit_is_another_occasion(street):
    street.open("site_left", reentry="1h")
    street.opens(2)
    street.tick(hours=2)
    street.opens(2)

    street.tick(hours=2)

    assert len({subject for subject, _at in street.inside}) == 2


# -- named ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "entered"), [("soups", 1), ("cakes", 0)])
def test_a_flow_may_wait_for_one_form(street, form, entered):
    street.open({"on": "form_confirmed", "form": form})
    confirm(street)

    street.tick()

    assert len(street.inside) == entered


@pytest.mark.parametrize(("topic", "entered"), [("cooking", 1), ("sport", 0)])
def test_a_flow_may_wait_for_what_is_about_one_topic(street, topic, entered):
    street.open({"on": "magnet_downloaded", "topic": topic})
    download(street)

    street.tick()

    assert len(street.inside) == entered


def test_a_run_knows_what_its_messages_speak_of(street):
    street.open("form_confirmed", slug="form")
    street.open("order_placed", slug="order")
    confirm(street)
    street.orders()

    street.tick()

    lead, order = FlowRun.objects.get(flow__slug="form"), FlowRun.objects.get(flow__slug="order")
    assert lead.data == {
        "lead": lead.contact.leads.get().pk, "form": "soups", "magnet": "soups", "topic": "cooking",
    }  # fmt: skip
    assert order.data == {"order": Order.objects.get().pk, "product": "1", "products": ["1"]}


# -- silences ---------------------------------------------------------------------------------------------------------


def test_whoever_the_shop_knew_before_the_flow_was_on_is_watched_too(street):
    street.orders()
    street.tick(days=30)
    street.open("no_order")

    street.tick(days=30)

    assert street.inside == [(f"since:{Clock().now.isoformat()}", street.now)]


def test_who_lapsed_long_before_the_flow_was_on_is_left_alone(street):
    street.orders()
    street.tick(days=100)
    street.open("no_order")

    street.tick(days=1)

    assert street.inside == []


def test_an_order_puts_the_next_look_off(street):
    street.open("no_order")
    street.orders()
    street.tick(days=59)
    street.orders("o2")

    street.tick(days=59)
    assert street.inside == []
    street.tick(days=1)

    assert [at for _subject, at in street.inside] == [street.now]


def test_who_came_back_and_lapsed_again_enters_again(street):
    street.open("no_order", reentry="30d")
    street.orders()
    street.tick(days=60)
    street.clock.advance(days=5)
    street.orders("o2")

    street.tick()
    street.tick(days=55)
    street.tick(days=5)

    assert [at for _subject, at in street.inside] == [street.now - timedelta(days=65), street.now]


def test_a_click_is_a_sign_of_life(street):
    street.open("unengaged")
    be_silent(street)
    street.tick(days=100)
    street.clicks("")
    be_silent(street)

    street.tick(days=179)
    assert street.inside == []
    street.tick(days=1)

    assert len(street.inside) == 1


def test_of_whom_no_click_is_kept_no_silence_is_known(street):
    street.open("unengaged")
    street.ana.consents.filter(purpose="measurement").update(state="withdrawn")
    be_silent(street)

    street.tick(days=181)

    assert street.inside == []


def test_bounced_messages_are_not_delivered(street):
    street.open("unengaged")
    be_silent(street)
    Message.objects.filter(pk=Message.objects.latest("pk").pk).update(bounced_at=street.now)

    street.tick(days=181)

    assert street.inside == []


def test_who_may_not_be_followed_is_not_missed(street):
    street.open("no_visit")
    street.visitor.consents.update(state="withdrawn")

    street.tick(days=91)

    assert street.inside == []


def test_the_walk_takes_in_who_came_since(street):
    street.open("no_visit")
    street.tick(days=1)
    bea = Contact.objects.create(shop=street.shop, email="bea@example.com", created_at=street.now)

    street.tick(minutes=30)
    assert not Watch.objects.filter(subject=f"contact:{bea.pk}").exists()
    street.tick(days=1)

    assert triggers.sweep(now=street.now) == {}
    walked = Watch.objects.get(subject="everyone")
    assert (walked.data["after"], walked.due_at) == (bea.pk, street.now + timedelta(days=1))


# -- told directly ----------------------------------------------------------------------------------------------------


def test_who_enters_a_segment_is_told_of(street):
    street.open({"on": "segment_entered", "segment": "vip"})
    told = {"at": street.now, "now": street.now}

    vip = triggers.fire(
        street.shop, street.ana, Trigger.SEGMENT_ENTERED, subject="segment:vip", data={"segment": "vip"}, **told
    )
    other = triggers.fire(
        street.shop, street.ana, Trigger.SEGMENT_ENTERED, subject="segment:new", data={"segment": "new"}, **told
    )

    assert [run.subject for run in vip] == ["segment:vip"]
    assert other == []


def test_what_was_told_too_late_lets_nobody_in(street):
    street.open({"on": "segment_entered", "segment": "vip"})
    told = {"subject": "segment:vip", "data": {"segment": "vip"}}

    at = street.now - timedelta(hours=24) - SECOND
    found = triggers.fire(street.shop, street.ana, Trigger.SEGMENT_ENTERED, at=at, now=street.now, **told)

    assert found == []
    assert street.inside == []
