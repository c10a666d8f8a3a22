"""Lead forms in Chromium: when one opens, that a keyboard is enough, and what a shopper is told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retarget_plugin.models import DailyCount, Event, Lead, LeadForm, Preference

from .conftest import eventually, stored

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.browser.urls"),
]

TEXTS = {
    "en": {
        "title": "Twelve close-ups",
        "text": "A guide of 24 pages.",
        "button": "Send me the guide",
        "done": "Look into your mailbox.",
        "consent_email": "Yes, e-mail me offers.",
    }
}
WIDTHS = pytest.mark.parametrize("width", [390, 1280])


@pytest.fixture
def add_form(shop):
    """`add_form("guide", kind="bar", ...)`: a form that is on, on every page."""

    def add(slug="guide", **values):
        values = {"name": slug, "is_on": True, "texts": TEXTS, "consents": ["email"], "every_days": 7, **values}
        return LeadForm.objects.create(shop=shop, slug=slug, created_at=timezone.now() - timedelta(days=1), **values)

    return add


def fits(tab):
    """Nothing is wider than the screen, and on no field would a phone zoom in."""
    return tab.evaluate(
        """() => [...document.querySelectorAll("div")].map((host) => host.shadowRoot).filter((root) => root).every((root) => {
          const frame = root.firstElementChild;
          const { left, right, top, bottom } = frame.getBoundingClientRect();
          if (frame.matches(".popup, .bar") && (top < 0 || bottom > innerHeight)) return false;
          const fields = [...root.querySelectorAll("input:not([type=checkbox]), select")];
          return left >= 0 && right <= innerWidth && document.documentElement.scrollWidth <= innerWidth
            && fields.every((field) => parseFloat(getComputedStyle(field).fontSize) >= 16);
        })"""
    )


# -- when --------------------------------------------------------------------------------------------------------------


def test_the_pop_up_opens_when_the_pointer_leaves_for_the_tabs(tab, add_form):
    add_form(on_exit=True)
    tab.goto("/product/")
    tab.wait_for_load_state("networkidle")
    tab.mouse.move(600, 300)
    assert tab.get_by_role("dialog").count() == 0

    tab.mouse.move(600, -5)

    tab.get_by_role("dialog", name="Twelve close-ups").wait_for()


def test_the_pop_up_opens_on_the_way_down(tab, add_form):
    add_form(scroll_percent=50)
    tab.goto("/article/")
    tab.wait_for_load_state("networkidle")
    tab.mouse.wheel(0, 200)
    tab.wait_for_timeout(200)
    assert tab.get_by_role("dialog").count() == 0

    tab.mouse.wheel(0, 2500)

    tab.get_by_role("dialog", name="Twelve close-ups").wait_for()
    assert fits(tab)
    assert tab.evaluate("scrollY") > 1000, "the page jumped"


def test_on_a_phone_going_back_up_is_leaving(open_tab, add_form):
    add_form(on_exit=True)
    tab = open_tab(width=390, has_touch=True, is_mobile=True)
    tab.goto("/article/")
    tab.wait_for_load_state("networkidle")
    tab.evaluate("scrollTo(0, 2000)")
    tab.wait_for_timeout(200)
    assert tab.get_by_role("dialog").count() == 0

    tab.evaluate("scrollTo(0, 1500)")

    tab.get_by_role("dialog").wait_for()
    assert fits(tab)


def test_nobody_is_interrupted_while_typing(tab, add_form):
    tab.clock.install()
    add_form(after_seconds=5)
    tab.goto("/product/")
    tab.wait_for_load_state("networkidle")
    tab.get_by_label("Note").focus()

    tab.clock.run_for(20_000)
    assert tab.get_by_role("dialog").count() == 0
    tab.get_by_role("heading").click()
    tab.get_by_label("Note").blur()
    tab.clock.run_for(4_000)

    tab.get_by_role("dialog").wait_for()


def test_a_form_for_phones_stays_off_desks(open_tab, add_form):
    add_form(after_seconds=0, devices="phone")

    counts = []
    for width in (1280, 390):
        tab = open_tab(width=width)
        tab.goto("/product/")
        tab.wait_for_load_state("networkidle")
        tab.wait_for_timeout(200)
        counts.append(tab.get_by_role("dialog").count())

    assert counts == [0, 1]


def test_with_the_grant_a_closed_form_rests_for_its_days(tab, add_form):
    tab.add_init_script("window.retarget = [['consent', {tracking: true}]]")
    tab.clock.install()
    add_form(after_seconds=0, every_days=7)
    tab.goto("/product/")
    tab.clock.run_for(1000)
    tab.get_by_role("button", name="Close").click()

    shown = []
    for day in (0, 6, 2):
        tab.clock.fast_forward(day * 86_400_000)
        tab.goto("/product/")
        tab.wait_for_load_state("networkidle")
        tab.clock.run_for(1000)
        shown.append(tab.get_by_role("dialog").count())

    assert shown == [0, 0, 1]


def test_without_the_grant_it_is_not_remembered(tab, add_form):
    add_form(after_seconds=0)

    for _visit in range(2):
        tab.goto("/product/")
        tab.get_by_role("dialog").wait_for()
        tab.get_by_role("button", name="Close").click()
        assert tab.get_by_role("dialog").count() == 0

    assert stored(tab) == ([], [])


def test_one_that_floats_a_page(tab, add_form):
    add_form("first", after_seconds=0)
    add_form("second", kind="bar", after_seconds=1)
    tab.clock.install()
    tab.goto("/product/")
    tab.wait_for_load_state("networkidle")

    tab.clock.run_for(3_000)

    assert tab.get_by_role("dialog").count() == 1
    assert tab.locator(".bar").count() == 0


# -- used --------------------------------------------------------------------------------------------------------------


def test_a_keyboard_is_enough(tab, add_form):
    add_form()
    tab.goto("/article/")
    tab.get_by_role("button", name="Like").focus()
    tab.evaluate("retarget.form('guide')")
    tab.get_by_role("dialog").wait_for()

    inside = []
    for _key in range(12):
        tab.keyboard.press("Tab")
        inside.append(
            tab.evaluate("document.activeElement.shadowRoot !== null || document.activeElement === document.body")
        )
    assert all(inside)
    tab.keyboard.press("Escape")

    assert tab.get_by_role("dialog").count() == 0
    assert tab.evaluate("document.activeElement.textContent") == "Like"


@WIDTHS
def test_the_pop_up_captures_what_was_typed_and_ticked(open_tab, shop, add_form, width):
    labels = {"en": "What do you like?"}
    options = [{"value": "macro", "labels": {"en": "Small things"}}, {"value": "street", "labels": {"en": "Streets"}}]
    Preference.objects.create(shop=shop, slug="subject", labels=labels, options=options, takes_several=True)
    add_form(after_seconds=0, first_name="optional", preferences=["subject"])
    tab = open_tab(width=width)
    tab.goto("/product/")
    tab.get_by_role("dialog").wait_for()
    assert fits(tab)

    tab.keyboard.press("Tab")
    tab.keyboard.type("Ana")
    tab.keyboard.press("Tab")
    tab.keyboard.type("ana@example")
    tab.keyboard.press("Enter")
    tab.get_by_role("alert").filter(has_text="complete e-mail address").wait_for()
    email = tab.get_by_label("E-mail address")
    assert email.evaluate("field => field.getRootNode().activeElement === field") is True
    assert email.get_attribute("aria-invalid") == "true"
    assert (email.get_attribute("aria-describedby"), tab.locator("#email-problem").count()) == ("email-problem", 1)
    assert Lead.objects.count() == 0
    email.press("End")
    tab.keyboard.type(".com")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    tab.keyboard.press("Enter")

    tab.get_by_role("status").filter(has_text="Look into your mailbox.").wait_for()
    lead = Lead.objects.get()
    assert (lead.email, lead.first_name, lead.page, lead.visitor) == ("ana@example.com", "Ana", "/product/", None)
    assert lead.answers == {"subject": ["macro"]}
    assert [(box["channel"], box["wording"]) for box in lead.consents] == [("email", "Yes, e-mail me offers.")]
    assert (fits(tab), tab.complaints, stored(tab)) == (True, [], ([], []))


def test_no_box_is_ticked_for_anybody(tab, add_form):
    add_form(after_seconds=0)
    tab.goto("/product/")
    tab.get_by_role("dialog").wait_for()

    assert [box.is_checked() for box in tab.get_by_role("checkbox").all()] == [False]


def test_who_allowed_tracking_is_the_visitor_of_the_lead(tab, add_form):
    add_form(after_seconds=0, consents=[])
    tab.add_init_script("window.retarget = [['consent', {tracking: true}]]")
    tab.goto("/product/")
    tab.get_by_role("dialog").wait_for()
    assert eventually(lambda: len(tab.context.cookies()) == 1)

    tab.get_by_label("E-mail address").fill("ana@example.com")
    tab.get_by_role("button", name="Send me the guide").click()
    tab.get_by_role("status").wait_for()

    visitor = Lead.objects.get().visitor
    assert visitor == Event.objects.get(name="view_item").visitor
    assert visitor.contact is None
    assert eventually(lambda: DailyCount.objects.filter(name__startswith="form_shown:", people=1).count()) == 1


def test_a_server_that_does_not_answer_loses_nothing_that_was_typed(tab, add_form):
    add_form(after_seconds=0, consents=[])
    tab.goto("/product/")
    tab.get_by_role("dialog").wait_for()
    tab.route("**/forms/guide/", lambda route: route.abort())

    tab.get_by_label("E-mail address").fill("ana@example.com")
    tab.get_by_role("button", name="Send me the guide").click()

    tab.get_by_role("alert").filter(has_text="That did not work just now.").wait_for()
    assert tab.get_by_label("E-mail address").input_value() == "ana@example.com"
    assert tab.get_by_role("button", name="Send me the guide").is_enabled()


# -- where -------------------------------------------------------------------------------------------------------------


@WIDTHS
def test_every_look_fits_and_keeps_the_strictest_policy(open_tab, add_form, width):
    add_form("guide", kind="inline")
    add_form("more", kind="upgrade", topic="macro")
    add_form("letter", kind="bar", after_seconds=0)
    tab = open_tab(width=width)

    for direction in ("en", "ar"):
        tab.goto(f"/article/?language={direction}")
        tab.locator(".bar").wait_for()
        assert (
            tab.evaluate("document.querySelector('[data-retarget-form=guide] > div').shadowRoot.children.length") == 1
        )
        assert tab.evaluate("document.querySelector('article').lastElementChild.shadowRoot.children.length") == 1
        assert fits(tab)

    assert tab.locator("section.bar").evaluate("bar => getComputedStyle(bar).position") == "fixed"
    tab.locator(".bar .close").press("Escape")
    assert tab.locator(".bar").count() == 0
    assert tab.complaints == []


def test_a_form_comes_in_the_language_of_its_page(open_tab, add_form):
    add_form(after_seconds=0, texts={**TEXTS, "fr": {**TEXTS["en"], "title": "Douze gros plans"}})
    tab = open_tab(locale="en-US")

    tab.goto("/product/?language=fr")

    tab.get_by_role("dialog", name="Douze gros plans").wait_for()
    assert tab.get_by_role("button", name="Fermer").count() == 1
