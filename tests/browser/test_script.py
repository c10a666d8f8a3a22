"""The storefront script in Chromium: what it tells, what it keeps, and that it does neither before it may."""

import json
from decimal import Decimal

import pytest

from retarget_plugin.models import Consent, ConsentRecord, DailyCount, Event, Visitor

from .conftest import eventually, stored
from .urls import FIELDS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.browser.urls"),
]

COOKIE = "retarget_visitor"
CARD = "4111 1111 1111 1111"
SECRET = "canary-hunter2"
ADDRESS = "canary@mail.example"


def allow(tab, **grants):
    tab.evaluate("given => retarget.consent(given)", grants or {"tracking": True})


def names():
    return sorted(Event.objects.values_list("name", flat=True))


# -- without a grant -------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_without_a_grant_nothing_is_kept_and_nobody_is_told_apart(tab, live_server, heard, promise):
    tab.context.add_cookies([{"name": "sessionid", "value": "of-the-shop", "url": live_server.url}])
    tab.goto("/product/")
    tab.goto("/article/")
    tab.evaluate("retarget.track('search', {q: 'macro'})")
    tab.goto("/basket/")
    tab.goto("/checkout/")

    assert eventually(lambda: len(heard) == 3)
    assert [sorted(event["n"] for event in body["events"]) for _cookies, body in heard] == [
        ["page_view", "view_item"],
        ["page_view", "search"],
        ["begin_checkout", "page_view"],
    ]
    cookies, keys = stored(tab)
    ours = [request.all_headers() for request in tab.sent if "/retarget/" in request.url and ".js" not in request.url]
    identified = sum("cookie" in headers or "authorization" in headers for headers in ours)
    identified += sum(
        bool(sent) or body["grant"] is not None or body["page"].keys() != {"path"} for sent, body in heard
    )
    identified += sum("i" in event for _cookies, body in heard for event in body["events"])
    assert (Visitor.objects.count(), Event.objects.count()) == (0, 0)
    kept = [name for name in cookies if name != "sessionid"] + keys
    promise(
        "P13",
        run=f"4 pages in Chromium without a grant, {len(ours) + len(heard)} requests of ours traced",
        figure=f"cookies and keys kept {len(kept)}, requests that identify {identified}",
        bar="0, 0",
        holds=not kept and not identified and len(ours) >= 4,
    )


@pytest.mark.parametrize("said", [{}, {"tracking": False}, {"ads": True, "measurement": True}])
def test_anything_but_a_yes_to_tracking_is_a_no(tab, heard, said):
    tab.goto("/product/")

    tab.evaluate("given => retarget.consent(given)", said)
    tab.goto("/basket/")

    assert eventually(lambda: [(cookies, body["grant"]) for cookies, body in heard] == [([], None)])
    assert stored(tab) == ([], [])


@pytest.mark.parametrize("signal", ["globalPrivacyControl: {value: true}", "doNotTrack: {value: '1'}"])
def test_the_browsers_own_no_overrules_the_banners_yes(tab, signal):
    tab.add_init_script(f"Object.defineProperties(Navigator.prototype, {{{signal}}})")
    tab.goto("/product/")

    allow(tab, tracking=True, ads=True)
    tab.goto("/basket/")

    assert eventually(lambda: DailyCount.objects.filter(name="view_item").count()) == 1
    assert stored(tab) == ([], [])
    assert Visitor.objects.count() == 0
    assert tab.evaluate("dataLayer.length") == 0


def test_a_no_of_the_browser_that_came_later_ends_an_older_yes(open_tab):
    tab = open_tab()
    tab.goto("/product/")
    allow(tab)
    assert eventually(lambda: stored(tab) == ([COOKIE], ["retarget"]))

    tab.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {value: true})")
    tab.goto("/article/")

    assert eventually(lambda: stored(tab) == ([], []))
    assert Visitor.objects.get().ended_at is not None


def test_what_happened_in_one_moment_stays_in_its_order(tab, heard):
    # A clock that stands still while the page loads, and moves at every look afterwards.
    tab.add_init_script("let reads = 0; Date.now = () => 1_700_000_000_000 + (window.moves ? ++reads : 0)")
    tab.goto("/product/")
    tab.evaluate("moves = true")

    tab.goto("/article/")

    assert eventually(lambda: heard)
    ages = {event["n"]: event["a"] for event in heard[0][1]["events"]}
    assert ages["page_view"] == ages["view_item"] == 1


@pytest.mark.promise
def test_typing_sends_nothing(tab, promise):
    tab.goto("/checkout/")
    allow(tab, tracking=True, ads=True, measurement=True)
    assert eventually(lambda: names() == ["consent", "page_view"])
    before = len(tab.sent)

    for kind in (*FIELDS, "remark"):
        tab.get_by_label(kind, exact=True).press_sequentially("1" if kind == "number" else ADDRESS)
    tab.wait_for_timeout(1500)

    sent = len(tab.sent) - before
    promise(
        "P15",
        run=f"{len(FIELDS) + 1} fields of a checkout typed in, every grant given",
        figure=f"requests {sent}",
        bar="0",
        holds=sent == 0,
    )


