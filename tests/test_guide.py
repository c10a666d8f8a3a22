"""README's guide for any Django shop, and its test, taken from the page and run in a new project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from . import readme

ROOT = Path(__file__).parent.parent
TINY_SHOP = Path(__file__).parent / "shop"
LINES = 20

# What `startproject` and `startapp` leave, and a shop's own addresses.
SHOP_URLS = """
from django.urls import path

from . import views

urlpatterns = [
    path("add/<int:product_id>/", views.add),
    path("basket/", views.basket),
    path("checkout/", views.checkout),
]
"""
PYTEST_INI = """
[pytest]
DJANGO_SETTINGS_MODULE = fresh.settings
pythonpath = .
python_files = test_readme.py test_ours.py
addopts = -p no:cacheprovider -p no:randomly -p no:faker -p no:valkey
"""
# The same walk once more, and what the plugin holds of it.
OURS = """
import re

from django.core.management import call_command
from django.test import Client

from retarget_plugin.models import Cart, Message, Order
from test_readme import test_a_basket_that_is_left_is_followed_up_until_it_is_bought as walk


def test_it_is_installed_without_an_error():
    call_command("check")


def test_cart_messages_and_order_are_rows(retarget, client):
    walk(retarget, client)

    assert [cart.state for cart in Cart.objects.all()] == ["ordered"]
    assert sorted(Message.objects.values_list("step", "state")) == [("reminder", "accepted"), ("sms", "accepted")]
    assert [(order.total, order.email) for order in Order.objects.all()] == [(499, "ana@example.com")]


def test_the_link_rebuilds_the_basket_in_another_browser(retarget, client):
    walk_until_the_mail(retarget, client)
    (mail,) = retarget.outbox
    phone = Client()
    page = phone.get(re.search(r"https://shop.example(/retarget/\\S+)", mail.text)[1], follow=True)

    answer = phone.post(page.request["PATH_INFO"])

    assert answer["Location"] == "/basket/"
    assert phone.get("/basket/").content == b"1 x Macro lens"


def walk_until_the_mail(retarget, client):
    from shop.models import Product

    retarget.agree(email="ana@example.com")
    client.post(f"/add/{Product.objects.create(name='Macro lens', price=499).pk}/")
    client.post("/checkout/", {"email": "ana@example.com"})
    retarget.advance(hours=4)
"""


def block(mark: str) -> str:
    """The first Python example of README with `mark` in it."""
    return next(block for block in readme.python_blocks() if mark in block)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as Django makes it, with a shop in it that knows nothing of us, and then what README says."""
    call_command("startproject", "fresh", str(tmp_path))
    shop = tmp_path / "shop"
    shop.mkdir()
    call_command("startapp", "shop", str(shop))
    # Without migrations its tables come from its models.
    shutil.rmtree(shop / "migrations")
    for name in ("models.py", "views.py"):
        shutil.copy(TINY_SHOP / name, shop)
    (shop / "urls.py").write_text(SHOP_URLS)
    (shop / "retarget.py").write_text(block("class Shop(Host)"))
    install, *_rest = block("INSTALLED_APPS +=").splitlines()
    with (tmp_path / "fresh" / "settings.py").open("a") as settings:
        settings.write(f'\nINSTALLED_APPS += ["shop"]\n{install}\n{block("shop.retarget.Shop")}')
    with (tmp_path / "fresh" / "urls.py").open("a") as urls:
        own = block('include("retarget_plugin.urls")').strip()
        urls.write(f'\nfrom django.urls import include\n\nurlpatterns += [{own}, path("", include("shop.urls"))]\n')
    (tmp_path / "conftest.py").write_text(block("pytest_plugins"))
    (tmp_path / "test_readme.py").write_text(block("retarget.outbox"))
    (tmp_path / "test_ours.py").write_text(OURS)
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    return tmp_path


@pytest.mark.slow
def test_the_guide_works_in_a_new_project_from_the_cart_to_the_order(project):
    ours = ("PYTEST_", "RETARGET_", "DJANGO_", "COV_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["PYTHONPATH"] = str(ROOT)

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout


def test_the_guide_has_twenty_lines():
    guide = block("shop.retarget.Shop") + block("class Shop(Host)")

    lines = [line for line in guide.splitlines() if line.strip()]

    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 120
