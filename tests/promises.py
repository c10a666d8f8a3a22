"""The promises this app makes, and the table of what was measured of each: `./run test-long` prints it.

A test that proves one carries `@pytest.mark.promise` and takes the fixture `promise`:

    promise("D1", run="10,000 sends, 8 workers, 312 kills", figure="lost 0", bar="lost 0", holds=lost == 0)

which writes the row and fails the test where the bar is not reached. One promise may have several rows.

A full run takes hours. With `--keep FILE` what has been shown is kept, and the next run of the very same code goes on
with the rest; where a line of the code has changed since, it begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

Length = TypeVar("Length")

PROMISES = {
    "D1": "killing workers loses nothing",
    "D2": "doubles are bounded",
    "D3": "kill at any line",
    "D4": "broker gone",
    "D5": "broker wiped",
    "D6": "broker messages repeated and shuffled",
    "D7": "database crash",
    "D8": "graceful deploy",
    "D9": "gateway trouble is sorted right",
    "D10": "the key is never outlived",
    "D11": "zombie workers",
    "D12": "eight workers, no clash",
    "D13": "two schedulers by mistake",
    "D14": "back-off is kind",
    "D15": "the rate limit is global",
    "D16": "one bad gateway does not stop others",
    "D17": "a fallback gateway never doubles",
    "D18": "duplicate reports",
    "D19": "a poisoned report in a batch",
    "D20": "reports in any order",
    "D21": "an outage of the shop's events",
    "D22": "disk full, read-only database, no connection left",
    "D23": "unknowns get settled",
    "D24": "the same on SQLite",
    "G1": "order placed between claim and send",
    "G2": "unsubscribed meanwhile",
    "G3": "bounce, complaint, STOP meanwhile",
    "G4": "erased or merged meanwhile",
    "G5": "cart emptied, gone or another's meanwhile",
    "G6": "quiet hours or cap reached meanwhile",
    "G7": "flow, step, channel or shop stopped meanwhile",
    "G8": "consent not confirmed or withdrawn meanwhile",
    "G9": "the window that remains",
    "G10": "every skip has a reason",
    "C1": "the plugin cannot break the shop",
    "C2": "nothing captured is lost",
    "C3": "capture is cheap",
    "C4": "no broker in the request path",
    "C5": "event floods",
    "C6": "one fact from many sources",
    "C7": "an order beats an abandonment",
    "C8": "guest, log-in, other device",
    "C9": "reconcile restores lost events",
    "C10": "uninstall",
    "T1": "delays are real time",
    "T2": "local hours in a gap or a repeated hour",
    "T3": "a worker's clock is wrong",
    "T4": "quiet hours in the reader's zone",
    "T5": "unknown zone",
    "T6": "six hours down, then back",
    "T7": "two steps due at once",
    "T8": "zone rules change",
    "S1": "a backlog of a million",
    "S2": "hot queries at scale",
    "S3": "segments recomputed while sending",
    "S4": "an ineligible desert",
    "S5": "fairness between shops",
    "S6": "poison",
    "S7": "a template error in one step",
    "S8": "render bounds",
    "S9": "missing data is never mailed",
    "O1": "migrations on live data",
    "O2": "old and new workers together",
    "O3": "editing a live flow",
    "O4": "what an operator sees",
    "O5": "stop button",
    "O6": "restored backup or cloned staging",
    "O7": "key rotation",
    "O8": "development never sends",
    "X1": "no crash from input",
    "X2": "no forged token opens anything",
    "X3": "tokens die when they should",
    "X4": "a recovery link carries one cart and nothing else",
    "X5": "who is who",
    "X6": "GET is safe",
    "X9": "a webhook takes nobody else's word",
    "X10": "a forged report changes nothing",
    "X11": "a provider is asked to come again",
    "X12": "no stranger's address is called",
    "X13": "no header and no recipient is smuggled in",
    "X16": "nobody learns who is known",
    "X17": "no form is a cannon",
    "X18": "no foreign page changes anything",
    "X19": "size and depth",
    "X20": "rate limits hold",
    "X21": "no personal data in logs",
    "P1": "erasing leaves nothing",
    "P2": "nobody brings back who was erased",
    "P3": "the mark that stays names nobody",
    "P4": "erasing is prompt",
    "P5": "processors are told",
    "P6": "erasing survives a restored backup",
    "P7": "a complete export of nobody else",
    "P8": "data only for who proves the address",
    "P9": "an export is short-lived",
    "P10": "what is old goes",
    "P11": "every send names what allowed it",
    "P12": "leaving is as easy as joining",
    "P13": "no consent, no trace",
    "P14": "nobody is measured who did not agree",
    "P15": "typing tells nobody",
    "P16": "who objects is in no profile",
    "P17": "nothing typed in a page is kept",
    "P18": "countries and ages that are left alone",
    "P20": "who looked at whom is on record",
    "P21": "no personal data in addresses",
    "P22": "whom a leak concerns",
    "P23": "what is stored, from the code",
    "P24": "a STOP is a stop",
}


def is_long() -> bool:
    return bool(os.environ.get("RETARGET_TEST_LONG"))


def length(short: Length, full: Length) -> Length:
    """How much of a thing to run: `short` in `./run test`, `full` in `./run test-long`."""
    return full if is_long() else short


@dataclass(frozen=True)
class Row:
    promise: str
    run: str
    figure: str
    bar: str
    holds: bool


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Write one row of the table; the test fails where the bar is not reached."""

    def write(name: str, *, run: str, figure: str, bar: str, holds: bool) -> None:
        assert name in PROMISES, f"no promise is called {name}"
        assert run and figure and bar, f"{name}: a row says what was run, what came of it and what was asked"
        row = Row(name, run, figure, bar, bool(holds))
        request.node.user_properties.append(("promise", asdict(row)))
        assert holds, f"{name}: {figure}; the bar is {bar} ({run})"

    return write


