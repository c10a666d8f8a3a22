"""What is old goes by itself, kind by kind, in small batches; what counts in a sum stays behind empty."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.checks import check_settings
from retarget_plugin.domain.entries import PERIODS
from retarget_plugin.engine import leads, retention, tick
from retarget_plugin.models import (
    Allowance,
    Attempt,
    Cart,
    Claim,
    ConsentRecord,
    Contact,
    Coupon,
    Decision,
    Event,
    FlowRun,
    Lead,
    Link,
    Message,
    MessageBody,
    Order,
    Throttle,
    Visitor,
    WebhookCall,
)
from tests import canaries
from tests.promises import length

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture
def ana(shop, clock):
    return canaries.Person(shop, "a", now=clock.now)


def stranger(shop, clock):
    """A browser of nobody's, with an event, a claim and a grant."""
    visitor = Visitor.objects.create(shop=shop, key="k" * 43, first_seen_at=clock.now, last_seen_at=clock.now)
    Event.objects.create(shop=shop, visitor=visitor, name="page_view", at=clock.now)
    visitor.claims.create(channel="email", address="eve@example.com", source="form", at=clock.now)
    facts = {"visitor": visitor, "purpose": "tracking", "state": "granted"}
    record = ConsentRecord.objects.create(shop=shop, source="banner", at=clock.now, **facts)
    visitor.consents.create(purpose="tracking", state="granted", record=record, changed_at=clock.now)
    return visitor


def later(clock, **delta):
    return dict(retention.purge(clock.advance(**delta)))


KINDS = {
    "visits": lambda: Visitor.objects.filter(contact=None).exists(),
    "browsers": lambda: Visitor.objects.filter(contact__isnull=False).exists(),
    "claims": lambda: Claim.objects.exists(),
    "events": lambda: Event.objects.filter(contact__isnull=False).exists(),
    "leads": lambda: Lead.objects.exists(),
    "bodies": lambda: MessageBody.objects.exists(),
    "carts": lambda: Cart.objects.exclude(email="").exists(),
    "details": lambda: any(
        rows.exists()
        for rows in (
            Decision.objects.all(),
            Attempt.objects.exclude(detail=""),
            FlowRun.objects.exclude(data={}),
            FlowRun.objects.exclude(happened=[]),
            WebhookCall.objects.all(),
        )
    ),
    "links": lambda: Link.objects.exists(),
    "coupons": lambda: Coupon.objects.exclude(code="").exists(),
    "orders": lambda: Order.objects.exclude(email="").exists(),
}


@pytest.mark.promise
@pytest.mark.parametrize("kind", sorted(PERIODS))
def test_each_kind_is_kept_for_its_days_and_not_a_day_longer(shop, clock, kind, promise):
    ana = canaries.Person(shop, "a", now=clock.now)
    if kind == "visits":
        stranger(shop, clock)
    assert KINDS[kind]()

    later(clock, days=PERIODS[kind].days, seconds=-1)
    is_kept = KINDS[kind]()
    later(clock, seconds=2)

    promise(
        "P10",
        run=f"{kind}: {PERIODS[kind].days} days",
        figure=f"{'there' if is_kept else 'gone'} before, {'there' if KINDS[kind]() else 'gone'} after",
        bar="there before, gone after",
        holds=is_kept and not KINDS[kind](),
    )
    assert Contact.objects.get(pk=ana.contact.pk).email == ana.email


def test_sums_stay(ana, clock):
    later(clock, days=2000)

    cart, order, message, attempt = (
        Cart.objects.get(),
        Order.objects.get(),
        Message.objects.get(),
        Attempt.objects.get(),
    )
    assert (cart.total, order.total, message.state) == (ana.cart.total, ana.order.total, "accepted")
    assert (cart.items, cart.contact, order.items, order.contact) == ([], None, [], None)
    assert (message.detail, message.context, attempt.detail, attempt.consent_id) == ("", {}, "", ana.record.pk)
    assert FlowRun.objects.count() == 1


def test_whoever_is_still_inside_a_flow_keeps_what_it_is_about(ana, clock):
    FlowRun.objects.update(state="active", ended_at=None)
    told = ana.run.data
    later(clock, days=181)
    while_inside = FlowRun.objects.get().data

    FlowRun.objects.update(state="exited", ended_at=clock.now)
    later(clock, days=1)

    assert (while_inside, FlowRun.objects.get().data) == (told, {})


def test_a_cart_that_nothing_came_of_goes(shop, clock):
    Cart.objects.create(shop=shop, reference="1", touched_at=clock.now, created_at=clock.now)

    assert later(clock, days=181) == {"carts": 1}
    assert Cart.objects.count() == 0


def test_nothing_is_removed_twice(ana, clock):
    first = later(clock, days=2000)

    assert "orders" in first
    assert later(clock, days=1) == {}


