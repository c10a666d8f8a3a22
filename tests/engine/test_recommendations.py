"""A message shows what fits its reader and can be bought now: never what they own, have in a cart, or got in a bundle."""

from __future__ import annotations

import copy
import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from retarget_plugin import hosts
from retarget_plugin.domain import recommend
from retarget_plugin.domain.interests import Act
from retarget_plugin.domain.recommend import NOTHING
from retarget_plugin.domain.subjects import Post
from retarget_plugin.domain.vocabulary import Purpose
from retarget_plugin.engine import consent, customers, interests, recommendations
from retarget_plugin.models import Cart, Contact, Customer, Flow, FlowRun, FlowVersion, Message, Product
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.goods import Till, item, stock

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

DAY = timedelta(days=1)
POSTS = [
    Post(title="Ten close-ups", url="https://shop.example.com/ten/"),
    Post(title="", url="https://shop.example.com/untitled/"),
    Post(title="A trap", url="javascript:alert(1)"),
    Post(title="Light", url="https://shop.example.com/light/", summary="Soft and hard."),
]


@pytest.fixture
def host(settings):
    """A shop that tells what it sells now, of which nothing is known from before."""
    changed = copy.deepcopy(django_settings.RETARGET)
    changed["HOSTS"] = {"default": {"BACKEND": "tests.engine.goods.LiveHost"}}
    settings.RETARGET = changed
    return hosts.get_host("default")


@pytest.fixture
def shop(db, host):
    return build_shop()


@pytest.fixture
def till(shop, host, clock):
    return Till(host, clock)


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, email="ana@example.com", locale="en")


@pytest.fixture
def sold(shop, host, clock):
    """sold("camera", "bag", category="Photo"): on sale, known to us and told by the shop."""

    def put(*references, category="", price="10.00", **changes):
        for reference in references:
            host.products[reference] = item(reference, category=category, price=price)
        stock(shop, *references, category=category, price=Decimal(price), now=clock.now, **changes)

    return put


@pytest.fixture
def write(shop, clock):
    """write(ana, product="camera"): a message of a run that is about these things."""

    flow = Flow.objects.create(shop=shop, slug="any", name="Any")
    flow.version = FlowVersion.objects.create(flow=flow, number=1, definition={}, content={}, published_at=clock.now)

    def make(contact, cart=None, **data):
        run = FlowRun.objects.create(
            shop=shop, flow=flow, version=flow.version, contact=contact, subject=str(uuid.uuid4()), data=data, cart=cart,
            anchored_at=clock.now, entered_at=clock.now,
        )  # fmt: skip
        return Message.objects.create(
            shop=shop, run=run, contact=contact, step="one", channel="email", due_at=clock.now, not_after=clock.now,
            key=uuid.uuid4(), created_at=clock.now,
        )  # fmt: skip

    return make


def shown(message, clock, kind="products"):
    picks = recommendations.for_messages([message], now=clock.now)[message.pk]
    return [one.reference for one in getattr(picks, kind)]


def strangers_buy(till, *references, times=3):
    for number in range(times):
        till.sell(*references, number=f"{'+'.join(references)} {number}", email=f"s{number}@example.com")


# -- what goes with what ----------------------------------------------------------------------------------------------


def test_a_message_shows_what_others_bought_with_it(till, sold, write, ana, clock):
    sold("camera", "bag", "strap", "mug")
    strangers_buy(till, "camera", "bag", times=5)
    strangers_buy(till, "camera", "strap", times=2)
    strangers_buy(till, "mug", times=4)

    assert shown(write(ana, product="camera"), clock) == ["bag", "strap", "mug"]


def test_what_the_buyer_got_last_is_what_others_are_looked_for(till, sold, write, ana, clock):
    sold("camera", "bag", "pan", "lid")
    strangers_buy(till, "camera", "bag", times=5)
    strangers_buy(till, "pan", "lid", times=5)
    till.sell("pan")

    assert shown(write(ana), clock)[0] == "lid"


