"""The pages in a real browser: the button works with Django's origin check on, and no address with a token leaks."""

import re

import pytest
from django.urls import reverse

from retarget_plugin.domain.vocabulary import ConsentState
from retarget_plugin.models import Consent
from tests.shop.models import Basket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STRICT = (
    "default-src 'none'; style-src 'self'; img-src https:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(params=[390, 1280])
def page(request, chromium):
    """A page without JavaScript, as wide as a phone and as a desk; its console is kept in `page.complaints`."""
    context = chromium.new_context(viewport={"width": request.param, "height": 844}, java_script_enabled=False)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    yield page
    context.close()


def strict_csp(route):
    """Answer as a shop would that allows nothing but its own stylesheet."""
    response = route.fetch()
    route.fulfill(response=response, headers={**response.headers, "content-security-policy": STRICT})


def test_the_button_brings_the_cart_back_without_telling_where_from(page, live_server, recover_url, products):
    seen = []
    page.on("request", lambda request: seen.append((request.url, request.all_headers().get("referer", ""))))

    page.goto(live_server.url + recover_url)
    page.get_by_role("button", name="Bring my cart back").click()
    page.wait_for_url("**/basket/")

    assert page.inner_text("body").split("\n") == ["2 x Linen shirt", "1 x Canvas bag"]
    assert Basket.objects.count() == 1
    assert [referer for url, referer in seen if url.endswith("/basket/")] == [""]


def test_the_shops_scripts_do_not_see_the_token(chromium, live_server, recover_url, products):
    page = chromium.new_context().new_page()
    page.goto(live_server.url + recover_url)
    page.get_by_role("button", name="Bring my cart back").click()
    page.wait_for_url("**/basket/")

    referrer = page.evaluate("document.referrer")
    page.context.close()

    assert referrer == ""


def test_the_pages_keep_the_strictest_content_security_policy(page, live_server, recover_url, unsubscribe_url):
    page.route(re.compile("/(recover|unsubscribe)/"), strict_csp)

    for url in (recover_url, unsubscribe_url):
        page.goto(live_server.url + url)

        assert page.locator("main").evaluate("main => getComputedStyle(main).borderRadius") == "20px"

    assert [text for text in page.complaints if "Content Security Policy" in text] == []


def test_unsubscribing_takes_one_press(page, live_server, contact, unsubscribe_url):
    page.goto(live_server.url + unsubscribe_url)
    page.get_by_role("button", name="Stop the e-mails").click()

    assert page.get_by_role("heading").inner_text() == "You are unsubscribed"
    assert Consent.objects.get(contact=contact, channel="email").state == ConsentState.WITHDRAWN


def test_nothing_is_wider_than_the_screen(page, live_server, recover_url, unsubscribe_url):
    dead = reverse("retarget_plugin:recover", args=["nonsense"])

    for url in (recover_url, unsubscribe_url, dead):
        page.goto(live_server.url + url)

        assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
