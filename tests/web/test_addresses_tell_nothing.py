"""No address that we make holds an e-mail address, a number or a name, and none is passed on to other sites."""

import re
from html import unescape
from urllib.parse import unquote, urlsplit

import pytest
from django.test import Client

from retarget_plugin.models import Link
from tests.web import addresses
from tests.web.test_preferences import offers as offers  # a fixture

LINK = re.compile(r"""(?:href|src|action|formaction|content)=["']([^"']*)["']""")


@pytest.fixture
def places(settings, link, cart, message, products, offers):
    settings.RETARGET = settings.RETARGET | {"HEALTH_TOKEN": "t0ken"}
    found = addresses.public(cart, message, link)
    # The sender's number behind ours is written by the gateway, by its own rules.
    return {**found, "receipts": [url for url in found["receipts"] if "From=" not in url]}


def crawl(client, places):
    """Every address on every page that can be reached by links, and the answers on the way: {address: response}."""
    found, ahead = {}, [url for urls in places.values() for url in urls]
    while ahead:
        url = ahead.pop()
        if url in found:
            continue
        found[url] = response = client.get(url)
        body = response.content.decode(errors="replace") if not response.streaming else ""
        links = [unescape(link) for link in LINK.findall(body)] if "html" in response.headers["Content-Type"] else []
        if location := response.headers.get("Location"):
            links.append(location)
        for link in links:
            if link.startswith("/retarget/"):
                ahead.append(link)
            elif link and link not in found:
                found.setdefault(link, None)
    return found


@pytest.mark.promise
def test_no_address_holds_personal_data(client, contact, places, promise):
    secrets = [contact.email, "camille", "durand", "lefèvre", contact.phone, "612345678", contact.postcode]

    found = crawl(client, places)
    stored = list(Link.objects.values_list("destination", flat=True))

    written = [unquote(unquote(url)).lower() for url in [*found, *stored]]
    told = [url for url in written if any(secret.lower() in url for secret in secrets)]
    answers = [response for response in found.values() if response is not None]
    policies = {response.headers.get("Referrer-Policy") for response in answers if response.status_code == 200}
    promise(
        "P21",
        run=f"{len(answers)} pages crawled, {len(written)} addresses read",
        figure=f"{len(told)} with personal data; Referrer-Policy {', '.join(sorted(map(str, policies)))}",
        bar="0; never sent to another site",
        holds=told == [] and policies <= {"same-origin", "no-referrer"} and len(answers) > len(places),
    )


def test_the_pages_show_no_personal_data_either(client, contact, places):
    secrets = [contact.email, contact.first_name, contact.last_name, contact.phone, contact.postcode]

    pages = {
        url: answer for url, answer in crawl(client, places).items() if answer is not None and not answer.streaming
    }

    told = [
        url for url, answer in pages.items() for secret in secrets if secret in answer.content.decode(errors="replace")
    ]
    assert told == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:99999", "shop.example.com@evil.example", "a..b", ""])
def test_the_host_header_has_no_say_in_any_link(client, contact, places, host):
    """A27: absolute addresses come from the settings and the shop's row, never from the request."""
    found = {}
    for urls in places.values():
        for url in urls:
            response = Client(raise_request_exception=False).get(url, headers={"host": host} if host else {})
            body = b"" if response.streaming else response.content
            found[url] = (response.status_code, b"evil" in body or "evil" in response.headers.get("Location", ""))

    assert {url: seen for url, seen in found.items() if seen[0] >= 500 or seen[1]} == {}


def test_links_that_leave_the_shop_carry_no_referrer(client, places):
    for url, response in crawl(client, places).items():
        if response is None or response.streaming or "html" not in response.headers["Content-Type"]:
            continue
        for tag in re.findall(r"<a [^>]+>", response.content.decode()):
            target = unescape(LINK.search(tag)[1])
            if urlsplit(target).scheme in ("http", "https"):
                assert "noreferrer" in tag, (url, tag)
