"""Chromium at a Wagtail site: an article's form captures a contact, and the admin's screens fit on every screen."""

from __future__ import annotations

import os

import pytest
from django.test import Client
from django.utils import timezone

from retarget_plugin.engine import leads
from retarget_plugin.models import Contact, Lead

from .conftest import pages

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = (390, 1280)
# Of what is ours: Wagtail's own side panels stand outside the screen until they are pulled in.
IS_CUT_OFF = """() => [...document.querySelectorAll("html, .rt-wagtail, #listing-results")].some((part) =>
  part.scrollWidth > part.clientWidth && getComputedStyle(part).overflowX === "visible")"""
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


@pytest.fixture
def open_tab(chromium, live_server, settings):
    contexts = []

    def open_one(**options):
        settings.RETARGET = {**settings.RETARGET, "PUBLIC_URL": live_server.url}
        contexts.append(chromium.new_context(base_url=live_server.url, user_agent=AGENT, **options))
        contexts[-1].set_default_timeout(15_000)
        return contexts[-1].new_page()

    yield open_one
    for context in contexts:
        context.set_offline(True)
        context.close()


def widths(tab, name):
    """The widths of a screen for which the page is too wide. A picture of each is kept where RETARGET_TEST_PICTURES says."""
    wide = []
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        if tab.evaluate(IS_CUT_OFF):
            # Wagtail's side bar takes its time to glide away.
            tab.wait_for_timeout(500)
            wide += [width] if tab.evaluate(IS_CUT_OFF) else []
        if folder := os.environ.get("RETARGET_TEST_PICTURES"):
            tab.wait_for_load_state("networkidle")
            tab.wait_for_timeout(500)
            tab.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)
    return wide


def test_a_page_with_the_lead_block_captures_a_contact(open_tab, add_form, add_article):
    add_form("guide")
    add_article(("text", "<p>At life size the depth of field is thin.</p>"), ("lead_form", {"form": "guide"}))
    tab = open_tab()

    tab.goto("/close-ups/")
    tab.get_by_label("E-mail address").fill("ana@example.com")
    tab.get_by_label("Yes, e-mail me offers.").check()
    assert widths(tab, "article") == []
    tab.get_by_role("button", name="Send me the guide").click()
    tab.get_by_text("Look into your mailbox.").wait_for()
    leads.ask(timezone.now())

    assert Lead.objects.values_list("form__slug", "page").get() == ("guide", "/close-ups/")
    assert Contact.objects.get(email="ana@example.com").leads.count() == 1


def test_without_scripts_a_link_leads_to_the_form(open_tab, add_form, add_article):
    add_form("guide")
    add_article(("lead_form", {"form": "guide"}))
    tab = open_tab(java_script_enabled=False)

    tab.goto("/close-ups/")
    tab.get_by_role("link", name="Twelve close-ups").click()
    tab.get_by_label("E-mail address").fill("ana@example.com")
    tab.get_by_label("Yes, e-mail me offers.").check()
    tab.get_by_role("button", name="Send me the guide").click()

    tab.get_by_text("Look into your mailbox.").wait_for()
    assert Lead.objects.get().email == "ana@example.com"


def test_the_screens_fit_and_complain_of_nothing(open_tab, root, admin_user, live_server, found):
    client = Client()
    client.force_login(admin_user)
    tab, complaints, wide = open_tab(), [], {}
    tab.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    tab.on("pageerror", lambda error: complaints.append(str(error)))

    for number, url in enumerate(pages(found)):
        tab.goto(url)
        if over := widths(tab, f"{number:02}-{url.strip('/').replace('/', '-')}"):
            wide[url] = over

    assert (wide, complaints) == ({}, [])
