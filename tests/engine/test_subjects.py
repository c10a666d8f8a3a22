"""What a message speaks of is read when it is written: only what it reads, as it is now, and never half."""

from __future__ import annotations

import copy
import re
import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin import hosts
from retarget_plugin.domain.delivery import Held
from retarget_plugin.domain.subjects import NOTHING
from retarget_plugin.engine import addresses, authored, composing, flows, subjects
from retarget_plugin.models import Flow, FlowRun, Lead, Link, Magnet, Message, Order, Preference, Store, Topic
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.goods import item, stock

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

HOUR = timedelta(hours=1)


@pytest.fixture
def host(settings):
    changed = copy.deepcopy(django_settings.RETARGET)
    changed["HOSTS"] = {"default": {"BACKEND": "tests.engine.goods.LiveHost"}}
    settings.RETARGET = changed
    return hosts.get_host("default")


@pytest.fixture
def shop(db, host):
    return build_shop()


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, email="ana@example.com", locale="en")


class Desk:
    """Publishes one flow that says what a test wants to hear, and queues its message for people."""

    def __init__(self, shop, clock):
        self.shop, self.clock = shop, clock

    def writes(
        self, *body, layout="letter", trigger="product_viewed", requires=(), channel="email", coupon=None, **changes
    ):
        written = {"text": " ".join(body)} if channel == "sms" else {"subject": "Hi", "body": list(body)}
        kind = {"channel": channel, **({} if channel == "sms" else {"layout": layout})}
        send = {"channel": channel, "message": "hello", **({"coupon": coupon} if coupon else {})}
        step = {"key": "hello", "after": "1h", "deadline": "9h", "requires": list(requires), "send": send}
        definition = {"slug": "test", "trigger": trigger, "stage": "product", "steps": [step], **changes}
        flow, _is_new = Flow.objects.get_or_create(
            shop=self.shop, slug="test", defaults={"trigger": "", "stage": "site"}
        )
        self.version = flows.publish(flow, definition, {"hello": {**kind, "en": written}}, now=self.clock.now)
        return self

    def to(self, contact, channel="email", **data):
        run = FlowRun.objects.create(
            shop=self.shop,
            flow=self.version.flow,
            version=self.version,
            contact=contact,
            subject=str(uuid.uuid4()),
            data=data,
            anchored_at=self.clock.now,
            entered_at=self.clock.now,
        )
        message = Message.objects.create(
            shop=self.shop,
            contact=contact,
            run=run,
            step="hello",
            channel=channel,
            key=uuid.uuid4(),
            due_at=self.clock.now,
            not_after=self.clock.now + HOUR,
            created_at=self.clock.now,
        )
        (whole,) = Message.objects.filter(pk=message.pk).whole(with_texts=True)
        return whole

    def read(self, message):
        return subjects.read([message], now=self.clock.now)[message.pk]


@pytest.fixture
def desk(shop, clock):
    return Desk(shop, clock)


# -- products ---------------------------------------------------------------------------------------------------------


def test_a_product_is_told_as_the_shop_sells_it_this_moment(desk, shop, host, ana, clock):
    stock(shop, "a", category="Macro lenses", now=clock.now, price=Decimal("10.00"))
    host.products["a"] = item("a", price="8.00", title="Lens")
    message = desk.writes("{{ product.title }}").to(ana, product="a", old_price="12.00")

    told = desk.read(message).product

    assert (told.title, told.price, told.old_price) == ("Lens", Decimal("8.00"), Decimal("12.00"))
    assert (told.currency, told.topic) == ("EUR", "macro-lenses")
    assert told.url == "https://shop.example.com/a/"


def test_a_price_that_did_not_fall_has_no_old_one(desk, host, ana):
    host.products["a"] = item("a", price="12.00")
    message = desk.writes("{{ product.title }}").to(ana, product="a", old_price="12.00")

    assert desk.read(message).product.old_price is None


@pytest.mark.parametrize("change", ["gone", "sold out"])
def test_a_product_that_cannot_be_bought_is_not_written_about(desk, host, ana, change):
    host.products = {"a": item("a"), "b": item("b")}
    message = desk.writes("{{ product.title }}").to(ana, product="a")
    assert desk.read(message).product.reference == "a"
    other = desk.to(ana, product="b")

    if change == "gone":
        del host.products["a"]
    else:
        host.products["a"] = item("a", is_available=False)
    found = subjects.read([message, other], now=desk.clock.now)

    assert (found[message.pk].reason, found[message.pk].until) == ("subject_gone", None)
    assert found[other.pk].product.reference == "b"


