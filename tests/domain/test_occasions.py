"""What lets somebody into a flow, decided on values alone: at the bar, just below it, and which moment counts as t0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain import flows, occasions, triggers
from retarget_plugin.domain.occasions import Act, Later, Occasion, Standing
from retarget_plugin.domain.vocabulary import Trigger

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


def values(raw):
    problems = []
    start = triggers.parse(raw, problems)
    assert problems == []
    return start.values


def ago(days=0.0, **rest):
    return NOW - timedelta(days=days, **rest)


def view(product, at=NOW, category=""):
    return Act(name="view_item", product=product, category=category, at=at)


VIEWED = values("product_viewed")


@pytest.mark.parametrize(
    ("acts", "subject"),
    [
        ([view("1", ago(6)), view("1", ago(1))], "product:1"),
        ([view("1", ago(7) + SECOND), view("1")], "product:1"),
        ([view("1", ago(7)), view("1")], None),
        ([view("1"), view("2")], None),
        ([view("1", ago(3)), view("2", ago(2)), view("1", ago(1)), view("2")], "product:2"),
        ([view(str(n), ago(minutes=n), "lenses") for n in range(3)], "category:lenses"),
        ([view(str(n), ago(minutes=n), "lenses") for n in range(2)], None),
        ([view(str(n), ago(minutes=29 * n), "lenses") for n in range(3)], "category:lenses"),
        ([view(str(n), ago(minutes=30 * n), "lenses") for n in range(3)], None),
        ([view(str(n), ago(minutes=n)) for n in range(3)], None),
        ([Act(name="page_view", at=NOW)] * 5, None),
    ],
    ids=[
        "the same product twice",
        "twice in just under seven days",
        "the first one just too long ago",
        "two products once each",
        "of two, the one seen last",
        "three of a category in a visit",
        "two of a category",
        "three with short pauses",
        "three in three visits",
        "three of no category",
        "pages alone",
    ],
)
def test_who_looked_at_a_product(acts, subject):
    found = occasions.viewed(acts, VIEWED, now=NOW)

    assert (found and found.subject) == subject


def test_three_of_a_category_are_named_the_last_one_first():
    acts = [
        view("1", ago(minutes=9), "lenses"),
        view("2", ago(minutes=5), "lenses"),
        view("3", ago(minutes=1), "lenses"),
    ]

    found = occasions.viewed(acts, VIEWED, now=NOW)

    assert found == Occasion(
        at=ago(minutes=1),
        subject="category:lenses",
        data={"product": "3", "products": ["3", "2", "1"]},
        is_single=False,
    )


LEFT = values("site_left")


def page(at):
    return Act(name="page_view", at=at)


@pytest.mark.parametrize(
    ("acts", "found"),
    [
        ([page(ago(minutes=90)), page(ago(hours=1))], ago(hours=1)),
        ([page(ago(minutes=90)), page(ago(hours=1) + SECOND)], Later(NOW + SECOND)),
        ([page(ago(hours=1))], None),
        ([view("1", ago(hours=1))], ago(hours=1)),
        ([page(ago(hours=3)), page(ago(hours=1))], None),
        ([], None),
    ],
    ids=[
        "two pages, an hour ago",
        "one second too early",
        "one page",
        "one product",
        "two visits of a page",
        "nothing",
    ],
)
def test_who_left_the_site(acts, found):
    left = occasions.left(acts, LEFT, visitor=7, now=NOW)

    assert (left.at if isinstance(left, Occasion) else left) == found


def test_a_visit_is_told_by_its_beginning_and_speaks_of_the_last_product():
    acts = [page(ago(hours=2)), view("1", ago(minutes=80)), view("2", ago(minutes=70)), page(ago(hours=1))]

    left = occasions.left(acts, LEFT, visitor=7, now=NOW)

    assert left == Occasion(
        at=ago(hours=1),
        subject=f"visit:7:{ago(hours=2).isoformat()}",
        data={"visit": ago(hours=2).isoformat(), "pages": 4, "product": "2"},
    )


INTEREST = {"on": "interest_shown"}


@pytest.mark.parametrize(
    ("asked", "clicks", "subject"),
    [
        (INTEREST, [(ago(1), "macro"), (ago(2), "macro")], "topic:macro"),
        (INTEREST, [(ago(1), "macro"), (ago(2), "bags")], None),
        (INTEREST, [(ago(1), "macro"), (ago(60), "macro")], None),
        (INTEREST, [(ago(1), "macro"), (ago(60) + SECOND, "macro")], "topic:macro"),
        (INTEREST, [(ago(1), ""), (ago(2), "")], None),
        (INTEREST | {"topic": "bags"}, [(ago(1), "macro"), (ago(2), "macro")], None),
        (INTEREST | {"clicks": 3}, [(ago(1), "macro"), (ago(2), "macro")], None),
    ],
    ids=[
        "two on one",
        "one on each",
        "the first too old",
        "just not too old",
        "on nothing",
        "another topic",
        "one short",
    ],
)
def test_who_shows_an_interest(asked, clicks, subject):
    found = occasions.shown(clicks, values(asked), now=NOW)

    assert (found and found.subject) == subject


PAID_LATER = Standing(placed_at=ago(9), paid_at=ago(5))


@pytest.mark.parametrize(
    ("raw", "order", "found"),
    [
        ("order_placed", Standing(placed_at=ago(9)), ago(9)),
        ("order_paid", Standing(placed_at=ago(9)), None),
        ("order_paid", PAID_LATER, ago(5)),
        ("order_fulfilled", Standing(placed_at=ago(9), fulfilled_at=ago(1)), ago(1)),
        ("order_fulfilled", PAID_LATER, NOW),
        ("order_fulfilled", Standing(placed_at=ago(9), paid_at=ago(5) + SECOND), Later(NOW + SECOND)),
        ("order_fulfilled", Standing(placed_at=ago(9)), None),
        ("order_unpaid", Standing(placed_at=ago(hours=2)), ago(hours=2)),
        ("order_unpaid", Standing(placed_at=ago(hours=2) + SECOND), Later(NOW + SECOND)),
        ("order_unpaid", Standing(placed_at=ago(hours=2), paid_at=ago(hours=1)), None),
        ("order_unpaid", Standing(placed_at=ago(hours=2), is_by_staff=True), None),
    ],
    ids=[
        "placed",
        "not paid",
        "paid",
        "fulfilled",
        "paid five days ago and nothing told of its way",
        "paid just less than five days ago",
        "neither paid nor fulfilled",
        "unpaid for two hours",
        "unpaid for just less",
        "paid meanwhile",
        "made by the shop",
    ],
)
def test_how_far_an_order_is(raw, order, found):
    asked = {"trigger": Trigger(raw), "values": values(raw)}

    reached = occasions.reached(order=order, subject="order:1", data={}, now=NOW, **asked)

    assert (reached.at if isinstance(reached, Occasion) else reached) == found


@pytest.mark.parametrize(
    ("last", "median", "found"),
    [
        (60, None, ago(0)),
        (60, 40.0, ago(0)),
        (60, 80.0, Later(NOW + timedelta(days=60))),
        (120, 80.0, ago(0)),
        (100, 10.0, ago(40)),
        (59, None, Later(NOW + DAY)),
    ],
    ids=[
        "sixty days",
        "and half as much again is sixty",
        "a slow buyer",
        "even for a slow buyer",
        "a fast one",
        "too soon",
    ],
)
def test_who_has_not_bought_for_longer_than_usual(last, median, found):
    lapsed = occasions.lapsed(ago(last), median_days=median, values=values("no_order"), now=NOW)

    assert (lapsed.at if isinstance(lapsed, Occasion) else lapsed) == found


@pytest.mark.parametrize(
    ("sign", "delivered", "found"),
    [
        (180, [170, 150, 100, 50, 1], ago(0)),
        (180, [170, 150, 100, 50], None),
        (180, [190, 170, 150, 100, 50], None),
        (179, [170, 150, 100, 50, 1], Later(NOW + DAY)),
        (200, [170, 150, 100, 50, 1], ago(1)),
        (200, [170, 150, 100, 50, 40, 1], ago(20)),
    ],
    ids=["five and half a year", "four", "one of five before the sign", "a day short", "the fifth came late", "six"],
)
def test_who_answers_nothing_any_more(sign, delivered, found):
    silent = occasions.unengaged(ago(sign), [ago(days) for days in delivered], values("unengaged"), now=NOW)

    assert (silent.at if isinstance(silent, Occasion) else silent) == found


@pytest.mark.parametrize(
    ("price", "seen", "is_news"),
    [("90", "100", True), ("90.01", "100", False), ("90", None, False), ("0", "0", False)],
)
def test_what_is_cheaper_than_what_was_seen(price, seen, is_news):
    assert occasions.is_cheaper(Decimal(price), Decimal(seen) if seen else None, percent=10) is is_news


@pytest.mark.parametrize(
    ("raw", "data", "is_match"),
    [
        ({"on": "form_confirmed", "form": "soups"}, {"form": "soups"}, True),
        ({"on": "form_confirmed", "form": "soups"}, {"form": "cakes"}, False),
        ("form_confirmed", {"form": "cakes"}, True),
        ({"on": "custom_event", "name": "quiz_done"}, {"name": "quiz_done"}, True),
        ({"on": "custom_event", "name": "quiz_done"}, {}, False),
        ({"on": "segment_entered", "segment": "vip"}, {"segment": "new"}, False),
    ],
)
def test_an_occasion_is_of_what_the_flow_names(raw, data, is_match):
    assert occasions.matches(triggers.parse(raw, []), data) is is_match


def definition(*steps):
    return flows.parse({"slug": "f", "trigger": "order_placed", "stage": "site", "steps": list(steps)})


SEND = {"after": "1h", "deadline": "24h", "send": {"channel": "email", "message": "m"}}
WAIT = {"key": "wait", "wait": {"for": "2d"}}


@pytest.mark.parametrize(
    ("steps", "late", "is_past"),
    [
        ([{"key": "a", **SEND}], 24 * HOUR, False),
        ([{"key": "a", **SEND}], 24 * HOUR + SECOND, True),
        ([{"key": "off", **SEND, "enabled": False}, {"key": "a", **SEND, "deadline": "48h"}], 30 * HOUR, False),
        ([{"key": "tag", "tag": {"add": ["x"]}}, {"key": "a", **SEND}], 30 * HOUR, True),
        ([WAIT, {"key": "a", **SEND}], 30 * HOUR, False),
    ],
    ids=[
        "at its deadline",
        "past it",
        "one that is off does not count",
        "what goes before sends nothing",
        "waits first",
    ],
)
def test_nobody_enters_too_late_for_the_first_message(steps, late, is_past):
    assert occasions.is_past_use(definition(*steps), NOW - late, now=NOW) is is_past
