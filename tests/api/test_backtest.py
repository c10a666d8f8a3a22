"""Staff ask what a flow would have done with past carts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from graphql_relay import to_global_id

from retarget_plugin.engine import backtest
from retarget_plugin.models import Flow, FlowRun, Message
from tests.api.conftest import make_user
from tests.engine.conftest import clock, host, shop  # noqa: F401 - fixtures
from tests.engine.test_backtest import left_cart  # noqa: F401 - a fixture

BACKTEST = """mutation Backtest($input: RetargetBacktestInput!) {
  retargetBacktest(input: $input) {
    figures {
      flow { id slug name } since until carts people entered underWay boughtFirst coupons cannotKnow
      found { reason label count } refused { reason label count } ended { reason label count }
      cost { amount currency }
      steps {
        key channel sent segments
        blocked { reason label count } putOff { reason label count } skipped { reason label count }
      }
    }
    errors { field message code }
  }
}"""


@pytest.fixture
def flow(left_cart):  # noqa: F811
    return Flow.objects.get(slug="abandoned-checkout")


@pytest.fixture
def ask(ask_staff, superuser):
    def ask_as(flow, user=superuser, **more):
        return ask_staff(user, BACKTEST, {"input": {"flow": str(flow.pk), **more}})

    return ask_as


def test_it_tells_what_would_have_happened_and_writes_nothing(ask, flow):
    told = ask(flow)["data"]["retargetBacktest"]

    figures = told["figures"]
    reminder = next(step for step in figures["steps"] if step["key"] == "reminder")
    assert told["errors"] == []
    assert figures["flow"] == {"id": to_global_id("RetargetFlow", flow.pk), "slug": flow.slug, "name": flow.name}
    assert [figures[name] for name in ("carts", "people", "entered", "underWay", "boughtFirst")] == [4, 4, 3, 0, 1]
    assert (figures["coupons"], figures["cost"]) == (0, [])
    assert figures["found"] == [
        {"reason": "left", "label": "left behind", "count": 4},
        {"reason": "left_again", "label": "times left once more", "count": 0},
    ]
    assert figures["refused"] == [{"reason": "no_identity", "label": "Nobody is known for this cart", "count": 1}]
    assert reminder == {
        "key": "reminder",
        "channel": "EMAIL",
        "sent": 1,
        "segments": 0,
        "blocked": [{"reason": "no_consent", "label": "No consent for this channel", "count": 1}],
        "putOff": [],
        "skipped": [],
    }
    assert sum(one["count"] for one in figures["ended"]) == 3
    assert "Hours follow each person's zone as it is known today." in figures["cannotKnow"]
    assert (Message.objects.count(), FlowRun.objects.count()) == (0, 0)


def test_days_are_those_of_the_shop(ask, flow, clock):  # noqa: F811
    flow.shop.time_zone = "Europe/Paris"
    flow.shop.save()
    left = (clock.now - timedelta(days=10)).date()

    before = ask(flow, since=(left - timedelta(days=1)).isoformat())["data"]["retargetBacktest"]["figures"]
    after = ask(flow, since=(left + timedelta(days=2)).isoformat())["data"]["retargetBacktest"]["figures"]

    assert before["since"].startswith(f"{left - timedelta(days=1)}T00:00:00+0")
    assert (before["carts"], after["carts"]) == (4, 0)


def test_what_stands_in_the_way_is_told(ask, flow, monkeypatch):
    about_orders = ask(Flow.objects.get(slug="win-back"))["data"]["retargetBacktest"]
    monkeypatch.setattr(backtest, "MOST_ON_THE_WEB", 3)
    too_many = ask(flow)["data"]["retargetBacktest"]

    assert (about_orders["figures"], too_many["figures"]) == (None, None)
    assert about_orders["errors"] == [
        {
            "field": "flow",
            "message": "Only a published flow that starts with an abandoned cart or checkout can be played back.",
            "code": "INVALID",
        }
    ]
    assert too_many["errors"] == [
        {
            "field": "since",
            "message": "More than 3 carts began in that time. "
            "Choose a shorter one, or play it by the command retarget_backtest.",
            "code": "TOO_MANY",
        }
    ]


def test_a_flow_or_a_day_that_there_is_not_is_refused(ask, flow, clock):  # noqa: F811
    tomorrow = (clock.now + timedelta(days=2)).date().isoformat()
    replies = [ask(Flow(pk=987_654)), ask(flow, since=tomorrow), ask(flow, since="1850-01-01")]

    assert [reply["errors"][0]["extensions"]["code"] for reply in replies] == ["BAD_ARGUMENT"] * 3
    assert replies[0]["errors"][0]["message"] == "There is no such flow."


def test_who_may_not_see_flows_is_refused(ask, flow):
    clerk = make_user("clerk", is_staff=True, permissions=("view_cart", "change_flow"))
    viewer = make_user("viewer", is_staff=True, permissions=("view_flow",))

    with CaptureQueriesContext(connection) as ran:
        refused = ask(flow, user=clerk)

    assert refused["errors"][0]["extensions"]["code"] == "PERMISSION_DENIED"
    assert [query for query in ran.captured_queries if "retarget_plugin_contact" in query["sql"]] == []
    assert ask(flow, user=viewer)["data"]["retargetBacktest"]["figures"]["carts"] == 4