def test_a_shop_that_cannot_tell_of_products_is_believed_as_it_spoke_last(desk, shop, ana, clock, settings):
    stock(shop, "a", now=clock.now, price=Decimal("10.00"))
    message = desk.writes("{{ product.title }}").to(ana, product="a")
    settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": {"BACKEND": "tests.shop.retarget.Shop"}}}

    assert desk.read(message).product.price == Decimal("10.00")


def test_the_last_product_of_a_shop_is_gone_too_when_the_shop_tells_of_none(desk, shop, host, ana, clock):
    stock(shop, "a", now=clock.now)
    message = desk.writes("{{ product.title }}").to(ana, product="a")
    host.products = {}

    held = desk.read(message)

    assert (held.reason, held.until) == ("subject_gone", None)


def test_a_shop_that_is_away_is_asked_again(desk, host, ana, clock, monkeypatch):
    message = desk.writes("{{ product.title }}").to(ana, product="a")

    def away(product_ids):
        raise OSError("no route")

    monkeypatch.setattr(host, "get_products", away)

    held = desk.read(message)

    assert (held.reason, held.until) == ("subject_unreadable", clock.now + timedelta(minutes=5))


def test_of_several_products_the_first_has_the_card(desk, host, ana):
    host.products = {"a": item("a"), "b": item("b")}
    message = desk.writes("{{ product.title }}").to(ana, products=["b", "a"])

    assert desk.read(message).product.reference == "b"


# -- what else there is -----------------------------------------------------------------------------------------------


def test_a_magnet_is_the_one_that_was_confirmed(desk, shop, ana, clock):
    guide = Magnet.objects.create(
        shop=shop, slug="guide", name="Guide", kind="file", texts={"en": {"title": "Choosing"}}, created_at=clock.now
    )
    other = Magnet.objects.create(shop=shop, slug="other", name="Other", kind="file", created_at=clock.now)
    for magnet, at in ((guide, clock.now), (other, clock.now), (guide, None)):
        Lead.objects.create(shop=shop, contact=ana, magnet=magnet, confirmed_at=at, created_at=clock.now)
    desk.writes("{{ magnet.name }}", trigger="form_confirmed")

    named, unnamed = desk.read(desk.to(ana, magnet="guide")), desk.read(desk.to(ana))

    assert (named.magnet.name, named.magnet.labels) == ("Guide", {"en": "Choosing"})
    assert named.magnet.lead == Lead.objects.filter(magnet=guide).earliest("pk").pk
    assert unnamed.magnet.name == "Other"


def test_an_order_that_waits_for_payment_has_a_link_to_pay(desk, shop, host, ana, clock):
    order = Order.objects.create(
        shop=shop, reference="7", number="A-7", total=Decimal("49.90"), currency="EUR", is_paid=False,
        placed_at=clock.now, touched_at=clock.now,
    )  # fmt: skip
    host.payment_urls["7"] = "https://shop.example.com/pay/7/"
    message = desk.writes("{{ order.number }}", trigger="order_unpaid", requires=["pay_link"]).to(ana, order=order.pk)

    waiting = desk.read(message)
    Order.objects.update(is_paid=True)
    paid = desk.read(message)

    assert (waiting.order.number, waiting.order.url) == ("A-7", "https://shop.example.com/pay/7/")
    assert (paid.reason, paid.facts) == ("step_skipped", {"because": "pay_link"})


def test_a_topic_has_the_owners_name(desk, shop, ana):
    Topic.objects.create(shop=shop, slug="macro", labels={"en": "Macro lenses"})
    desk.writes("{{ topic.name }}", trigger="interest_shown")

    known, unknown = desk.read(desk.to(ana, topic="macro")), desk.read(desk.to(ana, topic="old-films"))

    assert known.topic.labels == {"en": "Macro lenses"}
    assert (unknown.topic.slug, unknown.topic.labels) == ("old-films", {})


def test_a_store_is_the_nearest_one_within_twenty_kilometers(desk, shop, ana):
    for slug, latitude, is_shown in (("far", 49.2, True), ("near", 48.95, True), ("hidden", 48.86, False)):
        Store.objects.create(
            shop=shop, slug=slug, name=slug, street="1 rue Haute", postcode="75001", city="Paris", country="FR",
            latitude=latitude, longitude=2.35, is_open_to_public=is_shown,
        )  # fmt: skip
    desk.writes("{{ store.name }}", trigger="site_left", requires=["store_near"])
    ana.latitude, ana.longitude = 48.86, 2.35
    ana.save()

    near = desk.read(desk.to(ana))
    ana.latitude = 47.0
    ana.save()
    far = desk.read(desk.to(ana))

    assert (near.store.name, near.store.distance, near.store.address) == ("near", 10.0, "1 rue Haute, 75001 Paris")
    assert (far.reason, far.facts) == ("step_skipped", {"because": "store"})


