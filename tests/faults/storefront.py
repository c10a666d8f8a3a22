"""The tiny shop as a process of its own, and shoppers who are busy in it all the while."""

from __future__ import annotations

import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import requests

from tests.fakes.web import closed_port
from tests.percentiles import percentile

from .rig import Rig

PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Request:
    """One request of a shopper. `status` is 0 where no answer came; `at` is an instant of `time.monotonic`."""

    email: str
    page: str
    at: float
    seconds: float
    status: int

    @property
    def is_answered(self) -> bool:
        return self.status in (200, 302)


class Storefront:
    """The shop's web server on a rig's database while the context lasts; `keeps_connections` to the database, or not."""

    def __init__(self, rig: Rig, *, keeps_connections: bool = False) -> None:
        self._rig, self._port, self._keeps = rig, closed_port(), keeps_connections
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._process = self._rig.spawn(__name__, str(self._port), *["--keep"] * self._keeps)
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._is_open():
            if self._process.returncode is not None or time.monotonic() > until:
                raise RuntimeError(f"the shop does not open:\n{self._rig.output()[-3000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)

    def _is_open(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


class Shoppers:
    """While the context lasts, `rate` people a second each fill a cart and give their address; every fourth one buys.

    `requests` is what they did, in order of its end.
    """

    def __init__(self, storefront: Storefront, *, rate: float, threads: int = 4) -> None:
        self.requests: list[Request] = []
        self._url, self._pause = storefront.url, threads / rate
        self._leaving = threading.Event()
        self._threads = [threading.Thread(target=self._stroll, daemon=True) for _thread in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def missing(self, rig: Rig) -> list[str]:
        """Who was told that the shop has their cart or their order, while the plugin knows nothing of it."""
        captured = {
            "checkout": "SELECT basket.email FROM shop_basket basket JOIN retarget_plugin_cart cart "
            "ON cart.reference = CAST(basket.id AS TEXT)",
            "buy": "SELECT purchase.email FROM shop_purchase purchase JOIN retarget_plugin_order bought "
            "ON bought.reference = CAST(purchase.id AS TEXT)",
        }
        return sorted(
            f"{page} {email}"
            for page, query in captured.items()
            for email in self._told(page) - {email for (email,) in rig.rows(query)}
        )

    def _told(self, page: str) -> set[str]:
        return {request.email for request in self.requests if request.page == page and request.is_answered}

    def since(self, start: float, until: float = float("inf")) -> list[Request]:
        """The requests that began in [start, until), instants of `time.monotonic`."""
        return [request for request in self.requests if start <= request.at < until]

    def _stroll(self) -> None:
        visits, begin = 0, time.monotonic()
        with requests.Session() as browser:
            while not self._leaving.is_set():
                visits += 1
                self._visit(browser, has_money=visits % 4 == 0)
                # Who was kept waiting does not hurry afterwards.
                begin = max(begin + self._pause, time.monotonic() - self._pause)
                self._leaving.wait(max(0.0, begin - time.monotonic()))

    def _visit(self, browser: requests.Session, *, has_money: bool) -> None:
        """Somebody new, on the connection of whoever came before."""
        browser.cookies.clear()
        email = f"visitor-{uuid.uuid4().hex}@example.com"
        pages = [("add", "add/1/", {}), ("checkout", "checkout/", {"email": email})]
        if has_money:
            pages.append(("buy", "checkout/", {"buy": "1"}))
        for page, path, form in pages:
            if not self._ask(browser, email, page, path, form):
                return

    def _ask(self, browser: requests.Session, email: str, page: str, path: str, form: dict[str, str]) -> bool:
        begun = time.monotonic()
        try:
            answer = browser.post(f"{self._url}/{path}", form, allow_redirects=False, timeout=PATIENCE_SECONDS)
            status = answer.status_code
        except requests.RequestException:
            status = 0
        request = Request(email, page, begun, time.monotonic() - begun, status)
        self.requests.append(request)
        return request.is_answered


def p95(requests: Iterable[Request]) -> float:
    """Seconds within which 95 % of them were answered."""
    return percentile((request.seconds for request in requests), 0.95)


def main(port: str, *options: str) -> None:
    import django
    from django.conf import settings

    if "--keep" in options:
        settings.DATABASES["default"]["CONN_MAX_AGE"] = None
    django.setup()

    from examples.oscar_shop.server import serve

    with serve(int(port)):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
