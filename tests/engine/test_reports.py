"""The figures of a period: what is counted, on which day, and what is left out."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.engine import funnels, reports
from retarget_plugin.models import Cart, Coupon, FlowVersion
from retarget_plugin.testing import build_item
from tests.admin import rows

pytestmark = pytest.mark.django_db

UNTIL = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=7)


def at(day, hour=10, minute=0):
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def shop():
    return rows.shop(time_zone="UTC")


@pytest.fixture
def flow(shop):
    return rows.flow(shop)


@pytest.fixture
def sent(flow):
    """A message that left for a cart abandoned on the 20th."""
    cart = rows.cart(flow.shop, abandoned_at=at(20))
    return rows.message(rows.run(flow, cart=cart, entered_at=at(20)), clicked_at=at(21))


def overview(shop, since=SINCE, until=UNTIL):
    return reports.overview(shop, since=since, until=until, now=UNTIL)


def figures(shop, **period):
    found = overview(shop, **period)
    return found.abandoned, found.messaged, found.recovered, found.revenue


def test_a_shop_without_rows_has_a_zero_for_every_day(shop):
    found = overview(shop)

    assert [day.date for day in found.days] == [date(2026, 11, number) for number in range(17, 25)]
    assert {(day.abandoned, day.messaged, day.recovered, day.revenue) for day in found.days} == {
        (0, 0, 0, Decimal("0.00"))
    }
    assert figures(shop) == (0, 0, 0, Decimal("0.00"))
    assert found.is_empty


def test_a_story_of_three_carts_adds_up(shop, sent):
    rows.cart(shop, abandoned_at=at(20))
    rows.cart(shop, abandoned_at=at(22))
    rows.cart(shop)
    rows.order(shop, placed_at=at(21), total=Decimal("120.10"), credited_message=sent)
    rows.order(shop, placed_at=at(21), total=Decimal("80.25"), credited_message=sent)
    rows.order(shop, placed_at=at(21), total=Decimal("999.00"))

    found = overview(shop)

    assert figures(shop) == (3, 1, 2, Decimal("200.35"))
    by_day = {day.date.day: (day.abandoned, day.messaged, day.recovered, day.revenue) for day in found.days}
    assert by_day[20] == (2, 1, 0, Decimal("0.00"))
    assert by_day[21] == (0, 0, 2, Decimal("200.35"))
    assert by_day[22] == (1, 0, 0, Decimal("0.00"))
    assert not found.is_empty


@pytest.mark.parametrize("state", ["scheduled", "attempting", "rejected", "cancelled", "expired", "unknown", "parked"])
def test_only_an_accepted_message_makes_a_cart_messaged(shop, flow, state):
    run = rows.run(flow, cart=rows.cart(shop, abandoned_at=at(20)))
    rows.message(run, state=state)

    assert figures(shop)[:2] == (1, 0)


def test_a_cart_with_two_messages_counts_once(shop, flow, sent):
    rows.message(sent.run)

    assert figures(shop)[:2] == (1, 1)


def test_the_period_takes_its_first_instant_and_leaves_out_its_last(shop, sent):
    rows.cart(shop, abandoned_at=SINCE)
    rows.cart(shop, abandoned_at=UNTIL)
    rows.cart(shop, abandoned_at=SINCE - timedelta(microseconds=1))
    rows.order(shop, placed_at=SINCE, total=Decimal(1), credited_message=sent)
    rows.order(shop, placed_at=UNTIL, total=Decimal(2), credited_message=sent)

    assert figures(shop) == (2, 1, 1, Decimal("1.00"))


def test_a_cancelled_order_is_not_recovered(shop, sent):
    rows.order(shop, placed_at=at(21), credited_message=sent, cancelled_at=at(22))

    assert figures(shop)[2:] == (0, Decimal("0.00"))


def test_another_shops_rows_are_not_counted(shop, sent):
    rows.order(shop, placed_at=at(21), total=Decimal(10), credited_message=sent)
    other = rows.shop(time_zone="UTC")

    assert figures(other) == (0, 0, 0, Decimal("0.00"))
    assert overview(other).flows == ()
    assert figures(shop) == (1, 1, 1, Decimal("10.00"))


def test_another_currency_is_recovered_but_never_added_to_the_revenue(shop, sent):
    rows.order(shop, placed_at=at(21), total=Decimal(10), credited_message=sent)
    rows.order(shop, placed_at=at(21), total=Decimal("30.50"), currency="USD", credited_message=sent)
    rows.order(shop, placed_at=at(22), total=Decimal("20.00"), currency="USD", credited_message=sent)
    rows.order(shop, placed_at=at(22), total=Decimal("7.00"), currency="CHF", credited_message=sent)

    found = overview(shop)

    assert (found.currency, found.recovered, found.revenue) == ("EUR", 4, Decimal("10.00"))
    assert [(row.currency, row.recovered, row.revenue) for row in found.foreign] == [
        ("CHF", 1, Decimal("7.00")),
        ("USD", 2, Decimal("50.50")),
    ]
    assert (found.flows[0].recovered, found.flows[0].revenue) == (4, Decimal("10.00"))


def test_days_are_those_of_the_shops_time_zone():
    auckland = rows.shop(time_zone="Pacific/Auckland")
    rows.cart(auckland, abandoned_at=at(20, 10, 59))
    rows.cart(auckland, abandoned_at=at(20, 11, 0))

    found = overview(auckland)

    # Midnight in Auckland (UTC+13 in November) is 11:00 UTC of the day before.
    assert {day.date: day.abandoned for day in found.days if day.abandoned} == {
        date(2026, 11, 20): 1,
        date(2026, 11, 21): 1,
    }
    assert (found.days[0].date, found.days[-1].date) == (date(2026, 11, 18), date(2026, 11, 25))


def test_the_day_the_clocks_change_has_its_twenty_five_hours():
    paris = rows.shop(time_zone="Europe/Paris")
    first, last = datetime(2026, 10, 24, 22, 0, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)
    rows.cart(paris, abandoned_at=first)
    rows.cart(paris, abandoned_at=last)

    found = overview(paris, since=first, until=last + timedelta(seconds=1))

    assert [(day.date, day.abandoned) for day in found.days] == [(date(2026, 10, 25), 2)]


def test_cents_add_up_exactly(shop, sent):
    for _number in range(30):
        rows.order(shop, placed_at=at(21), total=Decimal("0.10"), credited_message=sent)

    assert figures(shop)[3] == Decimal("3.00")


def test_each_flow_has_its_line(shop, flow, sent):
    quiet = rows.flow(shop, name="Quiet")
    rows.message(sent.run, state="cancelled")
    rows.message(sent.run)
    rows.run(flow, cart=rows.cart(shop), entered_at=at(22))
    rows.run(flow, cart=rows.cart(shop), entered_at=SINCE - timedelta(days=1))
    rows.order(shop, placed_at=at(22), total=Decimal("55.00"), credited_message=sent)

    lines = overview(shop).flows

    assert [(line.flow, line.entered, line.sent, line.clicked, line.recovered, line.revenue) for line in lines] == [
        (flow, 2, 2, 1, 1, Decimal("55.00")),
        (quiet, 0, 0, 0, 0, Decimal("0.00")),
    ]


def test_each_step_has_its_line_in_the_order_of_the_flow(shop, flow):
    first, second, early = (
        rows.run(flow, cart=rows.cart(shop), entered_at=moment)
        for moment in (at(20), at(21), SINCE - timedelta(days=1))
    )
    text = {"step": "sms", "channel": "sms", "cost_currency": "EUR"}
    rows.message(first, **text, cost=Decimal("0.07"), delivered_at=at(20), clicked_at=at(20))
    rows.message(second, **text, cost=Decimal("0.14"), state="rejected")
    rows.message(early, **text, cost=Decimal("9.00"))
    reminder = rows.message(first, step="reminder", delivered_at=at(20))
    rows.message(second, step="reminder", state="cancelled")
    rows.message(second, step="gone")
    rows.order(shop, placed_at=at(22), total=Decimal("55.00"), credited_message=reminder)
    rows.order(shop, placed_at=at(22), total=Decimal("7.00"), currency="CHF", credited_message=reminder)
    rows.message(rows.run(rows.flow(shop), cart=rows.cart(shop), entered_at=at(20)), step="sms")

    lines = funnels.step_lines(flow, since=SINCE, until=UNTIL)

    told = [(one.key, one.channel, one.sent, one.delivered, one.clicked, one.kept_back) for one in lines]
    assert told == [
        ("sms", "sms", 1, 1, 1, 1),
        ("reminder", "email", 1, 1, 0, 1),
        ("shipping", "email", 0, 0, 0, 0),
        ("gone", "email", 1, 0, 0, 0),
    ]
    assert [(one.recovered, one.revenue, dict(one.cost)) for one in lines] == [
        (0, Decimal("0.00"), {"EUR": Decimal("0.21")}),
        (2, Decimal("55.00"), {}),
        (0, Decimal("0.00"), {}),
        (0, Decimal("0.00"), {}),
    ]


def test_of_a_flow_that_cannot_be_read_any_more_what_was_sent_is_told(flow):
    rows.message(rows.run(flow, cart=rows.cart(flow.shop), entered_at=at(20)), step="reminder")
    FlowVersion.objects.filter(pk=flow.version_id).update(definition={**flow.version.definition, "format": 0})
    flow.refresh_from_db()

    assert [(one.key, one.sent) for one in funnels.step_lines(flow, since=SINCE, until=UNTIL)] == [("reminder", 1)]


def test_discounts_are_told_and_what_they_leave(shop, flow, sent):
    shop.margin_percent = 40
    rows.order(shop, placed_at=at(21), total=Decimal("90.00"), credited_message=sent)
    Coupon.objects.create(
        shop=shop, contact=sent.contact, message=sent, flow=flow, code="ANA", key=uuid.uuid4(), kind="amount",
        value=10, currency="EUR", cost=Decimal("10.00"), state="redeemed", created_at=at(20), expires_at=at(25),
        redeemed_at=at(21),
    )  # fmt: skip

    found = overview(shop)

    assert (found.revenue, found.discount, found.margin) == (Decimal("90.00"), Decimal("10.00"), Decimal("30.00"))
    assert found.flows[0].discount == Decimal("10.00")
    assert overview(rows.shop()).margin is None


def test_lines_of_two_shops_keep_their_own_currency(sent):
    swiss = rows.flow(rows.shop(currency="CHF"))
    theirs = rows.message(rows.run(swiss, cart=rows.cart(swiss.shop)))
    rows.order(sent.shop, placed_at=at(21), total=Decimal(10), credited_message=sent)
    rows.order(swiss.shop, placed_at=at(21), total=Decimal(20), currency="CHF", credited_message=theirs)
    rows.order(swiss.shop, placed_at=at(21), total=Decimal(40), currency="EUR", credited_message=theirs)

    lines = funnels.flow_lines([sent.run.flow, swiss], since=SINCE, until=UNTIL)

    assert {pk: (line.recovered, line.revenue) for pk, line in lines.items()} == {
        sent.run.flow.pk: (1, Decimal("10.00")),
        swiss.pk: (2, Decimal("20.00")),
    }


# -- rates, and what was left behind ----------------------------------------------------------------------------------


def lens(quantity=1):
    return build_item(product_id="lens", title="Macro lens", quantity=quantity).to_data()


def bag():
    return build_item(product_id="bag", title="Bag").to_data()


def test_the_rates_of_a_day_and_of_the_period(shop):
    left = [rows.cart(shop, abandoned_at=at(20)) for _number in range(4)]
    Cart.objects.filter(pk=left[0].pk).update(state="ordered", ordered_at=at(22))
    rows.order(shop, placed_at=at(22), cart=left[0])
    for _number in range(12):
        rows.order(shop, placed_at=at(20), cart=rows.cart(shop, state="ordered", ordered_at=at(20)))
    rows.order(shop, placed_at=at(20), cart=rows.cart(shop), cancelled_at=at(21))

    found = overview(shop)

    by_day = {day.date.day: day for day in found.days}
    assert (by_day[20].abandoned, by_day[20].returned, by_day[20].bought) == (4, 1, 12)
    assert (by_day[20].abandonment_rate, by_day[20].recovery_rate) == (0.25, 0.25)
    assert (by_day[22].abandoned, by_day[22].bought, by_day[22].abandonment_rate) == (0, 0, None)
    assert (found.abandonment_rate, found.recovery_rate) == (0.25, 0.25)


def test_what_was_left_behind_most_comes_first(shop, sent):
    cart = sent.run.cart
    Cart.objects.filter(pk=cart.pk).update(items=[lens(), lens(2), bag()], state="ordered", ordered_at=at(21))
    rows.order(shop, placed_at=at(21), cart=cart, credited_message=sent, items=[lens(), bag()])
    rows.cart(shop, abandoned_at=at(20), items=[lens()])
    rows.cart(shop, abandoned_at=at(20), items=[lens()], state="ordered", ordered_at=at(23))
    rows.cart(shop, abandoned_at=SINCE - timedelta(days=1), items=[bag()])
    rows.cart(shop, items=[bag()])
    rows.order(shop, placed_at=at(19), items=[bag()])
    rows.order(shop, placed_at=at(19), items=[bag()], cancelled_at=at(20))
    rows.cart(rows.shop(host="other"), abandoned_at=at(20), items=[bag()])

    lines = reports.product_lines(shop, since=SINCE, until=UNTIL)

    assert [(one.title, one.abandoned, one.messaged, one.returned, one.recovered, one.bought) for one in lines] == [
        ("Macro lens", 3, 1, 2, 1, 0),
        ("Bag", 1, 1, 1, 1, 1),
    ]
    assert (lines[1].abandonment_rate, lines[1].recovery_rate) == (0.5, 1.0)


def test_no_more_products_are_named_than_a_page_has_room_for(shop, django_assert_num_queries):
    for number in range(reports.PRODUCTS + 5):
        rows.cart(
            shop, abandoned_at=at(20), items=[build_item(product_id=f"p{number}", title='It\'s 100% "new"').to_data()]
        )

    with django_assert_num_queries(2):
        lines = reports.product_lines(shop, since=SINCE, until=UNTIL)

    assert len(lines) == reports.PRODUCTS
    assert lines[0].title == 'It\'s 100% "new"'


def test_where_nothing_was_left_no_product_is_named(shop, django_assert_num_queries):
    rows.cart(shop, abandoned_at=at(20))

    with django_assert_num_queries(1):
        assert reports.product_lines(shop, since=SINCE, until=UNTIL) == []


def test_the_number_of_queries_does_not_grow_with_the_shop(shop, flow):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            overview(shop)
        return len(captured)

    before = queries()
    for day in range(18, 24):
        for _number in range(5):
            sent = rows.message(
                rows.run(rows.flow(shop), cart=rows.cart(shop, abandoned_at=at(day)), entered_at=at(day))
            )
            rows.order(shop, placed_at=at(day), credited_message=sent)

    assert figures(shop)[:3] == (30, 30, 30)
    assert (before, queries()) == (9, 9)
