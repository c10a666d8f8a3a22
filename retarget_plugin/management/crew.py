"""A crew: so many worker processes, each started again when it ends before its time."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence

#: Seconds before a worker that ended is started again, so that one that cannot start costs little.
PAUSE = 1.0


class Crew:
    """Runs `command` in `size` processes until SIGTERM or SIGINT, which are handed on; then waits for all of them."""

    def __init__(self, command: Sequence[str], *, size: int, say: Callable[[str], object]) -> None:
        self._command, self._size, self._say = list(command), size, say
        self._workers: list[subprocess.Popen[bytes]] = []
        self._is_stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._workers = [self._start() for _worker in range(self._size)]
        while not self._is_stopping:
            time.sleep(PAUSE)
            self._replace_the_lost()
        self._stop()
        for worker in self._workers:
            worker.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # Our own command line, as it was typed.
        return subprocess.Popen(self._command)  # noqa: S603

    def _replace_the_lost(self) -> None:
        for place, worker in enumerate(self._workers):
            if worker.poll() is not None and not self._is_stopping:
                self._say(f"Worker {worker.pid} ended with status {worker.returncode}; another takes its place.")
                self._workers[place] = self._start()

    def _stop(self, *_: object) -> None:
        self._is_stopping = True
        for worker in self._workers:
            if worker.poll() is None:
                worker.terminate()
