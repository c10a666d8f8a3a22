"""The shop's Celery app: `celery -A examples.oscar_shop.celery worker`, and `... beat` once."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.oscar_shop.settings")

app = Celery("oscar_shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
# A broker that is away for long ends no worker: what is due stands in the database.
app.conf.update(broker_connection_retry_on_startup=True, broker_connection_max_retries=None)
app.autodiscover_tasks()


@app.on_after_finalize.connect
def ring(sender: Celery, **_: object) -> None:
    """The plugin's entries in the schedule. A shop with a CELERY_BEAT_SCHEDULE of its own adds them there."""
    from retarget_plugin.tasks import beat_schedule

    sender.conf.beat_schedule = beat_schedule()
