"""Processes that start in an instant and die with the test: forked from one that has Django in memory.

A nursery forks `python -m MODULE ARGUMENTS` at a line of JSON on its standard input and signals its children at
another. It tells of every child that starts, stops, goes on or ends. When its input closes, however the test ended, it
kills what is left.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
# What a worker would import at its first message.
PRELOADED = (
    "retarget_plugin.management.commands.retarget_tick",
    "liquid",
    "mjml",
    "phonenumbers",
    "babel.numbers",
    "holidays",
)


class Worker:
    """A process of the rig. `returncode` is None while it runs, and below zero where a signal ended it."""

    def __init__(self, nursery: Nursery, pid: int, output: Path) -> None:
        self.pid, self.output = pid, output
        self.returncode: int | None = None
        self.is_frozen = False
        #: How `Rig.start` made it, for the one that takes its place.
        self.made_with: dict[str, Any] = {}
        #: time.monotonic() of its start and its end.
        self.started_at, self.ended_at = time.monotonic(), 0.0
        self._nursery = nursery

    def is_ready_to_leave(self) -> bool:
        """Whether a SIGTERM now is heard by the process itself, and does not end it in the middle of its start."""
        status = Path(f"/proc/{self.pid}/status").read_text() if self.returncode is None else ""
        caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def wait(self, seconds: float = 60) -> int:
        """Its return code. Raises TimeoutError when it runs longer."""
        if not self._nursery.wait_for(lambda: self.returncode is not None, seconds):
            raise TimeoutError(f"process {self.pid} still runs after {seconds} s")
        assert self.returncode is not None
        return self.returncode

    def _signal(self, number: signal.Signals) -> None:
        # By the parent, which alone knows that the number is still this process.
        self._nursery.tell(signal=int(number), pid=self.pid)


class Nursery:
    """Starts processes under one environment: `nursery.start("django", "retarget_tick", output=path)`."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._news = threading.Condition()
        self.workers: dict[int, Worker] = {}
        self._folder = folder
        self._newborn: list[int] = []
        self._lock = threading.RLock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "nursery.log").open("a"),
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(30)

    def start(self, module: str, *arguments: str, output: Path, **environment: str) -> Worker:
        with self._lock:
            self.tell(module=module, arguments=arguments, output=str(output), environment=environment)
            if not self.wait_for(lambda: self._newborn, 60):
                raise RuntimeError(
                    f"the nursery does not answer:\n{(self._folder / 'nursery.log').read_text()[-3000:]}"
                )
            return self.workers[self._newborn.pop()]

    def tell(self, **order: Any) -> None:
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def wait_for(self, predicate: Callable[[], Any], seconds: float) -> bool:
        """Until something told by a process makes `predicate` true; False where nothing does."""
        with self._news:
            return bool(self._news.wait_for(predicate, seconds))

    def _listen(self) -> None:
        for line in self._process.stdout:  # type: ignore[union-attr]
            told = json.loads(line)
            with self._news:
                self._note(**told)
                self._news.notify_all()

    def _note(self, pid: int, event: str, code: int = 0, output: str = "") -> None:
        match event:
            case "started":
                self.workers[pid] = Worker(self, pid, Path(output))
                self._newborn.append(pid)
            case "ended":
                self.workers[pid].returncode, self.workers[pid].ended_at = code, time.monotonic()
            case _:
                self.workers[pid].is_frozen = event == "stopped"


# --- the nursery's side ----------------------------------------------------------------------------------------


def main() -> None:
    import django

    django.setup()
    for name in PRELOADED:
        importlib.import_module(name)
    living: set[int] = set()
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    # The handler only rings: children are looked after between two orders, and never in the middle of one.
    signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    # Unbuffered, so that what has arrived and what `select` sees are the same.
    orders = os.fdopen(0, "rb", buffering=0, closefd=False)
    while True:
        ready, _, _ = select.select([orders, bell], [], [])
        if bell in ready:
            os.read(bell, 4096)
            _look_after(living)
        if orders in ready:
            line = orders.readline()
            if not line:
                break
            if (mine := _obey(json.loads(line), living)) is not None:
                return _live(**mine)
    for pid in living:
        _kill_group(pid)


def _obey(order: dict[str, Any], living: set[int]) -> dict[str, Any] | None:
    """Do as told. In a new child, the order is the answer: its life."""
    if "signal" in order:
        if order["pid"] in living:
            os.kill(order["pid"], order["signal"])
        return None
    pid = os.fork()
    if not pid:
        return order
    living.add(pid)
    _say(pid=pid, event="started", output=order["output"])
    return None


def _look_after(living: set[int]) -> None:
    for pid in list(living):
        # Looked at before it is reaped: until then its number, and its group's, belong to nobody else.
        seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOHANG | os.WNOWAIT)
        if seen is None:
            continue
        if seen.si_code in (os.CLD_STOPPED, os.CLD_CONTINUED):
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
            _say(pid=pid, event="stopped" if seen.si_code == os.CLD_STOPPED else "continued")
            continue
        _kill_group(pid)
        _pid, status = os.waitpid(pid, 0)
        living.discard(pid)
        _say(pid=pid, event="ended", code=os.waitstatus_to_exitcode(status))


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _say(**event: Any) -> None:
    os.write(1, json.dumps(event).encode() + b"\n")


def _live(module: str, arguments: list[str], output: str, environment: dict[str, str]) -> None:
    """The child's own life, from its own process group to its end."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out, nothing = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, out), (2, out)):
        os.dup2(source, number)
    # What was written before a SIGKILL is read too.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
