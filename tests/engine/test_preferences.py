"""Topics hold at the final gate; product news needs the reader's own yes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from retarget_plugin.domain.preferences import Changes
from retarget_plugin.domain.vocabulary import Channel, ConsentState, ProductNews, Purpose, Reason
from retarget_plugin.engine import consent, gates, optin, preferences, subscriptions, tokens
from retarget_plugin.exceptions import InputError
from retarget_plugin.models import (
    Consent,
    Contact,
    Flow,
    FlowRun,
    FlowVersion,
    Message,
    Order,
    Product,
    ProductSubscription,
    Topic,
)
from retarget_plugin.testing import build_contact, build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PAGE = {"source": "product page", "now": NOW}


@pytest.fixture
def shop():
    return build_shop()


@pytest.fixture
def person(shop):
    return build_contact(shop, now=NOW, channels=(), email="reader@example.com")


def ask(shop, product="17", **who):
    """Somebody asks, and the next tick goes on with it."""
    subscriptions.subscribe(shop, product, kind=ProductNews.BACK_IN_STOCK, **{**PAGE, **who})
    subscriptions.ask(NOW)


def confirm(message):
    optin.confirm(tokens.confirm(contact_id=message.contact_id, message_id=message.pk), now=NOW)


def test_somebody_recognized_is_told_without_another_question(shop, person):
    Product.objects.create(shop=shop, reference="17", title="Lens", price=Decimal("499.00"), updated_at=NOW)

    ask(shop, contact=person)

    row = ProductSubscription.objects.live().get()
    assert (row.contact, row.product, row.price, row.is_proven) == (person, "17", Decimal("499.00"), True)
    assert Consent.objects.get(contact=person).purpose == Purpose.ALERTS
    assert not Message.objects.exists()


@pytest.mark.parametrize("country", ["FR", "DE", "US"])
def test_an_address_that_was_typed_is_told_nothing_until_its_reader_confirms(shop, country):
    shop.country = country
    shop.save()

    ask(shop, email="Reader@Example.com")
    before = list(ProductSubscription.objects.live())
    confirm(Message.objects.get(template="confirm"))

    contact = Contact.objects.get(email="reader@example.com")
    assert before == []
    assert [row.contact for row in ProductSubscription.objects.live()] == [contact]
    assert consent.allows(contact, Purpose.ALERTS, channel=Channel.EMAIL)
    assert not consent.allows(contact, Purpose.MARKETING, channel=Channel.EMAIL)


def test_a_stranger_learns_and_changes_nothing_about_somebody_known(shop, person):
    facts = Contact.objects.values().get(pk=person.pk)

    answers = [
        subscriptions.subscribe(shop, "17", kind="price_drop", email=email, locale="es", **PAGE)
        for email in ("reader@example.com", "nobody@example.com")
    ]

    subscriptions.ask(NOW)
    assert answers == [None, None]
    assert Contact.objects.values().get(pk=person.pk) == facts
    assert not ProductSubscription.objects.exclude(email="").exists()


def test_the_same_is_done_for_everybody_when_a_stranger_asks(shop, person, django_assert_num_queries):
    """Nobody learns from the answer, or from how long it takes, who is known."""
    consent.suppress(shop, channel="email", address="gone@example.com", reason="complained", now=NOW)

    for email in ("reader@example.com", "nobody@example.com", "gone@example.com"):
        with django_assert_num_queries(2):
            subscriptions.subscribe(shop, "17", kind="price_drop", email=email, **PAGE)

    assert Contact.objects.count() == 1
    assert not Message.objects.exists()


def test_what_nobody_confirms_goes_with_whoever_is_known_from_nothing_else(shop, person):
    ask(shop, contact=person)
    ask(shop, "typed", email="stranger@example.com")
    ask(shop, "typed", email=person.email)

    kept = subscriptions.purge_unconfirmed(NOW)
    gone = subscriptions.purge_unconfirmed(NOW + timedelta(seconds=1))

    assert (kept, gone) == (0, 1)
    assert set(ProductSubscription.objects.values_list("contact", "product")) == {
        (person.pk, "17"),
        (person.pk, "typed"),
    }
    assert not Contact.objects.filter(email="stranger@example.com").exists()


def test_a_stranger_adds_few_products_and_one_question(shop, person):
    for number in range(20):
        ask(shop, str(number), email=person.email)

    assert person.product_subscriptions.count() == subscriptions.MOST_UNPROVEN
    assert Message.objects.count() == 1


def test_a_stranger_takes_nobodys_place(shop, person):
    for number in range(20):
        ask(shop, str(number), email=person.email)

    ask(shop, "mine", contact=person)

    assert person.product_subscriptions.filter(product="mine", is_proven=True).exists()


def test_asking_twice_is_one_row_and_asking_after_the_news_is_a_new_wish(shop, person):
    ask(shop, contact=person)
    ask(shop, contact=person)
    rows = person.product_subscriptions.count()
    person.product_subscriptions.update(notified_at=NOW)
    told = list(ProductSubscription.objects.live())

    ask(shop, contact=person, now=NOW + timedelta(days=3))

    assert (rows, told) == (1, [])
    assert ProductSubscription.objects.live().get().at == NOW + timedelta(days=3)


def test_after_stop_everything_nothing_is_told(shop, person):
    ask(shop, contact=person)

    preferences.stop(person, source="preference centre", now=NOW)

    assert not ProductSubscription.objects.exists()
    assert set(Consent.objects.filter(contact=person).values_list("state", flat=True)) == {ConsentState.WITHDRAWN}


@pytest.mark.parametrize(
    ("product", "kind", "email", "code"),
    [
        ("17", "sold_out", "reader@example.com", "unknown_product"),
        ("", "price_drop", "reader@example.com", "unknown_product"),
        ("1\x00", "price_drop", "reader@example.com", "unknown_product"),
        ("x" * 121, "price_drop", "reader@example.com", "unknown_product"),
        ("17", "price_drop", "reader@", "email"),
        ("17", "price_drop", "", "email"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(shop, product, kind, email, code):
    with pytest.raises(InputError) as refused:
        subscriptions.subscribe(shop, product, kind=kind, email=email, **PAGE)

    assert refused.value.code == code
    assert not ProductSubscription.objects.exists()


def test_a_wrong_choice_changes_none_of_the_right_ones(shop, person):
    Topic.objects.create(shop=shop, slug="books", labels={"en": "Books"})
    wrong = Changes(topics={"books": False}, grants={Purpose.ADS: True}, channels={"email": False, "fax": False})

    with pytest.raises(InputError):
        preferences.update(person, wrong, source="api", now=NOW)

    person.refresh_from_db()
    assert person.topics_off == []
    assert not Consent.objects.exists()


def test_two_tabs_lose_nothing_of_each_other(shop, person):
    for slug in ("books", "sales"):
        Topic.objects.create(shop=shop, slug=slug, labels={"en": slug})
    stale = Contact.objects.select_related("shop").get(pk=person.pk)

    preferences.update(person, Changes(topics={"books": False}), source="api", now=NOW)
    preferences.update(stale, Changes(topics={"sales": False}), source="api", now=NOW)

    person.refresh_from_db()
    assert person.topics_off == ["books", "sales"]


def test_the_view_costs_the_same_however_much_there_is(shop, person, django_assert_num_queries):
    for number in range(10):
        Topic.objects.create(shop=shop, slug=f"t{number}", labels={"en": "x"})
        ask(shop, str(number), contact=person)

    with django_assert_num_queries(9):
        preferences.of(person, now=NOW)


def test_a_customer_who_is_written_to_without_having_been_asked_can_turn_it_off(shop):
    """Else the one box that would stop the messages were unticked already."""
    shop.customers_told_since = NOW.date() - timedelta(days=400)
    shop.save()
    person = build_contact(shop, now=NOW, channels=(), email="customer@example.com")
    bought = [{"product_id": "17", "title": "Lens", "quantity": 1, "unit_price": "9.00"}]
    at = NOW - timedelta(days=30)
    Order.objects.create(
        shop=shop, contact=person, reference="1", items=bought, placed_at=at, touched_at=at, read_at=at
    )

    before = preferences.of(person, now=NOW).channels[0].state
    preferences.update(person, Changes(channels={"email": False}), source="preference centre", now=NOW)

    assert (before, preferences.of(person, now=NOW).channels[0].state) == ("on", "off")


# -- at the final gate ------------------------------------------------------------------------------------------------


def test_a_topic_that_was_left_is_not_sent_and_everything_else_is(shop, person):
    consent.grant(person, channel="email", source="test", now=NOW)
    topics = {"books": Reason.TOPIC_OFF, "sales": None, "": None}
    person.topics_off = ["books", "other"]
    person.save()

    found = {}
    for topic in topics:
        flow = Flow.objects.create(
            shop=shop, slug=f"f{topic}", name=topic, topic=topic, trigger="cart_abandoned", state="on"
        )
        found[topic] = gates.verdict(message_of(flow, person), now=NOW)

    assert {topic: verdict.reason for topic, verdict in found.items()} == topics
    assert found["books"].facts == {"topic": "books"}


def message_of(flow, contact):
    steps = [{"key": "one", "after": "1h", "deadline": "2h", "send": {"channel": "email", "message": "one"}}]
    definition = {"trigger": "cart_abandoned", "stage": "cart", "reentry": "7d", "steps": steps}
    version = FlowVersion.objects.create(flow=flow, number=1, definition=definition, published_at=NOW)
    run = FlowRun.objects.create(
        shop=flow.shop,
        flow=flow,
        version=version,
        contact=contact,
        subject=flow.slug,
        anchored_at=NOW - timedelta(hours=2),
        entered_at=NOW,
    )
    return Message.objects.create(
        shop=flow.shop,
        run=run,
        step="one",
        contact=contact,
        channel="email",
        due_at=NOW,
        not_after=NOW + timedelta(hours=1),
        key=uuid4(),
        created_at=NOW,
    )
