"""The Celery app of the fault tests, written as README tells a shop to write its own."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("faults", broker=os.environ["RETARGET_FAULTS_BROKER_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
app.conf.broker_connection_max_retries = None
app.autodiscover_tasks()


@app.on_after_finalize.connect
def ring(sender: Celery, **_: object) -> None:
    from retarget_plugin.tasks import beat_schedule

    sender.conf.beat_schedule = beat_schedule()
