"""The one stream that carries the lifecycle events of all executions."""

from django.db import migrations


def create_feed(apps, schema_editor):
    apps.get_model("events", "Stream").objects.get_or_create(name="executions")


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]
    operations = [migrations.RunPython(create_feed, migrations.RunPython.noop)]
