"""Where a request comes from is what our own proxies say; which shop it means, what the shop's owner set."""

import pytest
from django.test import RequestFactory

from retarget_plugin.exceptions import Refusal
from retarget_plugin.testing import build_shop
from retarget_plugin.web import clients

request = RequestFactory()


def address(settings, *, proxies, peer="198.51.100.7", forwarded=None):
    settings.RETARGET = settings.RETARGET | {"TRUSTED_PROXY_COUNT": proxies}
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return clients.address(request.get("/", headers=headers, REMOTE_ADDR=peer))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, None, "198.51.100.7"),
        (0, "203.0.113.9", "198.51.100.7"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "192.0.2.1, 203.0.113.9", "203.0.113.9"),
        (2, "192.0.2.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        # Not through both proxies: what the header says is the client's own invention.
        (2, "203.0.113.9", "198.51.100.7"),
        (1, "", "198.51.100.7"),
        (1, None, "198.51.100.7"),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8:0:1::7]:4711", "2001:db8:0:1::/64"),
        (1, "unknown", ""),
        (1, "1" * 1_000_000, ""),
        (1, "," * 1_000_000 + "203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.9\x00", ""),
        (1, "٢٠٣.0.113.9", ""),
    ],
)
def test_only_the_sites_own_proxies_are_believed(settings, proxies, forwarded, expected):
    assert address(settings, proxies=proxies, forwarded=forwarded) == expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2002:c000:201:7::1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_a_network_that_one_client_owns_is_one_address(settings, peer, expected):
    assert address(settings, proxies=0, peer=peer) == expected


@pytest.mark.django_db
def test_the_only_shop_is_meant_whatever_the_host_header_says():
    shop = build_shop()

    assert clients.shop_of(request.get("/", headers={"host": "evil.example"})) == shop


@pytest.mark.django_db
def test_of_several_shops_the_one_with_this_storefront_is_meant():
    build_shop()
    other = build_shop(scope="b", base_url="https://b.example")

    assert clients.shop_of(request.get("/", headers={"host": "B.example"})) == other
    with pytest.raises(Refusal, match="no_shop"):
        clients.shop_of(request.get("/", headers={"host": "evil.example"}))


@pytest.mark.parametrize(
    ("headers", "is_machine"),
    [
        ({"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}, False),
        ({"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0)", "sec-purpose": "prefetch;prerender"}, True),
        ({"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, True),
        ({}, True),
    ],
)
def test_machines_that_say_so_are_believed(headers, is_machine):
    assert clients.is_machine(request.post("/", headers=headers)) is is_machine
