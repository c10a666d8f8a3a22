"""`./run demo --exit` from the outside: both stories, stage by stage, in an empty folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = {"The camera buyer": 13, "The abandoned checkout": 11}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("demo")]


def test_the_demo_tells_both_stories_and_ends(tmp_path):
    command = [sys.executable, "-m", "examples.oscar_shop", "--exit", "--port", "0", "--data", str(tmp_path)]

    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=380)

    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-6000:]
    counted = dict.fromkeys(STAGES, 0)
    for line in told.stdout.splitlines():
        if line in counted:
            story = line
        elif re.match(r" ?\d+\. ", line):
            counted[story] += 1
    assert counted == STAGES, told.stdout
    assert (tmp_path / "shop.sqlite3").exists()
