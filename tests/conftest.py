"""Shared by the whole suite: how browser tests find Chromium, and what they do without it."""

import importlib.util
import os
import shutil

import pytest
from django.conf import settings
from django.db import connections
from django.utils import translation

from retarget_plugin import receivers

# Cases that other test modules subclass or call deserve readable assertions too.
pytest.register_assert_rewrite("tests.contracts", "tests.journeys", "tests.fakes")


def chromium_path() -> str | None:
    """The system's Chromium: RETARGET_TEST_CHROMIUM, or what PATH knows."""
    candidates = [os.environ.get("RETARGET_TEST_CHROMIUM") or "chromium", "chromium-browser"]
    return next(filter(None, map(shutil.which, candidates)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if chromium_path() is None:
        reason = "Chromium is not installed"
    elif importlib.util.find_spec("playwright") is None:
        reason = "playwright is not installed: ./run test-browser installs it"
    else:
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _one_language():
    """A page in the reader's language leaves it behind in this thread."""
    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture(autouse=True)
def _no_grudges():
    """One test's locked table must not make the next test's events be passed over."""
    receivers.patience.resting_until = 0.0
    receivers.patience.passed_over.clear()


@pytest.fixture(scope="session")
def chromium():
    """A Playwright browser on the system's Chromium; take a fresh `chromium.new_context()` in each test."""
    from playwright.sync_api import sync_playwright

    # Playwright's own event loop runs in this thread, and Django would refuse the ORM beside it. It gives the thread
    # another connection from here on; the first one would be found again, and shared, by every process forked later.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    connections.close_all()
    with sync_playwright() as playwright:
        # A container has no user namespace for the sandbox and a small /dev/shm.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        yield browser
        browser.close()
