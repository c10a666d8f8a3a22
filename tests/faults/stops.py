"""What a worker of the fault tests does at a named stop: it kills itself, freezes, or waits to be let go.

RETARGET_FAULTS_STOPS holds {"stops": {name: "kill" | "freeze" | "wait"}, "chance": 0..1, "seed": any, "folder": path}.
Every deed is a line "name deed pid" in the folder's `deeds` before it is done.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any

VARIABLE = "RETARGET_FAULTS_STOPS"


def reached(name: str) -> None:
    """Armed by `RETARGET["FAILPOINTS"]`."""
    plan = _plan()
    deed = plan["stops"].get(name)
    if deed is None or plan["dice"].random() >= plan["chance"]:
        return
    folder = Path(plan["folder"])
    with (folder / "deeds").open("a") as deeds:
        deeds.write(f"{name} {deed} {os.getpid()}\n")
    match deed:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "wait":
            _wait(folder, name)
        case _:
            raise ValueError(f"{deed!r} is nothing a stop can do.")


def _wait(folder: Path, name: str) -> None:
    while not (folder / f"{name}.open").exists():
        time.sleep(0.005)


@cache
def _plan() -> dict[str, Any]:
    plan = json.loads(os.environ.get(VARIABLE) or '{"stops": {}, "chance": 0, "seed": 0, "folder": "."}')
    return {**plan, "dice": random.Random(str(plan["seed"]))}
