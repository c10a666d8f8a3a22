"""The erasure journal: a file beside the heartbeat file that remembers who was erased when the database has forgotten it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from retarget_plugin import conf

logger = logging.getLogger("retarget_plugin.journal")


@dataclass(frozen=True)
class Entry:
    """One erasure without anybody's name: `contacts` maps primary keys to when they were made, `marks` are keyed hashes."""

    uuid: str
    shop: int
    contacts: Mapping[str, str]
    marks: Mapping[str, list[str]]
    by: str
    at: str


def path() -> Path | None:
    """Where the journal lies, or None where no HEARTBEAT_FILE is set and there is none."""
    name = conf.settings.HEARTBEAT_FILE
    return Path(f"{name}.erasures") if name else None


def size() -> int:
    """Bytes written so far: it grows with every entry, also with another process's."""
    file = path()
    try:
        return file.stat().st_size if file else 0
    except OSError:
        return 0


def append(entries: Iterable[Entry]) -> None:
    """Write entries behind the others, each in one line and one write, so that two processes do not mix theirs.

    Every write begins a new line, so that one that a crash has cut short takes no other with it.
    """
    file = path()
    if file is None:
        return
    try:
        with file.open("ab", buffering=0) as stream:
            for entry in entries:
                stream.write(f"\n{json.dumps(asdict(entry), sort_keys=True)}\n".encode())
    except OSError:
        logger.exception("the erasure journal cannot be written; a restored backup may bring back who was erased")


def read() -> list[Entry]:
    """All entries, oldest first. A line that a crash has cut short is passed over: what it was about is in the database."""
    file = path()
    try:
        lines = file.read_bytes().splitlines() if file else []
    except FileNotFoundError:
        return []
    except OSError:
        logger.exception("the erasure journal cannot be read, so it says nothing")
        return []
    return [entry for line in lines if (entry := _parse(line))]


def _parse(line: bytes) -> Entry | None:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
