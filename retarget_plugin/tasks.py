"""Celery entry points: a doorbell. The work is in the database, so a lost, late or doubled ring does no harm."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from retarget_plugin import conf
from retarget_plugin.engine import reconcile, runner
from retarget_plugin.models.clock import database_now


@shared_task(name="retarget_plugin.tick", ignore_result=True)
def ring_tick(*_: Any, **__: Any) -> None:
    """Do what is due, batch after batch, until nothing is or the next ring takes over."""
    runner.Runner(clock=database_now, pause=0.5).drain(seconds=conf.settings.TICK_SECONDS)


@shared_task(name="retarget_plugin.reconcile", ignore_result=True)
def ring_reconcile(*_: Any, **__: Any) -> None:
    """Find carts and orders whose events were lost."""
    reconcile.run(now=database_now())


def beat_schedule() -> dict[str, Any]:
    """Entries for the host's `CELERY_BEAT_SCHEDULE`. A ring that no worker heard before the next one is dropped, and one
    that never ends is ended, so that a message nobody can prepare costs no worker for good."""
    tick_seconds, reconcile_seconds = conf.settings.TICK_SECONDS, conf.settings.RECONCILE_SECONDS
    longest = 2 * conf.settings.LEASE_SECONDS
    tick = {
        "task": "retarget_plugin.tick",
        "schedule": tick_seconds,
        "options": {"expires": tick_seconds, "time_limit": tick_seconds + longest},
    }
    return {
        **{f"retarget_plugin.tick.{number}": tick for number in range(1, conf.settings.TICK_RINGS + 1)},
        "retarget_plugin.reconcile": {
            "task": "retarget_plugin.reconcile",
            "schedule": reconcile_seconds,
            "options": {"expires": reconcile_seconds, "time_limit": reconcile_seconds + longest},
        },
    }
