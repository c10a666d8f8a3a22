"""`./run demo` as a person sees it: every address it prints, at phone and desktop width, in Chromium."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The running demo; answers {what: address}."""
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
            yield dict(re.findall(r"^  (\w+) +(http\S+)", "".join(said), re.MULTILINE))
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

    assert page.get_by_text("€727.00").first.is_visible()
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
