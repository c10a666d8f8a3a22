"""Rates and budgets that all workers keep together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retarget_plugin.engine import limits
from retarget_plugin.models import Budget
from retarget_plugin.testing import build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

NOW = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def reserve(count, now=NOW, rate=10):
    return limits.reserve("sms:a", rate=rate, count=count, ahead=SECOND, now=now)


def test_places_are_evenly_spaced_a_little_below_the_rate():
    assert reserve(3) == [NOW, NOW + timedelta(seconds=0.101), NOW + timedelta(seconds=0.202)]
    assert reserve(1) == [NOW + timedelta(seconds=0.303)]


def test_nobody_books_further_ahead_than_asked():
    assert len(reserve(50)) == 10
    assert reserve(1) == []


def test_unused_places_are_not_saved_up():
    reserve(1)

    assert reserve(1, now=NOW + timedelta(hours=1)) == [NOW + timedelta(hours=1)]


def allow(wanted, now=NOW):
    return limits.allow("catch-up:1", rate=10, wanted=wanted, saved=10 * SECOND, now=now)


def test_catch_up_gives_what_was_saved_and_then_what_the_rate_allows():
    assert allow(500) == 100
    assert allow(500) == 0
    assert allow(500, NOW + SECOND) == 10


def test_what_nobody_used_is_given_back():
    allow(100)
    limits.give_back("catch-up:1", rate=10, count=40)

    assert allow(500) == 40


def test_a_budget_is_never_exceeded_and_begins_anew_each_month():
    shop = build_shop(sms_segments_per_month=5)

    assert [limits.spend(shop, 2, now=NOW) for _text in range(3)] == [True, True, False]
    assert limits.spend(shop, 1, now=NOW)
    assert limits.is_spent(shop, now=NOW)
    assert limits.next_month(NOW) == datetime(2027, 1, 1, tzinfo=UTC)
    assert limits.spend(shop, 5, now=datetime(2027, 1, 1, tzinfo=UTC))


def test_a_text_that_was_not_sent_costs_nothing():
    shop = build_shop(sms_segments_per_month=5)
    limits.spend(shop, 5, now=NOW)

    limits.refund(shop, 5, spent_at=NOW)

    assert limits.spend(shop, 5, now=NOW)


def test_a_shop_without_a_budget_has_no_row_of_it():
    assert limits.spend(build_shop(), 9, now=NOW)
    assert not limits.is_spent(build_shop(), now=NOW)
    assert not Budget.objects.exists()
