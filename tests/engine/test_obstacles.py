"""Why somebody never entered: the rules of entry as they were at the moment that mattered, and what nobody can know."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.engine import enquiries, flows
from retarget_plugin.models import Customer, Decision, Event, Flow, Visitor
from retarget_plugin.testing import build_item

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

LENS = build_item(product_id="lens", title="Macro lens", category="Lenses")
BAG = build_item(product_id="bag", title="Bag", category="Bags")
BROWSE = "browse-abandonment"


@pytest.fixture(autouse=True)
def _host(host):
    """In memory."""


@pytest.fixture
def ana(retarget):
    """Somebody who may be followed, in a shop where no flow is on."""
    retarget.only()
    return retarget.shopper(email="ana@example.com", phone="+33612345678")


def why(retarget, shopper, slug):
    flow = Flow.objects.get(shop=retarget.shop, slug=slug)
    return enquiries.why(shopper.contact, flow, now=retarget.now)


def look_twice(retarget, shopper, item):
    """On two days. Answers when it was enough."""
    shopper.looks_at(item)
    retarget.advance(days=1)
    shopper.looks_at(item)
    return retarget.now.isoformat()


def later(retarget, **delta):
    """One tick at the end does for the many between, in which nothing falls due."""
    retarget.advance()
    retarget.clock.advance(**delta)
    retarget.advance()


def republish(retarget, slug, **trigger):
    """Another version, with another bar."""
    flow = Flow.objects.get(shop=retarget.shop, slug=slug)
    data = copy.deepcopy(flow.version.definition)
    data["trigger"] = {**data["trigger"], **trigger}
    messages = flows.dump(flow)["messages"]
    flows.publish(flow, data, messages, now=retarget.now)


# -- as of that moment ------------------------------------------------------------------------------------------------


def test_a_rule_is_told_as_of_the_day_on_which_it_kept_them_out(retarget, ana):
    retarget.only(BROWSE)
    number = ana.orders(BAG)
    enough_at = look_twice(retarget, ana, LENS)
    later(retarget, days=40)
    kept_out = set(Decision.objects.filter(flow_slug=BROWSE).values_list("code", flat=True))
    Decision.objects.all().delete()

    story = why(retarget, ana, BROWSE)

    assert kept_out == {"cooldown"}
    assert story.obstacles == (("cooldown", {"order": number, "at": enough_at}),)


def test_a_flow_that_was_off_when_it_came_about(retarget, ana):
    enough_at = look_twice(retarget, ana, LENS)
    later(retarget, days=40)
    retarget.only(BROWSE)

    story = why(retarget, ana, BROWSE)

    assert story.obstacles == (("flow_off", {"flow": "off_then", "at": enough_at}),)
    assert story.unknown == ("browsing", "state_then")


def test_what_was_done_counts_by_the_version_of_that_time(retarget, ana):
    republish(retarget, BROWSE, times=3)
    look_twice(retarget, ana, LENS)
    later(retarget, days=40)
    republish(retarget, BROWSE, times=1)
    retarget.only(BROWSE)

    assert why(retarget, ana, BROWSE).obstacles == (
        ("nothing_happened", {"trigger": "product_viewed", "views": 0, "asked": 1}),
    )


def test_a_silence_that_was_broken_counts_when_it_was_long_enough(retarget, ana):
    ana.orders(BAG)
    first = retarget.now
    later(retarget, days=80)
    ana.orders(LENS)
    later(retarget, days=20)
    retarget.only("win-back")

    story = why(retarget, ana, "win-back")

    assert story.obstacles == (("flow_off", {"flow": "off_then", "at": (first + timedelta(days=60)).isoformat()}),)


def test_a_silence_within_the_persons_own_rhythm_of_that_time_is_none(retarget, ana):
    for _time in range(3):
        ana.orders(BAG)
        later(retarget, days=50)
    last = retarget.now - timedelta(days=50)
    later(retarget, days=20)
    median = Customer.objects.get(contact=ana.contact).median_gap_days
    retarget.only("win-back")

    (told,) = why(retarget, ana, "win-back").obstacles

    assert median == 50
    assert told == (
        "nothing_happened",
        {"trigger": "no_order", "last_order": last.isoformat(), "not_before": (last + timedelta(days=75)).isoformat()},
    )


def test_a_visit_that_led_to_an_order(retarget, ana):
    retarget.only("visitor-sms")
    ana.opens("/", "/about/")
    over_at = retarget.now + timedelta(hours=1)
    retarget.advance(minutes=5)
    number = ana.orders(BAG)
    retarget.advance(days=1)

    story = why(retarget, ana, "visitor-sms")

    assert story.obstacles == (("ordered", {"order": number, "at": over_at.isoformat()}),)


@pytest.mark.parametrize(
    ("identity", "channels", "code"),
    [
        ({"email": "bo@example.com"}, ["email"], "no_address"),
        ({"email": "bo@example.com", "phone": "+33612345699"}, ["email"], "no_consent"),
    ],
)
def test_who_cannot_be_texted_after_a_visit(retarget, identity, channels, code):
    retarget.only("visitor-sms")
    bo = retarget.shopper(channels=channels, **identity)
    bo.opens("/", "/about/")
    over_at = retarget.now + timedelta(hours=1)
    retarget.advance(days=1)

    assert why(retarget, bo, "visitor-sms").obstacles == ((code, {"channel": "sms", "at": over_at.isoformat()}),)


def test_what_nobody_has_looked_at_yet(retarget, ana):
    retarget.only(BROWSE)
    ana.looks_at(LENS, LENS)

    assert why(retarget, ana, BROWSE).obstacles == (("not_looked_at", {"due_at": retarget.now.isoformat()}),)


# -- what nobody can know ---------------------------------------------------------------------------------------------


def test_what_was_in_stock_at_an_earlier_time_is_not_made_up(retarget, ana):
    retarget.only("back-in-stock")
    retarget.sells(LENS)
    wished_for_nothing = retarget.shopper(email="bo@example.com")
    ana.looks_at(LENS)
    retarget.advance(days=1)

    story, other = why(retarget, ana, "back-in-stock"), why(retarget, wished_for_nothing, "back-in-stock")

    assert story.obstacles == (("not_kept", {"trigger": "back_in_stock", "products": 1}),)
    assert other.obstacles == (("nothing_happened", {"trigger": "back_in_stock", "products": 0}),)
    assert story.unknown == other.unknown == ("shelves",)


def test_who_may_not_be_followed_or_measured(retarget):
    retarget.only("not-seen", "sunset")
    private = retarget.agree(channels=(), email="bo@example.com")
    later(retarget, days=200)

    told = {story.flow.slug: story.obstacles for story in enquiries.stories(private, now=retarget.now)}

    assert told["not-seen"] == (("not_followed", {}),)
    assert told["sunset"] == (("not_measured", {}),)


def test_what_has_gone_with_its_time_is_not_counted_and_that_is_said(retarget, ana):
    look_twice(retarget, ana, LENS)
    Event.objects.all().delete()
    retarget.only(BROWSE)

    story = why(retarget, ana, BROWSE)

    assert story.obstacles == (("nothing_happened", {"trigger": "product_viewed", "views": 0, "asked": 2}),)
    assert story.unknown == ("browsing",)


# -- in how many questions --------------------------------------------------------------------------------------------


def test_it_costs_the_same_however_long_the_history(retarget, ana):
    live(retarget, ana, days=1)
    few = queries(retarget, ana)
    assert Visitor.objects.filter(contact=ana.contact).count() == 1

    live(retarget, ana, days=6)

    assert queries(retarget, ana) == few <= 22


def live(retarget, shopper, *, days):
    retarget.only("abandoned-cart", BROWSE)
    for _day in range(days):
        shopper.looks_at(LENS, BAG, LENS)
        shopper.orders(BAG)
        retarget.advance(days=1)


def queries(retarget, shopper):
    with CaptureQueriesContext(connection) as asked:
        stories = enquiries.stories(shopper.contact, now=retarget.now)
    assert len(stories) == Flow.objects.filter(shop=retarget.shop).count() > 10
    return len(asked)
