"""The stream of the installation itself."""

from django.db import migrations


def create_system_stream(apps, schema_editor):
    apps.get_model("events", "Stream").objects.get_or_create(name="system")


class Migration(migrations.Migration):
    dependencies = [("events", "0004_stream_without_own_index")]
    operations = [migrations.RunPython(create_system_stream, migrations.RunPython.noop)]
