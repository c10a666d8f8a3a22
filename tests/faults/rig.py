"""The rig: real workers on a real database, far ends with journals on the disk, and a ledger of what should be sent.

    with Rig(folder, database="postgres") as rig:
        rig.prepare(emails=100, texts=100)
        workers = rig.start(8, stops={"after_claim": "kill"}, chance=0.02)
        rig.settle(60, workers)
        assert rig.check().lost == []

Whatever it starts dies with it, and with the process that started it.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self

from tests import awake, services
from tests.fakes.plain_gateway import PlainGatewayServer
from tests.fakes.smtp import SmtpServer

from . import databases
from .nursery import Nursery, Worker
from .stops import VARIABLE

Kind = Literal["postgres", "sqlite", "sqlite-default"]

FINAL = {"accepted", "rejected", "cancelled", "expired", "unknown", "parked", "quarantined"}
LOOP = ("retarget_tick", "--loop", "0.2", "--json")


@dataclass(frozen=True)
class Verdict:
    """Ledger, plugin tables and gateway journals laid side by side; each list holds recipients.

    - `lost`: should have been sent, reached no gateway, and is not shown to staff as unknown.
    - `doubled`: reached a gateway more than once.
    - `unknown`: shown to staff as unknown, whether it arrived or not.
    - `strangers`: in the journals or the tables and not in the ledger, or with two messages in the tables.
    - `unrecorded`: reached a gateway, while the tables say that it did not.
    """

    lost: list[str]
    doubled: list[str]
    unknown: list[str]
    strangers: list[str]
    unrecorded: list[str]
    states: Counter[str]


class Rig:
    """`durable` (as in a full run) lets PostgreSQL wait for the disk; `keeps_keys` is the SMS gateway's memory.

    `folder` takes journals and logs. `retarget_settings` go into RETARGET; an entry of SMS needs only what differs from
    the plain gateway: `SMS={"default": {"RETRY_UNKNOWN": True}}`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: Kind = "postgres",
        durable: bool | None = None,
        keeps_keys: bool = False,
        **retarget_settings: Any,
    ) -> None:
        self.folder, self.database = folder, database
        #: Recipient -> channel: what should be sent, decided here and by nobody else.
        self.ledger: dict[str, str] = {}
        self.workers: list[Worker] = []
        self.seed = int(os.environ.get("RETARGET_TEST_SEED") or random.randrange(2**32))
        self.smtp = SmtpServer(journal=folder / "email.journal")
        self.gateway = PlainGatewayServer(keeps_keys=keeps_keys, journal=folder / "sms.journal")
        self._durable, self._keeps_keys, self._settings = durable, keeps_keys, retarget_settings
        self._numbers = count(1)
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        print(f"seed {self.seed}")
        with ExitStack() as stack:
            stack.enter_context(self.smtp)
            stack.enter_context(self.gateway)
            self.server_url = ""
            if self.database == "postgres":
                self.server_url, self.database_url = databases.fresh_postgres(self._migrate, durable=self._durable)
                stack.callback(databases.drop_postgres, self.server_url, self.database_url)
            else:
                self.database_url = databases.fresh_sqlite(self._migrate, self.folder)
            self.environment = self._environment_for(self.database_url)
            self._nursery = stack.enter_context(Nursery(self.environment, self.folder))
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    # -- doing --------------------------------------------------------------------------------------------------------

    def prepare(self, *, emails: int = 0, texts: int = 0, is_queued: bool = False) -> None:
        """People who left a cart, each due exactly one message at once. `is_queued`: swept already, messages waiting."""
        first = len(self.ledger)
        people = {f"person{number}@example.com": "email" for number in range(first, first + emails)}
        now = datetime.now(UTC)
        people |= {awake.number_of(number, now=now): "sms" for number in range(first + emails, first + emails + texts)}
        self.ledger |= people
        path = self.folder / f"ledger{first}.json"
        path.write_text(json.dumps(people))
        self.run("tests.faults.people", str(path), *["--queued"] * is_queued)

    def start(
        self,
        number: int = 1,
        *,
        stops: Mapping[str, str] | None = None,
        chance: float = 1.0,
        seed: int | None = None,
        command: Iterable[str] = LOOP,
    ) -> list[Worker]:
        """`number` processes of `manage.py COMMAND`, each with dice of its own for its `stops`; see tests.faults.stops."""
        return [self._start(stops or {}, chance, self.seed if seed is None else seed, command) for _ in range(number)]

    def spawn(self, module: str, *arguments: str, **environment: str) -> Worker:
        """`python -m MODULE ARGUMENTS` beside this process."""
        output = self.folder / f"{next(self._numbers):04}.log"
        worker = self._nursery.start(module, *arguments, output=output, **environment)
        self.workers.append(worker)
        return worker

    def run(self, module: str, *arguments: str, seconds: float = 300) -> str:
        """`python -m MODULE ARGUMENTS` to its end; what it wrote. Raises AssertionError where it fails."""
        worker = self.spawn(module, *arguments)
        code, written = worker.wait(seconds), worker.output.read_text()
        assert code == 0, f"{module} {' '.join(arguments)}: {code}\n{written[-4000:]}"
        return written

    def replace(self, workers: list[Worker]) -> int:
        """Put a new worker in the place of each that has ended, under the same stops; answers how many."""
        ended = [place for place, worker in enumerate(workers) if worker.returncode is not None]
        for place in ended:
            workers[place] = self._start(**workers[place].made_with)
        return len(ended)

    def open(self, stop: str) -> None:
        """Let everyone go who waits at `stop`, and everyone who will come there."""
        (self.folder / f"{stop}.open").touch()

    def crash_database(self) -> None:
        """PostgreSQL ends at once; `restart_database` brings it back with its data."""
        services.crash(self.server_url)

    def restart_database(self) -> None:
        services.restart(self.server_url)

    def settle(self, seconds: float, workers: list[Worker] | None = None) -> float:
        """Until every message of the ledger is in a final state; the seconds it took. Ended `workers` are replaced."""
        began = time.monotonic()
        while not self.is_settled():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"not settled after {seconds} s: {self.states()}\n{self.output()[-4000:]}")
            time.sleep(0.1)
            if workers:
                self.replace(workers)
        return time.monotonic() - began

    def release(self, seconds: float, workers: list[Worker]) -> int:
        """The owner releases the messages that were set aside because workers ended with them; how many there were."""
        number = self.states()["quarantined"]
        if number:
            self.run("tests.faults.owner", "release")
            self.settle(seconds, workers)
        return number

    # -- looking ------------------------------------------------------------------------------------------------------

    @property
    def deeds(self) -> Counter[tuple[str, str]]:
        """(stop, deed) -> how often a worker did it."""
        path = self.folder / "deeds"
        lines = path.read_text().splitlines() if path.exists() else []
        return Counter((name, deed) for name, deed, _pid in map(str.split, lines))

    def journal(self, channel: str) -> list[dict[str, Any]]:
        """Lines of a gateway's journal: at (first byte), to, key, hash, answer, is_taken."""
        path = self.folder / f"{channel}.journal"
        written = path.read_text() if path.exists() else ""
        # Of a line that is being written only a part may be seen.
        return [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(databases.connect(self.database_url)) as connection:
            return [tuple(row) for row in connection.execute(query).fetchall()]

    def states(self) -> Counter[str]:
        return Counter(dict(self.rows("SELECT state, count(*) FROM retarget_plugin_message GROUP BY state")))

    def is_settled(self) -> bool:
        states = self.states()
        return states.total() >= len(self.ledger) and set(states) <= FINAL

    def output(self) -> str:
        """What all processes wrote, newest last. Without tracebacks in it, nothing surfaced."""
        return "".join(worker.output.read_text() for worker in self.workers)

    def check(self) -> Verdict:
        """Lay the three books side by side."""
        taken = Counter(
            line["to"] for channel in ("email", "sms") for line in self.journal(channel) if line["is_taken"]
        )
        rows = self.rows(
            "SELECT CASE WHEN m.channel = 'sms' THEN c.phone ELSE c.email END, m.state FROM retarget_plugin_message m "
            "JOIN retarget_plugin_contact c ON c.id = m.contact_id"
        )
        recorded = Counter(recipient for recipient, _state in rows)
        states = dict(rows)
        known = set(self.ledger)
        return Verdict(
            lost=sorted(to for to in known if not taken[to] and states.get(to) != "unknown"),
            doubled=sorted(to for to, times in taken.items() if times > 1),
            unknown=sorted(to for to, state in rows if state == "unknown"),
            strangers=sorted({*taken, *recorded} - known | {to for to, times in recorded.items() if times > 1}),
            unrecorded=sorted(to for to in taken if states.get(to) not in ("accepted", "unknown")),
            states=Counter(state for _recipient, state in rows),
        )

    # -- inside -------------------------------------------------------------------------------------------------------

    def _start(self, stops: Mapping[str, str], chance: float, seed: int, command: Iterable[str]) -> Worker:
        plan = {"stops": stops, "chance": chance, "seed": f"{seed}/{len(self.workers)}", "folder": str(self.folder)}
        worker = self.spawn("django", *command, **{VARIABLE: json.dumps(plan)})
        worker.made_with = {"stops": stops, "chance": chance, "seed": seed, "command": command}
        return worker

    def _migrate(self, url: str) -> None:
        with Nursery(self._environment_for(url), self.folder) as nursery:
            output = self.folder / "migrate.log"
            for command in (("django", "migrate", "--run-syncdb", "-v0"), ("tests.faults.people",)):
                assert nursery.start(*command, output=output).wait(120) == 0, output.read_text()[-3000:]

    def _environment_for(self, url: str) -> dict[str, str]:
        told = {
            "database_url": url,
            "is_default_sqlite": self.database == "sqlite-default",
            "smtp_port": self.smtp.port,
            "gateway_url": self.gateway.url,
            "keeps_keys": self._keeps_keys,
            "folder": str(self.folder),
            "retarget": self._settings,
        }
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "RETARGET_FAULTS": json.dumps(told),
        }
