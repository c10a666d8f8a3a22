"""Since when a cart is held in payment, or could not be read."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("retarget_plugin", "0002_partitions"),
    ]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="held_since",
            field=models.DateTimeField(blank=True, null=True, verbose_name="held since"),
        ),
    ]