def test_a_question_is_the_first_that_is_not_answered(desk, shop, ana):
    options = [{"value": "dog", "labels": {"en": "Dogs"}}]
    for position, slug in enumerate(("pet", "sport", "old")):
        Preference.objects.create(
            shop=shop, slug=slug, labels={"en": slug}, options=options, position=position, is_active=slug != "old"
        )
    desk.writes("{% if question %}{{ question.text }}{% endif %} Hello")

    asked = []
    for given in ({}, {"pet": ["dog"]}, {"pet": ["dog"], "sport": ["dog"]}):
        ana.preferences = given
        ana.save()
        asked.append(desk.read(desk.to(ana)).question)

    assert [question and question.slug for question in asked] == ["pet", "sport", None]


def test_what_was_picked_for_somebody_is_not_in_the_same_message_as_new(desk, shop, host, ana, clock):
    host.products = {reference: item(reference) for reference in ("old", "sold", "fresh")}
    shop.created_at = clock.now - timedelta(days=60)
    shop.save()
    stock(shop, "old", now=clock.now, bought=5.0, first_seen_at=clock.now - timedelta(days=50))
    stock(shop, "sold", now=clock.now, bought=9.0, first_seen_at=clock.now - timedelta(days=2))
    stock(shop, "fresh", now=clock.now, first_seen_at=clock.now - timedelta(days=1))

    both = desk.read(desk.writes("Hello", layout="picks").to(ana))
    new = desk.read(desk.writes("Hello", layout="picks", requires=["new_products"]).to(ana))

    assert [one.reference for one in both.recommendations] == ["sold", "old"]
    assert [one.reference for one in both.new_products] == ["fresh"]
    assert [one.reference for one in new.new_products] == ["fresh", "sold"]


# -- never half -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "layout", "requires"),
    [
        ("{{ recommendations[0].title }}", "letter", []),
        ("Hello", "letter", ["recommendations"]),
        ("{% for one in posts %}{{ one.title }}{% endfor %}", "letter", []),
        ("Hello", "picks", []),
        ("Hello", "picks", ["new_products"]),
    ],
)
def test_a_message_with_nothing_to_show_is_not_written(desk, ana, body, layout, requires):
    message = desk.writes(body, layout=layout, requires=requires).to(ana)

    held = desk.read(message)

    assert isinstance(held, Held)
    assert (held.reason, held.until) == ("not_recommended", None)


def test_an_offer_is_something_by_itself(desk, ana):
    desk.writes("{{ coupon.code }}", layout="picks", coupon={"percent": 5, "valid": "72h"})

    assert desk.read(desk.to(ana)) == NOTHING


def test_what_a_text_asks_for_first_may_be_missing(desk, ana):
    message = desk.writes("Hello {% if recommendations.size > 0 %}{{ recommendations[0].title }}{% endif %}").to(ana)

    assert desk.read(message) == NOTHING


def test_two_readings_are_equal_until_something_changes(desk, shop, host, ana, clock):
    host.products = {"a": item("a"), "b": item("b")}
    stock(shop, "a", "b", now=clock.now, bought=5.0)
    message = desk.writes("{{ product.title }}", layout="product").to(ana, product="a")

    first, second = desk.read(message), desk.read(message)
    host.products["b"] = replace(host.products["b"], unit_price=Decimal("9.00"))
    third = desk.read(message)

    assert first == second
    assert [one.reference for one in first.recommendations] == ["b"]
    assert third.recommendations[0].price == Decimal("9.00")
    assert first != third


def test_of_what_no_message_reads_nothing_is_asked(desk, host, ana, monkeypatch):
    message = desk.writes("Hello").to(ana, product="a", order=1, topic="x", magnet="guide")
    monkeypatch.setattr(host, "get_products", lambda product_ids: pytest.fail("the shop was asked"))

    with CaptureQueriesContext(connection) as queries:
        found = desk.read(message)

    assert found == NOTHING
    assert len(queries) == 0


def test_a_batch_costs_as_many_queries_as_one_message(desk, shop, host, clock):
    host.products = {"a": item("a"), "b": item("b")}
    stock(shop, "a", "b", now=clock.now, bought=5.0)
    body = "{{ product.title }} {% if topic or store or question or posts %}x{% endif %}"
    desk.writes(body, layout="product")
    people = [build_contact(shop, now=clock.now, email=f"p{number}@example.com") for number in range(8)]
    messages = [desk.to(person, product="a", topic="macro", order=1) for person in people]

    with CaptureQueriesContext(connection) as one:
        subjects.read(messages[:1], now=clock.now)
    with CaptureQueriesContext(connection) as all_of_them:
        found = subjects.read(messages, now=clock.now)

    assert {subject.product.title for subject in found.values()} == {"Product a"}
    assert len(all_of_them) == len(one)


