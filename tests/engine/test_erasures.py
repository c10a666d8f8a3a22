"""What an erasure still needs after its own commit: an end, a second look, a journal, and processors that are told."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings

from retarget_plugin.channels.processors import Person, Processor, get_processor
from retarget_plugin.checks import check_backends
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.engine import carts, contacts, erasures, journal, merges, orders, privacy, receipts, visitors
from retarget_plugin.exceptions import ConfigurationError, Refusal
from retarget_plugin.models import Attempt, Cart, Contact, Decision, Erasure, ErasureRequest, Event, Message, Order
from tests import canaries

from .handed_over import GATEWAY, event, hand_over

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture
def ana(shop, clock):
    return canaries.Person(shop, "a", now=clock.now)


def left_of(person):
    return canaries.found(person.marks, canaries.dump())


# -- cut short, or on its way -----------------------------------------------------------------------------------------


def test_an_erasure_whose_process_died_is_finished_by_the_next_tick(ana, clock, monkeypatch):
    monkeypatch.setattr(privacy, "carry_out", lambda erasure, *, now: None)
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    monkeypatch.undo()
    assert Contact.objects.get().erased_at == clock.now

    assert erasures.catch_up(now=clock.advance(minutes=4))["finished"] == 0
    assert erasures.catch_up(now=clock.advance(minutes=2))["finished"] == 1

    assert left_of(ana) == []
    assert Erasure.objects.get().done_at == clock.now


def test_a_providers_answer_that_came_late_is_forgotten_within_a_day(ana, clock):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    Message.objects.update(detail=f"550 {ana.email} is unknown here", gateway_id=ana.marks["Message.gateway_id"])
    Attempt.objects.update(detail=f"550 {ana.email} is unknown here")

    count = erasures.sweep(now=clock.advance(days=1))

    assert (count, left_of(ana)) == (2, [])


def test_a_second_look_finds_nothing_twice(ana, clock):
    erasure = privacy.erase(ana.contact, by="staff #1", now=clock.now)
    before = dict(erasure.removed)

    assert erasures.sweep(now=clock.advance(days=1)) == 0

    erasure.refresh_from_db()
    assert erasure.removed == before


def test_what_a_shop_still_tells_beside_its_carts_is_forgotten_within_a_day(ana, clock, shop):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    carts.touch(host="default", reference="99", identity=Identity(email=ana.email), now=clock.now)
    carts.touch(host="default", reference="98", identity=Identity(email="eve@example.com"), now=clock.now)

    erasures.sweep(now=clock.advance(hours=1))

    assert left_of(ana) == []
    assert Cart.objects.get(reference="98").email == "eve@example.com"


def test_an_order_of_theirs_is_nobodys(ana, clock, host, shop):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    who = Identity(email=ana.email, phone=ana.phone, external_id=ana.account)
    host.orders["2001"] = OrderSnapshot(reference="2001", currency="EUR", total=9, identity=who)

    orders.touch(host="default", reference="2001", now=clock.now)
    orders.read_new(now=clock.now)

    order = Order.objects.get(reference="2001")
    assert (order.contact, order.email, order.phone, left_of(ana)) == (None, "", "", [])


def test_a_late_report_brings_nobody_back(ana, clock, shop):
    message = hand_over(shop, contact=ana.contact, now=clock.now, gateway_id="g-1")
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    receipts.apply(
        [event(message, "complained"), event(message, "bounced", is_permanent=True, recipient=ana.email)],
        gateway=GATEWAY,
        now=clock.advance(hours=1),
    )

    assert (left_of(ana), Contact.objects.filter(erased_at=None).count()) == ([], 0)


def test_a_late_beacon_is_a_strangers(ana, clock):
    key = ana.visitor.key
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    assert visitors.find(key) is None
    assert Event.objects.count() == 0


def test_who_was_erased_is_merged_with_nobody(ana, clock, shop):
    bob = canaries.Person(shop, "b", now=clock.now)
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    for source, target in ((ana.contact, bob.contact), (bob.contact, ana.contact)):
        with pytest.raises(Refusal):
            merges.merge(source, target, by="staff #1", now=clock.now)


def test_an_account_that_names_an_erased_address_does_not_take_it_up(ana, clock, shop):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    eve = contacts.resolve(shop, Identity(external_id="eve"), now=clock.now)

    contacts.resolve(shop, Identity(external_id="eve", email=ana.email, first_name="Eve"), now=clock.now)

    eve.refresh_from_db()
    assert (eve.email, eve.first_name) == ("", "Eve")


# -- the journal ------------------------------------------------------------------------------------------------------


@pytest.fixture
def journaled(settings, tmp_path):
    settings.RETARGET = django_settings.RETARGET | {"HEARTBEAT_FILE": str(tmp_path / "heartbeat.json")}
    erasures._compared = None
    return tmp_path / "heartbeat.json.erasures"


def test_an_erasure_made_on_another_machine_comes_into_this_journal(ana, clock, journaled):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    assert not journaled.exists()

    erasures.remember(now=clock.now)

    assert [entry.uuid for entry in journal.read()] == [str(Erasure.objects.get().uuid)]


def test_a_journal_that_says_the_same_costs_one_query(ana, clock, journaled, django_assert_num_queries):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    erasures.remember(now=clock.now)

    with django_assert_num_queries(1):
        erasures.remember(now=clock.now)


def test_a_number_that_was_given_again_is_another_person(ana, clock, journaled):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    erasures.remember(now=clock.now)
    number = ana.contact.pk
    Contact.objects.all().delete()
    Erasure.objects.all().delete()
    Contact.objects.create(
        pk=number, shop=ana.shop, email="new@example.com", created_at=clock.now + timedelta(microseconds=1)
    )

    erasures.remember(now=clock.now)

    assert Contact.objects.get(pk=number).email == "new@example.com"
    assert Erasure.objects.count() == 1


def test_a_line_that_was_cut_short_takes_no_other_with_it(ana, clock, journaled):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    journaled.write_text('{"uuid": "1234')

    erasures.remember(now=clock.now)

    assert [entry.uuid for entry in journal.read()] == [str(Erasure.objects.get().uuid)]


def test_a_journal_that_cannot_be_written_stops_nobody(ana, clock, settings, tmp_path, caplog):
    settings.RETARGET = django_settings.RETARGET | {"HEARTBEAT_FILE": str(tmp_path / "no" / "folder")}
    erasures._compared = None
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    assert erasures.remember(now=clock.now) == 0
    assert "the erasure journal cannot be written" in caplog.text


# -- processors -------------------------------------------------------------------------------------------------------


class Newsletter(Processor):
    """A processor in memory: it fails as often as it is told to."""

    failures = 0
    told: list[Person] = []

    def forget(self, person):
        if Newsletter.failures:
            Newsletter.failures -= 1
            raise ConnectionError(f"{person.emails[0]} could not be deleted")
        Newsletter.told.append(person)


@pytest.fixture
def newsletter(settings):
    Newsletter.failures, Newsletter.told = 0, []
    entry = {"BACKEND": f"{__name__}.Newsletter", "OPTIONS": {"list": "customers"}}
    settings.RETARGET = django_settings.RETARGET | {"PROCESSORS": {"newsletter": entry}}
    return Newsletter


def test_a_processor_is_told_once_and_then_the_address_goes(ana, clock, newsletter):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    assert [erasures.tell(now=clock.now)["told"] for _time in range(3)] == [1, 0, 0]

    assert newsletter.told == [
        Person(shop=ana.shop.name, emails=(ana.email,), phones=(ana.phone,), accounts=(ana.account,))
    ]
    request = ErasureRequest.objects.get()
    assert (request.done_at, request.person, left_of(ana)) == (clock.now, {}, [])


@pytest.mark.promise
def test_a_processor_that_fails_is_asked_again_and_named(ana, clock, newsletter, caplog, promise):
    newsletter.failures = 3
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    tally = []
    for _minute in range(8):
        tally += erasures.tell(now=clock.now).elements()
        clock.advance(minutes=1)

    request = ErasureRequest.objects.get()
    promise(
        "P5",
        run="one processor, down for three calls",
        figure=f"{tally.count('refused')} refused, {tally.count('told')} told, attempts {request.attempts_made}",
        bar="all recorded and repeated",
        holds=tally == ["refused"] * 3 + ["told"] and request.attempts_made == 4 and request.done_at is not None,
    )
    assert canaries.found(ana.marks, caplog.text) == []


def test_after_thirty_days_it_is_given_up_and_the_address_goes_all_the_same(ana, clock, newsletter):
    newsletter.failures = 10_000
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    for _day in range(31):
        erasures.tell(now=clock.now)
        clock.advance(days=1)

    request = ErasureRequest.objects.get()
    assert (request.due_at, request.done_at, request.person) == (None, None, {})
    assert request.detail == "given up: ConnectionError"
    assert left_of(ana) == []


def test_a_processor_that_nobody_can_import_says_which_setting(settings):
    settings.RETARGET = django_settings.RETARGET | {"PROCESSORS": {"crm": {"BACKEND": "nowhere.Crm"}}}

    with pytest.raises(ConfigurationError, match=r'RETARGET\["PROCESSORS"\]\["crm"\]'):
        get_processor("crm")
    assert [problem.id for problem in check_backends()] == ["retarget_plugin.E009"]


# -- prompt -----------------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_ten_thousand_events_go_at_once(ana, clock, promise):
    many = [
        Event(shop=ana.shop, visitor=ana.visitor, contact=ana.contact, name="view_item", at=clock.now)
        for _number in range(10_000)
    ]
    Event.objects.bulk_create(many, batch_size=2000)

    began = time.monotonic()
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    seconds = time.monotonic() - began

    promise(
        "P4",
        run="a person with 10,000 events",
        figure=f"{seconds:.1f} s, {Event.objects.count()} events left",
        bar="an hour; nothing left",
        holds=seconds < 3600 and Event.objects.count() == 0,
    )
    assert Decision.objects.exclude(facts={}).count() == 0
