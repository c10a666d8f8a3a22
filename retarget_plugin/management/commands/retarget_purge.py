"""`retarget_purge`: remove now what is past its time; workers do it by themselves once a day."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from retarget_plugin.engine import retention
from retarget_plugin.models.clock import database_now


class Command(BaseCommand):
    help = "Remove what is older than RETARGET['RETENTION'] allows (retarget_inventory prints the days)."

    def handle(self, *args: Any, **options: Any) -> None:
        done = retention.purge(database_now())
        for kind, count in sorted(done.items()):
            self.stdout.write(f"{kind:<12}{count:>10}")
        self.stdout.write(f"{sum(done.values())} rows removed or emptied.")
