"""Which network addresses belong to the whole world, and which to somebody's own machines."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

#: All of IPv6 that is given out for the world (RFC 4291, section 2.4, and IANA's registry).
_WORLD = ip_network("2000::/3")
#: Where a translator makes IPv4 of the last 32 bits (RFC 6052, section 2.1).
_NAT64 = ip_network("64:ff9b::/96")
#: Where clouds answer their own machines, though the ranges may pass for public (Azure's; Oracle's, in RFC 6890).
_CLOUDS_OWN = (ip_network("168.63.129.16"), ip_network("192.0.0.0/24"))

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")


def is_public(address: str) -> bool:
    """Whether `address`, as resolvers write it, is anybody's in the world to reach.

    IPv4 inside IPv6 (mapped, 6to4, NAT64) counts as the IPv4 it leads to. Raises ValueError for what is no address.
    """
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or _translated(found)
        return is_public(str(inner)) if inner else found in _WORLD and found.is_global
    return found.is_global and not found.is_multicast and not any(found in network for network in _CLOUDS_OWN)


def literal(host: str) -> str:
    """The address that a URL's host is to the letter, in all spellings resolvers take (127.1, 0x7f000001); "" for a name.

    `localhost` and what ends in it is no name (RFC 6761, section 6.3).
    """
    name = _plain(host)
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ip_address(name))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, UnicodeError):
        return ""


def url_problem(url: object) -> str:
    """Why an address in the settings can never be called, to follow the option's name; "" where it can."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "must be a full http(s) URL."
    if not is_whole:
        return "must be a full http(s) URL."
    # What stands before the @ is read as the host by some and as a password by others.
    return "must hold no user name and no password." if "@" in parts.netloc else ""


def may_reach(address: str, *, host: str, listed: Iterable[str]) -> bool:
    """Whether `address`, which `host` is or resolves to, is public or listed: under that name, as itself or by its network."""
    return is_public(address) or is_listed(address, host=host, listed=listed)


def is_listed(address: str, *, host: str, listed: Iterable[str]) -> bool:
    """Whether `host` is listed as a name, or its `address` as itself or by its network."""
    return any(_is_meant(entry, address=address, host=host) for entry in listed)


def is_entry(entry: object) -> bool:
    """Whether `entry` can be listed: a host's name, an address or a network; no URL, and no port."""
    if not isinstance(entry, str):
        return False
    try:
        ip_network(_plain(entry), strict=False)
    except ValueError:
        return _NAME.fullmatch(entry) is not None
    return True


def _is_meant(entry: str, *, address: str, host: str) -> bool:
    try:
        return ip_address(address) in ip_network(_plain(entry), strict=False)
    except ValueError:
        return _plain(entry) == _plain(host)


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _translated(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
