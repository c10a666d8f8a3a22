"""`retarget_tick`: do what is due. With --loop it is the whole runner, without Celery and without a broker."""

from __future__ import annotations

import faulthandler
import signal
from collections import Counter
from json import dumps
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.autoreload import get_child_arguments

from retarget_plugin import conf
from retarget_plugin.engine import installation, reconcile, runner, tick
from retarget_plugin.management.crew import Crew
from retarget_plugin.models.clock import database_now

IDLE_ROUNDS = 1000


class Command(BaseCommand):
    help = "Send what is due: read orders, sweep carts, move flows on, hand messages to their providers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--loop", type=float, metavar="SECONDS", help="Go on for ever, with this pause between rounds."
        )
        parser.add_argument(
            "--workers",
            type=int,
            metavar="N",
            help="With --loop: so many processes, each started again when it ends before its time.",
        )
        parser.add_argument("--until-idle", action="store_true", help="Go on until a round finds nothing to do.")
        parser.add_argument("--json", action="store_true", help="Print what was done as one JSON object.")

    def handle(
        self, *args: Any, loop: float | None, workers: int | None, until_idle: bool, json: bool, **options: Any
    ) -> None:
        if loop is not None and loop <= 0:
            raise CommandError("--loop needs a number of seconds above 0.")
        if workers is not None:
            if workers < 1 or loop is None:
                raise CommandError("--workers needs a number above 0, and --loop.")
            return Crew(_without(get_child_arguments(), "--workers"), size=workers, say=self.stderr.write).run()
        total: Counter[str] = Counter()
        if loop is None:
            for _round in range(IDLE_ROUNDS if until_idle else 1):
                done = self.round(with_reconcile=_round == 0)
                total += done
                if not done or done["failed"]:
                    break
            self.report(total, as_json=json)
            if total["failed"]:
                raise CommandError("Part of the work failed; the log says what. It is tried again at the next tick.")
            return
        self.run_for_ever(loop, as_json=json)

    def round(self, *, with_reconcile: bool) -> Counter[str]:
        now = database_now()
        installation.beat(now=now)
        found = reconcile.run(now=now) if with_reconcile else Counter()
        return tick.once(now=now) + Counter({f"reconciled.{name}": count for name, count in found.items()})

    def run_for_ever(self, pause: float, *, as_json: bool) -> None:
        """Until SIGTERM or SIGINT: what is being handed over is finished first."""
        worker = runner.Runner(clock=database_now, pause=pause, report=lambda done: self.report(done, as_json=as_json))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: worker.stop())
        longest = 2.0 * conf.settings.LEASE_SECONDS

        def heartbeat() -> None:
            # A message that hangs in the shop's or a template's code would hold its thread for ever. The process ends;
            # whoever keeps it (--workers, systemd) starts it again, and a message that does so again is set aside.
            if worker.is_alive(within=longest):
                faulthandler.dump_traceback_later(longest, exit=True)

        worker.run(heartbeat=heartbeat)
        faulthandler.cancel_dump_traceback_later()

    def report(self, done: Counter[str], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(dumps(dict(sorted(done.items()))))
        else:
            said = ", ".join(f"{name} {count}" for name, count in sorted(done.items()))
            self.stdout.write(said or "Nothing was due.")


def _without(command: list[str], option: str) -> list[str]:
    """`command` less `option` and its value, in either spelling."""
    return [
        word
        for before, word in zip(["", *command], command, strict=False)
        if option not in (word, before) and not word.startswith(f"{option}=")
    ]
