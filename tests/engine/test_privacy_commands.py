"""The operator's tools: hand over, erase, purge, and what is stored."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from retarget_plugin.models import Contact, Erasure
from retarget_plugin.testing import build_shop
from tests import canaries

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(shop, clock):
    return canaries.Person(shop, "a", now=clock.now)


def run(capsys, *arguments, **options):
    call_command(*arguments, **options)
    return capsys.readouterr().out


@pytest.mark.parametrize("who", ["A-email@a.example", "+33 6 12 34 00 97", "#{pk}"])
def test_a_person_is_handed_over_by_address_number_or_id(ana, capsys, who):
    data = json.loads(run(capsys, "retarget_contact", "export", who.format(pk=ana.contact.pk)))

    assert [row["id"] for row in data["data"]["Contact"]["rows"]] == [ana.contact.pk]


def test_a_person_is_erased_and_it_is_on_record_who_asked(ana, capsys):
    text = run(capsys, "retarget_contact", "erase", ana.email, "--yes", "--by", "letter of 3 March")

    assert text.startswith("Erased: ")
    assert Erasure.objects.get().by == "letter of 3 March"
    assert canaries.found(ana.marks, canaries.dump(), text) == []


@pytest.mark.parametrize("answer", ["", "n", "no"])
def test_without_a_yes_nothing_is_erased(ana, monkeypatch, answer):
    monkeypatch.setattr("builtins.input", lambda question: answer)

    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("retarget_contact", "erase", ana.email)

    assert Contact.objects.get().erased_at is None


def test_a_yes_erases(ana, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda question: "y")

    run(capsys, "retarget_contact", "erase", ana.email)

    assert Contact.objects.get().erased_at is not None


def test_nobody_is_an_error_and_so_are_two(ana, clock):
    with pytest.raises(CommandError, match="Nobody is known by that"):
        call_command("retarget_contact", "export", "eve@example.com")
    other = build_shop(scope="other", name="Other")
    Contact.objects.create(shop=other, email=ana.email, created_at=clock.now)

    with pytest.raises(CommandError, match=f"--shop {other.pk} \\(Other\\)"):
        call_command("retarget_contact", "erase", ana.email, "--yes")

    assert not Contact.objects.exclude(erased_at=None).exists()


def test_one_of_two_shops_is_asked(ana, clock, capsys):
    other = build_shop(scope="other", name="Other")
    Contact.objects.create(shop=other, email=ana.email, created_at=clock.now)

    run(capsys, "retarget_contact", "erase", ana.email, "--yes", "--shop", str(other.pk))

    assert list(Contact.objects.exclude(erased_at=None).values_list("shop", flat=True)) == [other.pk]


def test_a_purge_says_what_it_removed(shop, clock, capsys):
    clock.now = timezone.now() - timedelta(days=91)
    canaries.Person(shop, "a", now=clock.now)

    text = run(capsys, "retarget_purge")

    assert text.splitlines() == [
        "bodies               1",
        "claims               1",
        "leads                1",
        "visits               1",
        "4 rows removed or emptied.",
    ]


@pytest.mark.promise
def test_the_inventory_names_every_column_of_every_table(db, capsys, promise):
    tables = json.loads(run(capsys, "retarget_inventory", "--json"))

    printed = {f"{table['table']}.{column}" for table in tables for column in table["personal"] + table["other"]}
    stored = {
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config("retarget_plugin").get_models()
        for field in model._meta.concrete_fields
    }
    promise(
        "P23",
        run=f"{len(stored)} columns of {len(tables)} tables",
        figure=f"{len(stored - printed)} unlisted, {len(printed - stored)} that do not exist",
        bar="0 unlisted",
        holds=stored == printed,
    )
    assert all(table["why"] and table["kept"] for table in tables)


def test_the_inventory_counts_the_owners_days(capsys, settings):
    settings.RETARGET = django_settings.RETARGET | {"RETENTION": {"bodies": 7}}

    text = run(capsys, "retarget_inventory")

    assert "MessageBody: what somebody was sent, to answer questions about it\n    kept       7 days after" in text
    assert "ErasureRequest: to make processors forget whom the shop has forgotten" in text


def test_after_a_leak_the_people_and_fields_are_printed(ana, capsys):
    text = run(capsys, "retarget_inventory", since="2000-01-01T00:00+00:00", until="2100-01-01T00:00+00:00")

    assert "1 people, and 0 who were erased since" in text
    assert f"#{ana.contact.pk}: Contact.email Contact.phone" in text
    assert canaries.found(ana.marks, text) == []


@pytest.mark.parametrize("since", ["yesterday", "2026-13-40T00:00+00:00"])
def test_a_time_nobody_can_read_is_an_error(since, db):
    with pytest.raises(CommandError, match="2026-03-01T10:00"):
        call_command("retarget_inventory", since=since)
