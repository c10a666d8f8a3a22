"""Who is asking, as far as a request shows it: from where, in which shop, man or machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.http import HttpRequest

from retarget_plugin import conf
from retarget_plugin.domain import machines
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Shop

#: One connection at home or in the pocket has a whole network of this length, and may use any address in it.
IPV6_PREFIX = 64
#: The longest text that is an address, with a zone and a port.
LONGEST = 80


def address(request: HttpRequest) -> str:
    """The network a request came from, to count by: an IPv4 address, the /64 of an IPv6 one, or "" when it shows none.

    Of X-Forwarded-For only what the site's own TRUSTED_PROXY_COUNT proxies have written is believed; they append, so
    theirs is at the end and whatever a client made up is before it.
    """
    proxies = conf.settings.TRUSTED_PROXY_COUNT
    hops = request.headers.get("X-Forwarded-For", "").rsplit(",", proxies) if proxies else []
    # With fewer hops than proxies the request did not come through all of them, and nothing in the header is theirs.
    heard = hops[-proxies].strip() if len(hops) >= proxies > 0 else ""
    return _network(heard or request.META.get("REMOTE_ADDR", ""))


def shop_of(request: HttpRequest) -> Shop:
    """The shop whose page this is: the only one there is, else the one whose storefront has the request's host.

    Raises Refusal("no_shop") when none or several could be meant. Nothing else is taken from the Host header.
    """
    shops = list(Shop.objects.order_by("pk"))
    if len(shops) > 1:
        host = request.get_host().lower()
        shops = [shop for shop in shops if urlsplit(shop.base_url).netloc.lower() == host]
    if len(shops) != 1:
        raise Refusal("no_shop")
    return shops[0]


def is_machine(request: HttpRequest) -> bool:
    """True when the request says by itself that no person made it. Whether it behaves like one is the engine's to see."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return machines.says_so(user_agent=headers.get("user-agent", ""), headers=headers)


def _network(heard: str) -> str:
    if len(heard) > LONGEST:
        return ""
    try:
        found = ipaddress.ip_address(_without_port(heard))
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        # An IPv4 client in IPv6 clothes is one client, not a network of 2**64.
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None:
            return str(ipaddress.IPv6Network((int(found), IPV6_PREFIX), strict=False))
        found = inner
    return str(found)


def _without_port(heard: str) -> str:
    """Some proxies write the client's port too: 192.0.2.1:4711, [2001:db8::1]:4711."""
    if heard.startswith("["):
        return heard[1:].partition("]")[0]
    return heard.partition(":")[0] if heard.count(":") == 1 else heard
