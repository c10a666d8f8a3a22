"""The beacon over HTTP: what it takes, from whom, how much, and that it never answers with a body or an error of ours."""

import gzip
import json
import time
import tracemalloc

import pytest
from django.test import Client
from django.test.client import ClientHandler

from retarget_plugin.engine import visitors
from retarget_plugin.models import (
    Cart,
    Claim,
    Consent,
    ConsentRecord,
    Contact,
    DailyCount,
    Event,
    Message,
    Order,
    Visitor,
)
from retarget_plugin.testing import build_shop
from tests.domain.test_events import REFUSED

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
GRANT = {"tracking": True, "ads": False, "measurement": False, "wording": "2026-01", "source": "cmp"}
URL = "/retarget/t"
OWN, FOREIGN, SISTER = "https://shop.example.com", "https://evil.example", "https://app.shop.example.com"


@pytest.fixture
def shop(db):
    return build_shop()


@pytest.fixture
def browser(shop):
    return Client(headers={"user-agent": AGENT})


def body(*names, grant=GRANT, **page):
    events = [{"n": name} for name in names or ["page_view"]]
    return json.dumps({"v": 1, "grant": grant, "page": {"path": "/p/1/", **page}, "events": events})


def send(browser, content=None, *, origin=OWN, type="text/plain;charset=UTF-8", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if origin:
        headers["origin"] = origin
    return browser.post(URL, content if content is not None else body(), content_type=type, headers=headers)


def test_with_a_grant_the_browser_gets_one_cookie_and_keeps_it(browser):
    answers = [send(browser) for _page in range(3)]

    visitor = Visitor.objects.get()
    cookie = browser.cookies["retarget_visitor"]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 3
    assert cookie.value == visitor.key
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)
    assert Event.objects.filter(visitor=visitor, path="/p/1/", is_bot=False).count() == 3


def test_without_a_grant_nothing_is_set_and_nothing_identifies(browser):
    answer = send(browser, body(grant=None))

    assert answer.status_code == 204
    assert not browser.cookies
    assert (Visitor.objects.count(), Event.objects.count(), Consent.objects.count()) == (0, 0, 0)
    assert DailyCount.objects.values_list("name", "people").get() == ("page_view", 1)


def test_a_grant_that_is_not_repeated_leaves_the_cookie_alone_and_counts_anonymously(browser):
    send(browser)

    answer = send(browser, body(grant=None))

    assert not answer.cookies
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    "content",
    ['{"v":1,"withdraw":true}', body(grant={"tracking": False, "ads": True})],
)
def test_a_withdrawal_takes_the_cookie_and_the_history(browser, content):
    send(browser)
    key = browser.cookies["retarget_visitor"].value

    answer = send(browser, content)

    assert answer.status_code == 204
    assert (answer.cookies["retarget_visitor"].value, answer.cookies["retarget_visitor"]["max-age"]) == ("", 0)
    assert visitors.find(key) is None
    assert Event.objects.values_list("visitor", "contact", "path").get() == (None, None, "")
    assert ConsentRecord.objects.latest("pk").state == "withdrawn"


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "é" * 43, "\x00" * 43, "A" * 100_000])
def test_a_cookie_that_is_not_ours_is_nobodys(browser, cookie):
    answer = browser.post(
        URL, body(), content_type="text/plain", headers={"origin": OWN}, HTTP_COOKIE=f"retarget_visitor={cookie}"
    )

    assert answer.status_code == 204
    assert Visitor.objects.get().key != cookie


def test_a_cookie_of_another_shop_is_nobodys(browser, shop, settings):
    send(browser)
    build_shop(scope="b", base_url="https://testserver")

    send(browser)

    assert Visitor.objects.filter(shop=shop).count() == Visitor.objects.exclude(shop=shop).count() == 1