def test_products_of_what_somebody_likes_come_before_other_best_sellers(till, sold, write, ana, clock):
    sold("lens", "ring", category="Macro lenses")
    sold("mug", category="Kitchen")
    strangers_buy(till, "mug", times=6)
    interests.add(ana.pk, [Act("asset_downloaded", "macro-lenses", clock.now)], now=clock.now)

    assert shown(write(ana), clock) == ["lens", "ring", "mug"]


def test_a_run_about_a_topic_shows_nothing_else(till, sold, write, ana, clock):
    sold("lens", "ring", category="Macro lenses")
    sold("mug", category="Kitchen")
    strangers_buy(till, "mug", times=6)

    assert shown(write(ana, topic="macro lenses"), clock) == ["lens", "ring"]
    assert shown(write(ana, topic="video"), clock) == ["mug"]


def test_in_a_new_shop_nothing_is_recommended(write, ana, clock):
    message = write(ana)

    assert recommendations.for_messages([message], now=clock.now) == {message.pk: NOTHING}
    assert recommendations.for_messages([], now=clock.now) == {}


# -- what is never shown ----------------------------------------------------------------------------------------------


def test_what_was_bought_is_not_shown_also_inside_a_bundle(till, sold, write, ana, clock):
    sold("kit", "camera", "strap", "bag", "mug")
    for other in ("kit", "camera", "strap", "bag"):
        strangers_buy(till, "mug", other)
    till.sell("mug", item("kit", contents=["camera", "strap"]))

    assert shown(write(ana), clock) == ["bag"]


def test_a_cancelled_order_owns_nothing(till, sold, write, ana, clock):
    sold("camera", "bag")
    strangers_buy(till, "camera", "bag")
    till.sell("bag", is_cancelled=True)

    assert shown(write(ana, product="camera"), clock) == ["bag"]


def test_what_is_in_a_cart_is_not_shown_and_what_goes_with_it_is(till, shop, sold, write, ana, clock):
    sold("camera", "bag", "strap")
    strangers_buy(till, "camera", "bag", "strap")
    lines = [item("camera", contents=["strap"]).to_data()]
    facts = {"touched_at": clock.now, "created_at": clock.now, "items": lines}
    cart = Cart.objects.create(shop=shop, reference="17", contact=ana, state="abandoned", **facts)

    assert shown(write(ana, cart=cart), clock) == ["bag"]


@pytest.mark.parametrize(
    "flaw", [{"is_available": False}, {"url": ""}, {"image_url": ""}, {"unit_price": Decimal(0)}], ids=str
)
def test_what_the_shop_does_not_sell_whole_now_is_not_shown(till, host, sold, write, ana, clock, flaw):
    sold("camera", "bag", "strap")
    strangers_buy(till, "camera", "bag", times=5)
    strangers_buy(till, "camera", "strap", times=2)
    host.products["bag"] = replace(host.products["bag"], **flaw)

    assert shown(write(ana, product="camera"), clock) == ["strap"]


def test_what_the_shop_has_deleted_is_not_shown(till, host, sold, write, ana, clock):
    sold("camera", "bag")
    strangers_buy(till, "camera", "bag")
    del host.products["bag"]

    assert shown(write(ana, product="camera"), clock) == []


def test_price_and_title_are_those_of_now_in_the_readers_language(till, host, sold, write, ana, clock):
    sold("camera", "bag", category="Bags")
    strangers_buy(till, "camera", "bag")
    ana.locale = "fr-FR"
    ana.save()

    def told(product_ids):
        title = "Sac" if translation.get_language() == "fr-fr" else "Bag"
        return [replace(host.products[key], title=title, unit_price=Decimal("7.77")) for key in product_ids]

    host.get_products = type(host.get_products)(lambda self, product_ids: told(product_ids), host)
    message = write(ana, product="camera")
    [bag] = recommendations.for_messages([message], now=clock.now)[message.pk].products

    assert (bag.title, bag.price, bag.currency, bag.topic) == ("Sac", Decimal("7.77"), "EUR", "bags")


