"""The plugin is taken out of a shop again: the shop is what it was before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import services
from tests.promises import length

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

WITH = """
from tests.settings import *
from tests.settings import database

DATABASES = {"default": database(DATABASE_URL)}
"""
WITHOUT = """
from with_plugin import *

INSTALLED_APPS = [name for name in INSTALLED_APPS if name != "retarget_plugin"]
del RETARGET
"""
HOST_TESTS = '''
"""What the shop tests of itself, and knows nothing of any plugin."""
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.test import Client, TestCase
from tests.shop.models import Basket, Product, Purchase


class ShopTests(TestCase):
    def test_a_shopper_fills_a_basket_and_orders(self):
        browser, product = Client(), Product.objects.create(name="Lens", price=10)
        self.assertEqual(browser.get(f"/add/{product.pk}/").status_code, 302)
        self.assertEqual(browser.get("/basket/").content, b"1 x Lens")
        self.assertEqual(browser.post("/checkout/", {"email": "a@x.example", "buy": "1"}).status_code, 200)
        self.assertEqual(Purchase.objects.get().total, 10)

    def test_staff_reaches_the_admin_and_deletes_a_user_with_permissions(self):
        staff = get_user_model().objects.create_superuser("staff", "staff@x.example", "secret")
        browser = Client()
        browser.force_login(staff)
        self.assertEqual(browser.get("/admin/").status_code, 200)
        self.assertEqual(browser.get("/admin/auth/group/add/").status_code, 200)
        staff.delete()

    def test_nothing_is_left_to_migrate(self):
        self.assertFalse(apps.is_installed("retarget_plugin"))
        call_command("migrate", check_unapplied=True, verbosity=0)
'''
# In the shop's own database, not in the one its tests make: what is left there of the plugin.
LEFTOVERS = """
import django
django.setup()
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from tests.shop.models import Purchase

call_command("check")
call_command("migrate", run_syncdb=True, verbosity=0)
with connection.cursor() as cursor:
    tables = [name for name in connection.introspection.table_names(cursor) if name.startswith("retarget")]
    if connection.vendor == "postgresql":
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
        triggers = [name for name, in cursor.fetchall()]
        cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'retarget%'")
        tables += [name for name, in cursor.fetchall()]
        cursor.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'retarget%'")
        triggers += [name for name, in cursor.fetchall()]
    else:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' OR name LIKE 'retarget%'")
        triggers = [name for name, in cursor.fetchall()]
    cursor.execute("SELECT count(*) FROM django_migrations WHERE app = 'retarget_plugin'")
    applied = cursor.fetchone()[0]
list(Permission.objects.select_related("content_type")), [str(kind) for kind in ContentType.objects.all()]
call_command("remove_stale_contenttypes", interactive=False, include_stale_apps=True, verbosity=0)
kinds = ContentType.objects.filter(app_label="retarget_plugin").count()
print(len(tables), len(triggers), applied, kinds, Purchase.objects.count())
"""
LIFE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from django.test import Client
from retarget_plugin.models import Cart, Order
from tests.shop.models import Product
browser, product = Client(), Product.objects.create(name="Lens", price=10)
browser.get(f"/add/{product.pk}/")
browser.post("/checkout/", {"email": "ana@example.com", "buy": "1"})
call_command("retarget_tick", until_idle=True, verbosity=0)
assert (Cart.objects.count(), Order.objects.count()) == (1, 1)
call_command("migrate", "retarget_plugin", "zero", verbosity=0)
"""


@pytest.fixture(params=length(["postgres"], ["sqlite", "postgres"]))
def project(request, tmp_path):
    """The tiny shop in a folder of its own; its adapter is there only while the plugin is."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "shop", folder / "tests" / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "settings.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests" / name)
    for name, text in {
        "with_plugin.py": WITH,
        "without_plugin.py": WITHOUT,
        "test_host.py": HOST_TESTS,
    }.items():
        (folder / name).write_text(text)
    url = services.start_postgres() if request.param == "postgres" else f"sqlite:///{folder}/shop.sqlite3"

    def run(*arguments, settings):
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "RETARGET_TEST_DATABASE_URL": url}
        environment["PYTHONPATH"] = f"{folder}{os.pathsep}{ROOT}"
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    yield run, folder, request.param
    if request.param == "postgres":
        services.stop(url)


@pytest.mark.promise
def test_a_shop_without_the_plugin_again_is_what_it_was_before(project, promise):
    run, folder, database = project

    run("-c", LIFE, settings="with_plugin")
    for name in ("retarget.py", "net.py"):
        (folder / "tests" / "shop" / name).unlink()
    urls = folder / "tests" / "shop" / "urls.py"
    urls.write_text("".join(line for line in urls.open() if "retarget_plugin" not in line))
    said = run("-m", "django", "test", "test_host", settings="without_plugin")
    tables, triggers, applied, kinds, orders = map(int, run("-c", LEFTOVERS, settings="without_plugin").split()[-5:])

    passed = "Ran 3 tests" in said and "OK" in said.splitlines()
    promise(
        "C10",
        run=f"installed, used, migrated to zero, taken out ({database})",
        figure=f"the shop's tests {'pass' if passed else 'fail'}; left {tables} tables, {triggers} triggers, "
        f"{applied} migrations, {kinds} content types; orders kept {orders}",
        bar="pass; 0, 0, 0, 0; 1",
        holds=passed and (tables, triggers, applied, kinds, orders) == (0, 0, 0, 0, 1),
    )
