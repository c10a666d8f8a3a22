"""r/<code>: where a short link leads, and where it never does."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.models import Click
from tests.web.conftest import answer, make_link

BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1"
DESTINATION = "https://shop.example.com/retarget/recover/abc/"


def url(code):
    return reverse("retarget_plugin:short_link", args=[code])


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_code_leads_to_the_stored_destination(client, link, method):
    response = getattr(client, method)(url(link.code), headers={"user-agent": BROWSER})

    assert response.status_code == 302
    assert response.headers["Location"] == DESTINATION
    assert response.headers["Cache-Control"] == "no-store, private"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert not response.cookies


def test_a_persons_click_is_counted_once_for_the_message(client, link, message):
    client.get(url(link.code), headers={"user-agent": BROWSER})
    message.refresh_from_db()
    first = message.clicked_at
    client.get(url(link.code), headers={"user-agent": BROWSER})

    message.refresh_from_db()
    assert list(Click.objects.values_list("is_human", flat=True)) == [True, True]
    assert first is not None
    assert message.clicked_at == first


@pytest.mark.parametrize("method", ["head", "get"])
def test_a_prefetched_link_is_not_a_click(client, link, message, method):
    getattr(client, method)(url(link.code), headers={"user-agent": BROWSER, "sec-purpose": "prefetch;prerender"})

    message.refresh_from_db()
    assert list(Click.objects.values_list("is_human", flat=True)) == [False]
    assert message.clicked_at is None


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_other_methods_are_refused(client, link, method):
    response = getattr(client, method)(url(link.code), headers={"user-agent": BROWSER})

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert not response.has_header("Location")
    assert Click.objects.count() == 0


def test_unknown_expired_and_nonsense_codes_get_one_answer(client, link, message):
    make_link(message, DESTINATION, code="oLdC0de2", expires_at=timezone.now() - timedelta(seconds=1))
    codes = ["Unknown2", "oLdC0de2", "x", "é" * 8, "a b", "a\0b", "%00", "a" * 5000, "aB3dE6gH'--", "..", "AB3DE6GH"]

    answers = [answer(client.get(url(code))) for code in codes]

    assert answers == [answers[0]] * len(codes)
    status, content, _headers, cookies = answers[0]
    assert status == 404
    assert b"This link no longer works" in content
    assert b"Chez" not in content
    assert cookies == []


@pytest.mark.parametrize(
    "destination",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:msgbox(1)",
        "file:///etc/passwd",
        "ftp://shop.example.com/file",
        "//evil.example/path",
        "///evil.example/path",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https:///evil.example",
        "https://",
        "http:\\\\evil.example",
        "https://shop.example.com\\@evil.example",
        "https://[evil",
        "/retarget/recover/abc/",
        "evil.example",
        "",
        " https://evil.example",
        "https://shop.example.com/\r\nSet-Cookie: sessionid=evil",
        "https://shop.example.com/\nLocation: https://evil.example",
        "https://shop.example.com/\r\r\n\r\n<script>alert(1)</script>",
        "https://shop.example.com/\u2028Set-Cookie: a=b",
        "https://shop.example.com/\x1b[2J",
        "https://shop.example.com/" + "a" * 20_000,
    ],
)
def test_a_destination_that_is_no_web_address_leads_nowhere(client, message, destination):
    link = make_link(message, destination)

    response = client.get(url(link.code), headers={"user-agent": BROWSER})

    assert response.status_code == 404
    assert not response.has_header("Location")
    assert not response.cookies


@pytest.mark.parametrize(
    "query",
    [
        "next=https://evil.example",
        "url=https://evil.example",
        "to=//evil.example",
        "redirect_uri=javascript:alert(1)",
        "destination=https%3A%2F%2Fevil.example%0d%0aSet-Cookie:a=b",
        "%0d%0aLocation:%20https://evil.example",
    ],
)
def test_nothing_in_the_request_changes_where_a_link_leads(client, link, query):
    response = client.get(
        f"{url(link.code)}?{query}",
        headers={
            "user-agent": BROWSER,
            "host": "evil.example",
            "x-forwarded-host": "evil.example",
            "x-original-url": "/evil",
            "referer": "https://evil.example/",
        },
    )

    assert response.headers["Location"] == DESTINATION
    assert "Set-Cookie" not in response.headers
    assert not any("\r" in value or "\n" in value for value in response.headers.values())


@pytest.mark.parametrize(
    "tail", ["%0d%0aSet-Cookie:%20a=b", "%0aLocation:%20https://evil.example", "%E5%98%8A%E5%98%8D", "%00"]
)
def test_line_breaks_in_a_code_reach_no_header(client, link, tail):
    response = client.get(f"/retarget/r/{link.code}{tail}", headers={"user-agent": BROWSER})

    assert response.status_code == 404
    assert not response.has_header("Location")
    assert not response.cookies
    assert not any("\r" in value or "\n" in value for value in response.headers.values())


def test_a_destination_in_another_script_is_sent_as_ascii(client, message):
    link = make_link(message, "https://shop.example.com/été/?q=déjà vu")

    response = client.get(url(link.code), headers={"user-agent": BROWSER})

    assert response.headers["Location"] == "https://shop.example.com/%C3%A9t%C3%A9/?q=d%C3%A9j%C3%A0%20vu"
