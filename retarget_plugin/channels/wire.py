"""HTTP as requests does it, watched: a failed request tells whether any byte of it had left."""

from __future__ import annotations

import logging
import threading
from typing import Any

import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from retarget_plugin import dialing, failpoints


class _Progress(threading.local):
    """What this thread's request is doing. requests is synchronous, so there is one at a time."""

    is_sending = False
    is_connecting = False
    has_left = False


_progress = _Progress()


def forget() -> None:
    """Start afresh: nothing of this thread's next request has left."""
    _progress.has_left = False


def request_has_left() -> bool:
    """Whether a byte of a watched request has left this thread since `forget()`."""
    return _progress.has_left


class _Watched:
    """Notes the first byte after the connection stands; a proxy's CONNECT and the TLS handshake do not count."""

    sock: Any
    auto_open: Any

    def connect(self) -> None:
        _progress.is_connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _progress.is_connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        if not _progress.is_connecting and not _progress.has_left:
            failpoints.reach("before_first_byte")
            _progress.has_left = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        failpoints.reach("after_body_sent")
        return super().getresponse()  # type: ignore[misc]


class _WatchedHTTP(_Watched, dialing.GuardedHTTP):
    pass


class _WatchedHTTPS(_Watched, dialing.GuardedHTTPS):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


class WatchedAdapter(dialing.GuardedAdapter):
    """Sets `request_has_left` on every exception of requests it raises; see `answers.has_left`.

    While it sends, urllib3 logs nothing: its lines hold paths and queries, and those may hold numbers and texts.
    """

    pools = {"http": _HTTPPool, "https": _HTTPSPool}

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        _progress.has_left, _progress.is_sending = False, True
        try:
            return super().send(*args, **kwargs)
        except requests.RequestException as error:
            error.request_has_left = _progress.has_left  # type: ignore[attr-defined]
            raise
        finally:
            _progress.is_sending = False


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _progress.is_sending


_quiet = _Quiet()
for _name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_quiet)
