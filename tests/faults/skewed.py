"""A worker whose machine has the wrong time: `python -m tests.faults.skewed SECONDS|jumps SEED COMMAND...`.

`jumps`: an hour ahead, an hour behind or right, and another one of them every now and then.
"""

from __future__ import annotations

import random
import sys
import threading
import time

import time_machine
from django.core.management import execute_from_command_line

HOUR = 3600.0
JUMP_SECONDS = 0.3


def main(clock: str, seed: str, *command: str) -> None:
    skew = 0.0 if clock == "jumps" else float(clock)
    with time_machine.travel(time.time() + skew) as traveller:
        if clock == "jumps":
            threading.Thread(target=_jump, args=(traveller, random.Random(seed)), daemon=True).start()
        execute_from_command_line(["manage.py", *command])


def _jump(traveller: time_machine.Traveller, chance: random.Random) -> None:
    real = time_machine.escape_hatch.time
    pause = threading.Event()
    while not pause.wait(JUMP_SECONDS):
        traveller.move_to(real.time() + chance.choice((-HOUR, 0.0, HOUR)))


if __name__ == "__main__":
    main(*sys.argv[1:])
