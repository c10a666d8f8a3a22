"""The app is taken away beside a busy shop: no query of the shop's dies of it, and none waits for long."""

import threading
import time

import pytest
from django.apps import apps
from django.db import OperationalError, connection, transaction

from retarget_plugin.models import Cart, Visitor, removal

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL locks tables for a migration"),
]


class Shopper(threading.Thread):
    """Reads the last of our tables, and the first one `pause` seconds later, in one transaction."""

    def __init__(self, pause):
        super().__init__()
        self.pause, self.has_read, self.error, self.waited = pause, threading.Event(), None, 0.0

    def run(self):
        try:
            with transaction.atomic():
                Visitor.objects.exists()
                self.has_read.set()
                time.sleep(self.pause)
                began = time.monotonic()
                Cart.objects.exists()
                self.waited = time.monotonic() - began
        except OperationalError as error:
            self.error = error
        finally:
            connection.close()


def take_tables():
    with connection.schema_editor() as editor:
        removal.take_tables(apps, editor)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' "
                "AND relation IN ('retarget_plugin_cart'::regclass, 'retarget_plugin_visitor'::regclass, 'auth_user'::regclass)"
            )
            return cursor.fetchone()[0]


def test_a_shopper_who_holds_the_last_table_and_wants_the_first_goes_on():
    shopper = Shopper(pause=0.1)
    shopper.start()
    shopper.has_read.wait(10)

    held = take_tables()

    shopper.join(10)
    assert shopper.error is None
    assert shopper.waited < 0.4
    assert held == 3


def test_a_table_that_is_never_free_is_named_and_nothing_stays_locked(monkeypatch):
    monkeypatch.setattr(removal, "TRIES", 2)
    shopper = Shopper(pause=3)
    shopper.start()
    shopper.has_read.wait(10)

    with pytest.raises(OperationalError, match=r"retarget_plugin_visitor.* were never free at one time"):
        take_tables()

    began = time.monotonic()
    Cart.objects.exists()
    assert time.monotonic() - began < 1
    shopper.join(10)
    assert shopper.error is None


def test_any_other_trouble_is_told_at_once(monkeypatch):
    tried = []

    def lock(*_given):
        tried.append(1)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(removal, "_lock", lock)

    with pytest.raises(OperationalError, match="the connection is lost"):
        take_tables()

    assert len(tried) == 1
