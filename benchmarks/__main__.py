"""`python -m benchmarks [--quick] [--json FILE]`: measure every hot path and print one row each.

PostgreSQL is the suite's own, with fsync on, or the one RETARGET_TEST_DATABASE_URL names.
"""

import argparse
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

import benchmarks
from benchmarks import frame

COLUMNS = ("path", "ours", "other", "ratio", "goal", "met")


@contextmanager
def fresh_database() -> Iterator[None]:
    """Django on a migrated database that is dropped at the end."""
    from tests import services

    if not os.environ.get("RETARGET_TEST_DATABASE_URL"):
        os.environ["RETARGET_TEST_DATABASE_URL"] = services.start_postgres(durable=True)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def measure(pace: frame.Pace) -> Iterator[frame.Row]:
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name not in ("__main__", "frame"):
            importlib.import_module(f"benchmarks.{module.name}")
    for function in frame.registry:
        yield from function(pace)


def line(row: frame.Row) -> str:
    ours, other = f"{row.ours:.3f} {row.unit}", f"{row.other:.3f} {row.unit}"
    cells = (f"{row.path:<56}", f"{ours:>12}", f"{other:>12}", f"{row.ratio:>7.2f}", f"{row.goal:>7.2f}")
    return "  ".join((*cells, "yes" if row.met else "NO"))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: minutes become seconds, noise grows")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows to FILE too")
    options = parser.parse_args(arguments)

    print("{:<56}  {:>12}  {:>12}  {:>7}  {:>7}  {}".format(*COLUMNS))
    rows = []
    with fresh_database():
        for row in measure(frame.QUICK if options.quick else frame.FULL):
            print(line(row), flush=True)
            rows.append(row.as_json())
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