def test_a_shop_that_cannot_say_what_it_sells_has_nothing_recommended(till, host, sold, write, ana, clock, caplog):
    sold("camera", "bag")
    strangers_buy(till, "camera", "bag")

    def broken(product_ids):
        raise ConnectionError

    host.get_products = broken

    assert shown(write(ana, product="camera"), clock) == []
    assert "could not tell about products" in caplog.text


def test_who_objects_to_profiles_gets_what_is_new_and_nothing_that_was_chosen_for_them(till, sold, write, ana, clock):
    sold("camera", "bag")
    sold("fresh", first_seen_at=clock.now)
    strangers_buy(till, "camera", "bag")
    shop = ana.shop
    shop.created_at = clock.now - 90 * DAY
    shop.save()
    consent.withdraw(ana, channel="", purpose=Purpose.PROFILING, source="preference centre", now=clock.now)

    message = write(ana, product="camera")
    picks = recommendations.for_messages([message], now=clock.now)[message.pk]

    assert (picks.products, [one.reference for one in picks.new_products]) == ((), ["fresh"])


@pytest.mark.promise
def test_who_objects_is_in_no_profile_whatever_they_do(till, shop, sold, write, clock, promise):
    sold("camera", "bag", "mug", category="Photo")
    strangers_buy(till, "camera", "bag")
    people = [build_contact(shop, now=clock.now, email=f"o{number}@example.com") for number in range(30)]
    objectors = people[::3]
    for person in objectors:
        consent.withdraw(person, channel="", purpose=Purpose.PROFILING, source="preference centre", now=clock.now)

    for person in people:
        till.sell(item("camera", category="Photo"), number=f"of {person.pk}", email=person.email)
        interests.add(person.pk, [Act("read_post", "photo", clock.now)], now=clock.now)
    customers.keep(now=clock.now)
    picks = {
        person: recommendations.for_messages([message := write(person)], now=clock.now)[message.pk] for person in people
    }

    scored = set(Contact.objects.exclude(interests={}).values_list("pk", flat=True))
    counted = set(Customer.objects.exclude(orders=0).values_list("contact", flat=True))
    chosen = {person.pk for person, found in picks.items() if found.products}
    others = {person.pk for person in people} - {person.pk for person in objectors}
    assert scored & others == counted & others == chosen & others == others
    leaks = sum(len({person.pk for person in objectors} & found) for found in (scored, counted, chosen))
    run = "30 people buy, read and are written to, 10 of whom object"
    promise("P16", run=run, figure=f"leaks {leaks}", bar="leaks 0", holds=leaks == 0)


# -- what is new ------------------------------------------------------------------------------------------------------


def test_new_is_what_was_met_lately_but_not_while_the_shop_was_being_met(shop, sold, write, ana, clock):
    sold("old", first_seen_at=clock.now - 40 * DAY)
    sold("new", first_seen_at=clock.now - 20 * DAY)
    shop.created_at = clock.now - 45 * DAY
    shop.save()
    assert shown(write(ana), clock, "new_products") == []

    shop.created_at = clock.now - 55 * DAY
    shop.save()

    assert shown(write(ana), clock, "new_products") == ["new"]


def test_a_shop_that_knows_its_newest_products_is_believed(till, host, sold, write, ana, clock, monkeypatch):
    asked = []

    def newest(self, since, limit):
        asked.append((since, limit))
        return [item("new-1"), item("mine"), item("gone", is_available=False), item("new-2", category="Macro lenses")]

    monkeypatch.setattr(type(host), "new_products", newest)
    till.sell("mine")
    assert shown(write(ana), clock, "new_products") == ["new-1", "new-2"]

    interests.add(ana.pk, [Act("read_post", "macro-lenses", clock.now)], now=clock.now)

    assert shown(write(ana), clock, "new_products") == ["new-2", "new-1"]
    assert asked == [(clock.now - 30 * DAY, recommendations.NEWEST)] * 2


