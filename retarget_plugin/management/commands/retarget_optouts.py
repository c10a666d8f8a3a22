"""`retarget_optouts`: take over the list of numbers that said STOP to an SMS provider before, or without, telling us."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retarget_plugin.domain import optouts as lists
from retarget_plugin.engine import optouts
from retarget_plugin.exceptions import InputError, Refusal
from retarget_plugin.models.clock import database_now

#: So many refused lines are named.
NAMED = 20


class Command(BaseCommand):
    help = (
        "Never text the numbers of a provider's opt-out list again (CSV, or one number a line). Lines without a mobile "
        "number are named by their place and left out; the others count. Twice is as good as once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="The list; - reads it from the standard input.")
        parser.add_argument("--gateway", required=True, help='The alias in RETARGET["SMS"] that it comes from.')
        parser.add_argument("--column", default="", help="The heading of the numbers, where it is an unusual one.")
        parser.add_argument("--country", default="", help="Of numbers without a calling code, such as FR.")
        parser.add_argument("--json", action="store_true", help="Print the result as one JSON object.")

    def handle(
        self, *args: Any, file: str, gateway: str, column: str, country: str, json: bool, **options: Any
    ) -> None:
        try:
            found = lists.read(_text(file), column=column, country=country.upper())
            done = optouts.take_over(found.numbers, gateway=gateway, now=database_now())
        except (InputError, Refusal) as error:
            raise CommandError(str(error)) from error
        if json:
            self.stdout.write(json_format.dumps({**done, "refused": list(found.refused)}))
        else:
            self.report(found, new=done["new"], known=done["known"])
        if found.refused and not found.numbers:
            raise CommandError("There is no number in this list.")

    def report(self, found: lists.OptOuts, *, new: int, known: int) -> None:
        self.stdout.write(
            f"Numbers in the list: {len(found.numbers)}. Not texted from now on: {new}; known before: {known}."
        )
        for line in found.refused[:NAMED]:
            self.stderr.write(f"Line {line} holds no mobile number.")
        if len(found.refused) > NAMED:
            self.stderr.write(f"And so do {len(found.refused) - NAMED} more.")


def _text(file: str) -> str:
    """Raises CommandError. What is no UTF-8 can only be in a line that holds no number."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
    return data.decode("utf-8", "replace")
