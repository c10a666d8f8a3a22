"""Every public page can be read and used by everybody: names, contrast, order, by keyboard, in light and dark."""

from pathlib import Path

import pytest

from retarget_plugin.domain.vocabulary import ConsentState
from retarget_plugin.engine import subscriptions
from retarget_plugin.models import Consent
from tests.web import addresses
from tests.web.test_preferences import choices_url
from tests.web.test_preferences import offers as offers  # a fixture
from tests.web.test_store import WEEK

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHECK = (Path(__file__).parent / "accessibility.js").read_text()
#: What has the focus, and whether one sees it.
FOCUSED = """() => {
  const node = document.activeElement, style = getComputedStyle(node);
  return [
    node.tagName, node.value || node.innerText.trim(),
    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  ];
}"""
#: What the Tab key is expected to reach, in the order of the page; of each group of radios the chosen one.
REACHABLE = """() => [...document.querySelectorAll(
  "a[href], button, select, input:not([type=hidden]):not([type=radio]), input[type=radio]:checked"
)].map(node => [node.tagName, node.value || node.innerText.trim()])"""


@pytest.fixture(params=["light", "dark"])
def tab(request, chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme=request.param)
    yield context.new_page()
    context.close()


@pytest.fixture
def pages(cart, message, link, products, offers, shop, contact):
    """Name -> address of everything that is a page."""
    subscriptions.subscribe(
        shop, "1", kind="price_drop", contact=contact, source="product page", now=message.created_at
    )
    places = addresses.public(cart, message, link)
    contact.shop.stores.update(hours=WEEK, phone="+33 4 78 00 00 00")
    names = ("recover", "unsubscribe", "confirm", "refuse", "preferences", "keep", "store", "offer", "assets", "export")
    return {name: places[name][0] for name in (*names, "form")}


def test_every_page_passes_and_fits_a_phone(tab, live_server, pages):
    trouble = {}

    for name, url in pages.items():
        status = tab.goto(live_server.url + url).status
        trouble[name] = tab.evaluate(CHECK)
        if status != 200:
            trouble[name].append(f"status {status}")
        if tab.evaluate("document.documentElement.scrollWidth") > 390:
            trouble[name].append("wider than the screen")

    assert {name: found for name, found in trouble.items() if found} == {}


def test_the_keyboard_reaches_everything_in_order_and_one_sees_where(tab, live_server, pages):
    for name in ("preferences", "store", "unsubscribe", "keep", "offer"):
        tab.goto(live_server.url + pages[name])
        expected, reached = tab.evaluate(REACHABLE), []

        for _press in expected:
            tab.keyboard.press("Tab")
            *what, is_seen = tab.evaluate(FOCUSED)
            assert is_seen, (name, what)
            reached.append(what)

        assert reached == expected


def test_the_choices_are_made_by_keyboard_alone_and_the_answer_has_the_focus(tab, live_server, contact):
    tab.goto(live_server.url + choices_url(contact))

    for _press in range(3):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    tab.locator("select").focus()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("[role=status]")

    assert Consent.objects.get(contact=contact, channel="sms").state == ConsentState.WITHDRAWN
    assert tab.evaluate("document.activeElement.innerText") == "Saved."
    assert tab.evaluate(CHECK) == []
