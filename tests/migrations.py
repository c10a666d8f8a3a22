"""`python -m tests.migrations`: write the migrations anew from the models, as long as nobody has run a released one."""

import os
from pathlib import Path

import django
from django.core.management import call_command

FOLDER = Path(__file__).parent.parent / "retarget_plugin" / "migrations"
PARTITIONS = '''"""Events in monthly parts (PostgreSQL)."""

from django.db import migrations

from retarget_plugin.models import partitions


class Migration(migrations.Migration):

    dependencies = [
        ("retarget_plugin", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(partitions.convert, migrations.RunPython.noop),
    ]
'''


IMPORT = "from django.db import migrations, models\n"


def write() -> None:
    for old in FOLDER.glob("0*.py"):
        old.unlink()
    call_command("makemigrations", "retarget_plugin", name="initial", verbosity=1)
    initial = FOLDER / "0001_initial.py"
    written = initial.read_text()
    end = "    ]\n"
    assert written.endswith(end) and IMPORT in written
    initial.write_text(
        written.removesuffix(end).replace(IMPORT, f"{IMPORT}\nfrom retarget_plugin.models import removal\n")
        + "        migrations.RunPython(migrations.RunPython.noop, removal.take_tables),\n"
        + end
    )
    (FOLDER / "0002_partitions.py").write_text(PARTITIONS)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    write()
