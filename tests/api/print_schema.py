"""Writes the committed schemas again: `python -m tests.api.print_schema`."""

import os
from pathlib import Path

import django

ROOM = Path(__file__).parent.parent.parent / "retarget_plugin" / "api"


def printed():
    """File -> what it must say. Imported late: the schemas need Django to be set up."""
    from retarget_plugin.api.schema import schema, staff_schema

    return {ROOM / "schema.graphql": f"{schema}\n", ROOM / "staff.graphql": f"{staff_schema}\n"}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    for path, text in printed().items():
        path.write_text(text)
        print(path.name)
