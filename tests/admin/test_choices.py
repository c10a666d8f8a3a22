"""Topics, preferences and stores: what the owner types is checked, and becomes what people choose from."""

from __future__ import annotations

import pytest

from retarget_plugin.models import Flow, Preference, Store, Topic

from . import rows
from .conftest import page, read

WEEK = ["09:30-12:30, 14h00 - 19h00", "", "9:30-19:00", "", "", "10:00–18:00", ""]


@pytest.fixture
def shop():
    return rows.shop(name="Lumen Camera")


def topic(shop, **changes):
    return {"shop": shop.pk, "slug": "books", "labels_en": "Books", "labels_fr": "Livres", "position": "0", **changes}


def preference(shop, **changes):
    options = "dog = Dog | Chien | Perro\ncat = Cat"
    facts = {"slug": "pet", "labels_en": "Your pets", "options": options, "is_active": "on", "position": "0"}
    return {"shop": shop.pk, **facts, **changes}


def store(shop, **changes):
    days = {f"hours_day{number}": text for number, text in enumerate(WEEK)}
    place = {"name": "Lyon", "slug": "lyon", "street": "1 rue Mercière", "city": "Lyon", "country": "fr"}
    return {"shop": shop.pk, **place, **days, "is_open_to_public": "on", **changes}


def test_a_topic_is_written_in_three_languages_and_given_to_flows(owner, shop):
    flow, other = rows.flow(shop), rows.flow(rows.shop())

    answer = owner.post(page("topic_add"), topic(shop, flows=[flow.pk]))

    assert answer.status_code == 302
    assert Topic.objects.get().labels == {"en": "Books", "fr": "Livres"}
    assert dict(Flow.objects.values_list("pk", "topic")) == {flow.pk: "books", other.pk: ""}


def test_a_topics_flows_are_changed_and_freed(owner, shop):
    first, second = rows.flow(shop), rows.flow(shop)
    owner.post(page("topic_add"), topic(shop, flows=[first.pk]))
    pk = Topic.objects.get().pk

    offered = read(owner, page("topic_change", pk))
    owner.post(page("topic_change", pk), topic(shop, flows=[second.pk], slug="renamed"))
    moved = dict(Flow.objects.values_list("pk", "topic"))
    owner.post(page("topic_delete", pk), {"post": "yes"})

    assert "checked" in offered
    assert moved == {first.pk: "", second.pk: "books"}
    assert set(Flow.objects.values_list("topic", flat=True)) == {""}


def test_a_topic_takes_no_flow_of_another_shop(owner, shop):
    flow = rows.flow(rows.shop())

    answer = owner.post(page("topic_add"), topic(shop, flows=[flow.pk]))

    assert "A topic and its flows belong to the same shop." in answer.content.decode()
    assert not Topic.objects.exists()


def test_answers_are_written_a_line_each_and_shown_again(owner, shop):
    owner.post(page("preference_add"), preference(shop))

    row = Preference.objects.get()
    assert row.options == [
        {"value": "dog", "labels": {"en": "Dog", "fr": "Chien", "es": "Perro"}},
        {"value": "cat", "labels": {"en": "Cat"}},
    ]
    assert "dog = Dog | Chien | Perro" in read(owner, page("preference_change", row.pk))


@pytest.mark.parametrize(
    ("options", "line"),
    [("Dog", 1), ("dog = ", 1), ("a = A\na = B", 2), ("a = A | B | C | D", 1), ("A B = x", 1), ("= x", 1)],
)
def test_an_answer_that_cannot_be_read_names_its_line(owner, shop, options, line):
    answer = owner.post(page("preference_add"), preference(shop, options=options))

    assert f"Line {line}: write a key of its own" in answer.content.decode()
    assert not Preference.objects.exists()


def test_too_many_answers_are_refused(owner, shop):
    answer = owner.post(page("preference_add"), preference(shop, options="\n".join(f"a{n} = x" for n in range(31))))

    assert "At most 30 answers can be chosen from." in answer.content.decode()


def test_a_stores_hours_are_kept_in_their_normal_form(owner, shop):
    answer = owner.post(page("store_add"), store(shop))

    row = Store.objects.get()
    assert answer.status_code == 302
    assert row.country == "FR"
    assert row.hours == ["09:30–12:30, 14:00–19:00", "", "09:30–19:00", "", "", "10:00–18:00", ""]


@pytest.mark.parametrize("text", ["9-12", "12:00-09:00", "09:00-12:00, 11:00-13:00", "25:00-26:00", "always", "09:00"])
def test_hours_that_cannot_be_names_the_day(owner, shop, text):
    answer = owner.post(page("store_add"), store(shop, hours_day1=text))

    assert "Tuesday: write the hours in order" in answer.content.decode()
    assert not Store.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("country", "Frankreich", "at most 2"),
        ("country", "XX", "not a country"),
        ("latitude", "91", "less than or equal"),
    ],
)
def test_a_place_that_cannot_be_is_refused(owner, shop, field, value, said):
    answer = owner.post(page("store_add"), store(shop, **{field: value}))

    assert said in answer.content.decode()
    assert not Store.objects.exists()


def test_every_input_of_several_has_its_own_label(owner):
    text = read(owner, page("store_add"))

    assert "Monday" in text
    assert text.count('name="hours_day') == 7
