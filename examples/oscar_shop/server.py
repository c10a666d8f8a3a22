"""The camera shop behind a port of this machine, in threads of this process."""

from __future__ import annotations

import threading
from types import TracebackType

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler


class QuietHandler(WSGIRequestHandler):
    """The demo tells its own story: requests are not logged."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server:
    """A running shop: `url` until `stop()`. Also a context manager."""

    def __init__(self, httpd: ThreadedWSGIServer) -> None:
        self._httpd = httpd
        self.port = httpd.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=httpd.serve_forever, name="shop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(port: int = 0) -> Server:
    """Starts the shop on 127.0.0.1 and returns at once; port 0 takes a free one. Needs `django.setup()` before."""
    # Not daemon threads: stop() waits for requests under way, so that no write is cut off.
    httpd = ThreadedWSGIServer(("127.0.0.1", port), QuietHandler)
    httpd.daemon_threads = False
    httpd.set_app(StaticFilesHandler(WSGIHandler()))
    return Server(httpd)
