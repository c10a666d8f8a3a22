"""Migrations go up, come down, and match the models."""

import pytest
from django.core.management import call_command
from django.db import connection

from retarget_plugin.models import Event
from retarget_plugin.testing import build_shop
from tests import migrations

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


def test_the_hand_written_migration_is_what_would_be_written():
    written = (migrations.FOLDER / "0002_partitions.py").read_text()

    assert written == migrations.PARTITIONS


def test_events_survive_going_back_one_migration_and_forth():
    shop = build_shop()
    Event.objects.create(shop=shop, name="page_view", at=shop.created_at)

    call_command("migrate", "retarget_plugin", "0001", verbosity=0)
    call_command("migrate", "retarget_plugin", verbosity=0)

    assert Event.objects.count() == 1
