"""`retarget_inventory`: what is stored, why, how long and who receives it (GDPR Art. 30); after a leak, whom it concerns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from retarget_plugin import conf
from retarget_plugin.domain.entries import PERIODS, days
from retarget_plugin.domain.inventory import TABLES
from retarget_plugin.engine import breaches, privacy
from retarget_plugin.models import Shop

#: How wide a list of columns may get.
WIDTH = 100


class Command(BaseCommand):
    help = "Print what is stored about people, why, for how long and who receives it; read from the code itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON document.")
        parser.add_argument("--since", help="After a leak: from when (2026-03-01T10:00+00:00). Lists whom it concerns.")
        parser.add_argument("--until", help="After a leak: until when; now, if left out.")

    def handle(self, *args: Any, json: bool, since: str | None, until: str | None, **options: Any) -> None:
        if since or until:
            start, end = _moment(since), _moment(until) if until else timezone.now()
            if start is None or end is None:
                raise CommandError("Write --since and --until as 2026-03-01T10:00+00:00.")
            self.tell_of_leak(start, end)
        elif json:
            self.stdout.write(_as_json())
        else:
            self.tell_of_tables()

    def tell_of_tables(self) -> None:
        for table in TABLES:
            self.stdout.write(f"{table.model}: {table.why}")
            self.stdout.write(f"    kept       {privacy.kept(table)}")
            self.stdout.write(f"    erased     {table.erased.value if table.whose else 'nobody is named in it'}")
            receivers = ", ".join(receiver.value for receiver in table.receivers) or "staff whom the owner allows"
            self.stdout.write(f"    received   {receivers}")
            for name, columns in (("personal", table.person), ("other", table.facts)):
                for line in _wrapped(columns.split()):
                    self.stdout.write(f"    {name:<11}{line}")
                    name = ""
        self.stdout.write("Days are counted from when")
        for kind, period in PERIODS.items():
            self.stdout.write(f"    {kind:<10} {days(kind, conf.settings.RETENTION):>4}  {period.since}")

    def tell_of_leak(self, since: datetime, until: datetime) -> None:
        for shop in Shop.objects.order_by("pk"):
            breach = breaches.affected(shop, since=since, until=until)
            self.stdout.write(f"{shop}: {len(breach.people)} people, and {breach.erased} who were erased since")
            for field, count in breach.fields:
                self.stdout.write(f"    {field:<32}{count:>8}")
            for key, fields in breach.people.items():
                self.stdout.write(f"    #{key}: {' '.join(fields)}")


def _as_json() -> str:
    entries = [
        {
            "table": table.model,
            "why": table.why,
            "kept": privacy.kept(table),
            "erased": table.erased.value,
            "received_by": [receiver.value for receiver in table.receivers],
            "personal": table.person.split(),
            "other": table.facts.split(),
        }
        for table in TABLES
    ]
    return json.dumps(entries, indent=2)


def _moment(text: str | None) -> datetime | None:
    try:
        found = parse_datetime(text or "")
    except ValueError:
        return None
    return found if found is None or timezone.is_aware(found) else timezone.make_aware(found)


def _wrapped(words: list[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + len(word) >= WIDTH:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    if line:
        yield line
