"""After a leak: whom it concerns and what of theirs."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from retarget_plugin.engine import breaches, privacy
from retarget_plugin.testing import build_contact, build_shop
from tests import canaries

pytestmark = pytest.mark.django_db


@pytest.mark.promise
def test_everybody_whose_data_lay_there_is_listed_with_their_fields(shop, clock, promise):
    since = clock.now
    ana = canaries.Person(shop, "a", now=clock.now)
    plain = build_contact(shop, now=clock.now, channels=(), email="bob@example.com")
    clock.advance(days=2)
    until = clock.now - timedelta(days=1)
    build_contact(shop, now=clock.now, email="late@example.com")

    began = time.monotonic()
    found = breaches.affected(shop, since=since, until=until)
    seconds = time.monotonic() - began

    planted = {name for name in ana.marks if not name.startswith("Merge.")}
    missed = planted - set(found.people[ana.contact.pk])
    assert found.people[plain.pk] == ["Contact.email"]
    promise(
        "P22",
        run=f"{len(planted)} fields of one person, one of another, one who came later",
        figure=f"{len(found.people)} people, {len(missed)} fields missed, {seconds:.1f} s",
        bar="2 people, none missed, 10 min",
        holds=len(found.people) == 2 and not missed and seconds < 600,
    )


def test_each_field_is_counted_by_people(shop, clock):
    canaries.Person(shop, "a", now=clock.now)
    canaries.Person(shop, "b", now=clock.now)
    build_contact(shop, now=clock.now, channels=(), email="bob@example.com")

    fields = dict(breaches.affected(shop, since=clock.now, until=clock.now).fields)

    assert (fields["Contact.email"], fields["Contact.phone"], fields["MessageBody.html"]) == (3, 2, 2)


def test_who_was_erased_since_is_counted_and_not_named(shop, clock):
    ana = canaries.Person(shop, "a", now=clock.now)
    since = clock.now
    privacy.erase(ana.contact, by="staff #1", now=clock.advance(days=1))

    found = breaches.affected(shop, since=since, until=clock.now)

    assert (dict(found.people), found.erased) == ({}, 1)


def test_another_shops_people_are_not_concerned(shop, clock):
    other = build_shop(scope="other")
    canaries.Person(other, "a", now=clock.now)

    assert breaches.affected(shop, since=clock.now, until=clock.now).people == {}
