"""Lead forms as data: on which pages one is shown, and what a submission comes to."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retarget_plugin.domain.leads import ConsentBox, Field, FormView, Problem, Show, is_shown, read

OPTIONS = ({"value": "cat", "label": "Cat"}, {"value": "dog", "label": "Dog"})
EMAIL = Field(name="email", type="email", label="E-mail", required=True)
PHONE = Field(name="phone", type="tel", label="Phone")
NAME = Field(name="first_name", type="text", label="Name")
PET = Field(name="pet", type="choice", label="Pet", options=OPTIONS)
PETS = Field(name="pets", type="choices", label="Pets", options=OPTIONS)
BY_EMAIL = ConsentBox(channel="email", purpose="marketing", label="By e-mail", version="1")
BY_SMS = ConsentBox(channel="sms", purpose="marketing", label="By text", version="1")


def form(*fields, consents=(BY_EMAIL, BY_SMS), needs_tick=False):
    return FormView(
        slug="soups",
        kind="popup",
        language="en",
        title="",
        text="",
        button="",
        done="",
        fields=fields or (EMAIL, PHONE, NAME, PET, PETS),
        consents=consents,
        needs_tick=needs_tick,
        show=Show(after_seconds=None, scroll_percent=None, on_exit=False, devices="all", every_days=7),
    )


@pytest.mark.parametrize(
    ("patterns", "path", "shown"),
    [
        ("", "/anything", True),
        ("/blog/*", "/blog/soups/", True),
        ("/blog/*", "/blog/", True),
        ("/blog/*", "/blog", False),
        ("/blog", "/blog", True),
        ("/blog", "/blog/", False),
        ("/*/soups/", "/en/soups/", True),
        ("*soup*", "/en/soups/", True),
        ("/a*b*c", "/a-b-x", False),
        ("/a*a", "/a", False),
        ("/blog/*\n/shop/*", "/shop/1", True),
        ("!/checkout/*", "/blog/", True),
        ("!/checkout/*", "/checkout/pay", False),
        ("/blog/*\n!/blog/private/*", "/blog/private/1", False),
        ("  /blog/*  \n\n", "/blog/1?page=2#end", True),
        ("/[a-z]+", "/abc", False),
        ("/.*", "/abc", False),
    ],
)
def test_a_form_is_shown_on_the_pages_of_its_patterns(patterns, path, shown):
    assert is_shown(patterns, "", path=path, page_topic="") is shown


def test_no_path_makes_a_pattern_slow():
    began = time.perf_counter()

    is_shown("*a" * 200 + "b", "", path="/" + "a" * 100_000, page_topic="")

    assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        ({"email": "ana@example.com"}, {}),
        ({}, {"email": Problem.MISSING}),
        ({"email": "ana"}, {"email": Problem.BAD_EMAIL}),
        ({"email": "-ana@example.com"}, {"email": Problem.BAD_EMAIL}),
        ({"email": "ana@example.com", "phone": "0899 123 456"}, {"phone": Problem.BAD_PHONE}),
        ({"email": "ana@example.com", "first_name": "www.evil.example"}, {"first_name": Problem.BAD_NAME}),
        ({"email": "ana@example.com", "pet": "dragon"}, {"pet": Problem.BAD_CHOICE}),
        ({"email": "ana@example.com", "pet": ["cat", "dog"]}, {"pet": Problem.BAD_CHOICE}),
        ({"email": "ana@example.com", "pets": ["cat", "dragon"]}, {"pets": Problem.BAD_CHOICE}),
        ({"email": "ana@example.com", "consent_sms_marketing": "on"}, {"phone": Problem.MISSING}),
    ],
)
def test_what_is_wrong_is_told_by_field(data, problems):
    assert read(form(), data, country="FR").problems == problems


def test_what_is_right_comes_in_normal_form():
    data = {
        "email": " Ana@Example.COM ",
        "phone": "06 12 34 56 78",
        "first_name": "  Ana   María ",
        "pets": ["dog", "cat", "cat"],
        "consent_email_marketing": "on",
        "is_admin": True,
    }

    found = read(form(), data, country="FR")

    assert (found.email, found.phone, found.first_name) == ("ana@example.com", "+33612345678", "Ana María")
    assert found.answers == {"pets": ["cat", "dog"]}
    assert found.ticked == (BY_EMAIL,)
    assert found.problems == {}


def test_where_both_addresses_may_be_left_empty_one_is_still_needed():
    either = form(Field(name="phone", type="tel", label="Phone"), Field(name="email", type="email", label="E-mail"))

    assert read(either, {}, country="FR").problems == {"phone": Problem.MISSING}
    assert read(either, {"email": "ana@example.com"}, country="FR").problems == {}


def test_a_form_that_gives_to_subscribers_only_needs_one_of_its_boxes():
    bundled = form(needs_tick=True)
    address = {"email": "ana@example.com", "phone": "0612345678"}

    assert read(bundled, address, country="FR").problems == {"consent_email_marketing": Problem.NOT_TICKED}
    assert read(bundled, {**address, "consent_sms_marketing": True}, country="FR").problems == {}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["email", "phone", "first_name", "pet", "pets", "consent_email_marketing", "consent_sms_marketing"]


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(NAMES), anything))
def test_nothing_that_is_sent_breaks_it_and_all_that_is_kept_is_clean(data):
    found = read(form(), data, country="FR")

    kept = (found.email, found.phone, found.first_name)
    assert all(text.isprintable() and len(text) <= 254 for text in kept)
    assert all(value in ("cat", "dog") for values in found.answers.values() for value in values)
    assert found.problems or found.email
