"""One backtest in several processes, each of which plays its share of the people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from datetime import datetime
from multiprocessing import current_process, get_context
from typing import Any

from django.db import connection, connections
from django.utils.translation import gettext as _

from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Flow

from . import backtest
from .backtest import Outcome
from .histories import Share

#: The carts are read in each, so that more bring little; and what may be asked for, since each takes a connection.
MOST, LARGEST = 4, 16
#: Seconds between two looks at how far they are.
OFTEN = 0.5
#: How many carts each has played: a part of the memory that all of them share.
_played: Any = None


def processes() -> int:
    """How many can play at once, here and now: as many as there are processors, up to `MOST`.

    One where another would see another shop (inside a transaction), or cannot be had (a worker of Celery's, or no Linux).
    """
    if not sys.platform.startswith("linux") or current_process().daemon or connection.in_atomic_block:
        return 1
    return min(MOST, len(os.sched_getaffinity(0)))


def run(
    flow: Flow, *, since: datetime, until: datetime, count: int, watch: Callable[[int], None] = lambda carts: None
) -> Outcome:
    """As `backtest.run`, in `count` processes. Raises Refusal also when one of them is killed."""
    if count <= 1:
        return backtest.run(flow, since=since, until=until, watch=watch)
    context = get_context("fork")
    played = context.Array("Q", count)
    # A connection is one process's own.
    connections.close_all()
    with ProcessPoolExecutor(count, mp_context=context, initializer=_join, initargs=(played,)) as pool:
        parts = [pool.submit(_play, flow, since, until, Share(number, count)) for number in range(count)]
        left: set[Future[Outcome]] = set(parts)
        while left:
            _done, left = wait(left, timeout=OFTEN)
            watch(sum(played[:]))
        outcome = Outcome(flow, since, until)
        try:
            for part in parts:
                outcome.add(part.result())
        except BrokenProcessPool as error:
            raise Refusal(
                "killed", _("A process was killed, perhaps for want of memory. Play it in one: --processes 1.")
            ) from error
    return outcome


def _join(played: Any) -> None:
    global _played
    _played = played


def _play(flow: Flow, since: datetime, until: datetime, share: Share) -> Outcome:
    def tell(carts: int) -> None:
        _played[share.number] = carts

    with closing(connection):
        return backtest.run(flow, since=since, until=until, watch=tell, share=share)
