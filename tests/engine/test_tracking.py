"""What a visitor did is kept while it is allowed, marked where it is a machine's, and bounded whatever comes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain.events import Beacon, Event
from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import tracking, visitors
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Allowance, Cart, ConsentRecord, DailyCount, Order, Visitor
from retarget_plugin.models import Event as Row
from retarget_plugin.testing import Clock, build_contact, build_shop
from tests.promises import length

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
GRANT = Grant(tracking=True, wording="2026-01", source="cmp")
VIEW = Event(
    name="view_item",
    product="207",
    topic="macro",
    path="/p/207/",
    value=Decimal("499.00"),
    currency="EUR",
    data={"items": [{"item_id": "207", "quantity": 1}]},
    ago=timedelta(seconds=2),
)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shop(db):
    return build_shop()


@pytest.fixture
def visitor(shop, clock):
    return visitors.meet(shop, grant=GRANT, now=clock.now)


@pytest.fixture
def report(shop, clock):
    """Report `events` as a beacon; who is answered."""

    def send(*events, visitor=None, grant=GRANT, address="192.0.2.1", is_bot=False):
        beacon = Beacon(grant=grant, events=events or (VIEW,))
        return tracking.report(shop, beacon, visitor=visitor, address=address, is_bot=is_bot, now=clock.now)

    return send


def counted():
    return {row.name: (row.people, row.machines) for row in DailyCount.objects.all()}


def test_an_event_is_kept_as_it_was_told(shop, visitor, clock):
    stored = tracking.record(shop, [VIEW], visitor=visitor, now=clock.now)

    row = Row.objects.get()
    assert stored == 1
    assert (row.shop, row.visitor, row.contact) == (shop, visitor, None)
    assert (row.name, row.product, row.topic, row.path) == ("view_item", "207", "macro", "/p/207/")
    assert (row.value, row.currency, row.data) == (
        Decimal("499.00"),
        "EUR",
        {"items": [{"item_id": "207", "quantity": 1}]},
    )
    assert (row.at, row.is_bot) == (clock.now - timedelta(seconds=2), False)


def test_what_a_known_visitor_does_is_its_contacts(shop, visitor, clock):
    contact = build_contact(shop, now=clock.now)
    stale = Visitor.objects.get(pk=visitor.pk)
    visitors.become(visitor, contact, source="log-in", now=clock.now)

    # The page was loaded before the log-in.
    tracking.record(shop, [VIEW], visitor=stale, now=clock.now)

    assert Row.objects.get().contact == contact


@pytest.mark.parametrize("is_bot", [False, True])
def test_of_nobody_only_counts_remain(shop, clock, is_bot):
    events = [VIEW, VIEW, Event(name="page_view"), Event(name="made_up"), Event(name="made_up_too")]

    stored = tracking.record(shop, events, visitor=None, is_bot=is_bot, now=clock.now)

    expected = {"view_item": 2, "page_view": 1, "other": 2}
    assert stored == 0
    assert Row.objects.count() == 0
    assert counted() == {name: (0, times) if is_bot else (times, 0) for name, times in expected.items()}


def test_counts_of_a_day_add_up(shop, clock):
    for _time in range(3):
        tracking.record(shop, [VIEW], visitor=None, now=clock.now)
    tracking.record(shop, [VIEW], visitor=None, now=clock.advance(days=1))

    days = DailyCount.objects.order_by("day").values_list("people", "last_at")
    assert list(days) == [(3, clock.now - timedelta(days=1)), (1, clock.now)]


def test_who_has_left_is_nobody(shop, visitor, clock):
    visitors.leave(Visitor.objects.get(pk=visitor.pk), now=clock.now)

    stored = tracking.record(shop, [VIEW], visitor=visitor, now=clock.now)

    assert stored == 0
    assert counted() == {"view_item": (1, 0)}


def test_who_was_erased_is_nobody(shop, visitor, clock):
    late = Visitor.objects.get(pk=visitor.pk)
    visitor.delete()

    stored = tracking.record(shop, [VIEW], visitor=late, now=clock.now)

    assert stored == 0
    assert Row.objects.count() == 0


def test_a_batch_is_one_insert_and_a_fixed_number_of_queries(shop, visitor, clock, django_assert_num_queries):
    tracking.record(shop, [VIEW], visitor=visitor, now=clock.now)

    for batch in (1, 50):
        # A savepoint around: who it is, the last minute, the rows.
        with django_assert_num_queries(5):
            tracking.record(shop, [VIEW] * batch, visitor=visitor, now=clock.now)

    assert Row.objects.count() == 52


def test_a_whole_report_of_a_known_visitor_is_a_fixed_number_of_queries(report, visitor, django_assert_num_queries):
    report(visitor=visitor)

    # Two allowances of two queries each, what is allowed, and the five of `record`.
    with django_assert_num_queries(10):
        report(*[VIEW] * 50, visitor=visitor)


def test_many_names_are_counted_in_one_statement(shop, clock, django_assert_num_queries):
    events = [Event(name=name) for name in ("page_view", "view_item", "search", "add_to_cart", "purchase")]

    with django_assert_num_queries(3):
        tracking.record(shop, events, visitor=None, now=clock.now)


def test_a_machine_that_says_so_is_kept_and_marked(shop, visitor, clock):
    tracking.record(shop, [VIEW], visitor=visitor, is_bot=True, now=clock.now)

    assert Row.objects.get().is_bot is True


def test_who_adds_to_a_cart_without_a_page_is_marked(shop, visitor, clock):
    tracking.record(shop, [Event(name="add_to_cart", product="1")], visitor=visitor, now=clock.now)
    tracking.record(shop, [VIEW], visitor=visitor, now=clock.advance(seconds=9))
    tracking.record(shop, [Event(name="add_to_cart", product="2")], visitor=visitor, now=clock.advance(hours=2))

    assert list(Row.objects.order_by("at").values_list("name", "is_bot")) == [
        ("add_to_cart", True),
        ("view_item", False),
        ("add_to_cart", False),
    ]


def test_who_does_too_much_in_a_minute_is_marked_until_it_is_over(shop, visitor, clock):
    for _beacon in range(4):
        tracking.record(shop, [VIEW] * 50, visitor=visitor, now=clock.now)
    tracking.record(shop, [VIEW], visitor=visitor, now=clock.now)
    tracking.record(shop, [VIEW], visitor=visitor, now=clock.advance(seconds=90))

    assert Row.objects.filter(is_bot=False).count() == 201
    assert Row.objects.filter(is_bot=True).count() == 1


def test_a_purchase_a_browser_tells_of_is_no_order_and_ends_no_cart(shop, visitor, clock):
    Cart.objects.create(shop=shop, reference="17", touched_at=clock.now, created_at=clock.now)
    before = list(Cart.objects.values())

    tracking.record(shop, [Event(name="purchase"), Event(name="add_to_cart")], visitor=visitor, now=clock.now)

    assert Order.objects.count() == 0
    assert list(Cart.objects.values()) == before


def test_a_first_yes_makes_a_visitor_and_the_evidence_for_it(report, shop):
    who = report()

    assert Row.objects.get().visitor == who
    assert ConsentRecord.objects.values_list("visitor", "purpose", "state", "wording_version", "source").get() == (
        who.pk, "tracking", "granted", "2026-01", "cmp",
    )  # fmt: skip


def test_without_a_yes_nobody_is_met(report):
    who = report(grant=None)

    assert who is None
    assert (Visitor.objects.count(), Row.objects.count()) == (0, 0)
    assert counted() == {"view_item": (1, 0)}


def test_a_machine_is_not_met(report):
    who = report(is_bot=True)

    assert who is None
    assert Visitor.objects.count() == 0
    assert counted() == {"view_item": (0, 1)}


def test_the_same_yes_is_written_down_once_and_a_new_one_again(report, visitor):
    for wording in ("2026-01", "2026-01", "2026-02"):
        report(visitor=visitor, grant=Grant(tracking=True, wording=wording, source="cmp"))

    versions = ConsentRecord.objects.order_by("pk").values_list("wording_version", flat=True)
    assert list(versions) == ["2026-01", "2026-02"]


def test_answers_that_change_for_ever_are_not_written_down_for_ever(report, visitor):
    refused = 0
    for number in range(40):
        try:
            report(visitor=visitor, grant=Grant(tracking=True, wording=f"v{number}", source="cmp"))
        except Refusal as refusal:
            refused += refusal.reason == "limited"

    assert refused == 20
    assert ConsentRecord.objects.count() == 21


def test_a_no_ends_the_visitor_and_leaves_nobodys_events(report, visitor, shop, clock):
    contact = build_contact(shop, now=clock.now)
    visitors.become(visitor, contact, source="log-in", now=clock.now)
    report(visitor=visitor)

    who = report(VIEW, visitor=visitor, grant=Grant(tracking=False, source="cmp"))

    row = Row.objects.get()
    visitor.refresh_from_db()
    assert who is None
    assert visitor.ended_at == clock.now
    assert (row.visitor, row.contact, row.path, row.data) == (None, None, "", {})
    assert (row.name, row.product) == ("view_item", "207")
    assert ConsentRecord.objects.filter(visitor=visitor).latest("pk").state == "withdrawn"
    assert counted() == {"view_item": (1, 0)}


def test_one_address_does_not_make_visitors_without_end(report, settings):
    settings.RETARGET = settings.RETARGET | {"VISITORS_PER_ADDRESS": 3}
    met = 0
    for _time in range(10):
        try:
            met += report() is not None
        except Refusal as refusal:
            assert refusal.reason == "limited"

    assert met == Visitor.objects.count() == Row.objects.count() == 3


@pytest.mark.promise
def test_a_flood_of_one_visitor_is_bounded_and_hides_nobody_else(report, shop, visitor, clock, promise):
    other = visitors.meet(shop, grant=GRANT, now=clock.now)
    taken, beacons = 0, length(600, 10_000)

    for number in range(beacons):
        clock.advance(minutes=1 / beacons)
        try:
            report(VIEW, visitor=visitor)
            taken += 1
        except Refusal:
            pass
        if number % (beacons // 10) == 0:
            report(VIEW, visitor=other, address="192.0.2.2")

    stored = Row.objects.filter(visitor=visitor).count()
    unflagged = Row.objects.filter(visitor=visitor, is_bot=False).count()
    assert stored == taken
    assert Row.objects.filter(visitor=other, is_bot=False).count() == 10
    assert Allowance.objects.count() <= 6
    promise(
        "C5",
        run=f"{beacons:,} beacons in one minute of one visitor",
        figure=f"stored {stored}, {unflagged} of them not marked; 10 of 10 of another visitor",
        bar="stored <= 300",
        holds=stored <= 300,
    )