@pytest.mark.promise
def test_what_is_typed_in_a_page_is_stored_nowhere(tab, heard, promise):
    tab.goto("/checkout/")
    allow(tab, tracking=True, ads=True, measurement=True)
    rounds = (CARD, SECRET, ADDRESS)

    for canary in rounds:
        for kind in (*FIELDS, "remark"):
            tab.get_by_label(kind, exact=True).fill(CARD.replace(" ", "") if kind == "number" else canary)
        tab.locator("#gift").fill(canary)
        tab.get_by_role("button", name="Pay").click()
        tab.wait_for_url("**/basket/**")
        tab.go_back()
    tab.goto("about:blank")

    assert eventually(lambda: Event.objects.filter(name="begin_checkout").count() == len(rounds))
    rows = [list(model.objects.values()) for model in (Event, Visitor, DailyCount, Consent, ConsentRecord)]
    everything = json.dumps([rows, heard], default=str)
    found = [canary for canary in (*rounds, CARD.replace(" ", ""), "canary") if canary in everything]
    promise(
        "P17",
        run=f"{len(rounds)} canaries in {len(FIELDS) + 2} fields, sent to the shop, {Event.objects.count()} events kept",
        figure=f"stored or told {len(found)}",
        bar="0",
        holds=not found,
    )


# -- with one --------------------------------------------------------------------------------------------------------


def test_with_a_grant_product_views_arrive(tab):
    tab.goto("/product/")
    allow(tab, tracking=True)
    assert eventually(lambda: names() == ["consent", "page_view", "view_item"])
    tab.goto("/article/")

    assert eventually(lambda: Event.objects.filter(path="/article/", name="page_view", topic="macro").exists())
    visitor = Visitor.objects.get()
    viewed = Event.objects.get(name="view_item")
    assert (viewed.visitor, viewed.product, viewed.path) == (visitor, "LEN-90", "/product/")
    assert (viewed.value, viewed.currency, viewed.is_bot) == (Decimal("549.50"), "EUR", False)
    [cookie] = tab.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Lax")
    record = ConsentRecord.objects.get(visitor=visitor)
    assert (record.purpose, record.wording_version, record.source) == ("tracking", "2026-01", "api")


def test_the_grant_holds_on_the_next_page_without_being_asked_for(tab):
    tab.goto("/product/")
    allow(tab)
    assert eventually(lambda: stored(tab)[0] == [COOKIE])

    tab.goto("/basket/")
    tab.goto("about:blank")

    assert eventually(lambda: Event.objects.filter(name="begin_checkout", product="LEN-90").count()) == 1
    assert Visitor.objects.count() == 1


def test_a_closed_tab_has_told_everything(tab):
    tab.goto("/product/")
    allow(tab)
    assert eventually(lambda: names() == ["consent", "page_view", "view_item"])

    tab.evaluate("retarget.track('search', {q: 'tripod'})")
    tab.close()

    assert eventually(lambda: list(Event.objects.filter(name="search").values_list("data", flat=True))) == [
        {"q": "tripod", "title": "90 mm macro"}
    ]


def test_events_of_one_moment_travel_together(tab, heard):
    tab.goto("/product/")
    allow(tab)
    assert eventually(lambda: names() == ["consent", "page_view", "view_item"])

    tab.evaluate("for (const q of ['a', 'b', 'c', 'd', 'e']) retarget.track('search', {q})")

    assert eventually(lambda: Event.objects.filter(name="search").count()) == 5
    assert [len(body["events"]) for _cookies, body in heard] == [3, 5]


def test_what_was_asked_before_the_script_arrived_is_done(tab):
    tab.add_init_script("window.retarget = [['consent', {tracking: true}], ['track', 'wishlist', {topic: 'macro'}]]")
    tab.goto("/product/")

    assert eventually(lambda: names() == ["consent", "page_view", "view_item", "wishlist"])


def test_a_form_says_what_sending_it_means_and_nothing_that_is_in_it(tab):
    tab.goto("/product/")
    allow(tab)

    tab.get_by_label("Note").fill(SECRET)
    tab.get_by_role("button", name="Add to basket").click()

    added = eventually(lambda: Event.objects.filter(name="add_to_cart").first())
    assert (added.product, added.value, added.path) == ("LEN-90", Decimal("549.50"), "/product/")
    assert SECRET not in json.dumps(list(Event.objects.values("path", "data")))


def test_an_article_counts_as_read_after_a_while(tab):
    tab.clock.install()
    tab.goto("/article/")
    allow(tab)

    tab.clock.run_for(14_000)
    assert eventually(lambda: names() == ["consent", "page_view"])
    tab.clock.run_for(3_000)

    assert eventually(lambda: Event.objects.filter(name="read_post").values_list("topic", flat=True).first()) == "macro"


