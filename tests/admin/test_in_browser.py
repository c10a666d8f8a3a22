"""A real browser at the screens: nothing that shoppers wrote runs, and a preview can be looked at and no more."""

from __future__ import annotations

import pytest
from django.test import Client

from retarget_plugin.models import MessageBody

from .conftest import everything, page, pages

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAYLOADS = (
    "<script>document.hacked=1</script>",
    "<img src=x onerror=document.hacked=1>",
    '"><svg/onload=document.hacked=1>',
    "'><details open ontoggle=document.hacked=1>",
    "</title><script>document.hacked=1</script>",
    "--><iframe srcdoc='<script>top.document.hacked=1</script>'>",
)
HOSTILE = """<html><head><meta http-equiv="refresh" content="0;url=/admin/?refreshed"></head><body>
<p id="told">unchanged</p>
<script>document.getElementById("told").textContent = "changed"; top.document.hacked = 1</script>
<img src="x" onerror="document.getElementById('told').textContent = 'changed'">
<iframe srcdoc="<script>top.document.hacked = 1</script>"></iframe>
<form action="/admin/?posted"><button id="post">Send</button></form>
<a id="follow" href="/admin/?followed" style="display:block;width:200px;height:40px">Back to my cart</a>
</body></html>"""


@pytest.fixture
def tab(chromium, live_server, admin_user):
    """A tab in which the owner is logged in."""
    client = Client()
    client.force_login(admin_user)
    context = chromium.new_context(base_url=live_server.url)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_was_written_runs_on_any_page(tab, payload):
    found = everything(payload)

    for _model, url in pages(found):
        if not url.endswith(".csv"):
            tab.goto(url)
            assert tab.evaluate("document.hacked") is None, url


def test_a_hostile_mail_does_nothing_in_its_preview(tab):
    found = everything()
    MessageBody.objects.filter(message=found.message).update(html=HOSTILE)
    address = page("message_change", found.message.pk)

    tab.goto(address)
    tab.wait_for_load_state("networkidle")

    frame = next(frame for frame in tab.frames if frame.url.endswith("/frame/"))
    assert frame.locator("#told").text_content() == "unchanged"
    assert tab.evaluate("document.hacked") is None


def test_links_in_a_preview_lead_nowhere(tab):
    found = everything()
    MessageBody.objects.filter(message=found.message).update(html=HOSTILE)
    tab.goto(page("message_change", found.message.pk))
    tab.wait_for_load_state("networkidle")
    frame = next(frame for frame in tab.frames if frame.url.endswith("/frame/"))
    before = frame.url

    tab.locator("iframe").scroll_into_view_if_needed()
    for name in ("#follow", "#post"):
        box = frame.locator(name).bounding_box()
        tab.mouse.click(box["x"] + 5, box["y"] + 5)
    for _number in range(40):
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter") if tab.evaluate("document.activeElement.tagName") == "IFRAME" else None
    tab.wait_for_timeout(300)

    assert frame.url == before


def test_a_preview_opened_by_itself_is_as_tame(tab):
    found = everything()
    MessageBody.objects.filter(message=found.message).update(html=HOSTILE)

    tab.goto(page("message_frame", found.message.pk))
    tab.wait_for_load_state("networkidle")

    assert tab.locator("#told").text_content() == "unchanged"
    assert tab.url.endswith("/frame/")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(tab, width):
    found = everything("A rather long name that somebody gave to something in this shop")
    tab.set_viewport_size({"width": width, "height": 900})

    wide = {}
    for _model, url in pages(found):
        if not url.endswith(".csv"):
            tab.goto(url)
            if over := tab.evaluate("document.documentElement.scrollWidth - window.innerWidth"):
                wide[url] = over

    assert wide == {}
