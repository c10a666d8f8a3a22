"""The pages that messages lead to, as shoppers see them: on a phone and at a desk, in their language.

The pictures are kept where RETARGET_TEST_PICTURES says, to be looked at.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retarget_plugin.engine import subscriptions
from tests.promises import length
from tests.web import addresses
from tests.web.test_preferences import offers as offers  # a fixture
from tests.web.test_store import WEEK

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMES = ("recover", "unsubscribe", "confirm", "preferences", "keep", "store", "offer", "assets", "export")


@pytest.mark.parametrize("language", length(["fr"], ["en", "fr", "es"]))
@pytest.mark.parametrize("width", length([390], [390, 1280]))
def test_every_page_fits_and_speaks_the_readers_language(
    chromium, live_server, tmp_path, cart, message, link, products, offers, shop, contact, language, width
):
    folder = Path(os.environ.get("RETARGET_TEST_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    contact.locale = language
    contact.save()
    subscriptions.subscribe(
        shop, "1", kind="price_drop", contact=contact, source="product page", now=message.created_at
    )
    places = addresses.public(cart, message, link)
    contact.shop.stores.update(hours=WEEK, phone="+33 4 78 00 00 00")
    context = chromium.new_context(viewport={"width": width, "height": 844}, locale=language)
    tab = context.new_page()

    spoken, wide = {}, []
    for name in NAMES:
        assert tab.goto(live_server.url + places[name][0]).status == 200
        tab.screenshot(path=folder / f"page-{name}-{language}-{width}.png", full_page=True)
        spoken[name] = tab.evaluate("document.documentElement.lang")[:2]
        if tab.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(name)
    context.close()

    assert (set(spoken.values()), wide) == ({language}, [])
