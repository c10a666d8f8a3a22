"""Events in monthly parts (PostgreSQL)."""

from django.db import migrations

from retarget_plugin.models import partitions


class Migration(migrations.Migration):

    dependencies = [
        ("retarget_plugin", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(partitions.convert, migrations.RunPython.noop),
    ]
