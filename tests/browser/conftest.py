"""A tab that remembers every request it made, and what its console and the page complained of."""

import time

import pytest
from django.core.signals import request_finished, request_started

from retarget_plugin.models import Shop

from . import urls

# Chromium without a screen calls itself headless, and a machine is given no visitor.
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


def eventually(answer, *, seconds=10):
    """What `answer()` gives once it is true; a beacon arrives when the browser likes."""
    until = time.monotonic() + seconds
    while not (found := answer()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def is_complaint(said):
    """Errors, and what the page's policy refused. An answer of 422 is an error to the console, and none to us."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


@pytest.fixture
def shop(db):
    values = {
        "name": "Lumen",
        "base_url": "https://shop.example.com",
        "currency": "EUR",
        "locale": "en",
        "country": "FR",
    }
    return Shop.objects.update_or_create(host="default", scope="", defaults=values)[0]


@pytest.fixture
def is_idle(db):
    """`is_idle()`: whether the server has answered all that it was asked."""
    begun, ended = [], []

    def begin(**_told):
        begun.append(1)

    def end(**_told):
        ended.append(1)

    request_started.connect(begin)
    request_finished.connect(end)
    yield lambda: len(begun) == len(ended)
    request_started.disconnect(begin)
    request_finished.disconnect(end)


@pytest.fixture
def open_tab(chromium, live_server, settings, shop, is_idle):
    """`open_tab(width=390, ...)`: a tab in a browser of its own; options as of Playwright's `new_context`."""
    settings.RETARGET = {**settings.RETARGET, "PUBLIC_URL": live_server.url}
    contexts = []

    def open_one(*, width=1280, **options):
        context = chromium.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 800}, **{"user_agent": AGENT, **options}
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        tab = context.new_page()
        tab.sent, tab.complaints = [], []
        context.on("request", lambda request: tab.sent.append(request))
        tab.on("console", lambda said: tab.complaints.append(said.text) if is_complaint(said) else None)
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        return tab

    yield open_one
    for context in contexts:
        # What a closing page would still tell must not arrive while the next test empties the tables.
        context.set_offline(True)
        context.close()
    # Nor may what the server is still at: the tables would be locked.
    eventually(is_idle)


@pytest.fixture
def heard():
    """What the beacon was told, as it comes: [(names of cookies, body)]."""
    urls.HEARD.clear()
    return urls.HEARD


@pytest.fixture
def tab(open_tab):
    return open_tab()


def stored(tab):
    """What this site keeps in the browser: names of cookies, and keys of both storages."""
    keys = tab.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    return [cookie["name"] for cookie in tab.context.cookies()], keys
