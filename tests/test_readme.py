"""README says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from retarget_plugin import conf, signals
from retarget_plugin.models import Cart, Consent
from retarget_plugin.testing import build_shop
from tests.shop.models import Basket

from . import readme

SHOP = Path(__file__).parent / "shop" / "retarget.py"


def test_the_settings_table_is_the_codes():
    assert readme.written() == readme.settings_table(), "run: python -m tests.readme"
    assert [name for name, _type, _default in conf.settings] == [
        line.split("`")[1] for line in readme.settings_table().splitlines()[2:]
    ]


def test_the_tiny_shop_is_integrated_in_at_most_twenty_lines():
    lines = [line for line in SHOP.read_text("utf-8").splitlines() if line.strip()]

    assert len(lines) <= 20


@pytest.mark.django_db
def test_handing_consent_over_works_as_written(django_capture_on_commit_callbacks):
    build_shop()
    (example,) = [block for block in readme.python_blocks() if "consent_changed" in block]

    with django_capture_on_commit_callbacks(execute=True):
        exec(example, {})  # noqa: S102 - our own README

    assert Consent.objects.get().state == "granted"
    assert Consent.objects.get().record.wording == "Yes, send me reminders about my basket."


@pytest.mark.django_db
def test_an_event_is_sent_as_written(django_capture_on_commit_callbacks):
    build_shop()
    (example,) = [block for block in readme.python_blocks() if "signals.cart_changed" in block]

    with django_capture_on_commit_callbacks(execute=True):
        exec(example, {"basket": Basket(pk=17)})  # noqa: S102 - our own README

    assert [cart.reference for cart in Cart.objects.all()] == ["17"]


@pytest.mark.django_db
def test_the_testing_example_works_as_written():
    (example,) = [block for block in readme.python_blocks() if "Clock()" in block]

    exec(example, {})  # noqa: S102 - our own README

    assert Cart.objects.get(reference="17").state == "closed"


def test_oscars_menu_is_extended_as_written():
    (example,) = [block for block in readme.python_blocks() if "OSCAR_DASHBOARD_NAVIGATION" in block]
    found = {"OSCAR_DASHBOARD_NAVIGATION": []}

    exec(example, found)  # noqa: S102 - our own README

    (entry,) = found["OSCAR_DASHBOARD_NAVIGATION"]
    assert [str(child["label"]) for child in entry["children"]] == ["Report", "Settings"]
    assert all(callable(node["access_fn"]) for node in [entry, *entry["children"]])


def test_every_signal_readme_names_exists():
    for name in ("message_sent", "message_suppressed", "cart_abandoned", "cart_recovered", "contact_unsubscribed"):
        assert hasattr(signals, name)