def test_a_machine_is_counted_and_not_met(shop):
    send(Client(headers={"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}))

    assert Visitor.objects.count() == 0
    assert DailyCount.objects.values_list("people", "machines").get() == (0, 1)


# --- where from (A20, X18) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [OWN, "http://testserver", "https://testserver", ""])
def test_the_site_itself_is_heard(browser, origin):
    assert send(browser, origin=origin).status_code == 204
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        (FOREIGN, {}),
        ("null", {}),
        ("https://shop.example.com.evil.example", {}),
        ("https://shop.example.com@evil.example", {}),
        ("http://shop.example.com", {}),
        ("https://shop.example.com:444", {}),
        ("", {"sec_fetch_site": "cross-site"}),
        ("", {"sec_fetch_site": "same-site"}),
    ],
)
def test_a_foreign_page_changes_nothing_with_or_without_the_victims_cookie(browser, origin, headers):
    send(browser)
    before = everything()

    for content in (body("purchase"), body(grant=None), '{"v":1,"withdraw":true}'):
        answer = send(browser, content, origin=origin, **headers)
        assert (answer.status_code, answer.content) == (403, b"")
        assert "Access-Control-Allow-Origin" not in answer.headers
    asked = browser.options(
        URL, headers={"origin": origin or "null", "access-control-request-method": "POST", **headers}
    )

    assert (asked.status_code, everything()) == (403, before)


def test_an_allowed_storefront_counts_and_learns_nothing(browser, settings):
    settings.RETARGET = settings.RETARGET | {"ALLOWED_ORIGINS": (SISTER,)}
    send(browser)
    key = browser.cookies["retarget_visitor"].value

    answers = [send(browser, content, origin=SISTER) for content in (body("purchase"), '{"v":1,"withdraw":true}')]

    assert [answer.status_code for answer in answers] == [204, 204]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == SISTER
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
        assert not answer.cookies
    assert visitors.find(key) is not None
    assert Event.objects.values_list("name", flat=True).get() == "page_view"
    assert DailyCount.objects.values_list("name", "people").get() == ("purchase", 1)


def test_a_preflight_is_answered_plainly(browser, settings):
    settings.RETARGET = settings.RETARGET | {"ALLOWED_ORIGINS": (SISTER,)}

    answer = browser.options(URL, headers={"origin": SISTER, "access-control-request-method": "POST"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == SISTER
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch"])
def test_other_methods_are_not_taken(browser, method):
    assert getattr(browser, method)(URL).status_code == 405


# --- what (A21, A22, X19) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_bad_bytes_end_as_400_and_leave_no_row(browser, content):
    before = everything()

    answer = browser.post(URL, content, content_type="text/plain", headers={"origin": OWN})

    assert (answer.status_code, answer.content) == (400, b"")
    assert everything() == before


@pytest.mark.parametrize(
    ("headers", "type"),
    [
        ({}, "application/json"),
        ({}, "multipart/form-data; boundary=x"),
        ({}, "application/x-www-form-urlencoded"),
        ({}, ""),
        ({"content-encoding": "gzip"}, "text/plain"),
    ],
)
def test_another_kind_of_body_is_refused(browser, headers, type):
    answer = browser.post(URL, body(), content_type=type, headers={"origin": OWN, **headers})

    assert (answer.status_code, Event.objects.count()) == (400, 0)


@pytest.mark.parametrize("length", ["", "x", "-1", "+5", "1e3", "٣", "9" * 5_000, "16385"])
def test_a_length_that_is_none_or_too_long_is_refused_unread(browser, length):
    class Unread:
        def read(self, *_size):
            raise AssertionError("the body was read")

        readline = read

    answer = browser.generic(
        "POST", URL, "x", content_type="text/plain", CONTENT_LENGTH=length, **{"wsgi.input": Unread()}
    )

    assert answer.status_code == (413 if length in ("9" * 5_000, "16385") else 400)


BOMB = gzip.compress(b"[" * 10_000_000)
FIELDS = json.dumps({"v": 1, **{f"f{n}": n for n in range(10_000)}}).encode()
LARGE = {
    "a long body": (b"x" * 20_000_000, {}, {413}),
    "10k fields": (FIELDS, {}, {413}),
    "10k fields in the address": (b"{}", {"QUERY_STRING": "&".join(f"f{n}=1" for n in range(10_000))}, {400}),
    "JSON 100k deep": (b"[" * 100_000, {}, {413}),
    "JSON as deep as it may be long": (b"[" * 16_000, {}, {400}),
    "objects as deep as they may be long": (b'{"a":' * 3_000, {}, {400}),
    "a gzip bomb": (BOMB, {"HTTP_CONTENT_ENCODING": "gzip"}, {400}),
    "a header of 1 MB": (body().encode(), {"HTTP_X_LONG": "x" * 1_000_000}, {204}),
    "an agent of 1 MB": (body().encode(), {"HTTP_USER_AGENT": "a" * 1_000_000}, {204}),
    "an origin of 1 MB": (body().encode(), {"HTTP_ORIGIN": "https://" + "a" * 1_000_000}, {403}),
    "addresses of 1 MB": (body().encode(), {"HTTP_X_FORWARDED_FOR": "1.1.1.1," * 125_000}, {204}),
    "a cookie of 1 MB": (body().encode(), {"HTTP_COOKIE": "retarget_visitor=" + "a" * 1_000_000}, {204}),
}


class TimedHandler(ClientHandler):
    """Seconds of CPU the last request cost the shop, without what the test's own client needs to make it."""

    seconds = 0.0

    def __call__(self, environ):
        began = time.thread_time()
        try:
            return super().__call__(environ)
        finally:
            self.seconds = time.thread_time() - began


@pytest.mark.alone
@pytest.mark.promise
def test_size_and_depth_cost_nothing(browser, settings, promise):
    browser.handler = TimedHandler(enforce_csrf_checks=False)
    settings.RETARGET = settings.RETARGET | {"TRUSTED_PROXY_COUNT": 1}
    send(browser)
    slowest, largest = ("", 0.0), ("", 0.0)

    for name, (content, extra, expected) in LARGE.items():
        took, grew = [], 0.0
        for is_traced in (True, False, False, False):
            if is_traced:
                tracemalloc.start()
                held = tracemalloc.get_traced_memory()[0]
            answer = browser.generic("POST", URL, content, content_type="text/plain", **{"HTTP_ORIGIN": OWN, **extra})
            took.append(browser.handler.seconds)
            if is_traced:
                # What the test's own client copies of the body and the headers is not ours.
                own = 2 * len(content) + 8 * sum(map(len, extra.values()))
                grew = (tracemalloc.get_traced_memory()[1] - held - own) / 1e6
                tracemalloc.stop()
            assert answer.status_code in expected, name
        slowest = max(slowest, (name, min(took)), key=lambda pair: pair[1])
        largest = max(largest, (name, grew), key=lambda pair: pair[1])

    promise(
        "X19",
        run=f"{len(LARGE)} oversized requests to the beacon",
        figure=f"slowest {slowest[1] * 1000:.0f} ms of CPU ({slowest[0]}), most memory {largest[1]:.1f} MB ({largest[0]})",
        bar="<= 50 ms, <= 10 MB",
        holds=slowest[1] <= 0.05 and largest[1] <= 10,
    )


# --- how much (A23, X20) ---------------------------------------------------------------------------------------


@pytest.fixture
def tight(settings):
    settings.RETARGET = settings.RETARGET | {
        "EVENTS_PER_ADDRESS": 20,
        "EVENTS_PER_VISITOR": 10,
        "VISITORS_PER_ADDRESS": 5,
    }


def statuses(send_one, times):
    found = [send_one(number).status_code for number in range(times)]
    return {status: found.count(status) for status in set(found)}


@pytest.mark.promise
@pytest.mark.parametrize(
    ("name", "request_of"),
    [
        ("plain", lambda n: {}),
        ("X-Forwarded-For", lambda n: {"HTTP_X_FORWARDED_FOR": f"203.0.113.{n}"}),
        ("all such headers", lambda n: {f"HTTP_{name}": f"203.0.113.{n}" for name in (
            "X_FORWARDED_FOR", "X_REAL_IP", "CLIENT_IP", "FORWARDED", "CF_CONNECTING_IP", "TRUE_CLIENT_IP")}),
        ("IPv6 /64 walk", lambda n: {"REMOTE_ADDR": f"2001:db8:1:2:{n:x}::{n:x}"}),
        ("mapped IPv4", lambda n: {"REMOTE_ADDR": "192.0.2.1" if n % 2 else "::ffff:192.0.2.1"}),
        ("agents", lambda n: {"HTTP_USER_AGENT": f"{AGENT} {n}"}),
    ],
)  # fmt: skip
def test_the_limit_of_an_address_holds(shop, tight, name, request_of, promise):
    def anonymous(number):
        extra = {"HTTP_USER_AGENT": AGENT, **request_of(number)}
        return Client().post(URL, body(grant=None), content_type="text/plain", **extra)

    found = statuses(anonymous, 60)

    assert set(found) == {204, 429}
    assert sum(DailyCount.objects.values_list("people", flat=True)) == found[204]
    promise(
        "X20", run=f"60 beacons, 20 allowed: {name}", figure=f"{found[204]} taken", bar="20", holds=found[204] == 20
    )


def test_the_limit_holds_behind_a_proxy_that_appends(shop, tight, settings):
    settings.RETARGET = settings.RETARGET | {"TRUSTED_PROXY_COUNT": 1}

    def spoofed(number):
        headers = {"user-agent": AGENT, "x-forwarded-for": f"10.9.8.{number}, 203.0.113.5"}
        return Client().post(URL, body(grant=None), content_type="text/plain", headers=headers)

    assert statuses(spoofed, 30) == {204: 20, 429: 10}


def test_the_limit_counts_events_and_not_batches(shop, tight):
    browser = Client(headers={"user-agent": AGENT})

    found = statuses(lambda _number: send(browser, body(*["scroll"] * 5)), 6)

    assert found == {204: 3, 429: 3}
    assert Event.objects.count() == 15


def test_the_limit_holds_without_a_cache(shop, tight, settings):
    gone = "django.core.cache.backends.memcached.PyMemcacheCache"
    settings.CACHES = {"default": {"BACKEND": gone, "LOCATION": "127.0.0.1:1"}}

    assert statuses(lambda _number: send(Client(), body(grant=None)), 25) == {204: 20, 429: 5}


def test_throwing_the_cookie_away_does_not_help(shop, tight):
    found = statuses(lambda _number: send(Client(headers={"user-agent": AGENT})), 12)

    assert found == {204: 5, 429: 7}
    assert Visitor.objects.count() == 5


def test_moving_from_address_to_address_does_not_help_one_visitor(browser, tight):
    send(browser)

    def move(number):
        return browser.post(URL, body(), content_type="text/plain", REMOTE_ADDR=f"198.51.100.{number}")

    assert statuses(move, 15) == {204: 10, 429: 5}


# --- the pixel -------------------------------------------------------------------------------------------------


def test_the_pixel_is_a_picture_and_a_count(browser):
    answer = browser.get("/retarget/p.gif?n=page_view&p=/recipes/", headers={"cookie": "retarget_visitor=x"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert "no-store" in answer.headers["Cache-Control"]
    assert not answer.cookies
    assert DailyCount.objects.values_list("name", "people").get() == ("page_view", 1)
    assert Event.objects.count() == 0


@pytest.mark.parametrize("query", ["n=made_up", "n=", "n=%00", "n=%ff", "n=page_view%0a", "n=" + "x" * 9_000])
def test_the_pixel_takes_our_names_only(browser, query):
    assert browser.get(f"/retarget/p.gif?{query}").status_code == 400
    assert DailyCount.objects.count() == 0


def test_the_pixel_is_limited_too(browser, tight):
    assert statuses(lambda _number: browser.get("/retarget/p.gif"), 25) == {200: 20, 429: 5}


def test_looking_at_the_pixels_head_counts_nothing(browser):
    assert browser.head("/retarget/p.gif").status_code == 200
    assert DailyCount.objects.count() == 0


def test_an_error_of_ours_is_no_answer_with_a_body(browser, shop):
    shop.delete()

    assert (send(browser).status_code, send(browser).content) == (400, b"")


def everything():
    models = (Cart, Claim, Consent, ConsentRecord, Contact, DailyCount, Event, Message, Order, Visitor)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}
