"""Celery entry points: a doorbell. The work is in the database, so a lost, late or doubled ring does no harm."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task

from retarget_plugin import conf
from retarget_plugin.engine import carts, tick
from retarget_plugin.models.clock import database_now


@shared_task(name="retarget_plugin.tick", ignore_result=True)
def ring_tick() -> None:
    """Do what is due, batch after batch, until nothing is or the next ring takes over."""
    until = time.monotonic() + conf.settings.TICK_SECONDS
    while tick.once(now=database_now()) and time.monotonic() < until:
        pass


@shared_task(name="retarget_plugin.reconcile", ignore_result=True)
def ring_reconcile() -> None:
    """Find carts and orders whose events were lost."""
    carts.reconcile(now=database_now())


def beat_schedule() -> dict[str, Any]:
    """Entries for the host's `CELERY_BEAT_SCHEDULE`. A ring that no worker heard before the next one is dropped."""
    tick_seconds, reconcile_seconds = conf.settings.TICK_SECONDS, conf.settings.RECONCILE_SECONDS
    return {
        "retarget_plugin.tick": {
            "task": "retarget_plugin.tick",
            "schedule": tick_seconds,
            "options": {"expires": tick_seconds},
        },
        "retarget_plugin.reconcile": {
            "task": "retarget_plugin.reconcile",
            "schedule": reconcile_seconds,
            "options": {"expires": reconcile_seconds},
        },
    }
