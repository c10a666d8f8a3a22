"""`./run demo` as a person sees it: every address it prints, at phone and desktop width, in Chromium."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import AGENT, eventually, stored

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The running demo; answers {what: address}, and where its data lies."""
    data = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "examples.oscar_shop", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if line.startswith("  Mailbox"):
                    break
            else:
                pytest.fail("the demo ended: " + "".join(said))
            yield dict(re.findall(r"^  (\w+) +(http\S+)", "".join(said), re.MULTILINE)) | {"Data": str(data)}
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(params=[(390, 844), (1280, 900)], ids=["phone", "desktop"])
def page(request, chromium, demo):
    """A tab that is logged in as the owner; `page.trouble` collects what a person would not see."""
    width, height = request.param
    context = chromium.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.trouble = []
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    # A picture that is still loading when the next page is opened is given up, and missed by nobody.
    page.on("requestfailed", lambda failed: "ABORTED" in failed.failure or page.trouble.append(failed.url))
    page.on(
        "response", lambda answer: answer.status < 400 or "favicon" in answer.url or page.trouble.append(answer.url)
    )
    page.goto(demo["Admin"])
    page.fill("#id_username", "owner")
    page.fill("#id_password", "owner")
    page.click("input[type=submit]")
    yield page
    context.close()


def is_fit(page):
    """No sideways scrolling, nothing missing, no script error, and not an error page."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return (wide, page.trouble) == (0, [])


def test_the_storefront_shows_its_products(page, demo):
    page.goto(demo["Storefront"])

    assert page.get_by_text("Corvo 90 mm f/2.8 Macro").first.is_visible()
    assert is_fit(page), page.trouble


def test_the_report_shows_what_was_recovered(page, demo):
    page.goto(demo["Report"])

    for flow, revenue in (("Abandoned checkout", "€727.00"), ("After the purchase", "€494.10")):
        row = page.get_by_role("row").filter(has_text=flow)
        assert revenue in row.inner_text()
    assert page.get_by_text("€1,221.10").first.is_visible()
    assert is_fit(page), page.trouble


@pytest.mark.parametrize(
    "screen",
    [
        "",
        "shop/1/change/",
        "flow/",
        "flow/1/change/",
        "cart/",
        "cart/1/change/",
        "contact/1/change/",
        "message/",
        "message/2/change/",
    ],
)
def test_the_owners_screens_open(page, demo, screen):
    page.goto(f"{demo['Admin']}retarget_plugin/{screen}")

    assert page.locator("#content h1").first.is_visible()
    assert is_fit(page), page.trouble


def test_the_mailbox_shows_the_mail_and_its_link_works(page, demo):
    page.goto(demo["Mailbox"])
    page.goto(demo["Mailbox"].rstrip("/") + page.locator("iframe[title*='waiting']").get_attribute("src"))

    assert page.get_by_text("€549.00").is_visible()
    picture = page.locator("img[alt*='Macro']").first
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    page.goto(page.get_by_role("link", name="Finish my order").get_attribute("href"))
    assert page.get_by_text("Corvo 90 mm f/2.8 Macro").is_visible()
    assert page.get_by_role("button", name="Bring my cart back").is_visible()
    assert is_fit(page), page.trouble


# -- a stranger on the page becomes a lawful contact -------------------------------------------------------------------

SHOPS_OWN = {"csrftoken", "oscar_history", "oscar_open_basket"}
MINE = """SELECT e.name FROM retarget_plugin_event e JOIN retarget_plugin_contact c ON c.id = e.contact_id
    WHERE c.email = ? ORDER BY e.at, e.id"""


@pytest.fixture
def stranger(chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, user_agent=AGENT)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def letter(tab, demo, *, to, title):
    """Opens the newest e-mail of that title in the mailbox once it has come."""
    mailbox = demo["Mailbox"].rstrip("/")
    frame = tab.locator("article").filter(has_text=to).filter(has_text=title).locator("iframe").first

    def has_come():
        tab.goto(mailbox)
        return frame.count()

    assert eventually(has_come, seconds=40), title
    tab.goto(mailbox + frame.get_attribute("src"))


def test_a_stranger_becomes_a_contact_and_gets_the_guide(stranger, demo):
    tab, shop, email = stranger, demo["Storefront"], "cleo@example.com"
    tab.goto(shop)
    tab.get_by_role("link", name="Corvo 90 mm f/2.8 Macro").last.click()
    tab.wait_for_load_state("networkidle")
    cookies, keys = stored(tab)
    assert (set(cookies) - SHOPS_OWN, keys) == (set(), [])
    tab.get_by_role("button", name="Yes, you may").click()
    assert eventually(lambda: "retarget_visitor" in stored(tab)[0])

    tab.goto(shop)
    tab.wait_for_load_state("networkidle")
    tab.mouse.move(600, 300)
    tab.mouse.move(600, -5)
    tab.get_by_role("dialog").wait_for()
    for keys in ("Tab", "Cleo", "Tab", email, "Enter"):
        (tab.keyboard.press if keys in ("Tab", "Enter") else tab.keyboard.type)(keys)
    tab.get_by_role("status").filter(has_text="Look into your mailbox").wait_for()
    letter(tab, demo, to=email, title="One click to get")
    tab.goto(tab.get_by_role("link", name="Yes, send it to me").get_attribute("href"))
    tab.get_by_role("button", name="Yes, it was me").click()
    tab.get_by_role("heading", name="Thank you, it is confirmed").wait_for()
    letter(tab, demo, to=email, title="Here it is")
    tab.goto(tab.get_by_role("link", name="Download").get_attribute("href"))
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Close Up.pdf").click()

    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    with closing(sqlite3.connect(Path(demo["Data"]) / "shop.sqlite3")) as database:
        told = [name for (name,) in database.execute(MINE, [email])]
    assert told == ["page_view", "view_item", "consent", "page_view", "form_shown", "asset_downloaded"]
