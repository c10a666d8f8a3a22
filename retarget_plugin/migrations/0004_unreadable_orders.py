"""When an order that could not be read is tried again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("retarget_plugin", "0003_held_carts"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="read_again_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="read again"),
        ),
    ]
