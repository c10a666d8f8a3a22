"""`retarget_stop`: the stop button. Nothing leaves any more, for any shop, until `retarget_resume`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from retarget_plugin.engine import installation
from retarget_plugin.models.clock import database_now


class Command(BaseCommand):
    help = "Stop all sending at once. What is due waits; nothing is lost."

    def handle(self, *args: Any, **options: Any) -> None:
        installation.stop(by="retarget_stop", now=database_now())
        self.stdout.write("All sending is stopped. Start it again with retarget_resume.")