class Table:
    """Collects the rows, also from other processes and earlier runs, and prints them at the end of a full run."""

    def __init__(self, kept_in: Path | None, *, is_worker: bool) -> None:
        self.rows: list[Row] = []
        self._kept_in, self._shown = None if is_worker else kept_in, set[str]()
        if kept_in is None:
            return
        first = {"code": code(), "long": is_long()}
        lines = [json.loads(line) for line in kept_in.read_text().splitlines()] if kept_in.exists() else []
        if lines[:1] != [first]:
            kept_in.write_text(json.dumps(first) + "\n")
        else:
            self._shown = {line["test"] for line in lines[1:]}
            self.rows = [Row(**row) for line in lines[1:] for row in line["rows"]]

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if is_long():
            for item in items:
                # Before the test's own, which is meant for the short form.
                item.add_marker(pytest.mark.timeout(0), append=False)
        shown = [item for item in items if _name(item.nodeid) in self._shown]
        items[:] = [item for item in items if item not in shown]
        if shown:
            config.hook.pytest_deselected(items=shown)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        rows = [value for name, value in report.user_properties if name == "promise"]
        if report.when != "call" or not rows:
            return
        self.rows += [Row(**row) for row in rows]
        if report.passed and self._kept_in is not None:
            with self._kept_in.open("a") as file:
                file.write(json.dumps({"test": _name(report.nodeid), "rows": rows}) + "\n")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not is_long():
            return
        order = list(PROMISES)
        cells = [("", "promise", "run", "figure", "bar", "")]
        for row in sorted(self.rows, key=lambda row: order.index(row.promise)):
            cells.append(
                (row.promise, PROMISES[row.promise], row.run, row.figure, row.bar, "" if row.holds else "BELOW")
            )
        cells += [(name, PROMISES[name], "not in this run", "", "", "") for name in self.missing]
        widths = [max(len(line[column]) for line in cells) for column in range(5)]
        terminalreporter.section("promises")
        for line in cells:
            row = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False))
            terminalreporter.write_line(f"{row}  {line[5]}".rstrip())

    @property
    def missing(self) -> list[str]:
        seen = {row.promise for row in self.rows}
        return [name for name in PROMISES if name not in seen]


def _name(nodeid: str) -> str:
    """Where several workers share the tests, a test's group stands behind its name."""
    return nodeid.removesuffix("@processes")


def code() -> str:
    """A hash of every line that a run depends on."""
    root = Path(__file__).resolve().parents[1]
    files = [file for folder in ("retarget_plugin", "tests", "examples") for file in sorted((root / folder).rglob("*"))]
    read = hashlib.sha256()
    for file in [*files, root / "constraints.txt", root / "pyproject.toml"]:
        if file.is_file() and "__pycache__" not in file.parts:
            read.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return read.hexdigest()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep", type=Path, help="a file that keeps what a full run has shown, for the next to go on with"
    )


def pytest_configure(config: pytest.Config) -> None:
    table = Table(config.getoption("--keep"), is_worker=hasattr(config, "workerinput"))
    config.pluginmanager.register(table, "promises-table")
