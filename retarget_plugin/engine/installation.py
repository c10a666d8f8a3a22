"""Whether this installation may send at all: the stop button, and a database that is a restored backup or a copy."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connections

from retarget_plugin import conf
from retarget_plugin.domain.vocabulary import Halt
from retarget_plugin.models import Installation, Message

logger = logging.getLogger("retarget_plugin.installation")

#: How often a sign of life is written, by all workers together.
PULSE = timedelta(minutes=1)

#: Installation -> the newest sign of life that this process has seen in its row.
_seen: dict[str, datetime] = {}


@dataclass(frozen=True)
class Standing:
    """What the final gate asks. `halted_because` is empty while messages may leave.

    `lost_from` and `lost_until` bound the time that a restored database knows nothing of, if there was one.
    """

    halted_because: str = ""
    lost_from: datetime | None = None
    lost_until: datetime | None = None

    def may_have_sent(self, due_at: datetime) -> bool:
        """True when a message due at `due_at` may have been sent before the database was restored.

        There is no lower bound: what was overdue in the backup went out next, and the backup cannot know.
        """
        return self.lost_until is not None and due_at <= self.lost_until


def standing() -> Standing:
    """One look at one row."""
    row = Installation.objects.filter(pk=1).values_list("halted_because", "lost_from", "lost_until").first()
    return Standing(*row) if row else Standing()


def is_halted() -> str:
    """Why nothing may be sent now (a `Halt`), or ""."""
    return standing().halted_because


def may_have_sent(due_at: datetime) -> bool:
    """See `Standing.may_have_sent`."""
    return standing().may_have_sent(due_at)


def beat(*, now: datetime) -> None:
    """Give a sign of life, and halt when this database is not the one it was: every worker does this before each round.

    The first beat of an installation takes the database as it finds it. A process compares the fingerprint once; that
    the row's own past comes back, it notices at any beat. Costs one query; a write once a minute.
    """
    row, is_new = Installation.objects.get_or_create(pk=1, defaults={"fingerprint": fingerprint, "heartbeat_at": now})
    cause = "" if is_new else _sign_of_another_life(row)
    if cause:
        _halt_restored(row, cause, now=now)
    elif is_new or row.heartbeat_at <= now - PULSE:
        _move_on(row, now=now)
    _seen[str(row.uuid)] = row.heartbeat_at


def stop(*, by: str, now: datetime) -> None:
    """Nothing leaves from now on; what is due waits. A stop that stands already keeps its reason."""
    beat(now=now)
    standing_still = {"halted_at": now, "halted_because": Halt.STOP_BUTTON, "halted_by": by[:150]}
    if Installation.objects.filter(pk=1, halted_at=None).update(**standing_still):
        logger.warning("all sending is stopped by %s", by)


def resume(*, by: str, now: datetime, is_original: bool = False) -> None:
    """Messages leave again.

    After a restore, what was due until now may have been sent by the life that the database does not remember.
    `is_original`: somebody knows that there was none, as after a move to another server.
    """
    beat(now=now)
    row = Installation.objects.get(pk=1)
    if row.halted_at is None:
        return
    row.halted_at, row.halted_because, row.halted_by = None, "", ""
    if row.lost_from is not None and row.lost_until is None:
        row.lost_from, row.lost_until = (None, None) if is_original else (row.lost_from, now)
    row.save(update_fields=["halted_at", "halted_because", "halted_by", "lost_from", "lost_until"])
    logger.warning("sending is resumed by %s", by)


def fingerprint() -> dict[str, str]:
    """What tells this database and this site from a restored or copied one. What cannot be found out is left out.

    On PostgreSQL the cluster, the database and our table have numbers that a restored dump does not have. An SQLite file
    has its number in the file system; not its device's, which may change when a machine starts.
    """
    connection = connections[Message.objects.db]
    found: dict[str, str] = {}
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()), to_regclass(%s)::oid,"
                " has_function_privilege('pg_control_system()', 'EXECUTE')",
                [Message._meta.db_table],
            )
            database, table, may_ask = cursor.fetchone()
            found |= {"database": str(database), "table": str(table)}
            if may_ask:
                cursor.execute("SELECT system_identifier FROM pg_control_system()")
                found["cluster"] = str(cursor.fetchone()[0])
    elif connection.vendor == "sqlite":
        # A database in memory has no file, and no second life.
        with contextlib.suppress(OSError):
            found["file"] = str(os.stat(connection.settings_dict["NAME"]).st_ino)
    if conf.settings.PUBLIC_URL:
        found["public_url"] = conf.settings.PUBLIC_URL
    return found


def _move_on(row: Installation, *, now: datetime) -> None:
    """Only over what was read: a worker that was frozen meanwhile turns nothing back."""
    if Installation.objects.filter(pk=1, heartbeat_at=row.heartbeat_at).update(heartbeat_at=now):
        row.heartbeat_at = now
        _write_file(row)


def _sign_of_another_life(row: Installation) -> str:
    """What says that `row` was written in another database or at another time than it seems; empty when nothing does."""
    seen = _seen.get(str(row.uuid))
    if seen is not None:
        return "its last sign of life is older than one this worker has seen" if row.heartbeat_at < seen else ""
    found = fingerprint()
    changed = [name for name in row.fingerprint.keys() & found.keys() if row.fingerprint[name] != found[name]]
    if changed:
        return f"its fingerprint differs in: {', '.join(sorted(changed))}"
    return "its last sign of life is older than the heartbeat file's" if row.heartbeat_at < _file_heartbeat(row) else ""


def _halt_restored(row: Installation, cause: str, *, now: datetime) -> None:
    """Halt, whatever else it was halted for. Of two restores in a row, the older past is what is left."""
    is_pending = row.lost_from is not None and row.lost_until is None
    lost_from = row.lost_from if is_pending else row.heartbeat_at
    written = Installation.objects.filter(pk=1, heartbeat_at=row.heartbeat_at).update(
        fingerprint=fingerprint(),
        heartbeat_at=now,
        halted_at=now,
        halted_because=Halt.RESTORED,
        halted_by=cause[:150],
        lost_from=lost_from,
        lost_until=None,
    )
    # Otherwise another worker was faster.
    if written:
        logger.error("all sending is stopped: this database is a restored backup or a copy, for %s", cause)
        row.heartbeat_at = now
        _write_file(row)


# -- the heartbeat file -----------------------------------------------------------------------------------------------


def _file_heartbeat(row: Installation) -> datetime:
    """The newest sign of life that the file remembers of this installation; the row's own where it knows of none."""
    path = conf.settings.HEARTBEAT_FILE
    if not path:
        return row.heartbeat_at
    try:
        told = json.loads(Path(path).read_text())
        is_ours = told["installation"] == str(row.uuid)
        return datetime.fromisoformat(told["heartbeat_at"]) if is_ours else row.heartbeat_at
    except FileNotFoundError:
        return row.heartbeat_at
    except (OSError, ValueError, KeyError, TypeError):
        logger.exception("the heartbeat file cannot be read, so it says nothing")
        return row.heartbeat_at


def _write_file(row: Installation) -> None:
    """Replace the file as a whole: half of one would say nothing."""
    path = conf.settings.HEARTBEAT_FILE
    if not path:
        return
    draft = Path(f"{path}.{os.getpid()}")
    try:
        draft.write_text(json.dumps({"installation": str(row.uuid), "heartbeat_at": row.heartbeat_at.isoformat()}))
        draft.replace(path)
    except OSError:
        logger.exception("the heartbeat file cannot be written; a restored backup may go unnoticed")
