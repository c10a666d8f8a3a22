"""Connections to the world: once a name is resolved, only to addresses that are public or that the shop has listed."""

from __future__ import annotations

import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidURL
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util import parse_url
from urllib3.util.connection import allowed_gai_family

from retarget_plugin import conf
from retarget_plugin.domain import networks


class PrivateAddress(InvalidURL):
    """Nothing was sent: the host is, or resolves to, an address that is neither public nor listed. Its words may be shown."""


class _Refused(HTTPError):
    """PrivateAddress on its way through urllib3, which tries again after most others."""


class _Guarded:
    """Resolves once, and connects to what it has looked at: a resolver that changes its mind finds nobody listening."""

    _dns_host: str
    port: int
    proxy: Any

    def _new_conn(self) -> socket.socket:
        # A proxy is of the operator's choosing, and resolves for itself.
        if self.proxy is not None:
            return super()._new_conn()  # type: ignore[misc]
        *others, last = self._resolved()
        for address in (*others, last):
            _check(address, host=self._dns_host)
        for address in others:
            try:
                return self._connect_to(address)
            except HTTPError:
                continue
        return self._connect_to(last)

    def _connect_to(self, address: str) -> socket.socket:
        name, self._dns_host = self._dns_host, address
        try:
            return super()._new_conn()  # type: ignore[misc]
        finally:
            # TLS takes the name from here, for SNI and the certificate, once the connection stands.
            self._dns_host = name

    def _resolved(self) -> list[str]:
        host = self._dns_host.strip("[]")
        try:
            found = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NewConnectionError(self, "The name was not resolved.") from error  # type: ignore[arg-type]
        return [str(place[0]) for *_kind, place in found]


class GuardedHTTP(_Guarded, HTTPConnection):
    """Over plain HTTP."""


class GuardedHTTPS(_Guarded, HTTPSConnection):
    """Over TLS; the certificate is still that of the name."""


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = GuardedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = GuardedHTTPS


class GuardedAdapter(HTTPAdapter):
    """For every session that calls an address from a setting. Raises PrivateAddress, before anything is sent.

    Through a proxy of the environment only what is an address to the letter can be, and is, refused: names are resolved
    by the proxy, which is the operator's and has rules of its own.
    """

    pools: dict[str, Any] = {"http": _HTTPPool, "https": _HTTPSPool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, ProxyManager):
            manager.pool_classes_by_scheme = self.pools
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        host = parse_url(request.url or "").host or ""
        try:
            if address := networks.literal(host):
                _check(address, host=host)
            return super().send(request, *args, **kwargs)
        except _Refused as error:
            raise PrivateAddress(str(error), request=request) from error


def _check(address: str, *, host: str) -> None:
    """Raises _Refused. Where a name leads is not said: what a gateway or Saleor answers may be shown to strangers."""
    if not networks.may_reach(address, host=host, listed=conf.settings.PRIVATE_HOSTS):
        raise _Refused(f'{host} is at no public address. If it is yours, add it to RETARGET["PRIVATE_HOSTS"].')
