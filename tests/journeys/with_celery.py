"""Tells the demo's main story with real workers: `python -m tests.journeys.with_celery`, addresses from the environment.

The clock of a database server cannot be moved. Instead everything that happened is made older, which comes to the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from examples.oscar_shop import __main__ as demo
from examples.oscar_shop.inbox import Inbox, free_port
from tests import awake

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 40


class AgingClock:
    """`advance` makes every row older by that much; `settle` waits until the workers have left nothing due."""

    def __init__(self) -> None:
        self.passed = timedelta()

    @property
    def shown(self) -> str:
        return f"t0 + {self.passed}"

    def advance(self, **delta: float) -> None:
        from django.apps import apps
        from django.db import OperationalError

        age = timedelta(**delta)
        # Whether this database's own past came back is asked of the installation: its past must not move.
        models = [m for m in apps.get_app_config("retarget_plugin").get_models() if m.__name__ != "Installation"]
        models += [apps.get_model(name) for name in ("basket.Basket", "basket.Line", "order.Order")]
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._age(models, age)
            except OperationalError:
                # A worker writes just now, and whoever waited for it with some rows in hand could wait for ever.
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                break
        self.passed += age

    def _age(self, models: list[Any], age: timedelta) -> None:
        from django.apps import apps
        from django.db import connection, transaction
        from django.db.models import DateTimeField, F

        quote = connection.ops.quote_name
        tables = ", ".join(quote(model._meta.db_table) for model in models)
        evidence = quote(apps.get_model("retarget_plugin.ConsentRecord")._meta.db_table)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {tables} IN EXCLUSIVE MODE NOWAIT")
            # Nothing rewrites evidence, not even the time; here it must pass for it too.
            cursor.execute(f"ALTER TABLE {evidence} DISABLE TRIGGER USER")
            for model in models:
                moments = [field.name for field in model._meta.local_fields if isinstance(field, DateTimeField)]
                if moments:
                    model._base_manager.update(**{name: F(name) - age for name in moments})
            cursor.execute(f"ALTER TABLE {evidence} ENABLE TRIGGER USER")

    def settle(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        quiet = 0
        while quiet < 3:
            if time.monotonic() > until:
                raise RuntimeError(f"the workers left something due: {self.due()}")
            quiet = quiet + 1 if not any(self.due().values()) else 0
            time.sleep(0.3)

    def sleep(self) -> None:
        """This shop texts at any hour."""

    def due(self) -> dict[str, int]:
        from retarget_plugin.models import Cart, FlowRun, Message, Order, Shop
        from retarget_plugin.models.clock import database_now

        now, shop = database_now(), Shop.objects.get()
        return {
            "carts": Cart.objects.idle(shop, now=now).count(),
            "runs": FlowRun.objects.filter(state="active", due_at__lte=now).count(),
            "messages": Message.objects.filter(state="scheduled", due_at__lte=now).count(),
            "in hand": Message.objects.filter(state__in=("claimed", "attempting")).count(),
            "orders": Order.objects.filter(settled_at=None).count(),
        }


def main() -> int:
    inbox = Inbox().open()
    port = free_port(0)
    os.environ.update(
        RETARGET_DEMO_URL=f"http://127.0.0.1:{port}",
        RETARGET_DEMO_SMS_URL=f"{inbox.url}/sms",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=str(inbox.smtp_port),
    )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.oscar_shop.settings")
    demo.prepare()

    from django.conf import settings

    from examples.oscar_shop.abandoned_checkout import AbandonedCheckout
    from examples.oscar_shop.server import serve
    from retarget_plugin.domain import whereabouts

    number = awake.number_of(1, now=datetime.now(UTC))
    text_at_any_hour(whereabouts.country_of(number))
    settings.DATA.mkdir(parents=True, exist_ok=True)
    crew: list[subprocess.Popen[bytes]] = []
    try:
        crew += [start("worker", "--concurrency=2", "-n", f"{name}@%h") for name in ("one", "two")]
        crew.append(start("beat", "--schedule", str(settings.DATA / "beat")))
        with serve(port) as server:
            story = AbandonedCheckout(url=server.url, inbox=inbox, clock=AgingClock(), number=number)
            return 0 if demo.play(story) else 1
    finally:
        for process in crew:
            process.terminate()
        for process in crew:
            process.wait(20)
        inbox.close()


def text_at_any_hour(country: str) -> None:
    """The test runs at any hour of any day, so this shop texts at all of them, and asks nobody twice."""
    from retarget_plugin.domain.vocabulary import Channel, Waiver
    from retarget_plugin.engine import overrides
    from retarget_plugin.models import Shop
    from retarget_plugin.models.clock import database_now

    Shop.objects.update(sms_from="00:00", sms_until="00:00", sms_on_sundays=True, sms_on_holidays=True)
    for channel in Channel:
        overrides.make(
            Shop.objects.get(),
            country=country,
            channel=channel,
            waiver=Waiver.UNCONFIRMED,
            reason="A test: she answers from where it is day.",
            by=None,
            now=database_now(),
        )


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "-A", "examples.oscar_shop.celery", *arguments, "--loglevel=WARNING"]
    return subprocess.Popen(command, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
