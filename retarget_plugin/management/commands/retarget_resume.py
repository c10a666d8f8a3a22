"""`retarget_resume`: send again, after the stop button or after a restored backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from retarget_plugin.engine import erasures, installation
from retarget_plugin.models.clock import database_now


class Command(BaseCommand):
    help = "Send again. After a restored backup, what was due meanwhile may have been sent and is left for staff."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--original",
            action="store_true",
            help="This is the original, moved: nothing was sent from anywhere else. What was due meanwhile is sent.",
        )

    def handle(self, *args: Any, original: bool, **options: Any) -> None:
        now = database_now()
        # What a backup has brought back of people who were erased is gone before anything can leave.
        erasures.catch_up(now=now)
        installation.resume(by="retarget_resume", now=now, is_original=original)
        standing = installation.standing()
        self.stdout.write("Messages are sent again.")
        if standing.lost_until == now:
            self.stdout.write(
                f"What was due until {now:%Y-%m-%d %H:%M} UTC may have been sent before the backup was restored: "
                "it is not sent again, and stands in the admin as unknown."
            )
