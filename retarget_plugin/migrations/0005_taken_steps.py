"""Which steps a run has had."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("retarget_plugin", "0004_unreadable_orders"),
    ]

    operations = [
        migrations.AddField(
            model_name="flowrun",
            name="taken",
            field=models.JSONField(blank=True, default=list, verbose_name="steps taken"),
        ),
    ]
