"""F7: an order has arrived; what follows teaches, and sells only to who has turned to something."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from retarget_plugin.domain.vocabulary import Reason, RunState
from retarget_plugin.engine import offers
from retarget_plugin.models import FlowRun, Topic

from .shelf import CAMERA, FLOWERS, INSECTS, MACRO_60, MACRO_90, NIGHT, SHELF, TRIPOD

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "first_name": "Ana"}
CARE = "How is your Mirrorless camera X2?"
TWO_WEEKS, ONE_MONTH, TWO_MONTHS = (
    "Two weeks in: something to read",
    "One month on: something new to try",
    "Two months on: going a little further",
)
OFFER = "10% off, as one of our customers"


@pytest.fixture
def ana(retarget, host):
    retarget.only("cross-sell")
    retarget.sells(*SHELF)
    Topic.objects.create(shop=retarget.shop, slug="macro-lenses", labels={"en": "macro lenses"})
    host.posts = [INSECTS, FLOWERS, NIGHT]
    return retarget.shopper(**ANA)


def buy_a_camera(retarget, ana, **changes):
    ana.orders(CAMERA, is_fulfilled=True, fulfilled_at=retarget.now, **changes)
    retarget.advance()


def click_on(retarget, ana, *posts):
    """In the last mail, a minute after each other."""
    mail = retarget.outbox[-1]
    for post in posts:
        ana.clicks(mail, post.title)
        retarget.advance(minutes=1)


def subjects(retarget):
    return [mail.subject for mail in retarget.outbox]


def test_after_three_days_comes_how_to_use_and_care_for_it(retarget, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=2, hours=23)
    assert retarget.outbox == []

    retarget.advance(hours=1)

    (mail,) = retarget.outbox
    assert mail.subject == CARE
    assert ana.clicks(mail, "See the product page") == CAMERA.url


def test_then_something_to_read_after_two_weeks_one_month_and_two(retarget, ana):
    buy_a_camera(retarget, ana)
    told = {}
    for day in range(1, 75):
        retarget.advance(days=1)
        told |= {subject: day for subject in subjects(retarget) if subject not in told}

    assert told == {CARE: 3, TWO_WEEKS: 14, ONE_MONTH: 30, TWO_MONTHS: 60}
    assert "Insects in your garden" in retarget.outbox[1].html


def test_who_turns_to_macro_lenses_gets_a_customers_discount_on_one_the_next_day(retarget, host, ana):
    retarget.shopper(email="ben@example.com", channels=[]).orders(CAMERA, MACRO_90)
    buy_a_camera(retarget, ana)
    retarget.advance(days=14, hours=2)
    ana.clicks(retarget.outbox[-1], INSECTS.title)
    retarget.advance(days=16)
    assert subjects(retarget)[-1] == ONE_MONTH
    ana.clicks(retarget.outbox[-1], FLOWERS.title)
    retarget.advance(hours=23)
    assert host.coupons == {}

    retarget.advance(hours=1)

    mail = retarget.outbox[-1]
    assert mail.subject == OFFER
    assert "reading about macro lenses lately" in mail.text
    assert [item.title for item in SHELF if item.title in mail.html] == [MACRO_90.title]
    assert "CODE-1" in mail.html
    (spec,) = host.coupons.values()
    assert (spec.kind, spec.value) == ("percent", 10)


def test_the_button_of_the_discount_applies_it_and_leads_to_the_lens(retarget, host, ana):
    retarget.shopper(email="ben@example.com", channels=[]).orders(CAMERA, MACRO_90)
    buy_a_camera(retarget, ana)
    retarget.advance(days=14, hours=2)
    click_on(retarget, ana, INSECTS, FLOWERS)
    retarget.advance(days=1)
    mail = retarget.outbox[-1]
    assert mail.subject == OFFER
    assert "The button applies it for you." in mail.text

    page = ana.clicks(mail, "Use my code")
    token = page.rstrip("/").rpartition("/")[2]

    assert host.applied == []
    assert offers.take(RequestFactory().post("/"), token, now=retarget.now) == MACRO_90.url
    assert host.applied == ["CODE-1"]


def test_who_buys_it_leaves_the_flow(retarget, host, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=14, hours=2)
    click_on(retarget, ana, INSECTS, FLOWERS)
    retarget.advance(hours=12)
    ana.orders(MACRO_60)

    retarget.advance(days=80)

    assert subjects(retarget) == [CARE, TWO_WEEKS]
    assert host.coupons == {}
    assert FlowRun.objects.get().reason == Reason.ORDERED


def test_who_buys_it_with_the_discount_leaves_the_flow(retarget, host, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=14, hours=2)
    click_on(retarget, ana, INSECTS, FLOWERS)
    retarget.advance(days=3)
    assert subjects(retarget)[-1] == OFFER

    ana.orders(MACRO_60, coupon_codes=("CODE-1",))
    retarget.advance(minutes=1)

    run = FlowRun.objects.get()
    assert (run.state, run.reason) == (RunState.EXITED, Reason.ORDERED)


def test_an_offer_that_nobody_takes_ends_the_flow_with_the_code(retarget, host, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=14, hours=2)
    click_on(retarget, ana, INSECTS, FLOWERS)
    retarget.advance(days=7, hours=23)
    assert FlowRun.objects.get().state == RunState.ACTIVE

    retarget.advance(hours=2)

    assert subjects(retarget) == [CARE, TWO_WEEKS, OFFER]
    assert FlowRun.objects.get().state == RunState.FINISHED


def test_two_clicks_on_two_subjects_are_no_interest_in_either(retarget, host, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=14, hours=2)
    click_on(retarget, ana, INSECTS, NIGHT)

    retarget.advance(days=80)

    assert subjects(retarget) == [CARE, TWO_WEEKS, ONE_MONTH, TWO_MONTHS]
    assert host.coupons == {}


def test_a_mail_scanner_that_follows_every_link_turns_to_nothing(retarget, host, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=14)
    for post in (INSECTS, FLOWERS):
        retarget.advance(seconds=1)
        ana.clicks(retarget.outbox[-1], post.title)

    retarget.advance(days=80)

    assert OFFER not in subjects(retarget)
    assert host.coupons == {}


def test_an_order_of_something_else_is_no_reason_to_stop(retarget, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=4)
    ana.orders(TRIPOD)

    retarget.advance(days=70)

    assert subjects(retarget) == [CARE, TWO_WEEKS, ONE_MONTH, TWO_MONTHS]


def test_a_shop_that_writes_nothing_sends_how_to_care_alone(retarget, host, ana):
    host.posts = []
    buy_a_camera(retarget, ana)

    retarget.advance(days=80)

    assert subjects(retarget) == [CARE]


def test_where_nobody_tells_of_deliveries_it_begins_five_days_after_the_payment(retarget, ana):
    ana.orders(CAMERA)
    retarget.advance(days=7, hours=23)
    assert retarget.outbox == []

    retarget.advance(hours=2)

    assert subjects(retarget) == [CARE]


def test_within_sixty_days_there_is_one_offer(retarget, host, ana):
    buy_a_camera(retarget, ana)
    retarget.advance(days=14, hours=2)
    click_on(retarget, ana, INSECTS, FLOWERS)
    retarget.advance(days=2)
    assert subjects(retarget)[-1] == OFFER

    buy_a_camera(retarget, ana)
    retarget.advance(days=40)

    assert subjects(retarget).count(OFFER) == 1
    assert len(host.coupons) == 1


def test_who_is_held_out_gets_neither_lessons_nor_discount(retarget, host, ana):
    retarget.arm = "holdout"
    buy_a_camera(retarget, ana)

    retarget.advance(days=80)

    assert retarget.outbox == []
    assert host.coupons == {}