# -- what was written -------------------------------------------------------------------------------------------------


def source(shop, *, limit, language):
    return [replace(post, title=f"{post.title} ({language})" if post.title else "") for post in POSTS]


def test_posts_come_from_the_source_of_the_settings_in_the_readers_language(settings, host, write, ana, clock):
    settings.RETARGET = {**settings.RETARGET, "POSTS": "tests.engine.test_recommendations.source"}
    message = write(ana)

    found = recommendations.for_messages([message], now=clock.now)[message.pk].posts

    assert [(post.title, post.url) for post in found] == [
        ("Ten close-ups (en)", "https://shop.example.com/ten/"),
        ("Light (en)", "https://shop.example.com/light/"),
    ]


def test_posts_come_from_the_host_where_no_source_is_named(host, write, ana, clock):
    host.latest_posts = lambda limit, language: POSTS * limit
    message = write(ana)

    found = recommendations.for_messages([message], now=clock.now)[message.pk].posts

    assert [post.title for post in found] == ["Ten close-ups", "Light", "Ten close-ups"]


def test_a_source_of_posts_that_fails_is_no_reason_not_to_write(host, write, ana, clock, caplog):
    def broken(limit, language):
        raise ConnectionError

    host.latest_posts = broken
    message = write(ana)

    assert recommendations.for_messages([message], now=clock.now)[message.pk].posts == ()
    assert "latest posts" in caplog.text


# -- cost -------------------------------------------------------------------------------------------------------------


def test_a_batch_costs_a_fixed_number_of_queries(till, shop, sold, write, clock):
    sold("camera", "bag", "strap", category="Photo")
    strangers_buy(till, "camera", "bag", "strap")
    messages = []
    for number in range(20):
        person = build_contact(shop, now=clock.now, email=f"r{number}@example.com")
        till.sell("strap", number=f"of {number}", email=person.email)
        interests.add(person.pk, [Act("read_post", f"topic {number}", clock.now)], now=clock.now)
        messages.append(write(person, product="camera"))

    batch = list(Message.objects.select_related("shop", "contact", "run").filter(pk__in=[one.pk for one in messages]))
    with CaptureQueriesContext(connection) as for_one:
        recommendations.for_messages(batch[:1], now=clock.now)
    with CaptureQueriesContext(connection) as for_all:
        found = recommendations.for_messages(batch, now=clock.now)

    assert len(for_one) == len(for_all) == 7
    assert {tuple(one.reference for one in picks.products) for picks in found.values()} == {("bag",)}


def test_two_readings_at_one_moment_are_equal(till, sold, write, ana, clock):
    sold(*(f"p{number}" for number in range(30)), category="Photo")
    strangers_buy(till, *(f"p{number}" for number in range(10)))
    message = write(ana, product="p1")

    first = recommendations.for_messages([message], now=clock.now)

    assert first == recommendations.for_messages([message], now=clock.now)
    assert len(first[message.pk].products) == 3


def test_somebody_whom_nobody_knows_gets_what_goes_with_the_page(till, shop, sold, clock):
    sold("camera", "bag", "mug")
    strangers_buy(till, "camera", "bag", times=2)
    strangers_buy(till, "mug", times=9)

    found = recommendations.for_contact(shop, None, product="camera", limit=2, now=clock.now)
    best = recommendations.for_contact(shop, None, limit=1, now=clock.now)

    assert [one.reference for one in found] == ["bag", "mug"]
    assert [one.reference for one in best] == ["mug"]


def test_weights_are_those_of_today_whenever_it_is(till, sold, write, ana, clock):
    sold("camera", "bag")
    strangers_buy(till, "camera", "bag")
    clock.advance(days=3650)

    assert shown(write(ana, product="camera"), clock) == ["bag"]
    assert Product.objects.get(reference="bag").bought / recommend.weight(clock.now) == pytest.approx(
        3 / 2**10, rel=0.01
    )