def test_withdrawing_leaves_nothing_behind(tab):
    tab.goto("/product/")
    allow(tab)
    assert eventually(lambda: stored(tab) == ([COOKIE], ["retarget"]))

    tab.evaluate("retarget.withdraw()")

    assert eventually(lambda: stored(tab) == ([], []))
    assert Visitor.objects.get().ended_at is not None
    assert Event.objects.exclude(visitor=None).count() == 0
    tab.goto("/basket/")
    tab.goto("about:blank")
    assert eventually(lambda: DailyCount.objects.filter(name="begin_checkout").exists())
    assert Visitor.objects.count() == 1


# -- the shop's other tools ------------------------------------------------------------------------------------------

PUSH = "function gtag() { dataLayer.push(arguments) }"


def test_consent_mode_counts_when_somebody_chose(tab):
    tab.add_init_script(f"window.dataLayer = []; {PUSH} gtag('consent', 'default', {{analytics_storage: 'granted'}})")
    tab.goto("/product/")
    assert stored(tab) == ([], [])

    tab.evaluate(
        f"() => {{ {PUSH} gtag('consent', 'update', {{analytics_storage: 'granted', ad_storage: 'granted'}}) }}"
    )

    assert eventually(lambda: names() == ["consent", "page_view", "view_item"])
    said = {record.purpose: record.source for record in ConsentRecord.objects.all()}
    assert said == {"tracking": "consent_mode", "measurement": "consent_mode"}


def test_consent_mode_takes_it_back_too(tab):
    tab.add_init_script(f"window.dataLayer = []; {PUSH} gtag('consent', 'update', {{analytics_storage: 'granted'}})")
    tab.goto("/product/")
    assert eventually(lambda: stored(tab) == ([COOKIE], ["retarget"]))

    tab.evaluate(f"() => {{ {PUSH} gtag('consent', 'update', {{analytics_storage: 'denied'}}) }}")

    assert eventually(lambda: stored(tab) == ([], []))
    assert Visitor.objects.get().ended_at is not None


def test_the_pages_own_tags_are_told_with_the_ads_grant_only(tab):
    tab.goto("/product/")
    allow(tab, tracking=True)
    tab.evaluate("retarget.track('add_to_cart', {value: 5, currency: 'EUR', items: [{item_id: 'A', item_brand: 'B'}]})")
    assert tab.evaluate("dataLayer") == []

    allow(tab, ads=True)
    tab.evaluate(
        "retarget.track('purchase', {value: 9, currency: 'EUR', transaction_id: '17', items: [{item_id: 'A'}]})"
    )

    lens = {"item_id": "LEN-90", "item_name": "90 mm macro", "price": 549.5}
    assert tab.evaluate("dataLayer") == [
        {"ecommerce": None},
        {"event": "view_item", "ecommerce": {"currency": "EUR", "value": 549.5, "items": [lens]}},
        {"ecommerce": None},
        {
            "event": "add_to_cart",
            "ecommerce": {"currency": "EUR", "value": 5, "items": [{"item_id": "A", "item_brand": "B"}]},
        },
        {"ecommerce": None},
        {
            "event": "purchase",
            "ecommerce": {"currency": "EUR", "value": 9, "transaction_id": "17", "items": [{"item_id": "A"}]},
        },
    ]


# -- and the page ----------------------------------------------------------------------------------------------------


WRONG = (
    "track()",
    "track('Not A Name', {items: 7})",
    "track('search', null)",
    "product(null)",
    "product({item_id: 7, price: 'much', quantity: 'many'})",
    "consent(null)",
    "consent('yes')",
    "form('unknown')",
    "push(null)",
    "push(['unknown'])",
)


def test_wrong_calls_do_the_page_no_harm(tab):
    tab.goto("/broken/")

    for call in WRONG:
        tab.evaluate(f"retarget.{call}")
    tab.evaluate("dataLayer.push(null, undefined, ['consent'], ['consent', 'update', null])")
    allow(tab)

    assert eventually(lambda: names() == ["consent", "page_view", "view_item"])
    assert tab.complaints == []


def test_a_browser_that_keeps_nothing_does_the_page_no_harm(tab):
    tab.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied') }})")
    tab.goto("/product/")

    allow(tab)

    assert eventually(lambda: names() == ["consent", "page_view", "view_item"])
    assert tab.complaints == []


def test_a_flood_of_the_page_stays_within_what_is_taken(tab):
    tab.goto("/product/")
    allow(tab)
    items = [
        {"item_id": f"SKU-{number}", "item_name": "x" * 40, "price": 1.1, "quantity": "2"} for number in range(200)
    ]

    tab.evaluate("items => { for (let n = 0; n < 5; n++) retarget.track('view_item_list', {items}) }", items)
    assert eventually(lambda: names().count("view_item_list")) == 5
    tab.evaluate("for (let n = 0; n < 5000; n++) retarget.track('search', {q: `${n}`})")

    assert eventually(lambda: names().count("search") == 100)
    last = {event.data["q"] for event in Event.objects.filter(name="search")}
    assert last == {str(number) for number in range(4900, 5000)}
    lists = Event.objects.filter(name="view_item_list").values_list("data", flat=True)
    assert {len(data["items"]) for data in lists} == {20}
