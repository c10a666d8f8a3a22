"""The main story of `./run demo` on PostgreSQL, with Valkey, two Celery workers and beat, as README starts them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import services

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_story_holds_with_two_workers_and_beat(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "examples.oscar_shop.settings",
        "RETARGET_DEMO_DATA": str(tmp_path),
        "RETARGET_DEMO_DATABASE_URL": services.start_postgres(),
        "RETARGET_DEMO_BROKER_URL": services.start_valkey(),
        "PYTHONPATH": str(ROOT),
    }

    told = subprocess.run(
        [sys.executable, "-m", "tests.journeys.with_celery"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )

    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-6000:]
    assert len(re.findall(r"^ ?\d+\. ", told.stdout, re.MULTILINE)) == 11, told.stdout
