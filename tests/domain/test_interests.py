"""Interests: what an act is worth, and how it fades."""

from datetime import UTC, datetime, timedelta

import pytest

from retarget_plugin.domain.events import is_name
from retarget_plugin.domain.interests import (
    BOUGHT,
    CLICKED,
    HALF_LIFE_DAYS,
    MOST_TOPICS,
    Act,
    add,
    score,
    strongest,
    topic_of,
    topic_of_event,
)

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def test_reading_and_downloading_add_up_by_topic():
    acts = [
        Act("read_post", "Cooking", NOW),
        Act("read_post", "cooking ", NOW),
        Act("asset_downloaded", "cooking", NOW),
        Act("read_post", "sport", NOW),
    ]

    interests = add({}, acts, now=NOW)

    assert interests == {
        "cooking": {"score": 7.0, "at": NOW.isoformat()},
        "sport": {"score": 1.0, "at": NOW.isoformat()},
    }


def test_an_act_counts_half_after_a_half_life():
    interests = add({}, [Act("asset_downloaded", "cooking", NOW)], now=NOW)

    assert score(interests, "cooking", now=NOW + HALF_LIFE_DAYS * DAY) == pytest.approx(2.5)
    assert score(interests, "cooking", now=NOW + 2 * HALF_LIFE_DAYS * DAY) == pytest.approx(1.25)


def test_the_order_in_which_acts_arrive_does_not_matter():
    early, late = Act("read_post", "cooking", NOW - 10 * DAY), Act("asset_downloaded", "cooking", NOW)

    one_by_one = add(add({}, [early], now=NOW - 10 * DAY), [late], now=NOW)
    late_first = add(add({}, [late], now=NOW), [early], now=NOW)

    assert one_by_one["cooking"]["score"] == pytest.approx(late_first["cooking"]["score"], abs=0.001)


def test_acts_without_weight_or_topic_are_no_interest():
    acts = [Act("page_view", "cooking", NOW), Act("read_post", " ", NOW), Act("purchase", "cooking", NOW)]

    assert add({}, acts, now=NOW) == {}


def test_only_the_strongest_topics_are_kept_and_no_score_grows_for_ever():
    acts = [Act("read_post", f"topic {number}", NOW) for number in range(50)]
    acts += [Act("asset_downloaded", "cooking", NOW)] * 1_000

    interests = add({}, acts, now=NOW)

    assert len(interests) == MOST_TOPICS
    assert next(iter(interests)) == "cooking"
    assert interests["cooking"]["score"] == 100.0


@pytest.mark.parametrize("broken", [None, 3, "x", {"score": "x"}, {"score": 1}, {"score": 1, "at": "x"}])
def test_what_cannot_be_read_is_no_interest(broken):
    assert score({"cooking": broken}, "cooking", now=NOW) == 0.0


def test_what_was_bought_tells_most_and_can_be_taken_back_to_the_last_part():
    bought = Act(BOUGHT, "Macro lenses", NOW - 30 * DAY)
    clicked = Act(CLICKED, "macro-lenses", NOW)

    both = add({}, [bought, clicked], now=NOW)
    undone = add(both, [Act(BOUGHT, "macro lenses", bought.at, is_undone=True)], now=NOW)

    assert score(both, "macro-lenses", now=NOW) == 8.0 / 2 + 3.0
    assert undone == {"macro-lenses": {"score": 3.0, "at": NOW.isoformat()}}


def test_what_never_counted_leaves_nothing_when_it_is_taken_back():
    assert add({}, [Act(BOUGHT, "cooking", NOW, is_undone=True)], now=NOW) == {}


def test_no_page_can_tell_of_an_order_or_a_click():
    assert not is_name(BOUGHT)
    assert not is_name(CLICKED)


@pytest.mark.parametrize("said", ["Macro lenses", "macro-lenses", " MACRO  lenses", "macro_lenses"])
def test_a_topic_has_one_form_however_it_is_written(said):
    assert topic_of(said) == "macro-lenses"
    assert score({"macro-lenses": {"score": 2.0, "at": NOW.isoformat()}}, said, now=NOW) == 2.0


def test_a_look_at_a_product_is_a_look_at_its_category():
    items = {"items": [{"item_id": "7", "item_category": "Macro lenses"}]}

    assert topic_of_event("", items) == "macro-lenses"
    assert topic_of_event("Close-ups", items) == "close-ups"
    assert topic_of_event("", {}) == ""


def test_the_strongest_interests_are_those_of_now():
    old = {"cooking": {"score": 10.0, "at": (NOW - 90 * DAY).isoformat()}}

    interests = {**old, "sport": {"score": 2.0, "at": NOW.isoformat()}, "broken": 1}

    assert strongest(interests, most=2, now=NOW) == {"sport": 2.0, "cooking": 1.25}
