"""A flow tried on past carts, on screen: what is told of it, to whom, and that a page holds nobody up for long."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from retarget_plugin.admin import backtests
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.histories import PastCart
from retarget_plugin.engine import backtest
from retarget_plugin.engine.backtest import Outcome
from retarget_plugin.models import Decision, Flow, FlowRun, FlowVersion, Message
from retarget_plugin.testing import build_cart
from tests.engine.conftest import clock, host, shop  # noqa: F401 - fixtures
from tests.engine.test_backtest import left_cart  # noqa: F401 - a fixture

from .conftest import page, queries, read

TITLE, BUTTON = "What would have happened", "Try on past carts"
PLAYED = "What it cannot know"


@pytest.fixture
def flow(left_cart):  # noqa: F811
    return Flow.objects.get(slug="abandoned-checkout")


def tried(flow, days=30):
    return page("flow_backtest", flow.pk) + f"?days={days}"


def row(*cells):
    *words, count = cells
    return "".join(f"<td>{word}</td>" for word in words) + f'<td class="rt-number">{count}</td>'


def test_the_page_of_a_flow_about_carts_leads_to_it(owner, flow):
    about_carts = read(owner, page("flow_change", flow.pk))
    about_orders = read(owner, page("flow_change", Flow.objects.get(slug="win-back").pk))
    Flow.objects.update(version=None)
    unpublished = read(owner, page("flow_change", flow.pk))

    assert [BUTTON in text for text in (about_carts, about_orders, unpublished)] == [True, False, False]
    assert f'href="{page("flow_backtest", flow.pk)}"' in about_carts


def test_nothing_is_played_before_it_is_asked_for(owner, flow, left_cart):  # noqa: F811
    left_cart.past_carts = None

    text = read(owner, page("flow_backtest", flow.pk))

    assert TITLE in text
    assert BUTTON in text
    assert '<option value="30" selected>' in text
    assert PLAYED not in text


def test_it_tells_what_would_have_happened_and_writes_nothing(owner, flow):
    text = read(owner, tried(flow))

    figures = {"Carts": 4, "Owners": 4, "Carts that entered": 3, "Messages that would be sent": 2}
    figures["Bought anyway, before any message"] = 1
    for label, value in figures.items():
        assert f"<dt>{label}</dt><dd>{value}</dd>" in text
    assert row("Left behind", "", 4) in text
    assert row("Not entered", "Nobody is known for this cart", 1) in text
    assert "Step reminder" in text
    assert row("Would be sent", "", 1) in text
    assert row("Blocked", "No consent for this channel", 1) in text
    assert row("Still under way", 0) in text
    assert "<li>Consent is as it was at the time; a stop that was lifted since is not seen.</li>" in text
    assert [model.objects.count() for model in (Message, FlowRun, Decision)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ({}, "–"),
        ({"EUR": Decimal("12.3456")}, "€12.35"),
        ({"USD": Decimal(1), "EUR": Decimal("0.07")}, "€0.07 + $1.00"),
    ],
)
def test_texts_and_coupons_are_counted_where_there_are_any(flow, cost, words):
    now, sent = timezone.now(), Counter(sms=1_200, reminder=1)
    without = backtests.shown(Outcome(flow, now, now, carts=1))
    with_them = backtests.shown(
        Outcome(flow, now, now, carts=1, sent=sent, segments=Counter(sms=2_400), cost=cost, coupons=3)
    )

    told = {"Segments of texts": "2,400", "Cost of texts": words, "Coupons given": "3"}
    assert dict(with_them["figures"]).items() >= told.items()
    assert not dict(without["figures"]).keys() & told.keys()
    rows = {step.key: found[:2] for step, _channel, found in with_them["steps"] if step.sent}
    assert rows["sms"] == [("Would be sent", "", "1,200"), ("Segments of texts", "", "2,400")]


def test_only_carts_of_the_period_are_played(owner, flow):
    assert "No cart began in this time" in read(owner, tried(flow, days=7))
    assert "<dt>Carts</dt><dd>4</dd>" in read(owner, tried(flow, days=90))


def test_a_period_that_is_not_offered_is_thirty_days(owner, flow):
    assert "<dt>Carts</dt><dd>4</dd>" in read(owner, tried(flow, days="9999999999"))


def test_where_there_are_no_carts_it_says_so(owner, flow, left_cart):  # noqa: F811
    left_cart.past = []

    text = read(owner, tried(flow))

    assert "No cart began in this time" in text
    assert PLAYED not in text


@pytest.mark.parametrize("is_published", [True, False])
def test_a_flow_that_cannot_be_played_says_why(owner, flow, is_published):
    about_orders = Flow.objects.get(slug="win-back")
    Flow.objects.filter(slug="abandoned-checkout").update(version=None)

    text = read(owner, tried(about_orders if is_published else flow))

    assert "Only a published flow that starts with an abandoned cart or checkout can be played back." in text
    assert PLAYED not in text


def test_a_flow_of_another_version_of_the_plugin_says_that_it_cannot_be_read(owner, flow):
    FlowVersion.objects.filter(flow=flow).update(definition={"steps": "of old"})

    assert "This flow can no longer be read. Publish it anew." in read(owner, tried(flow))


def test_more_carts_than_a_page_may_play_are_left_to_the_command(owner, flow, monkeypatch):
    monkeypatch.setattr(backtest, "MOST_ON_THE_WEB", 3)
    too_many = read(owner, tried(flow))
    monkeypatch.setattr(backtest, "MOST_ON_THE_WEB", 4)
    as_many = read(owner, tried(flow))

    assert "More than 3 carts began in that time." in too_many
    assert "play it by the command retarget_backtest" in too_many
    assert PLAYED not in too_many
    assert PLAYED in as_many


def test_who_may_not_see_flows_is_refused(flow, staff):
    clerk = staff("view_cart", "view_message")

    refused = [clerk.get(url) for url in (page("flow_backtest", flow.pk), tried(flow))]

    assert [answer.status_code for answer in refused] == [403, 403]
    assert PLAYED in read(staff("view_flow"), tried(flow))


def test_more_carts_cost_no_more_queries(owner, flow, left_cart):  # noqa: F811
    read(owner, tried(flow))
    few = queries(owner, tried(flow))
    left_cart.past += [
        PastCart(
            cart=build_cart(f"x{number}", identity=Identity(email=f"x{number}@example.com")),
            touched_at=(timezone.now() - timedelta(days=9),),
        )
        for number in range(100)
    ]

    assert "<dt>Carts</dt><dd>104</dd>" in read(owner, tried(flow))
    assert queries(owner, tried(flow)) == few
