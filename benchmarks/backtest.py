"""`python -m benchmarks.backtest [--carts N]`: how long a backtest of a real django-oscar takes, and how much memory.

The camera shop of `./run demo` gets a made-up past on a PostgreSQL of its own: N / 10 baskets, and then N. Over each of both a
flow is played by the shop's own command, which takes as many processes as there are processors, up to four.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

CARTS, FLOW = 100_000, "abandoned-cart"
#: What is promised: seconds for all of them, and the memory of ten times as many carts over that of a tenth.
MOST_SECONDS, MOST_GROWTH = 60, 1.1


@dataclass(frozen=True)
class Run:
    """What one backtest printed, and what it took: by the clock, of processors, and `peak` of memory in its largest process,
    in MiB."""

    carts: int
    printed: str
    seconds: float
    processor: float
    peak: float


def play(carts: int, flow: str) -> Run:
    """Run the command as a shop would, and read from the system what it took."""
    command = [sys.executable, "-m", "django", "retarget_backtest", flow, "--since", "2000-01-01"]
    with tempfile.TemporaryFile("w+") as out:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out)
        _pid, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        out.seek(0)
        return Run(carts, out.read(), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def open_shop() -> None:
    from tests import services

    os.environ.update(
        DJANGO_SETTINGS_MODULE="examples.oscar_shop.settings",
        RETARGET_DEMO_DATABASE_URL=services.start_postgres(durable=False),
        RETARGET_DEMO_DATA=tempfile.mkdtemp(prefix="retarget-past-"),
        RETARGET_DEMO_URL="http://127.0.0.1:8000",
    )
    from examples.oscar_shop.__main__ import prepare

    prepare()


def fill(carts: int) -> None:
    from django.db import connection
    from django.utils import timezone

    from examples.oscar_shop import past
    from retarget_plugin.models import Shop

    past.fill(Shop.objects.get(), carts=carts, until=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def measure(carts: int, flow: str) -> list[Run]:
    runs = []
    for more, so_far in ((carts // 10, carts // 10), (carts - carts // 10, carts)):
        began = time.monotonic()
        fill(more)
        print(f"{so_far:,} past baskets ({time.monotonic() - began:.0f} s to make them up)", flush=True)
        runs.append(play(so_far, flow))
    return runs


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest", description=__doc__)
    parser.add_argument("--carts", type=int, default=CARTS, help=f"how many to make up; {CARTS:,} without")
    parser.add_argument("--flow", default=FLOW, help=f"which flow is played; {FLOW} without")
    options = parser.parse_args(arguments)
    print("Opening a camera shop ...", flush=True)
    open_shop()
    few, many = measure(options.carts, options.flow)
    print(f"\n{many.printed}")
    for run in (few, many):
        print(
            f"{run.carts:>9,} carts{run.seconds:>8.1f} s ({run.processor:.1f} of processors){run.peak:>7.0f} MiB a process"
        )
    growth = many.peak / few.peak
    is_fast, is_flat = many.seconds <= MOST_SECONDS, growth <= MOST_GROWTH
    print(f"time{many.seconds:>8.1f} s   bar {MOST_SECONDS} s   {'yes' if is_fast else 'NO'}")
    print(f"memory, ten times the carts{growth:>8.2f}   bar {MOST_GROWTH}   {'yes' if is_flat else 'NO'}")
    return 0 if is_fast and is_flat else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
