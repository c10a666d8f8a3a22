"""`retarget_doctor`: are the messages' records consistent? Says what is wrong, with which, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from retarget_plugin.engine import doctor
from retarget_plugin.models.clock import database_now


class Command(BaseCommand):
    help = "Examine the messages' records against the ten invariants of delivery. Exit status 1 when one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="Messages made in so many days are examined (30).")
        parser.add_argument("--json", action="store_true", help="Print the findings as one JSON list.")

    def handle(self, *args: Any, days: int, json: bool, **options: Any) -> None:
        findings = doctor.examine(now=database_now(), days=days)
        if json:
            self.stdout.write(dumps([asdict(finding) for finding in findings]))
        else:
            self.report(findings, days=days)
        if findings:
            raise SystemExit(1)

    def report(self, findings: list[doctor.Finding], *, days: int) -> None:
        if not findings:
            self.stdout.write(f"All is well: {len(doctor.RULES)} rules, messages of the last {days} days.")
        for finding in findings:
            shown = ", ".join(f"#{pk}" for pk in finding.messages)
            more = ", ..." if finding.count > len(finding.messages) else ""
            unit = "message" if finding.count == 1 else "messages"
            self.stdout.write(f"{finding.invariant:<4}{finding.count:>7} {unit}: each {finding.text}.")
            self.stdout.write(f"{'':13}{shown}{more}")
            self.stdout.write(f"{'':13}{finding.advice}")
