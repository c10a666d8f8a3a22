"""`retarget_contact`: hand over or erase all that is kept about one person."""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retarget_plugin.engine import privacy
from retarget_plugin.management import people
from retarget_plugin.models.clock import database_now

logger = logging.getLogger("retarget_plugin.access")


class Command(BaseCommand):
    help = (
        "Hand over (as JSON) or erase all that is kept about one person: whoever it is must have proven who they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=["export", "erase"])
        parser.add_argument("who", help="A complete e-mail address, phone number or id of a contact (#17).")
        parser.add_argument("--shop", type=int, help="The shop's id, where there are several.")
        parser.add_argument("--by", default="retarget_contact", help="Who asked for it; kept with an erasure.")
        parser.add_argument("--yes", action="store_true", help="Erase without asking.")

    def handle(self, *args: Any, act: str, who: str, by: str, yes: bool, shop: int | None, **options: Any) -> None:
        contact, now = people.find(who, shop=shop), database_now()
        logger.info(
            "personal data: %s by command", act, extra={"rp_by": by, "rp_model": "contact", "rp_id": contact.pk}
        )
        if act == "export":
            self.stdout.write(privacy.written(contact, now=now).decode())
            return
        if not yes and input(f"Erase {contact} of {contact.shop} for good? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was erased.")
        erasure = privacy.erase(contact, by=by, now=now)
        rows = sum(erasure.removed.values())
        self.stdout.write(f"Erased: {rows} rows of contact #{contact.pk}. The erasure is on record as #{erasure.pk}.")
