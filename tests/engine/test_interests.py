"""What people look at, follow and read is an interest of theirs: of people, once, and of nobody who objects."""

from __future__ import annotations

import uuid

import pytest

from retarget_plugin.domain.events import Event as Reported
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.interests import Act, score
from retarget_plugin.domain.vocabulary import Purpose
from retarget_plugin.engine import consent, interests, tracking, visitors
from retarget_plugin.models import Click, Link, Message
from retarget_plugin.testing import build_contact, build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
LENS = {"items": [{"item_id": "7", "item_category": "Macro lenses"}]}


@pytest.fixture
def shop(db, host):
    return build_shop()


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, email="ana@example.com")


@pytest.fixture
def link(shop, ana, clock):
    """link(topic="macro-lenses"): what a message to Ana leads to, sent an hour ago."""

    def make(code="abcdefgh", **changes):
        sent = clock.now.replace(hour=8)
        message = Message.objects.create(
            shop=shop, contact=ana, step=code, channel="email", due_at=sent, not_after=sent, key=uuid.uuid4(),
            created_at=sent, sent_at=sent, state="accepted",
        )  # fmt: skip
        facts = {"destination": "https://shop.example.com/", "created_at": sent, "topic": "macro-lenses", **changes}
        return Link.objects.create(shop=shop, message=message, code=code, **facts)

    return make


def follow(link, clock, *, user_agent=BROWSER):
    return tracking.click(link.code, user_agent=user_agent, method="GET", headers={}, now=clock.now)


def felt(contact, clock, topic="macro-lenses"):
    contact.refresh_from_db()
    return round(score(contact.interests, topic, now=clock.now), 3)


# -- clicked ----------------------------------------------------------------------------------------------------------


def test_a_link_that_is_followed_is_an_interest_in_its_topic_once(ana, link, clock):
    one, other = link(), link("ijkmnpqr")

    follow(one, clock)
    follow(one, clock)
    assert felt(ana, clock) == 3.0
    follow(other, clock)

    assert felt(ana, clock) == 6.0
    assert Click.objects.filter(is_human=True).count() == 3


def test_a_machine_that_follows_a_link_shows_no_interest_and_hides_none(ana, link, clock):
    found = link()

    follow(found, clock, user_agent="curl/8.0")
    assert felt(ana, clock) == 0.0
    follow(found, clock)

    assert felt(ana, clock) == 3.0


@pytest.mark.parametrize("kind", [{"topic": ""}, {"is_measured": False}], ids=["about nothing", "not measured"])
def test_a_link_about_nothing_and_one_that_is_not_measured_tell_nothing(ana, link, clock, kind):
    assert follow(link(**kind), clock) == "https://shop.example.com/"

    assert ana.interests == {}
    assert felt(ana, clock) == 0.0


# -- seen -------------------------------------------------------------------------------------------------------------


def test_a_product_that_is_looked_at_is_an_interest_in_its_category(shop, ana, clock):
    visitor = visitors.become(
        visitors.meet(shop, grant=Grant(tracking=True), now=clock.now), ana, source="t", now=clock.now
    )

    tracking.record(shop, [Reported(name="view_item", product="7", data=LENS)], visitor=visitor, now=clock.now)

    assert felt(ana, clock) == 0.5


def test_what_was_looked_at_before_it_was_known_by_whom_counts_when_it_is(shop, ana, clock):
    visitor = visitors.meet(shop, grant=Grant(tracking=True), now=clock.now)
    seen = [Reported(name="view_item", product="7", data=LENS), Reported(name="read_post", topic="macro lenses")]
    tracking.record(shop, seen, visitor=visitor, now=clock.now)

    visitors.become(visitor, ana, source="log-in", now=clock.now)

    assert felt(ana, clock) == 1.5


@pytest.mark.parametrize("name", ["purchase", "order_placed", "link_clicked", "page_view"])
def test_what_a_page_tells_of_orders_and_clicks_is_no_interest(shop, ana, clock, name):
    visitor = visitors.become(
        visitors.meet(shop, grant=Grant(tracking=True), now=clock.now), ana, source="t", now=clock.now
    )

    tracking.record(shop, [Reported(name=name, topic="macro lenses")], visitor=visitor, now=clock.now)

    assert felt(ana, clock) == 0.0


# -- whose ------------------------------------------------------------------------------------------------------------


def test_who_objects_to_profiles_has_no_interests(shop, ana, link, clock):
    consent.withdraw(ana, channel="", purpose=Purpose.PROFILING, source="preference centre", now=clock.now)

    follow(link(), clock)
    interests.add(ana.pk, [Act("read_post", "macro-lenses", clock.now)], now=clock.now)

    assert felt(ana, clock) == 0.0


def test_who_allows_profiles_again_begins_with_what_comes(ana, link, clock):
    consent.withdraw(ana, channel="", purpose=Purpose.PROFILING, source="preference centre", now=clock.now)
    consent.grant(ana, channel="", purpose=Purpose.PROFILING, source="preference centre", now=clock.now)

    follow(link(), clock)

    assert felt(ana, clock) == 3.0


def test_who_was_merged_since_shows_interest_as_who_they_are_now(shop, ana, link, clock):
    found, kept = link(), build_contact(shop, now=clock.now)
    ana.merged_into = kept
    ana.save()

    follow(found, clock)

    assert (felt(kept, clock), felt(ana, clock)) == (3.0, 0.0)
