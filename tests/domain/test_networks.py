"""Which addresses are the world's."""

import pytest

from retarget_plugin.domain import networks


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"],
)
def test_what_anybody_can_reach_is_public(address):
    assert networks.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        # This machine, and no machine.
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::",  # noqa: S104
        # Neighbors: RFC 1918, RFC 6598, RFC 4193, link-local, once site-local.
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255", "169.254.0.1",
        "fd00::1", "fc00::1", "fe80::1", "fe80::1%eth0", "fec0::1",
        # What clouds tell their own machines.
        "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        # Many, nobody yet, and examples.
        "224.0.0.1", "239.255.255.250", "ff02::1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "2001:db8::1", "100::1", "4000::1",
        # IPv4 in other clothes.
        "::ffff:127.0.0.1", "::ffff:a00:1", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1",
        "2001:0:7f00:1::1",
    ],
)  # fmt: skip
def test_what_is_somebodys_own_is_not(address):
    assert not networks.is_public(address)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("LOCALHOST.", "127.0.0.1"),
        ("sub.localhost", "127.0.0.1"),
        ("shop.example", ""),
        ("10.0.0.1.example", ""),
        ("ｓｈｏｐ", ""),
        ("", ""),
    ],
)
def test_a_host_may_be_an_address_to_the_letter(host, address):
    assert networks.literal(host) == address


@pytest.mark.parametrize(
    ("entry", "may"),
    [
        ("sms.internal", True),
        ("SMS.internal.", True),
        ("10.1.2.3", True),
        ("10.1.0.0/16", True),
        ("10.1.2.3/16", True),
        ("0.0.0.0/0", True),
        ("internal", False),
        (".internal", False),
        ("10.1.2.4", False),
        ("10.2.0.0/16", False),
        ("::/0", False),
        ("", False),
    ],
)
def test_a_neighbor_is_reached_when_its_name_address_or_network_is_listed(entry, may):
    assert networks.may_reach("10.1.2.3", host="sms.internal", listed=(entry,)) is may


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://sms.example/v1", ""),
        ("http://10.0.0.1:8080", ""),
        ("", "must be a full http(s) URL."),
        ("sms.example", "must be a full http(s) URL."),
        ("ftp://sms.example", "must be a full http(s) URL."),
        ("http:///v1", "must be a full http(s) URL."),
        ("http://[::1", "must be a full http(s) URL."),
        ("http://sms.example:99999/", "must be a full http(s) URL."),
        (None, "must be a full http(s) URL."),
        ("https://user:secret@sms.example/", "must hold no user name and no password."),
    ],
)
def test_an_address_in_the_settings_is_whole_and_holds_no_password(url, problem):
    assert networks.url_problem(url) == problem