def test_the_owner_decides_the_days(ana, clock, settings):
    settings.RETARGET = django_settings.RETARGET | {"RETENTION": {"bodies": 7}}

    assert later(clock, days=8)["bodies"] == 1
    assert Link.objects.count() == 1


def test_a_stranger_leaves_nothing_behind(shop, clock):
    stranger(shop, clock)

    assert later(clock, days=31)["visits"] == 1
    assert [model.objects.count() for model in (Visitor, Event, Claim, ConsentRecord)] == [0, 0, 0, 0]


def test_events_of_nobody_known_go_with_anonymous_visits(shop, clock):
    visitor = stranger(shop, clock)
    clock.advance(days=31)
    Visitor.objects.update(last_seen_at=clock.now)

    retention.purge(clock.now)

    assert (Event.objects.count(), Visitor.objects.get()) == (0, visitor)


def test_limits_that_have_run_out_go(shop, clock):
    Allowance.objects.create(name="forms", subject="x", ends_at=clock.now)
    Allowance.objects.create(name="forms", subject="y", ends_at=clock.now + timedelta(days=1))

    assert later(clock, seconds=1) == {"allowances": 1}
    assert Allowance.objects.get().subject == "y"


def test_one_kind_that_fails_holds_up_no_other(ana, clock, monkeypatch):
    def locked(*_arguments, **_keywords):
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(leads, "purge_unconfirmed", locked)

    done = later(clock, days=2000)

    assert "leads" not in done
    assert done["bodies"] == 1


@pytest.mark.parametrize("chosen", [{"bodeis": 7}, {"bodies": "7"}, {"bodies": 0}, {"bodies": True}, {"bodies": 10**9}])
def test_days_that_would_not_be_kept_are_an_error_of_the_settings(settings, chosen):
    settings.RETARGET = django_settings.RETARGET | {"RETENTION": chosen}

    assert [problem.id for problem in check_settings()] == ["retarget_plugin.E008"]


def test_good_days_are_none(settings):
    settings.RETARGET = django_settings.RETARGET | {"RETENTION": {"bodies": 7, "events": 365}}

    assert check_settings() == []


# -- by itself --------------------------------------------------------------------------------------------------------


def test_the_tick_purges_once_a_day(ana, clock):
    clock.advance(days=100)
    done = [tick.once(now=clock.now)["purged.bodies"]]
    MessageBody.objects.create(message=ana.message, text="once more")
    done.append(tick.once(now=clock.advance(hours=23))["purged.bodies"])
    done.append(tick.once(now=clock.advance(hours=2))["purged.bodies"])

    assert done == [1, 0, 1]


def test_a_long_purge_goes_on_in_the_next_rounds(ana, clock, monkeypatch):
    clock.advance(days=100)
    monkeypatch.setattr(retention, "ROUND_SECONDS", 0.0)

    rounds = 0
    while Throttle.objects.filter(name=retention.NAME, free_at__gt=clock.now + timedelta(hours=1)).count() == 0:
        retention.purge_daily(now=clock.advance(seconds=11))
        rounds += 1
        assert rounds < 50

    assert rounds > 1
    assert MessageBody.objects.count() == 0


def test_two_workers_do_not_purge_at_once(ana, clock):
    clock.advance(days=100)
    Throttle.objects.create(name=retention.NAME, free_at=clock.now + retention.LEASE)

    assert retention.purge_daily(now=clock.now) == {}


# -- in small batches -------------------------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.promise
def test_no_statement_of_a_large_purge_takes_long(shop, clock, promise):
    count = length(5_000, 1_000_000)
    rows = (
        Cart(shop=shop, reference=str(number), touched_at=clock.now, created_at=clock.now, email="x@example.com")
        for number in range(count)
    )
    Cart.objects.bulk_create(rows, batch_size=5000)
    clock.advance(days=181)

    times = []

    def timed(execute, sql, parameters, many, context):
        began = time.monotonic()
        try:
            return execute(sql, parameters, many, context)
        finally:
            times.append(time.monotonic() - began)

    with connection.execute_wrapper(timed):
        done = retention.purge(clock.now)

    promise(
        "P10",
        run=f"{count:,} carts of long ago",
        figure=f"{done['carts']:,} gone, the longest statement {max(times) * 1000:.0f} ms",
        bar="all gone, no statement over 1 s",
        holds=done["carts"] == count and max(times) < 1,
    )


def test_a_purge_with_nothing_to_do_asks_a_fixed_number_of_questions(ana, clock):
    with CaptureQueriesContext(connection) as few:
        retention.purge(clock.now)
    for letter in "bcd":
        canaries.Person(ana.shop, letter, now=clock.now)

    with CaptureQueriesContext(connection) as many:
        retention.purge(clock.now)

    assert len(many) == len(few)
