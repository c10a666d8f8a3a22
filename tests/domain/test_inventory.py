"""The inventory says what the tables hold: every column, once, and nothing that is not there."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db.models import DateTimeField

from retarget_plugin.domain.entries import ERASED, OWNER, PERIODS, USE, Fate
from retarget_plugin.domain.inventory import TABLES

MODELS = {model.__name__: model for model in apps.get_app_config("retarget_plugin").get_models()}


def resolved(model, path):
    """The field at the end of `path`."""
    field = None
    for name in path.split("__"):
        field = model._meta.get_field(name)
        model = field.related_model
    return field


def test_every_model_is_listed_once():
    listed = [table.model for table in TABLES]

    unlisted, gone = set(MODELS) - set(listed), set(listed) - set(MODELS)
    assert (unlisted, gone, len(listed)) == (set(), set(), len(set(listed)))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.model)
def test_every_column_is_listed_once(table):
    columns = {field.name for field in MODELS[table.model]._meta.concrete_fields}

    unlisted, gone = columns - set(table.columns), set(table.columns) - columns
    assert (unlisted, gone, len(table.columns)) == (set(), set(), len(columns))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.model)
def test_an_entry_says_why_and_how_long(table):
    assert len(table.why) > 10
    assert table.kept in {*PERIODS, ERASED, OWNER, USE}


@pytest.mark.parametrize("table", [table for table in TABLES if table.whose], ids=lambda table: table.model)
def test_the_paths_to_the_person_and_the_date_lead_there(table):
    model = MODELS[table.model]

    ends = {resolved(model, path) for path in table.whose}

    assert {field.related_model or field.model for field in ends} == {MODELS["Contact"]}
    assert isinstance(resolved(model, table.arrived), DateTimeField)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.model)
def test_named_columns_exist(table):
    named = [*table.hidden.split(), *table.ties.split(), *table.typed]

    assert set(named) <= set(table.columns)
    assert set(table.typed.values()) <= {"email", "phone", "account", "any"}


@pytest.mark.parametrize(
    "table", [table for table in TABLES if table.erased is Fate.EMPTIED], ids=lambda table: table.model
)
def test_what_is_emptied_can_be_empty_and_is_somebodys(table):
    fields = [MODELS[table.model]._meta.get_field(name) for name in table.person.split()]

    assert table.whose
    assert [field.name for field in fields if not field.null and field.get_default() not in ("", {}, [])] == []
    assert all(MODELS[table.model]._meta.get_field(name).null for name in table.ties.split())


def test_nothing_of_a_person_stays_where_rows_are_kept():
    kept = [table.model for table in TABLES if table.whose and table.erased is Fate.KEPT and table.person]

    assert kept == []
