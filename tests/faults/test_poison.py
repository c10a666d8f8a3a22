"""Messages that end whoever prepares them: each takes few workers with it, and nobody else's message."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest

from tests.percentiles import percentile
from tests.promises import is_long, length

pytestmark = [pytest.mark.promise, pytest.mark.timeout(900)]

MAILS = length(16, 1000)
CREW = length(2, 4)
POISON = {f"person{number}@example.com": deed for number, deed in enumerate(("raise", "hang", "eat", "segfault"))}


def make(make_rig, tmp_path, poison):
    options = {"poison": poison, "folder": str(tmp_path)}
    # What hangs is ended by its worker's own watchdog, after two leases.
    rig = make_rig(LEASE_SECONDS=5, HOSTS={"default": {"BACKEND": "tests.faults.poisoned.Shop", "OPTIONS": options}})
    rig.prepare(emails=MAILS, is_queued=True)
    return rig


def drain(rig):
    """All to their end, with a new worker for each that ended; seconds from start to each send."""
    workers = rig.start(CREW)
    began = rig.rows("SELECT clock_timestamp()")[0][0]
    until = time.monotonic() + length(200, 600)
    while rig.states().keys() & {"scheduled", "claimed", "attempting"}:
        assert time.monotonic() < until, f"{rig.states()}\n{rig.output()[-3000:]}"
        rig.replace(workers)
        time.sleep(0.2)
    for worker in workers:
        worker.terminate()
    rows = rig.rows("SELECT sent_at FROM retarget_plugin_message WHERE state = 'accepted'")
    return [(row[0] - began).total_seconds() for row in rows]


def deeds(folder):
    path = folder / "poison"
    return [(deed, int(pid)) for deed, pid in map(str.split, path.read_text().splitlines())] if path.exists() else []


def test_poison_is_set_aside_and_the_others_go_out(make_rig, tmp_path, promise):
    folder = tmp_path / "poisoned"
    folder.mkdir()
    rig = make(make_rig, folder, POISON)

    p95 = percentile(drain(rig), 0.95)
    ratio = p95 / percentile(drain(make(make_rig, tmp_path, {})), 0.95) if is_long() else None
    verdict, lives = rig.check(), Counter(deed for deed, _pid in deeds(folder))
    states = dict(rig.rows(STATES))
    page = rig.run("tests.faults.owner")
    (folder / "healed").touch()
    rig.run("tests.faults.owner", "release")
    drain(rig)
    healed = rig.check()

    shown = re.search(r"(\d+) messages met an unexpected error|(\d+) messages? .{0,40}set aside", page)
    costly = max(times for deed, times in lives.items() if deed != "raise")
    promise(
        "S6",
        run=f"{MAILS} mails, {CREW} workers; one each that raises, hangs, eats 4 GB, breaks the interpreter",
        figure=f"set aside {sum(state == 'quarantined' for state in states.values())} of {len(POISON)} after at most "
        f"{costly} workers; others sent {verdict.states['accepted']}, doubled {len(verdict.doubled)}, "
        f"p95 {f'{ratio:.1f} x' if ratio else 'not measured'}; released: {healed.states['accepted']}",
        bar=f"{len(POISON)} after 3; {MAILS - len(POISON)}, 0, 1.2 x; {MAILS}",
        holds={to for to, state in states.items() if state == "quarantined"} == set(POISON)
        and costly <= 3
        and verdict.states["accepted"] == MAILS - len(POISON)
        and not verdict.doubled
        and (ratio is None or ratio <= 1.2)
        and shown is not None
        and healed.states["accepted"] == MAILS
        and not healed.doubled,
    )


STATES = """
    SELECT c.email, m.state FROM retarget_plugin_message m JOIN retarget_plugin_contact c ON c.id = m.contact_id
"""
