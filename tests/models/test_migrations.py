"""Migrations go up, come down, and match the models."""

import pytest
from django.core.management import call_command
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


def tables():
    return [name for name in connection.introspection.table_names() if name.startswith("retarget_plugin_")]


def test_everything_can_be_taken_away_and_put_back():
    call_command("migrate", "retarget_plugin", "zero", verbosity=0)
    try:
        assert tables() == []
    finally:
        call_command("migrate", "retarget_plugin", verbosity=0)

    assert "retarget_plugin_message" in tables()


def test_the_models_need_no_migration():
    call_command("makemigrations", "retarget_plugin", check=True, dry_run=True, verbosity=0)
