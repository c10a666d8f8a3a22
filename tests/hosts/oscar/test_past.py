"""The made-up past of the camera shop is one that a backtest can be played over, and asks no more of the database for more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.loading import get_model

from examples.oscar_shop import past
from retarget_plugin.engine import backtest, flows
from retarget_plugin.models import Flow, Message, Shop
from retarget_plugin.testing import build_shop

CARTS = 240
#: So that few and many carts have texts in each language: of each one is written to tell what it would cost.
UNTIL = datetime(2026, 11, 20, 18, tzinfo=UTC)


@pytest.fixture
def shop(make_product: Callable[..., Any]) -> Shop:
    Site.objects.get_or_create(pk=1, defaults={"domain": "shop.example", "name": "Shop"})
    for title in ("Camera", "Lens", "Bag", "Strap"):
        make_product(title)
    shop = build_shop(country="FR")
    flows.install(shop, now=timezone.now())
    return shop


def play(shop: Shop) -> backtest.Outcome:
    flow = Flow.objects.select_related("shop", "version").get(shop=shop, slug="abandoned-cart")
    return backtest.run(flow, since=UNTIL - timedelta(days=past.DAYS + 1), until=UNTIL)


def test_its_funnel_adds_up(shop: Shop) -> None:
    past.fill(shop, carts=CARTS, until=UNTIL)

    outcome = play(shop)

    tally, baskets = outcome.tally, get_model("basket", "Basket").objects
    assert outcome.carts == baskets.count() == CARTS
    assert tally.carts["left"] + tally.carts["ordered"] + tally.carts["empty"] <= CARTS
    assert {"no_identity", "recently_entered"} <= set(tally.refused)
    assert tally.entered == tally.ended.total() + tally.under_way > CARTS // 3
    assert {"sms", "reminder", "question"} <= {step for step, count in outcome.sent.items() if count}
    assert {"no_consent", "no_address", "quiet_hours"} <= set(tally.blocked["sms"])
    assert tally.ended["ordered"] > 0
    assert Message.objects.count() == 0


def test_three_times_as_many_baskets_ask_no_more(shop: Shop) -> None:
    past.fill(shop, carts=CARTS // 2, until=UNTIL)
    play(shop)
    with CaptureQueriesContext(connection) as few:
        play(shop)
    past.fill(shop, carts=CARTS, until=UNTIL)

    with CaptureQueriesContext(connection) as many:
        play(shop)

    assert len(many) == len(few)