# -- where it leads ---------------------------------------------------------------------------------------------------


def lead(message, desk, *, is_measured=False):
    return addresses.of(
        message, desk.read(message), written=authored.of(message), is_measured=is_measured, now=desk.clock.now
    )


def test_the_button_leads_to_what_the_message_speaks_of(desk, host, ana):
    host.products["a"] = item("a")

    about_a_product = lead(desk.writes("{{ product.title }}").to(ana, product="a"), desk)
    about_nothing = lead(desk.writes("Hello").to(ana, product="a"), desk)
    to_stay = lead(desk.writes("Hello", trigger="unengaged", exits=["keep"]).to(ana), desk)

    assert about_a_product["link"] == "https://shop.example.com/a/"
    assert about_nothing["link"] == "https://shop.example.com"
    assert to_stay["link"].startswith("https://shop.example.com/retarget/keep/")
    assert not Link.objects.exists()


def test_where_clicks_may_be_told_each_thing_has_a_short_link_with_its_topic(desk, shop, host, ana, clock):
    host.products = {"a": item("a"), "b": item("b")}
    stock(shop, "a", "b", category="Macro", now=clock.now, bought=5.0)
    message = desk.writes("{{ product.title }}", layout="product").to(ana, product="a", topic="Lenses")

    found = lead(message, desk, is_measured=True)
    again = lead(message, desk, is_measured=True)

    links = {link.purpose: link for link in Link.objects.all()}
    assert {name: link.destination for name, link in links.items()} == {
        "product": "https://shop.example.com/a/",
        "recommendations-1": "https://shop.example.com/b/",
    }
    assert {link.topic for link in links.values()} == {"macro"}
    assert found["link"] == found["product"] == f"https://shop.example.com/retarget/r/{links['product'].code}"
    assert found == again


def test_a_link_leads_where_the_message_was_last_written_to_lead(desk, host, ana):
    host.products = {"a": item("a")}
    message = desk.writes("{{ product.title }}").to(ana, product="a")
    before = lead(message, desk, is_measured=True)

    host.products["a"] = item("a", url="https://shop.example.com/moved/")
    after = lead(message, desk, is_measured=True)

    assert before["link"] == after["link"]
    assert Link.objects.get().destination == "https://shop.example.com/moved/"


def test_links_of_one_message_are_made_in_three_statements(desk, shop, host, ana, clock):
    host.products = {key: item(key) for key in "abcd"}
    stock(shop, *"abcd", now=clock.now, bought=5.0)
    message = desk.writes("{{ product.title }}", layout="product").to(ana, product="a")
    subject, written = desk.read(message), authored.of(message)

    with CaptureQueriesContext(connection) as queries:
        addresses.of(message, subject, written=written, is_measured=True, now=clock.now)

    assert Link.objects.count() == 4
    assert len(queries) == 3


def test_an_answer_leads_to_the_page_of_choices_with_it_ticked(desk, shop, ana, client, clock):
    options = [{"value": value, "labels": {"en": value}} for value in ("dog", "cat")]
    Preference.objects.create(shop=shop, slug="pet", labels={"en": "Your pet?"}, options=options)
    message = desk.writes("{% if question %}One thing{% endif %}").to(ana)

    composed = composing.compose(message, subject=desk.read(message), is_measured=True, now=clock.now)

    found = lead(message, desk, is_measured=True)["answer:cat"]
    page = client.get(found.removeprefix("https://shop.example.com")).content.decode()
    assert "?answer%3Apet=cat#answer:pet" in composed.text
    answers = [tag for tag in re.findall(r"<input[^>]+>", page) if "answer:pet" in tag and 'type="radio"' in tag]
    assert [re.search(r'value="(\w*)"', tag).group(1) for tag in answers if "checked" in tag] == ["cat"]
    ana.refresh_from_db()
    assert ana.preferences == {}


def test_a_text_message_has_short_links_for_what_it_reads_and_no_other(desk, host, ana):
    host.products["a"] = item("a")
    ana.phone = "+33612345678"
    ana.save()
    message = desk.writes("{{ product.short_title }}: {{ link }}", channel="sms").to(ana, "sms", product="a")

    found = lead(message, desk)

    assert [link.purpose for link in Link.objects.all()] == ["product"]
    assert found["link"].startswith("https://shop.example.com/retarget/r/")
